import java.io.BufferedInputStream;
import java.io.BufferedOutputStream;
import java.io.DataInputStream;
import java.io.DataOutputStream;
import java.io.EOFException;
import java.io.FileInputStream;
import java.io.FileOutputStream;
import java.io.IOException;
import java.util.Map;
import java.util.concurrent.ArrayBlockingQueue;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.Callable;
import java.util.concurrent.TimeUnit;

import org.apache.mina.core.buffer.IoBuffer;
import org.red5.client.net.rtmp.BaseRTMPClientHandler;
import org.red5.client.net.rtmp.RTMPClient;
import org.red5.client.net.rtmps.RTMPSClient;
import org.red5.client.net.rtmps.RTMPTSClient;
import org.red5.client.net.rtmpt.RTMPTClient;
import org.red5.server.api.IConnection;
import org.red5.server.api.event.IEvent;
import org.red5.server.api.event.IEventListener;
import org.red5.server.api.so.IClientSharedObject;
import org.red5.server.net.rtmp.event.AudioData;
import org.red5.server.net.rtmp.event.IRTMPEvent;
import org.red5.server.net.rtmp.event.VideoData;
import org.red5.server.so.SharedObjectService;
import org.red5.server.stream.IStreamData;
import org.red5.server.stream.message.RTMPMessage;
import org.springframework.scheduling.concurrent.ThreadPoolTaskScheduler;

/**
 * A client with red5-client, as OpenMeetings' screen sharer is one: RTMPSClient trusts anyone and sends no SNI,
 * RTMPTSClient verifies chain and host name.
 *
 *    Client rtmps|rtmpts|rtmp|rtmpt HOST PORT calls TEXT
 *    Client ...                               publish NAME FILE.flv
 *    Client ...                               play NAME FILE.flv       until it is ended
 */
public class Client {
    private static final int PATIENCE_S = 20;
    private static final int AUDIO = 8;
    private static final int VIDEO = 9;

    private final BaseRTMPClientHandler client;

    private Client(String scheme) {
        switch (scheme) {
        case "rtmps": client = new RTMPSClient(); break;
        case "rtmpts": client = new RTMPTSClient(); break;
        case "rtmpt": client = new RTMPTClient(); break;
        default: client = new RTMPClient();
        }
        client.setServiceProvider(this);
        client.setExceptionHandler(fault -> {
            fault.printStackTrace();
            System.exit(1);
        });
    }

    public static void main(String[] arguments) {
        try {
            run(arguments);
            System.exit(0); // its threads go on
        } catch (Exception e) {
            e.printStackTrace();
            System.exit(1);
        }
    }

    private static void run(String[] arguments) throws Exception {
        Client client = new Client(arguments[0]);
        client.connect(arguments[0], arguments[1], Integer.parseInt(arguments[2]));
        switch (arguments[3]) {
        case "calls": client.call(arguments[4]); break;
        case "publish": client.publish(arguments[4], arguments[5]); break;
        case "play": client.play(arguments[4], arguments[5]); break;
        default: throw new IllegalArgumentException(arguments[3]);
        }
        client.client.disconnect();
    }

    /** Called by the server. */
    public String reverse(String text) {
        return new StringBuilder(text).reverse().toString();
    }

    public void onBWDone() { }

    public void onStatus(Object status) { }

    private void connect(String scheme, String host, int port) throws Exception {
        BlockingQueue<Object> results = new ArrayBlockingQueue<>(9);
        Map<String, Object> parameters = client.makeDefaultConnectionParams(host, port, "live");
        parameters.put("tcUrl", String.format("%s://%s:%d/live", scheme, host, port));
        client.connect(host, port, parameters, call -> results.add(call.getResult()));
        Object code = ((Map<?, ?>) await(results, "connect")).get("code");
        if (!"NetConnection.Connect.Success".equals(code))
            throw new IllegalStateException("connect: " + code);
    }

    /** Calls and a shared object, each in both directions; a line for each that worked. */
    private void call(String text) throws Exception {
        say("echo", invoke("echo", text));

        invoke("callBack", text, text);
        say("called back", until(() -> invoke("answer", text), reverse(text)));

        ThreadPoolTaskScheduler scheduler = new ThreadPoolTaskScheduler();
        scheduler.setDaemon(true);
        scheduler.initialize();
        new SharedObjectService().setScheduler(scheduler); // it is static, and nobody else gives it one
        IClientSharedObject board = client.getSharedObject("board", false);
        board.connect(connection());
        until(() -> board.isConnected() ? "yes" : "no", "yes");
        board.beginUpdate((IEventListener) connection()); // else it knows nobody to tell
        board.setAttribute("client " + text, text);
        board.endUpdate();
        say("read by the server", until(() -> invoke("read", "client " + text), text));
        invoke("write", "server " + text, text);
        say("written by the server", until(() -> board.getStringAttribute("server " + text), text));
    }

    private void publish(String name, String file) throws Exception {
        Number stream = createStream();
        client.publish(stream, name, "live", null);
        long start = System.currentTimeMillis();
        try (DataInputStream in = new DataInputStream(new BufferedInputStream(new FileInputStream(file)))) {
            in.skipBytes(9 + 4);
            while (true) {
                int type = in.readUnsignedByte();
                byte[] body = new byte[in.readUnsignedShort() << 8 | in.readUnsignedByte()];
                int time = in.readUnsignedShort() << 8 | in.readUnsignedByte();
                in.skipBytes(1 + 3);
                in.readFully(body);
                in.skipBytes(4);
                Thread.sleep(Math.max(0, start + time - System.currentTimeMillis()));
                send(stream, type, time, IoBuffer.wrap(body));
            }
        } catch (EOFException end) {
            client.unpublish(stream);
        }
    }

    private void send(Number stream, int type, int time, IoBuffer body) {
        IRTMPEvent event = type == AUDIO ? new AudioData(body) : type == VIDEO ? new VideoData(body) : null;
        if (event == null)
            return;
        event.setTimestamp(time);
        client.publishStreamData(stream, RTMPMessage.build(event));
    }

    private void play(String name, String file) throws Exception {
        DataOutputStream out = new DataOutputStream(new BufferedOutputStream(new FileOutputStream(file)));
        out.writeBytes("FLV\1\5\0\0\0\t\0\0\0\0");
        client.setStreamEventDispatcher(event -> write(out, event));
        client.play(createStream(), name, -1000, -1);
        Thread.currentThread().join();
    }

    private static synchronized void write(DataOutputStream out, IEvent event) {
        if (!(event instanceof AudioData || event instanceof VideoData))
            return;
        int time = ((IRTMPEvent) event).getTimestamp();
        IoBuffer data = ((IStreamData<?>) event).getData().duplicate();
        data.rewind();
        int size = data.remaining();
        try {
            out.writeByte(event instanceof AudioData ? AUDIO : VIDEO);
            write24(out, size);
            write24(out, time);
            out.writeByte(time >>> 24);
            write24(out, 0);
            byte[] body = new byte[size];
            data.get(body);
            out.write(body);
            out.writeInt(11 + size);
            out.flush();
        } catch (IOException e) {
            throw new IllegalStateException(e);
        }
    }

    private static void write24(DataOutputStream out, int number) throws IOException {
        out.writeByte(number >>> 16);
        out.writeShort(number);
    }

    private Number createStream() throws Exception {
        BlockingQueue<Object> results = new ArrayBlockingQueue<>(9);
        client.createStream(call -> results.add(call.getResult()));
        return (Number) await(results, "createStream");
    }

    private IConnection connection() {
        return client.getConnection();
    }

    private Object invoke(String method, Object... arguments) throws Exception {
        BlockingQueue<Object> results = new ArrayBlockingQueue<>(9);
        client.invoke(method, arguments, call -> results.add(call.getResult() == null ? "" : call.getResult()));
        return await(results, method);
    }

    private static Object await(BlockingQueue<Object> results, String what) throws InterruptedException {
        Object result = results.poll(PATIENCE_S, TimeUnit.SECONDS);
        if (result == null)
            throw new IllegalStateException("no answer to " + what);
        return result;
    }

    private static Object until(Callable<Object> question, Object answer) throws Exception {
        long end = System.nanoTime() + TimeUnit.SECONDS.toNanos(PATIENCE_S);
        Object said;
        while (!answer.equals(said = question.call())) {
            if (System.nanoTime() > end)
                throw new IllegalStateException(said + " instead of " + answer);
            Thread.sleep(50);
        }
        return said;
    }

    private static void say(String what, Object result) {
        System.out.println(what + ": " + result);
    }
}
