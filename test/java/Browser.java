import java.io.InputStream;
import java.net.URL;

/**
 * Fetches a page as Java Web Start does: the chain must lead to a root of the
 * trust store, and the certificate must be for the host in the address.
 */
public class Browser {
    public static void main(String[] arguments) throws Exception {
        try (InputStream page = new URL(arguments[0]).openStream()) {
            page.transferTo(System.out);
        }
    }
}
