"""beside.py - what goes on in the proxy beside that which is tested."""

import threading

from lib.messages import read_request
from lib.waiting import until

BODY = 64 << 20


class Stream:
    """Bytes that move all the time, some twenty a second, however long a test prepares what it does beside them."""

    def __init__(self, client, server):
        self.client, self.server, self.moved, self.is_over = client, server, 0, threading.Event()
        self.thread = threading.Thread(target=self.run)
        self.thread.start()

    def run(self):
        while not self.is_over.wait(0.05):
            self.server.send(b"x")
            assert self.client.read(1) == b"x"
            self.moved += 1

    def wait(self, moves):
        """Until so many bytes more have moved; what was sent to the proxy before was met, too."""
        goal = self.moved + moves
        until(lambda: self.moved >= goal, "the stream goes on")

    def close(self):
        self.is_over.set()
        self.thread.join()


def stuck_viewer(proxy, backend, context, framing=b"Content-Length: %d\r\n\r\n" % BODY):
    """A client in the middle of a response, which is framed so, and which it does not read; both ends."""
    client = proxy.connect(context, receive_buffer=4096)
    client.send(b"GET /video HTTP/1.1\r\nHost: main.test\r\n\r\n")
    server = backend.accept()
    read_request(server)
    server.send(b"HTTP/1.1 200 OK\r\n" + framing)
    server.send_until_stuck(quiet=0.1)
    return client, server
