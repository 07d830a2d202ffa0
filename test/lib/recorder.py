"""recorder.py - a backend that answers every request, and remembers exactly what it saw."""

import threading

from lib import messages
from lib.backends import ThreadedStandIn
from lib.waiting import until


class Connection:
    def __init__(self):
        self.requests, self.raw, self.faults = [], bytearray(), []
        self.is_over = False


class Recorder(ThreadedStandIn):
    """For each connection: the requests a strict parser found, the raw bytes, and what was no request.

    `answer` makes the bytes of a response from a request; by default its body is the request's target.
    """

    def __init__(self, answer=lambda request: messages.ok(request.target.encode("latin-1"))):
        self.connections = []
        self.answer = answer
        self.lock = threading.Lock()
        super().__init__()

    def serve(self, peer):
        connection = Connection()
        with self.lock:
            self.connections.append(connection)
        receive = peer.receive

        def recorded():
            data = receive()
            connection.raw.extend(data)
            return data

        peer.receive = recorded
        try:
            while True:
                request = messages.read_request(peer)
                connection.requests.append(request)
                answer = self.answer(request)
                peer.send(answer[:answer.index(b"\r\n\r\n") + 4] if request.method == "HEAD" else answer)
        except messages.End:
            pass
        except messages.Fault as fault:
            connection.faults.append(str(fault))
        finally:
            connection.is_over = True

    @property
    def requests(self):
        """Of all connections."""
        return [request for connection in self.connections for request in connection.requests]

    @property
    def faults(self):
        return [fault for connection in self.connections for fault in connection.faults]

    @property
    def raw(self):
        return b"".join(bytes(connection.raw) for connection in self.connections)

    def wait_for_requests(self, count):
        until(lambda: len(self.requests) >= count, f"{count} requests at the backend")
        assert len(self.requests) == count
        return self.requests
