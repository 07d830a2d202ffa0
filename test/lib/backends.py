"""backends.py - stand-ins for a backend, each made for one situation. (Real servers: nginx.py.)

Most tests accept a connection themselves and drive it as a Peer; threads serve where the number of
sessions or bytes matters more than their order.
"""

import hashlib
import http.server
import select
import socket
import threading

from lib.ends import Peer
from lib.waiting import PATIENCE


def listening_socket(backlog=1024):
    return socket.create_server(("127.0.0.1", 0), backlog=backlog)


def address_of(sock):
    host, port = sock.getsockname()[:2]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


class StandIn:
    """Accepts when the test says so; the test is the backend then."""

    def __init__(self, listener=None):
        self.listener = listener or listening_socket()
        self.address = address_of(self.listener)
        self.peers = []

    def accept(self, timeout=PATIENCE):
        self.listener.settimeout(timeout)
        self.peers.append(Peer(self.listener.accept()[0]))
        return self.peers[-1]

    def was_dialled(self):
        """Is there a connection that was not accepted yet?"""
        return bool(select.select([self.listener], [], [], 0)[0])

    def close(self):
        for end in [self.listener, *self.peers]:
            end.close()


class ThreadedStandIn(StandIn):
    """Serves every connection in a thread of its own, with `serve(peer)`."""

    def __init__(self):
        super().__init__()
        threading.Thread(target=self.accept_all, daemon=True).start()

    def accept_all(self):
        try:
            while True:
                threading.Thread(target=self.serve_one, args=[self.accept(timeout=None)], daemon=True).start()
        except OSError:
            return  # the listener was closed: the test is over

    def serve_one(self, peer):
        try:
            self.serve(peer)
        except OSError:
            pass  # what the other end does to this one is the test's business
        finally:
            peer.close()


class Echo(ThreadedStandIn):
    """Sends back what comes, and ends when the other side has."""

    def serve(self, peer):
        while data := peer.receive():
            peer.send(data)


class Flood(ThreadedStandIn):
    """Sends as fast as it can for as long as the other side takes it."""

    def serve(self, peer):
        while True:
            peer.send(bytes(1 << 20))


class AcceptsAndResets(ThreadedStandIn):
    def serve(self, peer):
        peer.reset()


class Refuses:
    """Owns an address where nobody listens, until start_listening() gives a StandIn there."""

    def __init__(self):
        self.socket = socket.socket()
        self.socket.bind(("127.0.0.1", 0))
        self.address = address_of(self.socket)

    def start_listening(self):
        self.socket.listen()
        return StandIn(self.socket)

    def close(self):
        self.socket.close()


class NeverAnswers(StandIn):
    """Its accept queue is full, so the kernel drops every further SYN."""

    def __init__(self):
        super().__init__(listening_socket(backlog=0))
        self.peers.append(socket.create_connection(self.listener.getsockname()))

    def start_answering(self):
        self.listener.listen(1024)


class HashingHttpServer:
    """Answers a PUT with the SHA-256 of its body, which it does not store. `requests` lists the request lines."""

    def __init__(self):
        self.requests = requests = []

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_):
                requests.append(self.requestline)

            def do_PUT(self):
                digest, left = hashlib.sha256(), int(self.headers["Content-Length"])
                while left and (data := self.rfile.read(min(left, 1 << 20))):
                    digest.update(data)
                    left -= len(data)
                answer = digest.hexdigest().encode()
                self.send_response(200)
                self.send_header("Content-Length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

            do_POST = do_PUT

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.address = "%s:%d" % self.server.server_address
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def close(self):
        self.server.shutdown()
        self.server.server_close()
