import java.io.FileInputStream;
import java.io.InputStream;
import java.util.Properties;
import java.util.TreeSet;

/**
 * What java.util.Properties reads in each file, as Red5 does: a line for the
 * file, then one for each key and its value, in UTF-16 as hexadecimal digits.
 */
public class PrintProperties {
    private static String hexadecimal(String text) {
        StringBuilder digits = new StringBuilder();
        for (char letter : text.toCharArray()) {
            digits.append(String.format("%04x", (int) letter));
        }
        return digits.toString();
    }

    public static void main(String[] files) throws Exception {
        for (String file : files) {
            Properties properties = new Properties();
            System.out.println("file");
            try (InputStream in = new FileInputStream(file)) {
                properties.load(in);
            } catch (IllegalArgumentException wrong) {
                System.out.println("wrong");
                continue;
            }
            for (String key : new TreeSet<>(properties.stringPropertyNames())) {
                System.out.println(hexadecimal(key) + "=" + hexadecimal(properties.getProperty(key)));
            }
        }
    }
}
