import java.util.Map;
import java.util.TreeMap;
import java.util.concurrent.ConcurrentHashMap;

import org.red5.net.websocket.WebSocketConnection;
import org.red5.net.websocket.WebSocketPlugin;
import org.red5.net.websocket.WebSocketScope;
import org.red5.net.websocket.listener.WebSocketDataListener;
import org.red5.net.websocket.model.WSMessage;
import org.red5.server.adapter.MultiThreadedApplicationAdapter;
import org.red5.server.api.IConnection;
import org.red5.server.api.Red5;
import org.red5.server.api.scope.IScope;
import org.red5.server.api.service.IPendingServiceCall;
import org.red5.server.api.service.IPendingServiceCallback;
import org.red5.server.api.service.IServiceCapableConnection;
import org.red5.server.api.so.ISharedObject;
import org.red5.server.api.stream.IClientBroadcastStream;
import org.red5.server.plugin.PluginRegistry;

/**
 * The application /live: streams, calls in both directions, the shared object "board", a WebSocket.
 * Its public methods with simple arguments can be called by any client.
 */
public class Application extends MultiThreadedApplicationAdapter {
    private static final String BOARD = "board";
    private static final int UNDER_WAY_BYTES = 50_000;

    private final Map<String, Object> answers = new ConcurrentHashMap<>();
    private IScope live;

    @Override
    public boolean appStart(IScope scope) {
        live = scope;
        createSharedObject(scope, BOARD, false);
        openWebSocket(scope);
        return super.appStart(scope);
    }

    /** What comes to ws://.../live is sent back. */
    private void openWebSocket(IScope scope) {
        ((WebSocketPlugin) PluginRegistry.getPlugin(WebSocketPlugin.NAME)).setApplication(this);
        WebSocketScope sockets = new WebSocketScope(scope);
        sockets.addListener(new Echo());
        sockets.register();
    }

    /** Says what it was told. */
    public Object echo(Object what) {
        return what;
    }

    /** Calls the client's method `reverse`; answer() has what it said. */
    public void callBack(String question, String text) {
        IConnection client = Red5.getConnectionLocal();
        ((IServiceCapableConnection) client).invoke("reverse", new Object[] { text }, new IPendingServiceCallback() {
            @Override
            public void resultReceived(IPendingServiceCall call) {
                answers.put(question, call.getResult());
            }
        });
    }

    /** What a client said to a question; "" until it has. */
    public Object answer(String question) {
        return answers.getOrDefault(question, "");
    }

    /** Writes on the board, as a client can. */
    public void write(String key, String value) {
        board().setAttribute(key, value);
    }

    /** Reads what was written on the board, by whomever. */
    public String read(String key) {
        String value = board().getStringAttribute(key);
        return value == null ? "" : value;
    }

    private ISharedObject board() {
        return getSharedObject(live, BOARD);
    }

    /**
     * The streams that are under way, and how many play each. Who joins with the publisher's very first bytes may be
     * left without the codecs' configuration (seen with 1.3.17).
     */
    Map<String, Integer> players() {
        Map<String, Integer> found = new TreeMap<>();
        for (String name : getBroadcastStreamNames(live)) {
            IClientBroadcastStream stream = (IClientBroadcastStream) getBroadcastStream(live, name);
            if (stream != null && stream.getStatistics().getBytesReceived() > UNDER_WAY_BYTES)
                found.put(name, stream.getStatistics().getActiveSubscribers());
        }
        return found;
    }

    private static class Echo extends WebSocketDataListener {
        @Override
        public void onWSMessage(WSMessage message) {
            try {
                message.getConnection().send(message.getMessageAsString());
            } catch (Exception e) {
                throw new IllegalStateException(e);
            }
        }

        @Override
        public void onWSConnect(WebSocketConnection connection) { }

        @Override
        public void onWSDisconnect(WebSocketConnection connection) { }

        @Override
        public void stop() { }
    }
}
