"""messages.py - HTTP/1.1 messages as the tests read them: strictly, and with a parser of their own.

    request = read_request(peer)            what a backend saw
    response = read_response(client)        what a client got

Both read exactly one message and leave what follows it in `peer.unread`. What is not clear beyond doubt is a
Fault: no leniency of a library's may hide what a proxy lets through.
"""

import re

TOKEN = rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
REQUEST_LINE = re.compile(rb"(" + TOKEN + rb") ([!-~\x80-\xff]+) (HTTP/1\.[01])")
STATUS_LINE = re.compile(rb"(HTTP/1\.[01]) ([1-5][0-9][0-9]) ([\t -~\x80-\xff]*)")
FIELD = re.compile(rb"(" + TOKEN + rb"):[ \t]*((?:[!-~\x80-\xff](?:[\t -~\x80-\xff]*[!-~\x80-\xff])?)?)[ \t]*")
CHUNK_LINE = re.compile(rb"([0-9A-Fa-f]{1,16})(;[\t -~\x80-\xff]*)?")


class Fault(AssertionError):
    """This is no HTTP message."""


class End(Exception):
    """The other side ended, and no message had begun."""


class Message:
    """`fields` are (name, value) in order, as they came; `body` is without chunks; `raw` is all of it."""

    def __init__(self, first, fields):
        self.first, self.fields = first, fields
        self.body, self.trailers, self.raw = b"", [], b""

    def all(self, name):
        return [value for key, value in self.fields if key.lower() == name.lower()]

    def get(self, name):
        """The one value of this field; None if there is none, a fault if there are two."""
        values = self.all(name)
        if len(values) > 1:
            raise Fault(f"{name} came twice: {values}")
        return values[0] if values else None

    def names(self):
        return {key.lower() for key, _ in self.fields}


class Request(Message):
    method = property(lambda self: self.first[0])
    target = property(lambda self: self.first[1])
    version = property(lambda self: self.first[2])


class Response(Message):
    version = property(lambda self: self.first[0])
    status = property(lambda self: int(self.first[1]))
    wants_close = property(lambda self: (self.get("Connection") or "").lower() == "close")


class Reader:
    """Takes bytes of a Peer and remembers them."""

    def __init__(self, peer):
        self.peer, self.raw = peer, b""

    def exactly(self, count):
        while len(self.peer.unread) < count:
            data = self.peer.receive()
            if not data:
                raise Fault(f"{self.peer.ended} in the middle of a message: {(self.raw + self.peer.unread)[-200:]!r}")
            self.peer.unread += data
        data, self.peer.unread = self.peer.unread[:count], self.peer.unread[count:]
        self.raw += data
        return data

    def line(self):
        """Up to CRLF, which is not part of it. No other CR, no other LF."""
        while b"\n" not in self.peer.unread:
            data = self.peer.receive()
            if not data:
                if not self.raw and not self.peer.unread:
                    raise End(self.peer.ended)
                raise Fault(f"{self.peer.ended} in a line: {(self.raw + self.peer.unread)[-200:]!r}")
            self.peer.unread += data
        line = self.exactly(self.peer.unread.index(b"\n") + 1)
        if not line.endswith(b"\r\n") or b"\r" in line[:-2] or b"\0" in line:
            raise Fault(f"a line with a wrong end: {line!r}")
        return line[:-2]

    def fields(self):
        fields = []
        while line := self.line():
            match = FIELD.fullmatch(line)
            if not match:
                raise Fault(f"no field: {line!r}")
            fields.append((match[1].decode(), match[2].decode("latin-1")))
        return fields

    def chunks(self):
        """Body and trailers."""
        body = b""
        while True:
            line = self.line()
            match = CHUNK_LINE.fullmatch(line)
            if not match:
                raise Fault(f"no chunk: {line!r}")
            size = int(match[1], 16)
            if size == 0:
                return body, self.fields()
            body += self.exactly(size)
            if self.exactly(2) != b"\r\n":
                raise Fault("a chunk that is longer than its size")


def first_line(reader, pattern):
    line = reader.line()
    match = pattern.fullmatch(line)
    if not match:
        raise Fault(f"no first line: {line!r}")
    return tuple(part.decode("latin-1") for part in match.groups())


def length_of(message):
    length = message.get("Content-Length")
    if length is None:
        return None
    if not re.fullmatch("[0-9]{1,18}", length):
        raise Fault(f"no length: {length!r}")
    return int(length)


def take_body(reader, message, without=0):
    """Its body; `without` framing it is so long, or lasts to the end when that is None."""
    coding, length = message.get("Transfer-Encoding"), length_of(message)
    if coding is not None and (coding.lower() != "chunked" or length is not None):
        raise Fault(f"unclear framing: {message.fields}")
    if coding:
        message.body, message.trailers = reader.chunks()
    elif length is not None:
        message.body = reader.exactly(length)
    elif without is None:
        message.body = reader.peer.read_to_end()
        reader.raw += message.body
    message.raw = reader.raw
    return message


def read_request_head(peer):
    reader = Reader(peer)
    request = Request(first_line(reader, REQUEST_LINE), reader.fields())
    request.raw = reader.raw
    if request.version == "HTTP/1.1" and len(request.all("Host")) != 1:
        raise Fault("no Host, or two")
    return request


def read_request(peer):
    request = read_request_head(peer)
    reader = Reader(peer)
    reader.raw = request.raw
    return take_body(reader, request)


def read_response_head(peer):
    reader = Reader(peer)
    response = Response(first_line(reader, STATUS_LINE), reader.fields())
    response.raw = reader.raw
    return response


def read_response(peer, method="GET"):
    """The next response, be it 1xx, to a request with this method."""
    response = read_response_head(peer)
    reader = Reader(peer)
    reader.raw = response.raw
    if response.status < 200 or response.status in (204, 304) or method == "HEAD":
        return response
    return take_body(reader, response, without=None)


def refusal(client, method="GET"):
    """The next response, which must be a small and complete one of the proxy's own, with the end behind it."""
    response = read_response(client, method)
    length = len(response.body)
    assert response.version == "HTTP/1.1" and response.wants_close
    assert response.get("Content-Length") == str(length) and 0 < length < 1000 or method == "HEAD"
    assert client.end() == "close_notify"
    client.close()
    return response.status


def ask(client, target="/", method="GET", fields="", body=b"", host="main.test"):
    """Send a request and read its response."""
    length = f"Content-Length: {len(body)}\r\n" if body or method in ("POST", "PUT") else ""
    client.send(f"{method} {target} HTTP/1.1\r\nHost: {host}\r\n{fields}{length}\r\n".encode("latin-1") + body)
    return read_response(client, method)


def get(target="/", fields="", host="main.test"):
    """The bytes of a GET."""
    return f"GET {target} HTTP/1.1\r\nHost: {host}\r\n{fields}\r\n".encode("latin-1")


def post(body, target="/", fields="", host="main.test"):
    """The bytes of a POST with a length."""
    return (f"POST {target} HTTP/1.1\r\nHost: {host}\r\n{fields}Content-Length: {len(body)}\r\n\r\n"
            .encode("latin-1") + body)


def chunked(*pieces, trailers=""):
    """A body in these chunks."""
    return b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces) + f"0\r\n{trailers}\r\n".encode()


def ok(body=b"", fields="", status="200 OK"):
    """The bytes of a response with a length."""
    return f"HTTP/1.1 {status}\r\n{fields}Content-Length: {len(body)}\r\n\r\n".encode("latin-1") + body
