"""ends.py - the two ends of a session, each driven step by step by a test.

    TlsClient ==TLS==> red5-tls-proxy --TCP--> Peer (a backend's side)

Both know the same verbs. What the other side did last is in `ended`: "close_notify", "fin" or "reset"
(None while it is still open). TLS runs over memory BIOs, so that a close_notify can be told from the FIN
behind it, and each can be sent without the other.
"""

import select
import socket
import ssl
import struct

from lib.waiting import PATIENCE

CHUNK = 65536
HANDSHAKE, NEW_SESSION_TICKET = 22, 4  # RFC 8446: a content type (5.1), a handshake type (4)


class Peer:
    """One end of a plain TCP connection."""

    def __init__(self, sock):
        self.sock = sock
        self.sock.settimeout(PATIENCE)
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.ended = None
        self.unread = b""
        self.unsent = b""

    @property
    def port(self):
        return self.sock.getsockname()[1]

    # -- sending

    def encode(self, data):
        return data

    def send(self, data):
        wire, self.unsent = self.unsent + self.encode(data), b""
        self.sock.sendall(wire)

    def send_until_stuck(self, quiet=0.7):
        """Send until the other side has taken nothing for `quiet` seconds; the bytes that went into the connection."""
        sent = 0
        while select.select([], [self.sock], [], quiet)[1]:
            self.unsent = self.unsent or self.encode(bytes(CHUNK))
            n = self.sock.send(self.unsent)
            self.unsent = self.unsent[n:]
            sent += n
        return sent

    def exchange(self, data):
        """Send all of `data` while reading as many bytes, which need not be an answer."""
        wire, parts, missing = memoryview(self.encode(data)), [], len(data)
        while wire or missing > 0:
            sources = [self.sock] if missing > 0 else []
            patience = 0 if sources and self.has_unread() else PATIENCE
            readable, writable, _ = select.select(sources, [self.sock] if wire else [], [], patience)
            assert readable or writable or not patience, f"stuck with {missing} bytes missing, {len(wire)} unsent"
            if writable:
                wire = wire[self.sock.send(wire):]
            if readable or sources and self.has_unread():
                parts.append(self.receive())
                assert parts[-1], f"{self.ended} with {missing} bytes missing"
                missing -= len(parts[-1])
        return b"".join(parts)

    def fin(self):
        self.sock.shutdown(socket.SHUT_WR)

    def reset(self):
        """RST: close with data and order thrown away."""
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.sock.close()

    def close(self):
        self.sock.close()

    # -- reading

    def receive(self):
        """What has arrived next; b"" at the end, with the manner noted in `ended`."""
        try:
            data = self.sock.recv(CHUNK)
        except (ConnectionResetError, BrokenPipeError):
            self.ended = "reset"
            return b""
        if not data:
            self.ended = "fin"
        return data

    def read(self, count):
        """Exactly `count` bytes."""
        while len(self.unread) < count:
            data = self.receive()
            assert data, f"{self.ended} after {len(self.unread)} of {count} bytes: {self.unread[-80:]!r}"
            self.unread += data
        data, self.unread = self.unread[:count], self.unread[count:]
        return data

    def read_to_end(self):
        """Everything up to the other side's end."""
        parts, self.unread = [self.unread], b""
        while data := self.receive():
            parts.append(data)
        return b"".join(parts)

    def end(self):
        """How the other side ends; it is expected to send nothing before."""
        assert self.read_to_end() == b""
        return self.ended

    def has_unread(self):
        """Has something arrived that select(2) does not know of?"""
        return False

    def is_quiet(self, seconds):
        """Nothing arrives, no end either, for so long."""
        return not self.has_unread() and not select.select([self.sock], [], [], seconds)[0]


class TlsClient(Peer):
    """A TLS client over a raw socket. `tickets` counts the TLS session tickets that came; `sent` and `received` hold
    what went over the wire first."""

    def __init__(self, sock, context, sni=None, session=None):
        super().__init__(sock)
        context._msg_callback = count_tickets  # CPython's own test suite watches messages this way
        self.incoming, self.outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.tls = context.wrap_bio(self.incoming, self.outgoing, server_hostname=sni, session=session)
        self.tls.client = self
        self.tickets = 0
        self.sent = self.received = b""

    def encode(self, data):
        self.tls.write(data)
        return self.outgoing.read()

    def hello(self):
        """The bytes of the ClientHello, not sent yet."""
        try:
            self.tls.do_handshake()
        except ssl.SSLWantReadError:
            return self.outgoing.read()

    def handshake(self):
        self.drive(self.tls.do_handshake)
        return self

    def drive(self, operation, *arguments):
        """Run an operation of the TLS library to its end, carrying its bytes to and fro."""
        while True:
            try:
                return operation(*arguments)
            except ssl.SSLWantReadError:
                pass
            finally:
                self.flush()
            self.feed()

    def flush(self):
        if wire := self.outgoing.read():
            self.sent = self.sent or wire
            self.sock.sendall(wire)

    def feed(self):
        if wire := self.sock.recv(CHUNK):
            self.received = self.received or wire
            self.incoming.write(wire)
        else:
            self.incoming.write_eof()

    def receive(self):
        try:
            data = self.drive(self.tls.read, CHUNK)
        except ssl.SSLZeroReturnError:
            data = b""
        except ssl.SSLEOFError:
            self.ended = "fin"
            return b""
        except (ConnectionResetError, BrokenPipeError):
            self.ended = "reset"
            return b""
        if not data:
            self.ended = "close_notify"
        return data

    def has_unread(self):
        return self.incoming.pending > 0 or self.tls.pending() > 0

    def close_notify(self):
        """Half-close: say that no more will be sent, and go on reading."""
        try:
            self.tls.unwrap()
        except ssl.SSLWantReadError:
            pass
        self.flush()

    def certificate_names(self):
        return [name for _, name in self.tls.getpeercert()["subjectAltName"]]


def count_tickets(tls, direction, _version, content_type, message, _data):
    if direction == "read" and (content_type, message) == (HANDSHAKE, NEW_SESSION_TICKET):
        tls.client.tickets += 1
