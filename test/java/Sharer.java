import java.io.DataInputStream;
import java.io.OutputStream;
import java.net.InetAddress;
import java.security.cert.X509Certificate;
import java.util.Arrays;
import java.util.Random;
import javax.net.ssl.SSLContext;
import javax.net.ssl.SSLSocket;
import javax.net.ssl.TrustManager;
import javax.net.ssl.X509TrustManager;

/**
 * Connects as OpenMeetings' screen sharer does: no SNI, any server certificate
 * will do, none of its own. Then the RTMP handshake: C0 C1, S0 S1 S2, C2.
 */
public class Sharer {
    private static final int HANDSHAKE_BYTES = 1536;

    private static final TrustManager ANYONE = new X509TrustManager() {
        public void checkClientTrusted(X509Certificate[] chain, String type) { }
        public void checkServerTrusted(X509Certificate[] chain, String type) { }
        public X509Certificate[] getAcceptedIssuers() { return new X509Certificate[0]; }
    };

    public static void main(String[] arguments) throws Exception {
        SSLContext context = SSLContext.getInstance("TLS");
        context.init(null, new TrustManager[] { ANYONE }, null);

        InetAddress proxy = InetAddress.getByAddress(new byte[] { 127, 0, 0, 1 }); // no name, so no SNI
        int port = Integer.parseInt(arguments[0]);
        try (SSLSocket socket = (SSLSocket) context.getSocketFactory().createSocket(proxy, port)) {
            OutputStream out = socket.getOutputStream();
            DataInputStream in = new DataInputStream(socket.getInputStream());
            byte[] c1 = new byte[HANDSHAKE_BYTES];
            byte[] s1 = new byte[HANDSHAKE_BYTES];
            byte[] s2 = new byte[HANDSHAKE_BYTES];

            new Random(1).nextBytes(c1);
            Arrays.fill(c1, 0, 8, (byte) 0); // time and "simple handshake"
            out.write(3);
            out.write(c1);
            int version = in.readByte();
            in.readFully(s1);
            out.write(s1); // C2
            in.readFully(s2);
            if (version != 3 || !Arrays.equals(c1, 8, HANDSHAKE_BYTES, s2, 8, HANDSHAKE_BYTES))
                throw new IllegalStateException("that was no RTMP handshake");
            System.out.println("RTMP handshake done");
        }
    }
}
