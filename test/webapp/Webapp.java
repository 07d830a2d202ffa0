import jakarta.servlet.Filter;
import jakarta.servlet.FilterChain;
import jakarta.servlet.MultipartConfigElement;
import jakarta.servlet.ServletException;
import jakarta.servlet.ServletRequest;
import jakarta.servlet.ServletResponse;
import jakarta.servlet.http.HttpServlet;
import jakarta.servlet.http.HttpServletRequest;
import jakarta.servlet.http.HttpServletResponse;
import jakarta.servlet.http.Part;
import jakarta.websocket.DeploymentException;
import jakarta.websocket.OnMessage;
import jakarta.websocket.server.ServerContainer;
import jakarta.websocket.server.ServerEndpoint;
import java.io.File;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.net.URI;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.Collections;
import java.util.HexFormat;
import java.util.Map;
import java.util.StringJoiner;
import org.apache.catalina.Context;
import org.apache.catalina.Wrapper;
import org.apache.catalina.authenticator.FormAuthenticator;
import org.apache.catalina.servlets.DefaultServlet;
import org.apache.catalina.startup.Tomcat;
import org.apache.tomcat.util.descriptor.web.FilterDef;
import org.apache.tomcat.util.descriptor.web.FilterMap;
import org.apache.tomcat.util.descriptor.web.LoginConfig;
import org.apache.tomcat.util.descriptor.web.SecurityCollection;
import org.apache.tomcat.util.descriptor.web.SecurityConstraint;
import org.apache.tomcat.websocket.server.WsSci;

/**
 * A web application in a Tomcat of its own, as Red5 runs OpenMeetings: plain
 * HTTP, and no idea of a proxy. Arguments: an address, a work directory, a
 * directory of pages. Prints its port; ends with its standard input.
 *
 * Redirects are absolute, as those of Tomcat 6 and 7 are; below /relative/ they
 * are Tomcat 10's.
 */
public class Webapp {
    private static final long UNLIMITED = -1;

    public static void main(String[] arguments) throws Exception {
        Tomcat tomcat = new Tomcat();
        tomcat.setBaseDir(arguments[1]);
        tomcat.setPort(0); // the kernel chooses
        tomcat.getConnector().setProperty("address", arguments[0]);
        tomcat.addUser("moderator", "secret");
        tomcat.addRole("moderator", "user");

        Context root = tomcat.addContext("", new File(arguments[2]).getAbsolutePath());
        root.setUseRelativeRedirects(false);
        servlet(root, "redirect", new Redirect(), "/redirect");
        servlet(root, "echo", new Echo(), "/echo", "/wicket/*");
        servlet(root, "upload", new Upload(), "/upload", "/wicket/upload", "/private/upload")
            .setMultipartConfigElement(new MultipartConfigElement(arguments[1], UNLIMITED, UNLIMITED, 0));
        servlet(root, "download", new Download(), "/download");
        servlet(root, "slow", new Slow(), "/slow");
        servlet(root, "status", new Status(), "/status");
        servlet(root, "trailers", new Trailers(), "/trailers");
        servlet(root, "jnlp", new Jnlp(), "/ScreenRequestHandler");
        servlet(root, "policy", new Policy(), "/policy");
        servlet(root, "default", new DefaultServlet(), "/");
        root.addMimeMapping("html", "text/html;charset=utf-8");
        root.addMimeMapping("js", "text/javascript");
        root.addMimeMapping("css", "text/css");
        root.addMimeMapping("svg", "image/svg+xml");
        addWicketsRule(root, "/wicket/*");
        addLogin(root, "/private/*");
        addWebSocket(root);

        Context relative = tomcat.addContext("/relative", arguments[1]);
        servlet(relative, "redirect", new Redirect(), "/redirect");

        Context openmeetings = tomcat.addContext("/openmeetings", arguments[1]);
        openmeetings.setUseRelativeRedirects(false);
        servlet(openmeetings, "session", new Session(), "/");

        tomcat.start();
        System.out.println("listening on port " + tomcat.getConnector().getLocalPort());
        while (System.in.read() >= 0) {
            continue;
        }
        tomcat.stop();
    }

    private static Wrapper servlet(Context context, String name, HttpServlet servlet, String... patterns) {
        Wrapper wrapper = Tomcat.addServlet(context, name, servlet);
        for (String pattern : patterns)
            context.addServletMappingDecoded(pattern, name);
        return wrapper;
    }

    private static void addLogin(Context context, String pattern) {
        SecurityCollection pages = new SecurityCollection();
        pages.addPattern(pattern);
        SecurityConstraint constraint = new SecurityConstraint();
        constraint.addCollection(pages);
        constraint.addAuthRole("user");
        context.addConstraint(constraint);
        context.addSecurityRole("user");
        context.setLoginConfig(new LoginConfig("FORM", "test", "/login.html", "/failed.html"));
        context.getPipeline().addValve(new FormAuthenticator());
    }

    private static void addWicketsRule(Context context, String pattern) {
        FilterDef rule = new FilterDef();
        rule.setFilterName("wicket");
        rule.setFilter(new WicketsRule());
        context.addFilterDef(rule);
        FilterMap map = new FilterMap();
        map.setFilterName("wicket");
        map.addURLPatternDecoded(pattern);
        context.addFilterMap(map);
    }

    private static void addWebSocket(Context context) {
        context.addServletContainerInitializer(new WsSci(), Collections.emptySet());
        context.addServletContainerInitializer((classes, application) -> {
            Object container = application.getAttribute("jakarta.websocket.server.ServerContainer");
            try {
                ((ServerContainer) container).addEndpoint(Socket.class);
            } catch (DeploymentException fault) {
                throw new ServletException(fault);
            }
        }, Collections.emptySet());
    }

    /** Sends back what comes, up to 1 MiB in one message. */
    @ServerEndpoint("/socket")
    public static class Socket {
        @OnMessage
        public String onText(String message) {
            return message;
        }

        @OnMessage(maxMessageSize = 1 << 20)
        public byte[] onBinary(byte[] message) {
            return message;
        }
    }

    /**
     * The rule of Wicket's CsrfPreventionRequestCycleListener (Wicket 7.7 to 8.9): Origin, else Referer, must be
     * what the request's scheme, name and port say; none at all is a conflict too. Not Wicket itself.
     */
    private static class WicketsRule implements Filter {
        @Override
        public void doFilter(ServletRequest plain, ServletResponse answer, FilterChain chain)
            throws IOException, ServletException {
            HttpServletRequest request = (HttpServletRequest) plain;
            String origin = request.getHeader("Origin");
            String source = normalized(origin != null ? origin : request.getHeader("Referer"));
            String target = normalized(request.getScheme() + "://" + request.getServerName() + ":"
                                       + request.getServerPort());

            if (source == null || !source.equalsIgnoreCase(target))
                ((HttpServletResponse) answer).sendError(400, "Origin does not correspond to request");
            else
                chain.doFilter(plain, answer);
        }

        private static String normalized(String source) {
            if (source == null || source.isEmpty() || source.equals("null"))
                return null;
            URI uri = URI.create(source);
            if (uri.getScheme() == null || uri.getHost() == null)
                return null;
            int port = uri.getPort();
            boolean isUsual = port == -1 || port == (uri.getScheme().equals("https") ? 443 : 80);
            return uri.getScheme() + "://" + uri.getHost() + (isUsual ? "" : ":" + port);
        }
    }

    private static class Redirect extends HttpServlet {
        @Override
        protected void service(HttpServletRequest request, HttpServletResponse response) throws IOException {
            response.sendRedirect(request.getParameter("to"));
        }
    }

    /** Begins a session, as OpenMeetings' first page does. */
    private static class Session extends HttpServlet {
        @Override
        protected void service(HttpServletRequest request, HttpServletResponse response) throws IOException {
            response.getWriter().println(request.getSession().isNew());
        }
    }

    /** What the application is told: a line each, the header fields last. */
    private static class Echo extends HttpServlet {
        @Override
        protected void service(HttpServletRequest request, HttpServletResponse response) throws IOException {
            StringJoiner text = new StringJoiner("\n", "", "\n");
            text.add("body " + Digest.of(request.getInputStream()));
            text.add("url " + request.getRequestURL());
            text.add("address " + request.getRemoteAddr());
            text.add("target " + request.getMethod() + " " + request.getRequestURI()
                     + (request.getQueryString() == null ? "" : "?" + request.getQueryString()));
            for (String name : Collections.list(request.getHeaderNames()))
                for (String value : Collections.list(request.getHeaders(name)))
                    text.add(name + ": " + value);
            response.setContentType("text/plain;charset=utf-8");
            response.getWriter().write(text.toString());
        }
    }

    /** Answers with size and SHA-256 of each part of a form, or of the whole body; and takes no file. */
    private static class Upload extends HttpServlet {
        @Override
        protected void doPost(HttpServletRequest request, HttpServletResponse response)
            throws IOException, ServletException {
            response.setContentType("text/plain;charset=utf-8");
            String type = request.getContentType();
            if (type == null || !type.startsWith("multipart/form-data")) {
                response.getWriter().println(Digest.of(request.getInputStream()));
                return;
            }
            for (Part part : request.getParts())
                response.getWriter().println(part.getName() + " " + Digest.of(part.getInputStream()));
        }

        @Override
        protected void doPut(HttpServletRequest request, HttpServletResponse response)
            throws IOException, ServletException {
            doPost(request, response);
        }
    }

    /** ?bytes=N zeros; &amp;framing=chunked (what Tomcat does by itself), length or close. */
    private static class Download extends HttpServlet {
        @Override
        protected void doGet(HttpServletRequest request, HttpServletResponse response) throws IOException {
            long left = Long.parseLong(request.getParameter("bytes"));
            String framing = String.valueOf(request.getParameter("framing"));
            if (framing.equals("length"))
                response.setContentLengthLong(left);
            if (framing.equals("close"))
                response.setHeader("Connection", "close"); // Tomcat then uses no chunks
            response.setContentType("application/octet-stream");
            response.flushBuffer(); // the head goes out before Tomcat knows how much there is
            byte[] zeros = new byte[1 << 16];
            OutputStream out = response.getOutputStream();
            for (; left > 0; left -= zeros.length)
                out.write(zeros, 0, (int) Math.min(left, zeros.length));
        }
    }

    /** Takes ?ms= before it answers, as OpenMeetings does while it converts a document. */
    private static class Slow extends HttpServlet {
        @Override
        protected void service(HttpServletRequest request, HttpServletResponse response) throws IOException {
            try {
                Thread.sleep(Long.parseLong(request.getParameter("ms")));
            } catch (InterruptedException fault) {
                Thread.currentThread().interrupt();
            }
            response.getWriter().println("done " + Digest.of(request.getInputStream()));
        }
    }

    /** Answers with the status of ?is=. */
    private static class Status extends HttpServlet {
        @Override
        protected void service(HttpServletRequest request, HttpServletResponse response) throws IOException {
            response.setStatus(Integer.parseInt(request.getParameter("is")));
        }
    }

    private static class Trailers extends HttpServlet {
        @Override
        protected void doGet(HttpServletRequest request, HttpServletResponse response) throws IOException {
            response.setHeader("Trailer", "X-Checksum");
            response.setTrailerFields(() -> Map.of("X-Checksum", "0815"));
            response.getWriter().println("a body");
        }
    }

    /** As OpenMeetings 2.0: the address is made of what the request says of itself. */
    private static class Jnlp extends HttpServlet {
        @Override
        protected void doGet(HttpServletRequest request, HttpServletResponse response) throws IOException {
            response.setContentType("application/x-java-jnlp-file");
            response.setHeader("Content-Disposition", "Inline; filename=\"public_1.jnlp\"");
            response.getWriter().write("""
                <?xml version="1.0" encoding="utf-8"?>
                <jnlp spec="1.0+" codebase="%s://%s/openmeetings/screen">
                <argument>rtmp://%s:1935/openmeetings/hibernate</argument>
                </jnlp>
                """.formatted(request.getScheme(), request.getHeader("Host"), request.getServerName()));
        }
    }

    /** As OpenMeetings 4.0. */
    private static class Policy extends HttpServlet {
        @Override
        protected void doGet(HttpServletRequest request, HttpServletResponse response) throws IOException {
            String scheme = request.isSecure() ? "wss" : "ws";
            response.setHeader("Content-Security-Policy", "default-src 'self'; style-src 'self'; connect-src 'self' "
                               + scheme + "://" + request.getHeader("Host") + ";");
            response.setHeader("Strict-Transport-Security", "max-age=31536000; includeSubDomains; preload");
            response.setContentType("text/html;charset=utf-8");
            response.getWriter().write("<!doctype html><title>policy</title><p id=\"said\"></p>");
            response.getWriter().write("<script src=\"socket.js\"></script>");
        }
    }

    private static class Digest {
        static String of(InputStream in) throws IOException {
            try {
                MessageDigest digest = MessageDigest.getInstance("SHA-256");
                byte[] piece = new byte[1 << 16];
                long count = 0;
                for (int n; (n = in.read(piece)) >= 0; count += n)
                    digest.update(piece, 0, n);
                return count + " " + HexFormat.of().formatHex(digest.digest());
            } catch (NoSuchAlgorithmException fault) {
                throw new IllegalStateException(fault);
            }
        }
    }
}
