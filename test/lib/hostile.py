"""hostile.py - requests that somebody sends who wants two parsers to disagree, and what has to become of each.

CASES are rows of name, bytes and expectation:

    400, 431, 501, 505   the answer; the backend sees no whole request
    "passes"             valid after all: the backend sees this one request and nothing else
    "waits"              a head that is not complete: 408 when `header_timeout` is over
    "closed"             no answer: the first byte is none of HTTP's

The unit test of http/head.c and http/body.c reads the same rows: `hostile.py` as a program prints them as C.
"""

HOST = b"Host: h\r\n"
GET = b"GET / HTTP/1.1\r\n"
POST = b"POST / HTTP/1.1\r\n" + HOST
CHUNKED = POST + b"Transfer-Encoding: chunked\r\n\r\n"
LAST = b"0\r\n\r\n"
SMUGGLED = b"GET /smuggled HTTP/1.1\r\nHost: h\r\n\r\n"


def line(text):
    """A request with this first line."""
    return text + b"\r\n" + HOST + b"\r\n"


def field(text):
    """A GET with this field, or these."""
    return GET + HOST + text + b"\r\n\r\n"


def host(text):
    return GET + text + b"\r\n\r\n"


def length(text):
    """A POST of five bytes whose fields are these; a request is behind it."""
    return POST + text + b"\r\n\r\nhello" + SMUGGLED


def coding(text):
    """A POST with this Transfer-Encoding, and an empty body for those who see one."""
    return POST + text + b"\r\n\r\n" + LAST + SMUGGLED


def chunks(text):
    return CHUNKED + text


FIRST_LINE = [
    ("HTTP/0.9", b"GET /\r\n", 400),
    ("HTTP/0.9 with LF", b"GET /\n", 400),
    ("HTTP/0.9 with fields", b"GET /\r\nHost: h\r\n\r\n", 400),
    ("no target", line(b"GET HTTP/1.1"), 400),
    ("an empty target", line(b"GET  HTTP/1.1"), 400),
    ("two spaces before the target", line(b"GET  / HTTP/1.1"), 400),
    ("two spaces behind the target", line(b"GET /  HTTP/1.1"), 400),
    ("a space behind the version", line(b"GET / HTTP/1.1 "), 400),
    ("a tab before the target", line(b"GET\t/ HTTP/1.1"), 400),
    ("a tab behind the target", line(b"GET /\tHTTP/1.1"), 400),
    ("a vertical tab behind the target", line(b"GET /\vHTTP/1.1"), 400),
    ("a form feed behind the target", line(b"GET /\fHTTP/1.1"), 400),
    ("a space in the target", line(b"GET /a b HTTP/1.1"), 400),
    ("a request in the target", line(b"GET / HTTP/1.1 GET /smuggled HTTP/1.1"), 400),
    ("a no-break space in the version", line(b"GET / HTTP/1.1\xa0"), 400),
    ("a version in lower case", line(b"GET / http/1.1"), 400),
    ("a version of three parts", line(b"GET / HTTP/1.1.1"), 400),
    ("a version of two digits", line(b"GET / HTTP/1.10"), 400),
    ("a version with a zero before", line(b"GET / HTTP/01.1"), 400),
    ("a version without minor", line(b"GET / HTTP/1"), 400),
    ("a version with a comma", line(b"GET / HTTP/1,1"), 400),
    ("a version with a sign", line(b"GET / HTTP/+1.1"), 400),
    ("a version in hexadecimal", line(b"GET / HTTP/1.A"), 400),
    ("another protocol", line(b"GET / HTTQ/1.1"), 400),
    ("RTSP", b"OPTIONS / RTSP/1.0\r\n\r\n", 400),
    ("RTSP, absolute", b"DESCRIBE rtsp://h/a RTSP/1.0\r\n\r\n", 400),
    ("Icecast", b"SOURCE /a ICE/1.0\r\n\r\n", 400),
    ("HTTP/0.9 that says so", line(b"GET / HTTP/0.9"), 505),
    ("HTTP/1.2", line(b"GET / HTTP/1.2"), 505),
    ("HTTP/1.9", line(b"GET / HTTP/1.9"), 505),
    ("HTTP/2.0", line(b"GET / HTTP/2.0"), 505),
    ("HTTP/0.0", line(b"GET / HTTP/0.0"), 505),
    ("HTTP/2 preface", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505),
    ("CONNECT", b"CONNECT h:443 HTTP/1.1\r\nHost: h:443\r\n\r\n", 501),
    ("CONNECT with a path", line(b"CONNECT / HTTP/1.1"), 501),
    ("PRI in 1.1", line(b"PRI / HTTP/1.1"), 501),
    ("a method of RTSP in HTTP", line(b"DESCRIBE / HTTP/1.1"), 501),
    ("a method nobody knows", line(b"GETS / HTTP/1.1"), 501),
    ("a method with a lower case letter", line(b"GEt / HTTP/1.1"), 501),
    ("a method with a token's signs", line(b"GET-! / HTTP/1.1"), 501),
    ("a colon in the method", line(b"GET: / HTTP/1.1"), 400),
    ("a NUL in the method", line(b"GE\0T / HTTP/1.1"), 400),
    ("a byte above ASCII in the method", line(b"GE\xd4 / HTTP/1.1"), 400),
    ("a slash for a method's end", line(b"GET/ / HTTP/1.1"), 400),
    ("a field before the first line", b"Host: h\r\n" + GET + b"\r\n", 400),
    ("an empty line before", b"\r\n" + GET + HOST + b"\r\n", "closed"),
    ("an LF before", b"\n" + GET + HOST + b"\r\n", "closed"),
    ("a space before", b" " + GET + HOST + b"\r\n", "closed"),
    ("a NUL before", b"\0" + GET + HOST + b"\r\n", "closed"),
    ("a byte order mark before", b"\xef\xbb\xbf" + GET + HOST + b"\r\n", "closed"),
    ("a method in lower case", line(b"get / HTTP/1.1"), "closed"),
    ("WebDAV", line(b"PROPFIND / HTTP/1.1"), "passes"),
]

TARGET = [
    ("a fragment", line(b"GET /a#b HTTP/1.1"), 400),
    ("a fragment alone", line(b"GET # HTTP/1.1"), 400),
    ("a path without slash", line(b"GET a HTTP/1.1"), 400),
    ("a query without path", line(b"GET ?a HTTP/1.1"), 400),
    ("authority form", line(b"GET h:80 HTTP/1.1"), 400),
    ("a backslash for the slash", line(b"GET \\a HTTP/1.1"), 400),
    ("an asterisk for GET", line(b"GET * HTTP/1.1"), 400),
    ("two asterisks", line(b"OPTIONS ** HTTP/1.1"), 400),
    ("a NUL in the target", line(b"GET /\0 HTTP/1.1"), 400),
    ("DEL in the target", line(b"GET /\x7f HTTP/1.1"), 400),
    ("ESC in the target", line(b"GET /\x1b HTTP/1.1"), 400),
    ("a CR in the target", line(b"GET /\r HTTP/1.1"), 400),
    ("an LF in the target", line(b"GET /\n HTTP/1.1"), 400),
    ("absolute, another host", line(b"GET http://i/ HTTP/1.1"), 400),
    ("absolute, another port", line(b"GET http://h:81/ HTTP/1.1"), 400),
    ("absolute, the default port", line(b"GET http://h:80/ HTTP/1.1"), 400),
    ("absolute, user info", line(b"GET http://a@h/ HTTP/1.1"), 400),
    ("absolute, user info of two", line(b"GET http://h@i/ HTTP/1.1"), 400),
    ("absolute, no host", line(b"GET http:///a HTTP/1.1"), 400),
    ("absolute, no slashes", line(b"GET http:h/a HTTP/1.1"), 400),
    ("absolute, one slash", line(b"GET http:/h/a HTTP/1.1"), 400),
    ("absolute, a query at the host", line(b"GET http://h?a HTTP/1.1"), 400),
    ("absolute, a backslash at the host", line(b"GET http://h\\a/ HTTP/1.1"), 400),
    ("absolute, another scheme", line(b"GET ftp://h/ HTTP/1.1"), 400),
    ("absolute, a file", line(b"GET file:///etc/passwd HTTP/1.1"), 400),
    ("absolute, WebSocket's scheme", line(b"GET ws://h/ HTTP/1.1"), 400),
    ("absolute, no Host in 1.1", b"GET http://h/ HTTP/1.1\r\n\r\n", 400),
    ("absolute", line(b"GET http://h/a HTTP/1.1"), "passes"),
    ("absolute, https and capitals", line(b"GET HTTPS://H/a HTTP/1.1"), "passes"),
    ("absolute, no path", line(b"GET http://h HTTP/1.1"), "passes"),
    ("OPTIONS *", line(b"OPTIONS * HTTP/1.1"), "passes"),
    ("bytes above ASCII", line(b"GET /\xc3\xa4?\xff HTTP/1.1"), "passes"),
    ("two slashes", line(b"GET //i/a HTTP/1.1"), "passes"),
    ("a path that climbs", line(b"GET /../../etc/passwd HTTP/1.1"), "passes"),
    ("CR and LF, percent-encoded", line(b"GET /%0d%0aA:%20b HTTP/1.1"), "passes"),
    ("braces and pipes", line(b"GET /{a|b}?[c]=\"^`\" HTTP/1.1"), "passes"),
]

LINE_ENDS = [
    ("LF alone everywhere", b"GET / HTTP/1.1\nHost: h\n\n", 400),
    ("LF alone behind the first line", b"GET / HTTP/1.1\nHost: h\r\n\r\n", 400),
    ("LF alone behind a field", GET + b"Host: h\n\r\n", 400),
    ("LF alone for the empty line", GET + HOST + b"\n", 400),
    ("CR alone behind the first line", b"GET / HTTP/1.1\rHost: h\r\n\r\n", 400),
    ("CR alone behind a field", field(b"A: b\rC: d"), 400),
    ("CR alone behind an empty value", field(b"A:\rContent-Length: 5"), 400),
    ("CR alone for the empty line", GET + HOST + b"\r" + SMUGGLED, 400),
    ("CR CR LF", field(b"A: b\r"), 400),
    ("LF CR", GET + b"Host: h\n\r\n\r", 400),
    ("a smuggled head behind CR", field(b"A: b\r\rGET /smuggled HTTP/1.1"), 400),
    ("a field behind LF", field(b"A: b\nTransfer-Encoding: chunked"), 400),
    ("a folded line", field(b"A: b\r\n c"), 400),
    ("a line folded with a tab", field(b"A: b\r\n\tc"), 400),
    ("a folded empty line", field(b"A: b\r\n "), 400),
    ("a folded first field", GET + b" A: b\r\n" + HOST + b"\r\n", 400),
    ("a first field folded with a tab", GET + b"\tA: b\r\n" + HOST + b"\r\n", 400),
    ("a folded Transfer-Encoding", coding(b"Transfer-Encoding:\r\n chunked"), 400),
    ("a folded Content-Length", length(b"Content-Length:\r\n 5"), 400),
    ("a folded Host", host(b"Host:\r\n h"), 400),
    ("a line separator of Unicode", field(b"A: b\xe2\x80\xa8C: d"), "passes"),
    ("NEL", field(b"A: b\xc2\x85C: d"), "passes"),
]

FIELDS = [
    ("no colon", field(b"A"), 400),
    ("an empty name", field(b": a"), 400),
    ("an empty name, and framing", length(b": a\r\nContent-Length: 5"), 400),
    ("a colon alone", field(b":"), 400),
    ("a space before the colon", field(b"A : b"), 400),
    ("a tab before the colon", field(b"A\t: b"), 400),
    ("a space in the name", field(b"A B: c"), 400),
    ("a NUL in the name", field(b"A\0: b"), 400),
    ("a NUL in the value", field(b"A: b\0c"), 400),
    ("a NUL alone", field(b"A: \0"), 400),
    ("a bell in the value", field(b"A: \a"), 400),
    ("a backspace in the value", field(b"A: b\b"), 400),
    ("a vertical tab in the value", field(b"A: \vb"), 400),
    ("a form feed in the value", field(b"A: \fb"), 400),
    ("DEL in the value", field(b"A: \x7f"), 400),
    ("a name above ASCII", field(b"\xc3\xa4: b"), 400),
    ("a quoted name", field(b'"A": b'), 400),
    ("a name with brackets", field(b"A[0]: b"), 400),
    ("a name with a slash", field(b"A/B: c"), 400),
    ("a name with a comma", field(b"A,B: c"), 400),
    ("a name with an equals sign", field(b"A=B: c"), 400),
    ("a name with a backslash", field(b"A\\: c"), 400),
    ("a request line for a field", field(b"GET /smuggled HTTP/1.1"), 400),
    ("101 fields", field(b"\r\n".join(b"a%d: b" % n for n in range(100))), 431),
    ("100 fields", field(b"\r\n".join(b"a%d: b" % n for n in range(99))), "passes"),
    ("a colon in the value", field(b"A: b: c"), "passes"),
    ("bytes above ASCII in a value", field(b"A: \x80\xff"), "passes"),
    ("no space, many spaces", field(b"A:b\r\nC:    \t d \t "), "passes"),
    ("empty values", field(b"A:\r\nB: \r\nC:\t"), "passes"),
    ("a name of all that a token has", field(b"!#$%&'*+-.^_`|~09AZaz: b"), "passes"),
]

HOSTS = [
    ("no Host", GET + b"\r\n", 400),
    ("an empty Host", host(b"Host:"), 400),
    ("a blank Host", host(b"Host: \t "), 400),
    ("two Hosts", host(b"Host: h\r\nHost: i"), 400),
    ("the same Host twice", host(b"Host: h\r\nHost: h"), 400),
    ("two Hosts, one in capitals", host(b"Host: h\r\nHOST: i"), 400),
    ("two Hosts in 1.0", b"GET / HTTP/1.0\r\nHost: h\r\nHost: i\r\n\r\n", 400),
    ("a space behind Host", host(b"Host : h"), 400),
    ("a list of Hosts", host(b"Host: h, i"), 400),
    ("two Hosts with a space", host(b"Host: h i"), 400),
    ("user info in Host", host(b"Host: a@h"), 400),
    ("a path in Host", host(b"Host: h/a"), 400),
    ("a query in Host", host(b"Host: h?a"), 400),
    ("a fragment in Host", host(b"Host: h#a"), 400),
    ("a URL for Host", host(b"Host: http://h/"), 400),
    ("a quote in Host", host(b"Host: h\"><script>"), 400),
    ("a percent sign in Host", host(b"Host: h%00i"), 400),
    ("a byte above ASCII in Host", host(b"Host: h\xc3\xa4"), 400),
    ("an empty port", host(b"Host: h:"), 400),
    ("a port too high", host(b"Host: h:65536"), 400),
    ("a port of six digits", host(b"Host: h:000080"), 400),
    ("a port with a sign", host(b"Host: h:+80"), 400),
    ("a port that is no number", host(b"Host: h:http"), 400),
    ("two ports", host(b"Host: h:80:443"), 400),
    ("a port alone", host(b"Host: :80"), 400),
    ("brackets not closed", host(b"Host: [::1"), 400),
    ("empty brackets", host(b"Host: []"), 400),
    ("a name in brackets", host(b"Host: [h]"), 400),
    ("a name behind brackets", host(b"Host: [::1]h"), 400),
    ("a scope in brackets", host(b"Host: [fe80::1%25eth0]"), 400),
    ("IPv6 without brackets", host(b"Host: ::1"), 400),
    ("an alias of Host", host(b"HO_ST: h"), 400),
    ("IPv6", host(b"Host: [2001:db8::1]:5443"), "passes"),
    ("an underscore in Host", host(b"Host: my_host:5443"), "passes"),
    ("HTTP/1.0 without Host", b"GET / HTTP/1.0\r\n\r\n", "passes"),
]

LENGTHS = [
    ("Content-Length and Transfer-Encoding", length(b"Content-Length: 5\r\nTransfer-Encoding: chunked"), 400),
    ("Transfer-Encoding and Content-Length", length(b"Transfer-Encoding: chunked\r\nContent-Length: 5"), 400),
    ("Content-Length and identity", length(b"Content-Length: 5\r\nTransfer-Encoding: identity"), 400),
    ("Content-Length and an empty Transfer-Encoding", length(b"Content-Length: 5\r\nTransfer-Encoding:"), 400),
    ("both, in HTTP/1.0", b"POST / HTTP/1.0\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n" + LAST, 400),
    ("CL.TE", POST + b"Content-Length: 6\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nG", 400),
    ("TE.CL", POST + b"Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n5c\r\nGPOST / HTTP/1.1\r\n", 400),
    ("two Content-Lengths", length(b"Content-Length: 5\r\nContent-Length: 6"), 400),
    ("the same Content-Length twice", length(b"Content-Length: 5\r\nContent-Length: 5"), 400),
    ("Content-Length twice, one in capitals", length(b"Content-Length: 5\r\nCONTENT-LENGTH: 0"), 400),
    ("a list of Content-Lengths", length(b"Content-Length: 5, 5"), 400),
    ("a list that ends with a comma", length(b"Content-Length: 5,"), 400),
    ("Content-Length with a plus", length(b"Content-Length: +5"), 400),
    ("Content-Length with a minus", length(b"Content-Length: -5"), 400),
    ("Content-Length minus zero", length(b"Content-Length: -0"), 400),
    ("an empty Content-Length", length(b"Content-Length:"), 400),
    ("a blank Content-Length", length(b"Content-Length: \t"), 400),
    ("Content-Length in hexadecimal", length(b"Content-Length: 0x5"), 400),
    ("Content-Length in octal", length(b"Content-Length: 0o5"), 400),
    ("Content-Length with an exponent", length(b"Content-Length: 5e0"), 400),
    ("Content-Length with a fraction", length(b"Content-Length: 5.0"), 400),
    ("Content-Length with an underscore", length(b"Content-Length: 0_5"), 400),
    ("Content-Length with a letter behind", length(b"Content-Length: 5a"), 400),
    ("Content-Length with a space inside", length(b"Content-Length: 0 5"), 400),
    ("Content-Length with a semicolon", length(b"Content-Length: 5;a"), 400),
    ("Content-Length in quotes", length(b'Content-Length: "5"'), 400),
    ("Content-Length of a word", length(b"Content-Length: five"), 400),
    ("Content-Length in Arabic digits", length("Content-Length: \u0665".encode()), 400),
    ("Content-Length with a no-break space", length(b"Content-Length: \xa05"), 400),
    ("Content-Length with a NUL", length(b"Content-Length: 5\0"), 400),
    ("Content-Length of 2^63", length(b"Content-Length: 9223372036854775808"), 400),
    ("Content-Length of 2^64", length(b"Content-Length: 18446744073709551616"), 400),
    ("Content-Length of 2^64 + 5", length(b"Content-Length: 18446744073709551621"), 400),
    ("Content-Length of 100 digits", length(b"Content-Length: " + b"9" * 100), 400),
    ("a space behind Content-Length", length(b"Content-Length : 5"), 400),
    ("a NUL behind Content-Length", length(b"Content-Length\0: 5"), 400),
    ("Content-Length behind CR", length(b"A: b\rContent-Length: 5"), 400),
    ("a length with zeros before", POST + b"Content-Length: 005\r\n\r\nhello", "passes"),
    ("a length with blanks around", POST + b"Content-Length: \t5  \r\n\r\nhello", "passes"),
    ("a length and its alias", POST + b"Content-Length: 5\r\nContent_Length: 50\r\n\r\nhello", "passes"),
    ("a long name like a length's", POST + b"Content-Length: 5\r\nContent-Length" + b"0" * 241 + b": 50\r\n\r\nhello",
     "passes"),
    ("a body of GET", GET + HOST + b"Content-Length: 35\r\n\r\n" + SMUGGLED[:35], "passes"),
    ("a length that Connection names", POST + b"Content-Length: 5\r\nConnection: Content-Length, Host\r\n\r\nhello",
     "passes"),
]

CODINGS = [
    ("chunked twice", coding(b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked"), 400),
    ("chunked and identity", coding(b"Transfer-Encoding: chunked\r\nTransfer-Encoding: identity"), 400),
    ("identity and chunked", coding(b"Transfer-Encoding: identity\r\nTransfer-Encoding: chunked"), 400),
    ("chunked, chunked", coding(b"Transfer-Encoding: chunked, chunked"), 400),
    ("chunked, identity", coding(b"Transfer-Encoding: chunked, identity"), 400),
    ("chunked, gzip", coding(b"Transfer-Encoding: chunked, gzip"), 400),
    ("gzip, chunked", coding(b"Transfer-Encoding: gzip, chunked"), 501),
    ("identity, chunked", coding(b"Transfer-Encoding: identity, chunked"), 501),
    ("gzip", coding(b"Transfer-Encoding: gzip"), 400),
    ("identity", coding(b"Transfer-Encoding: identity"), 400),
    ("an empty Transfer-Encoding", coding(b"Transfer-Encoding:"), 400),
    ("xchunked", coding(b"Transfer-Encoding: xchunked"), 400),
    ("chunkedx", coding(b"Transfer-Encoding: chunkedx"), 400),
    ("chunk", coding(b"Transfer-Encoding: chunk"), 400),
    ("chunked with a comma", coding(b"Transfer-Encoding: chunked,"), 400),
    ("chunked behind a comma", coding(b"Transfer-Encoding: ,chunked"), 400),
    ("chunked with a parameter", coding(b"Transfer-Encoding: chunked;a=b"), 400),
    ("chunked with a quality", coding(b"Transfer-Encoding: chunked;q=0.5"), 400),
    ("chunked in quotes", coding(b'Transfer-Encoding: "chunked"'), 400),
    ("chunked in single quotes", coding(b"Transfer-Encoding: 'chunked'"), 400),
    ("chunked behind a colon", coding(b"Transfer-Encoding: : chunked"), 400),
    ("chunked with a vertical tab", coding(b"Transfer-Encoding: \vchunked"), 400),
    ("chunked with a form feed", coding(b"Transfer-Encoding: chunked\f"), 400),
    ("chunked with a no-break space", coding(b"Transfer-Encoding: \xa0chunked"), 400),
    ("chunked with a NUL", coding(b"Transfer-Encoding: chunked\0"), 400),
    ("chunked with a CR", coding(b"Transfer-Encoding: chunked\r"), 400),
    ("chunked above ASCII", coding("Transfer-Encoding: c\u0127unked".encode()), 400),
    ("chunked in two words", coding(b"Transfer-Encoding: chun ked"), 400),
    ("a space behind Transfer-Encoding", coding(b"Transfer-Encoding : chunked"), 400),
    ("a tab behind Transfer-Encoding", coding(b"Transfer-Encoding\t: chunked"), 400),
    ("a space before Transfer-Encoding", coding(b" Transfer-Encoding: chunked"), 400),
    ("Transfer-Encoding behind LF", coding(b"A: b\nTransfer-Encoding: chunked"), 400),
    ("Transfer-Encoding of two words", coding(b"Transfer Encoding: chunked"), 400),
    ("chunked in HTTP/1.0", b"POST / HTTP/1.0\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n" + LAST, 400),
    ("chunked in capitals", POST + b"TRANSFER-ENCODING:CHUNKED \r\n\r\n" + LAST, "passes"),
    ("an alias of Transfer-Encoding", POST + b"Content-Length: 5\r\nTransfer_Encoding: chunked\r\n\r\nhello", "passes"),
]

CHUNKS = [
    ("an empty size", chunks(b"\r\n\r\n"), 400),
    ("a size with a sign", chunks(b"+5\r\nhello\r\n" + LAST), 400),
    ("a negative size", chunks(b"-5\r\nhello\r\n" + LAST), 400),
    ("a size with 0x", chunks(b"0x5\r\nhello\r\n" + LAST), 400),
    ("a size with a space before", chunks(b" 5\r\nhello\r\n" + LAST), 400),
    ("a size with a space behind", chunks(b"5 \r\nhello\r\n" + LAST), 400),
    ("a size with a tab behind", chunks(b"5\t\r\nhello\r\n" + LAST), 400),
    ("a size with an underscore", chunks(b"0_5\r\nhello\r\n" + LAST), 400),
    ("a size that is no number", chunks(b"x\r\nhello\r\n" + LAST), 400),
    ("a size of 2^31", chunks(b"80000000\r\nhello\r\n" + LAST), 400),
    ("a size of 2^32 + 5", chunks(b"100000005\r\nhello\r\n" + LAST), 400),
    ("a size of 2^64", chunks(b"10000000000000000\r\nhello\r\n" + LAST), 400),
    ("a size of 2^64 + 5", chunks(b"10000000000000005\r\nhello\r\n" + LAST), 400),
    ("a size of 300 digits", chunks(b"0" * 299 + b"5\r\nhello\r\n" + LAST), 400),
    ("a size with a NUL", chunks(b"5\0\r\nhello\r\n" + LAST), 400),
    ("a size line with LF alone", chunks(b"5\nhello\r\n" + LAST), 400),
    ("a size line with CR alone", chunks(b"5\rhello\r\n" + LAST), 400),
    ("a size line with CR and a letter", chunks(b"5\rXhello\r\n" + LAST), 400),
    ("data that ends with LF alone", chunks(b"5\r\nhello\n" + LAST), 400),
    ("data that ends with CR alone", chunks(b"5\r\nhello\r" + LAST), 400),
    ("data longer than said", chunks(b"5\r\nhello!\r\n" + LAST), 400),
    ("data with two bytes for CRLF", chunks(b"5\r\nhelloXX" + LAST), 400),
    ("an end with LF alone", chunks(b"0\n\n"), 400),
    ("an end with LF for the empty line", chunks(b"0\r\n\n"), 400),
    ("an end with CR CR", chunks(b"0\r\n\r\r"), 400),
    ("a request for a trailer", chunks(b"0\r\n" + SMUGGLED), 400),
    ("an extension behind LF", chunks(b"5;a\nhello\r\n" + LAST), 400),
    ("an extension with CR", chunks(b"5;a\rb\r\nhello\r\n" + LAST), 400),
    ("an extension with a NUL", chunks(b"5;a=\0\r\nhello\r\n" + LAST), 400),
    ("an extension with a space", chunks(b"5; a=b\r\nhello\r\n" + LAST), 400),
    ("an extension with a space before", chunks(b"5 ;a=b\r\nhello\r\n" + LAST), 400),
    ("an empty extension", chunks(b"5;\r\nhello\r\n" + LAST), 400),
    ("an extension without name", chunks(b"5;=b\r\nhello\r\n" + LAST), 400),
    ("an extension without value", chunks(b"5;a=\r\nhello\r\n" + LAST), 400),
    ("an extension's quotes not closed", chunks(b'5;a="b\r\nhello\r\n' + LAST), 400),
    ("an extension with a quoted LF", chunks(b'5;a="\n"\r\nhello\r\n' + LAST), 400),
    ("an extension with a quoted quote", chunks(b'5;a="\\"\r\nhello\r\n' + LAST), 400),
    ("an extension of 300 bytes", chunks(b"5;a=" + b"b" * 300 + b"\r\nhello\r\n" + LAST), 400),
    ("a trailer without name", chunks(b"0\r\n: a\r\n\r\n"), 400),
    ("a trailer with a space before the colon", chunks(b"0\r\nA : b\r\n\r\n"), 400),
    ("a folded trailer", chunks(b"0\r\nA: b\r\n c\r\n\r\n"), 400),
    ("a trailer with LF alone", chunks(b"0\r\nA: b\n\r\n"), 400),
    ("a trailer with a CR", chunks(b"0\r\nA: b\rc\r\n\r\n"), 400),
    ("a trailer with a NUL", chunks(b"0\r\nA: \0\r\n\r\n"), 400),
    ("a trailer of framing", chunks(b"0\r\nContent-Length: 5\r\n\r\n"), 400),
    ("another trailer of framing", chunks(b"0\r\ntransfer-encoding: chunked\r\n\r\n"), 400),
    ("a trailer of routing", chunks(b"0\r\nHost: i\r\n\r\n"), 400),
    ("a trailer of ours", chunks(b"0\r\nX-Forwarded-For: 127.0.0.1\r\n\r\n"), 400),
    ("a trailer of ours, an alias", chunks(b"0\r\nX_Forwarded_For: 127.0.0.1\r\n\r\n"), 400),
    ("a trailer of a certificate", chunks(b"0\r\nX-SSL-Client-Verify: SUCCESS\r\n\r\n"), 400),
    ("trailers of 9 kB", chunks(b"0\r\n" + b"A: b\r\n" * 1500 + b"\r\n"), 400),
    ("chunks", chunks(b"5\r\nhello\r\n" + LAST), "passes"),
    ("a size with zeros before", chunks(b"0000000000000005\r\nhello\r\n" + LAST), "passes"),
    ("a size in capitals", chunks(b"0A\r\nhellohello\r\n" + LAST), "passes"),
    ("extensions", chunks(b'5;a\r\nhello\r\n5;a=b\r\nhello\r\n5;a="b c;d"\r\nhello\r\n' + LAST), "passes"),
    ("trailers", chunks(b"0\r\nA: b\r\nChecksum:\r\n\r\n"), "passes"),
    ("data that looks like an end", chunks(b"5\r\n0\r\n\r\n\r\n" + LAST), "passes"),
]

UPGRADES = [
    ("an upgrade to h2c", field(b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk"),
     "passes"),
    ("an upgrade with a body",
     POST + b"Connection: Upgrade\r\nUpgrade: websocket\r\nContent-Length: 5\r\n\r\nhello", "passes"),
    ("an upgrade with chunks",
     POST + b"Connection: Upgrade\r\nUpgrade: websocket\r\nTransfer-Encoding: chunked\r\n\r\n" + LAST, "passes"),
    ("an upgrade not named by Connection", field(b"Upgrade: websocket"), "passes"),
    ("an upgrade in HTTP/1.0", b"GET / HTTP/1.0\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n", "passes"),
    ("an upgrade to two", field(b"Connection: Upgrade\r\nUpgrade: websocket, h2c"), "passes"),
]

SIZES = [
    ("a target of 9000 bytes", line(b"GET /" + b"a" * 9000 + b" HTTP/1.1"), 431),
    ("a target without end", b"GET /" + b"a" * 9000, 431),
    ("a field of 9000 bytes", field(b"A: " + b"b" * 9000), 431),
    ("a name of 9000 bytes", field(b"a" * 9000 + b": b"), 431),
    ("a field without end", GET + HOST + b"A: " + b"b" * 9000, 431),
    ("many fields, 9000 bytes", field(b"\r\n".join(b"A: " + b"b" * 100 for _ in range(90))), 431),
    ("a method of 9000 bytes", b"A" * 9000, 431),
    ("blanks of 9000 bytes", field(b"A:" + b" " * 9000), 431),
    ("a target of 5000 bytes", line(b"GET /" + b"a" * 5000 + b" HTTP/1.1"), "passes"),
    ("a field of 5000 bytes", field(b"A: " + b"b" * 5000), "passes"),
]

CUT_SHORT = [
    ("one letter", b"G", "waits"),
    ("a method", b"GET ", "waits"),
    ("no end of the first line", b"GET / HTTP/1.1", "waits"),
    ("a first line and its CR", b"GET / HTTP/1.1\r", "waits"),
    ("a first line", GET, "waits"),
    ("a part of a field", GET + b"Host: h", "waits"),
    ("no empty line", GET + HOST, "waits"),
    ("a CR for the empty line", GET + HOST + b"\r", "waits"),
]

CASES = [*FIRST_LINE, *TARGET, *LINE_ENDS, *FIELDS, *HOSTS, *LENGTHS, *CODINGS, *CHUNKS, *UPGRADES, *SIZES, *CUT_SHORT]

if __name__ == "__main__":
    for name, request, expectation in CASES:
        octets = "".join(f"\\{byte:03o}" for byte in request)
        quoted = name.replace("\\", "\\\\").replace('"', '\\"')
        print(f'{{ "{quoted}", SPAN("{octets}"), "{expectation}" }},')
