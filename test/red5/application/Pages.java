import java.io.IOException;
import java.io.InputStream;
import java.math.BigInteger;
import java.security.MessageDigest;
import java.util.Collections;
import java.util.Map;

import javax.servlet.http.HttpServlet;
import javax.servlet.http.HttpServletRequest;
import javax.servlet.http.HttpServletResponse;
import javax.servlet.http.HttpSession;

import org.springframework.web.context.WebApplicationContext;
import org.springframework.web.context.support.WebApplicationContextUtils;

/**
 * The pages of /live/pages: what the proxy must carry to and from Red5's Tomcat unharmed.
 */
public class Pages extends HttpServlet {
    private static final long serialVersionUID = 1;

    @Override
    protected void doGet(HttpServletRequest request, HttpServletResponse response) throws IOException {
        if (application() == null) {
            response.sendError(HttpServletResponse.SC_SERVICE_UNAVAILABLE); // Red5 starts it after Tomcat
            return;
        }
        response.setContentType("text/plain");
        switch (String.valueOf(request.getPathInfo())) {
        case "/streams": // NAME PLAYERS, a line for each
            for (Map.Entry<String, Integer> stream : application().players().entrySet())
                response.getWriter().println(stream.getKey() + " " + stream.getValue());
            break;
        case "/request": // how Tomcat understood it
            response.getWriter().println(request.getRequestURL());
            for (String name : Collections.list(request.getHeaderNames()))
                response.getWriter().println(name.toLowerCase() + ": " + request.getHeader(name));
            break;
        case "/visit": // counts in a session, which a cookie carries
            response.getWriter().println(visits(request.getSession()));
            break;
        case "/redirect":
            response.sendRedirect("visit");
            break;
        default:
            response.sendError(HttpServletResponse.SC_NOT_FOUND);
        }
    }

    /** An upload: its length as announced, and the SHA-256 of what came. */
    @Override
    protected void doPost(HttpServletRequest request, HttpServletResponse response) throws IOException {
        response.getWriter().println(request.getContentLengthLong() + " " + digest(request.getInputStream()));
    }

    private static String digest(InputStream body) throws IOException {
        try {
            MessageDigest digest = MessageDigest.getInstance("SHA-256");
            byte[] buffer = new byte[65536];
            for (int n; (n = body.read(buffer)) > 0;)
                digest.update(buffer, 0, n);
            return String.format("%064x", new BigInteger(1, digest.digest()));
        } catch (java.security.NoSuchAlgorithmException e) {
            throw new IllegalStateException(e);
        }
    }

    private static int visits(HttpSession session) {
        Integer before = (Integer) session.getAttribute("visits");
        int now = before == null ? 1 : before + 1;
        session.setAttribute("visits", now);
        return now;
    }

    private Application application() {
        WebApplicationContext context = WebApplicationContextUtils.getWebApplicationContext(getServletContext());
        return context == null ? null : context.getBean("web.handler", Application.class);
    }
}
