"""rtmpt.py - a stub of Red5's RTMPT servlet: RTMP inside POSTs, carried to and from a real RTMP server.

As Red5's, it is strict where a proxy could go wrong: POST only, with a length, never chunks; a session is found
by its id; and what Red5 does not check is checked here: no request comes twice, none out of order.
"""

import itertools
import re
import select
import socket
import threading

from lib import messages
from lib.backends import ThreadedStandIn

ANSWER_MAX = 32 * 1024
FIELDS = "Connection: Keep-Alive\r\nCache-Control: no-cache\r\nContent-Type: application/x-fcs\r\n"


class Tunnel:
    """One session: its connection to the RTMP server, and the number of the next request."""

    def __init__(self, rtmp_address):
        host, _, port = rtmp_address.rpartition(":")
        self.sock = socket.create_connection((host, int(port)), timeout=15)
        self.next = None

    def waiting(self):
        """What the server has said meanwhile."""
        data = b""
        while len(data) < ANSWER_MAX and select.select([self.sock], [], [], 0)[0]:
            piece = self.sock.recv(ANSWER_MAX - len(data))
            if not piece:
                break
            data += piece
        return data

    def end(self):
        """In order: a close with bytes unread would be a reset, and cost the last frames."""
        self.sock.shutdown(socket.SHUT_WR)
        while self.sock.recv(ANSWER_MAX):
            pass
        self.sock.close()


class RtmptStub(ThreadedStandIn):
    def __init__(self, rtmp_address):
        self.rtmp_address = rtmp_address
        self.tunnels, self.faults, self.counts = {}, [], {}
        self.ids = itertools.count(1000)
        self.lock = threading.Lock()
        super().__init__()

    def serve(self, peer):
        try:
            while True:
                peer.send(self.answer(messages.read_request(peer)))
        except messages.End:
            pass
        except messages.Fault as fault:
            self.faults.append(str(fault))

    def answer(self, request):
        verb = request.target.split("/")[1]
        with self.lock:
            self.counts[verb] = self.counts.get(verb, 0) + 1
        if request.target == "/fcs/ident2":
            return messages.ok(b"not here", FIELDS, "404 Not Found")
        if request.method != "POST" or not request.body or request.get("Content-Length") is None:
            self.faults.append(f"{request.method} {request.target} {request.fields}")
            return messages.ok(b"\0", FIELDS, "400 Bad Request")
        if request.target == "/open/1":
            number = str(next(self.ids))
            self.tunnels[number] = Tunnel(self.rtmp_address)
            return messages.ok(f"{number}\n".encode(), FIELDS)
        match = re.fullmatch(r"/(send|idle|close)/(\d+)/(\d+)", request.target)
        tunnel = match and self.tunnels.get(match[2])
        if not tunnel:
            return messages.ok(b"\0unknown", FIELDS, "400 Bad Request")
        return messages.ok(self.carry(tunnel, *match.groups(), request.body), FIELDS)

    def carry(self, tunnel, verb, number, place, body):
        if tunnel.next not in (None, int(place)):
            self.faults.append(f"request {place} of session {number} instead of {tunnel.next}")
        tunnel.next = int(place) + 1
        if verb == "send":
            tunnel.sock.sendall(body)
        if verb == "close":
            self.tunnels.pop(number).end()
            return b"\0"
        return b"\1" + tunnel.waiting()

    def close(self):
        super().close()
        for tunnel in self.tunnels.values():
            tunnel.sock.close()
