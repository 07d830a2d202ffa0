#include "test/unit/guarded.h"
#include "test/unit/unit.h"

#include "http/rewrite.h"

enum { ROOM = 16 * 1024 };

/* As a listener has it by default, in front of a backend that speaks plain HTTP. */
#define DEFAULTS                                                                                   \
    .location = true, .secure_cookies = true, .origin = true, .csp = true, .jnlp = true,           \
    .backend = "127.0.0.1:5080"

static const struct rewrite_options defaults = { DEFAULTS };
static const struct rewrite_options quiet = { DEFAULTS, .forwarded = FORWARDED_OFF };
static const struct rewrite_options append = { DEFAULTS, .forwarded = FORWARDED_APPEND };
static const struct rewrite_options strip_hsts = { DEFAULTS, .hsts = HSTS_STRIP };
static const struct rewrite_options set_hsts = { DEFAULTS, .hsts = HSTS_SET,
                                                 .hsts_value = "max-age=300" };
static const struct rewrite_options nothing = { .forwarded = FORWARDED_OFF,
                                                .backend = "127.0.0.1:5080" };

#define CLIENT .address = SPAN("203.0.113.9"), .is_tls = true

static const struct rewrite_client client = { CLIENT };
static const struct rewrite_client trusted = { CLIENT, .is_trusted = true };
static const struct rewrite_client plain = { .address = SPAN("203.0.113.9") };
static const struct rewrite_client ipv6 = { .address = SPAN("2001:db8::1"), .is_tls = true };
static const struct rewrite_client zoned = { .address = SPAN("fe80::1%eth0"), .is_tls = true };
static const struct rewrite_client certified = {
    CLIENT,
    .verify = SPAN("SUCCESS"),
    .subject = SPAN("CN=J\xc3\xb6rg\r\nX-Evil: 1,O=50%"),
    .issuer = SPAN("CN=\x7f CA"),
    .fingerprint = SPAN("ab:cd"),
};
static const struct rewrite_client uncertified = { CLIENT, .verify = SPAN("NONE") };

#define GET   "GET / HTTP/1.1\r\n"
#define HOST  "Host: h:5443\r\n"
#define END   "\r\n"
#define XFF   "X-Forwarded-For: 203.0.113.9\r\n"
#define PROTO "X-Forwarded-Proto: https\r\n"
#define XFH   "X-Forwarded-Host: h:5443\r\n"
#define PORT  "X-Forwarded-Port: 5443\r\n"
#define RFC   "Forwarded: for=203.0.113.9;host=\"h:5443\";proto=https\r\n"
#define OURS  XFF PROTO XFH PORT RFC

static const struct request_row {
    const char *name;
    const struct rewrite_options *options;
    const struct rewrite_client *client;
    const char *in;
    const char *out;
    bool wants_close;
} requests[] = {
    { "the least", &defaults, &client, GET HOST END, GET HOST OURS END, false },
    { "fields keep their order, names and bytes", &quiet, &client,
      "GET /a?b HTTP/1.1\r\nx-B:  1 \r\nCookie:a=\"b\"; c\r\nhOST: h\r\nX-b:\r\nAccept: "
      "\xe4\r\n" END,
      "GET /a?b HTTP/1.1\r\nHost: h\r\nx-B: 1\r\nCookie: a=\"b\"; c\r\nX-b: \r\nAccept: "
      "\xe4\r\n" END,
      false },
    { "hop-by-hop fields go", &quiet, &client,
      GET HOST "Connection: keep-alive\r\nKeep-Alive: 1\r\nProxy-Connection: a\r\nTE: trailers\r\n"
               "Upgrade: websocket\r\nHTTP2-Settings: AAMA\r\nTrailer: X-T\r\n" END,
      GET HOST "Trailer: X-T\r\n" END, false },
    { "so do those that Connection names", &quiet, &client,
      GET HOST "X-A: 1\r\nConnection: x-a ,, X-B,close\r\nX-B: 2\r\nX-C: 3\r\nx-b: 4\r\n"
               "Connection: X-D\r\nX-D: 5\r\n" END,
      GET HOST "X-C: 3\r\n" END, false },
    { "never the Host, the framing or ours", &defaults, &client,
      "POST / HTTP/1.1\r\n" HOST "Content-Length: 3\r\n"
      "Connection: X-Forwarded-For, Forwarded, Host, Content-Length, X-Forwarded-Proto, Expect\r\n"
      "X-Forwarded-For: 192.0.2.1\r\nForwarded: for=192.0.2.1\r\nExpect: 100-continue\r\n" END,
      "POST / HTTP/1.1\r\n" HOST "Content-Length: 3\r\nExpect: 100-continue\r\n" OURS END, false },
    { "even Transfer-Encoding", &quiet, &client,
      "POST / HTTP/1.1\r\n" HOST
      "Connection: Transfer-Encoding\r\nTransfer-Encoding: Chunked\r\n" END,
      "POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n" END, false },
    { "the last request", &quiet, &client, GET HOST END, GET HOST "Connection: close\r\n" END,
      true },
    { "HTTP/1.0 stays", &defaults, &client, "GET / HTTP/1.0\r\nConnection: keep-alive\r\n" END,
      "GET / HTTP/1.0\r\nConnection: close\r\n" XFF PROTO "X-Forwarded-Port: 443\r\n"
      "Forwarded: for=203.0.113.9;proto=https\r\n" END,
      true },
    { "an absolute target", &quiet, &client, "GET http://h:5443/a?b HTTP/1.1\r\n" HOST END,
      "GET /a?b HTTP/1.1\r\n" HOST END, false },
    { "an absolute target without a path", &quiet, &client,
      "OPTIONS http://h:5443 HTTP/1.1\r\n" HOST END, "OPTIONS * HTTP/1.1\r\n" HOST END, false },
    { "a length of nothing", &quiet, &client,
      "POST /open/1 HTTP/1.1\r\n" HOST "content-length: 000\r\n" END,
      "POST /open/1 HTTP/1.1\r\n" HOST "Content-Length: 0\r\n" END, false },
    { "the largest length", &quiet, &client,
      "PUT /a HTTP/1.1\r\n" HOST "Content-Length: 9223372036854775807\r\n" END,
      "PUT /a HTTP/1.1\r\n" HOST "Content-Length: 9223372036854775807\r\n" END, false },
    { "an upgrade", &quiet, &client,
      GET HOST "Connection: keep-alive, Upgrade\r\nUpgrade: websocket\r\n"
               "Sec-WebSocket-Key: k\r\n" END,
      GET HOST "Sec-WebSocket-Key: k\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n" END, false },
    { "an upgrade that is the last", &quiet, &client,
      GET HOST "Connection: close, Upgrade\r\nUpgrade: websocket\r\n" END,
      GET HOST "Connection: Upgrade, close\r\nUpgrade: websocket\r\n" END, true },
    { "an upgrade to HTTP/2 is not asked for", &quiet, &client,
      GET HOST "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: A\r\n" END,
      GET HOST END, false },

    { "what a stranger says of others goes", &defaults, &client,
      GET HOST "X-Forwarded-For: 192.0.2.1\r\nX-Forwarded-Proto: ftp\r\nX-Forwarded-Host: e\r\n"
               "X-Forwarded-Port: 1\r\nForwarded: for=192.0.2.1\r\nX-Real-IP: 192.0.2.1\r\n" END,
      GET HOST OURS END, false },
    { "a trusted proxy's too, with replace", &defaults, &trusted,
      GET HOST "X-Forwarded-For: 192.0.2.1\r\nForwarded: for=192.0.2.1\r\nX-Real-IP: a\r\n" END,
      GET HOST OURS END, false },
    { "and with off", &quiet, &trusted,
      GET HOST "X-Forwarded-For: 192.0.2.1\r\nForwarded: for=192.0.2.1\r\nX-Real-IP: a\r\n" END,
      GET HOST END, false },
    { "with append ours comes behind", &append, &trusted,
      GET HOST "x-forwarded-for: 192.0.2.1\r\nX-Forwarded-Proto: http\r\n"
               "X-Forwarded-Host: e\r\nX-Forwarded-Port: 80\r\nX-Forwarded-Server: s\r\n"
               "X-Real-IP: 192.0.2.1\r\nForwarded: for=192.0.2.1;by=b, for=x\r\n"
               "X-Forwarded-For: 192.0.2.2, 192.0.2.3\r\nX-Forwarded-For:\r\n" END,
      GET HOST "X-Forwarded-Proto: http\r\nX-Forwarded-Host: e\r\nX-Forwarded-Port: 80\r\n"
               "X-Forwarded-Server: s\r\nX-Real-IP: 192.0.2.1\r\n"
               "X-Forwarded-For: 192.0.2.1, 192.0.2.2, 192.0.2.3, 203.0.113.9\r\n"
               "Forwarded: for=192.0.2.1;by=b, for=x, for=203.0.113.9;host=\"h:5443\";"
               "proto=https\r\n" END,
      false },
    { "with append, what a trusted proxy left out", &append, &trusted, GET HOST END,
      GET HOST OURS END, false },
    { "with append, what it means for itself", &append, &trusted,
      GET HOST "Connection: X-Forwarded-For\r\nX-Forwarded-For: 192.0.2.1\r\n" END,
      GET HOST OURS END, false },
    { "with append, a stranger's goes", &append, &client,
      GET HOST "X-Forwarded-For: 192.0.2.1\r\nX-Forwarded-Proto: ftp\r\n" END, GET HOST OURS END,
      false },
    { "IPv6", &defaults, &ipv6, GET "Host: [::1]\r\n" END,
      GET "Host: [::1]\r\nX-Forwarded-For: 2001:db8::1\r\n" PROTO
          "X-Forwarded-Host: [::1]\r\nX-Forwarded-Port: 443\r\n"
          "Forwarded: for=\"[2001:db8::1]\";host=\"[::1]\";proto=https\r\n" END,
      false },
    { "IPv6 with a zone", &defaults, &zoned, GET "Host: h\r\n" END,
      GET "Host: h\r\nX-Forwarded-For: fe80::1\r\n" PROTO
          "X-Forwarded-Host: h\r\nX-Forwarded-Port: 443\r\n"
          "Forwarded: for=\"[fe80::1]\";host=\"h\";proto=https\r\n" END,
      false },
    { "plain HTTP", &defaults, &plain, GET "Host: h\r\n" END,
      GET "Host: h\r\n" XFF "X-Forwarded-Proto: http\r\nX-Forwarded-Host: h\r\n"
          "X-Forwarded-Port: 80\r\nForwarded: for=203.0.113.9;host=\"h\";proto=http\r\n" END,
      false },
    { "a certificate", &quiet, &certified,
      GET HOST "X-SSL-Client-Verify: SUCCESS\r\nx_ssl_client_subject: CN=root\r\nX-SSL-: a\r\n" END,
      GET HOST "X-SSL-Client-Verify: SUCCESS\r\n"
               "X-SSL-Client-Subject: CN=J%C3%B6rg%0D%0AX-Evil: 1,O=50%25\r\n"
               "X-SSL-Client-Issuer: CN=%7F CA\r\nX-SSL-Client-Fingerprint: ab:cd\r\n" END,
      false },
    { "a client without one", &quiet, &uncertified, GET HOST END,
      GET HOST "X-SSL-Client-Verify: NONE\r\n" END, false },

    { "our origin", &quiet, &client,
      GET HOST "Origin: https://H:5443\r\nReferer: https://h:5443/a?b\r\n" END,
      GET HOST "Origin: http://h:5443\r\nReferer: http://h:5443/a?b\r\n" END, false },
    { "the default port stays as the Host has it", &quiet, &client,
      GET "Host: h\r\nOrigin: https://h:443\r\n" END, GET "Host: h\r\nOrigin: http://h\r\n" END,
      false },
    { "a forged origin", &quiet, &client,
      GET HOST "Origin: http://h:5443\r\nReferer: http://h:5443/a?b\r\n" END,
      GET HOST "Origin: http://plain.invalid\r\nReferer: http://plain.invalid/\r\n" END, false },
    { "a foreign origin", &quiet, &client,
      GET HOST "Origin: https://e\r\nReferer: https://e/\r\nOrigin: null\r\n" END,
      GET HOST "Origin: https://e\r\nReferer: https://e/\r\nOrigin: null\r\n" END, false },
    { "origins where the backend knows of https", &nothing, &client,
      GET HOST "Origin: https://h:5443\r\nReferer: http://h:5443/\r\n" END,
      GET HOST "Origin: https://h:5443\r\nReferer: http://h:5443/\r\n" END, false },
    { "all of it, unencoded, where a JNLP may come", &quiet, &client,
      "GET /a/ScreenRequestHandler?a HTTP/1.1\r\n" HOST
      "Accept-Encoding: gzip\r\nrange: bytes=1-\r\nIf-Range: a\r\n" END,
      "GET /a/ScreenRequestHandler?a HTTP/1.1\r\n" HOST "Accept-Encoding: identity\r\n" END,
      false },
    { "any encoding and part elsewhere", &quiet, &client,
      GET HOST "Accept-Encoding: gzip\r\nRange: bytes=1-\r\n" END,
      GET HOST "Accept-Encoding: gzip\r\nRange: bytes=1-\r\n" END, false },
    { "any encoding where JNLP is not rewritten", &nothing, &client,
      "GET /a.jnlp HTTP/1.1\r\n" HOST "Accept-Encoding: gzip\r\n" END,
      "GET /a.jnlp HTTP/1.1\r\n" HOST "Accept-Encoding: gzip\r\n" END, false },
};

#define OK200 "HTTP/1.1 200 OK\r\n"
#define CL    "Content-Length: 5\r\n"

static const struct response_row {
    const char *name;
    const struct rewrite_options *options;
    const char *host;
    const char *in;
    const char *out;
    bool is_head;
    bool is_last;
    int64_t length;
} responses[] = {
    { "the least", &defaults, "h", OK200 END, OK200 END, false, false, -1 },
    { "the version and the reason", &defaults, "h", "HTTP/1.0 404\r\n" END,
      "HTTP/1.1 404 \r\nConnection: close\r\n" END, false, true, -1 },
    { "hop-by-hop fields go", &defaults, "h",
      OK200 "Connection: Keep-Alive, X-A, Date\r\nKeep-Alive: 5\r\nX-A: 1\r\nTE: a\r\n"
            "Proxy-Connection: b\r\nUpgrade: h2c\r\nServer: s\r\n" CL END,
      OK200 "Server: s\r\n" CL END, false, false, -1 },
    { "chunks", &defaults, "h", OK200 "Trailer: X\r\nTransfer-Encoding: chunked\r\n" END,
      OK200 "Trailer: X\r\nTransfer-Encoding: chunked\r\n" END, false, false, -1 },
    { "an upgrade", &defaults, "h",
      "HTTP/1.1 101 Switching\r\nConnection: upgrade\r\nUpgrade: websocket\r\n"
      "Sec-WebSocket-Accept: a\r\n" END,
      "HTTP/1.1 101 Switching\r\nSec-WebSocket-Accept: a\r\nConnection: Upgrade\r\n"
      "Upgrade: websocket\r\n" END,
      false, false, -1 },
    { "1xx has no length", &set_hsts, "h", "HTTP/1.1 100 Continue\r\n" CL END,
      "HTTP/1.1 100 Continue\r\n" END, false, false, -1 },
    { "204 neither", &defaults, "h", "HTTP/1.1 204 No\r\n" CL END, "HTTP/1.1 204 No\r\n" END, false,
      false, -1 },
    { "304 keeps what it mentions", &defaults, "h", "HTTP/1.1 304 N\r\n" CL "ETag: \"a\"\r\n" END,
      "HTTP/1.1 304 N\r\nETag: \"a\"\r\n" CL END, false, false, -1 },
    { "HEAD too", &defaults, "h", OK200 CL END, OK200 CL END, true, false, -1 },
    { "HEAD of chunks", &defaults, "h", OK200 "Transfer-Encoding: chunked\r\n" END,
      OK200 "Transfer-Encoding: chunked\r\n" END, true, false, -1 },
    { "a body of ours", &defaults, "h",
      OK200 "Content-Type: a/b\r\nTransfer-Encoding: chunked\r\nTrailer: X\r\nETag: \"a\"\r\n"
            "Content-Encoding: identity\r\ncontent-md5: a\r\nAccept-Ranges: bytes\r\n"
            "Last-Modified: a\r\n" END,
      OK200 "Content-Type: a/b\r\nLast-Modified: a\r\nContent-Length: 77\r\n" END, false, false,
      77 },
    { "HEAD of what will be changed", &defaults, "h",
      OK200 "Content-Type: application/x-java-jnlp-file\r\n" CL END,
      OK200 "Content-Type: application/x-java-jnlp-file\r\n" END, true, false, -1 },
    { "304 of it", &defaults, "h",
      "HTTP/1.1 304 N\r\nContent-Type: application/x-java-jnlp-file\r\n" CL END,
      "HTTP/1.1 304 N\r\nContent-Type: application/x-java-jnlp-file\r\n" CL END, false, false, -1 },
    { "GET of it", &defaults, "h", OK200 "Content-Type: application/x-java-jnlp-file\r\n" CL END,
      OK200 "Content-Type: application/x-java-jnlp-file\r\n" CL END, false, false, -1 },
    { "HEAD of what will not", &nothing, "h",
      OK200 "Content-Type: application/x-java-jnlp-file\r\n" CL END,
      OK200 "Content-Type: application/x-java-jnlp-file\r\n" CL END, true, false, -1 },

    { "Location of the Host", &defaults, "h:5443", OK200 "Location: http://h:5443/a?b#c\r\n" END,
      OK200 "Location: https://h:5443/a?b#c\r\n" END, false, false, -1 },
    { "in other letters", &defaults, "h:5443", OK200 "location: HTTP://H:5443\r\n" END,
      OK200 "location: https://h:5443\r\n" END, false, false, -1 },
    { "of the Host on the backend's port", &defaults, "h:5443",
      OK200 "Location: http://h:5080/\r\n" END, OK200 "Location: https://h:5443/\r\n" END, false,
      false, -1 },
    { "of the backend", &defaults, "h:5443",
      OK200 "Content-Location: http://127.0.0.1:5080/\r\n" END,
      OK200 "Content-Location: https://h:5443/\r\n" END, false, false, -1 },
    { "with the default port of http", &defaults, "h", OK200 "Location: http://h:80/\r\n" END,
      OK200 "Location: https://h/\r\n" END, false, false, -1 },
    { "with our default port", &defaults, "h:443", OK200 "Location: http://h/\r\n" END,
      OK200 "Location: https://h:443/\r\n" END, false, false, -1 },
    { "on a port of another service", &defaults, "h:5443", OK200 "Location: http://h:8080/\r\n" END,
      OK200 "Location: http://h:8080/\r\n" END, false, false, -1 },
    { "on port 80", &defaults, "h:5443", OK200 "Location: http://h/\r\n" END,
      OK200 "Location: http://h/\r\n" END, false, false, -1 },
    { "of another host", &defaults, "h", OK200 "Location: http://h.e/\r\n" END,
      OK200 "Location: http://h.e/\r\n" END, false, false, -1 },
    { "with user info", &defaults, "h", OK200 "Location: http://h@e/\r\n" END,
      OK200 "Location: http://h@e/\r\n" END, false, false, -1 },
    { "a path", &defaults, "h", OK200 "Location: /a//http://h/\r\n" END,
      OK200 "Location: /a//http://h/\r\n" END, false, false, -1 },
    { "https already", &defaults, "h", OK200 "Location: https://h/\r\n" END,
      OK200 "Location: https://h/\r\n" END, false, false, -1 },
    { "to a request without Host", &defaults, "", OK200 "Location: http://127.0.0.1:5080/\r\n" END,
      OK200 "Location: http://127.0.0.1:5080/\r\n" END, false, false, -1 },
    { "empty", &defaults, "h", OK200 "Location:\r\nRefresh:\r\nSet-Cookie:\r\n" END,
      OK200 "Location: \r\nRefresh: \r\nSet-Cookie: \r\n" END, false, false, -1 },
    { "Refresh", &defaults, "h", OK200 "Refresh: 5; url=http://h/a\r\n" END,
      OK200 "Refresh: 5; url=https://h/a\r\n" END, false, false, -1 },
    { "Refresh, quoted", &defaults, "h", OK200 "Refresh: 5 ,URL = 'http://h/a'\r\n" END,
      OK200 "Refresh: 5 ,URL = 'https://h/a'\r\n" END, false, false, -1 },
    { "Refresh without url=", &defaults, "h", OK200 "Refresh: 5;http://h/a\r\n" END,
      OK200 "Refresh: 5;https://h/a\r\n" END, false, false, -1 },
    { "Refresh of the page itself", &defaults, "h", OK200 "Refresh: 5\r\nRefresh: 5;url\r\n" END,
      OK200 "Refresh: 5\r\nRefresh: 5;url\r\n" END, false, false, -1 },
    { "Refresh elsewhere", &defaults, "h", OK200 "Refresh: 5;url=http://e/http://h/\r\n" END,
      OK200 "Refresh: 5;url=http://e/http://h/\r\n" END, false, false, -1 },

    { "cookies", &defaults, "h",
      OK200 "Set-Cookie: a=b; Path=/; HttpOnly\r\nSet-Cookie: secure=secure\r\n"
            "Set-Cookie: a=b; Comment=Secure\r\nSet-Cookie: a=\"; secure\"\r\n"
            "Set-Cookie: a; Secured; Insecure\r\nSet-Cookie: a;\r\n" END,
      OK200 "Set-Cookie: a=b; Path=/; HttpOnly; Secure\r\nSet-Cookie: secure=secure; Secure\r\n"
            "Set-Cookie: a=b; Comment=Secure; Secure\r\nSet-Cookie: a=\"; secure\"; Secure\r\n"
            "Set-Cookie: a; Secured; Insecure; Secure\r\nSet-Cookie: a;; Secure\r\n" END,
      false, false, -1 },
    { "cookies that are secure", &defaults, "h",
      OK200 "Set-Cookie: a=b;secure\r\nSet-Cookie: a=b; SECURE ; Path=/\r\n"
            "Set-Cookie: a=b;\tSecure=x\r\n" END,
      OK200 "Set-Cookie: a=b;secure\r\nSet-Cookie: a=b; SECURE ; Path=/\r\n"
            "Set-Cookie: a=b;\tSecure=x\r\n" END,
      false, false, -1 },

    { "a content security policy", &defaults, "h:5443",
      OK200 "Content-Security-Policy: default-src 'self'; connect-src 'self' ws://h:5443;"
            "img-src *,connect-src WS://H:5443/a\r\n"
            "content-security-policy-report-only: connect-src ws://h:5443\r\n" END,
      OK200 "Content-Security-Policy: default-src 'self'; connect-src 'self' wss://h:5443;"
            "img-src *,connect-src wss://h:5443/a\r\n"
            "content-security-policy-report-only: connect-src wss://h:5443\r\n" END,
      false, false, -1 },
    { "a content security policy that is not about us", &defaults, "h:5443",
      OK200 "Content-Security-Policy: connect-src ws: ws://h ws://h:5080 ws://h:5443.e "
            "ws://127.0.0.1:5080 xws://h:5443 wss://h:5443 ws://*:5443  ;;\r\n" END,
      OK200 "Content-Security-Policy: connect-src ws: ws://h ws://h:5080 ws://h:5443.e "
            "ws://127.0.0.1:5080 xws://h:5443 wss://h:5443 ws://*:5443  ;;\r\n" END,
      false, false, -1 },

    { "HSTS passes", &defaults, "h", OK200 "Strict-Transport-Security: max-age=1\r\n" END,
      OK200 "Strict-Transport-Security: max-age=1\r\n" END, false, false, -1 },
    { "HSTS is stripped", &strip_hsts, "h", OK200 "Strict-Transport-Security: max-age=1\r\n" END,
      OK200 END, false, false, -1 },
    { "HSTS is set", &set_hsts, "h", OK200 END,
      OK200 "Strict-Transport-Security: max-age=300\r\n" END, false, false, -1 },
    { "HSTS is replaced", &set_hsts, "h",
      OK200 "strict-transport-security: max-age=1; preload\r\nStrict_Transport-Security: a\r\n" END,
      OK200 "Strict-Transport-Security: max-age=300\r\n" END, false, false, -1 },

    { "nothing is rewritten", &nothing, "h",
      OK200 "Location: http://h/\r\nRefresh: 5;url=http://h/\r\nSet-Cookie: a=b\r\n"
            "Content-Security-Policy: connect-src ws://h\r\n" END,
      OK200 "Location: http://h/\r\nRefresh: 5;url=http://h/\r\nSet-Cookie: a=b\r\n"
            "Content-Security-Policy: connect-src ws://h\r\n" END,
      false, false, -1 },
};

/* ---- the rows ---- */

static void parse(const char *text, size_t len, bool is_response, struct head *head)
{
    struct head_scan scan = { 0 };
    size_t size;

    assert_int_equal(
        head_scan(&scan, is_response ? HEAD_RESPONSE : HEAD_REQUEST, text, len, ROOM, &size),
        HEAD_OK);
    assert_int_equal(size, len);
    assert_int_equal(is_response ? head_parse_response(text, len, head)
                                 : head_parse_request(text, len, head),
                     HEAD_OK);
}

static int rewrite_a_request(const struct request_row *row, char *out, size_t size)
{
    struct head head;

    parse(row->in, strlen(row->in), false, &head);
    return rewrite_request(&head, row->options, row->client, row->wants_close, out, size);
}

/* The very bytes; and in a buffer of every size: all of them, or -1, and none behind the end. */
static void requests_are_written_anew(void **state)
{
    (void)state;
    for (const struct request_row *row = requests; row < requests + COUNT(requests); row++) {
        size_t due = strlen(row->out);
        char *out = guarded_end() - ROOM;
        int n = rewrite_a_request(row, out, ROOM);

        row_assert(row, n >= 0);
        out[n] = '\0';
        row_assert_string(row, out, row->out);
        for (size_t size = 0; size <= due; size++)
            row_assert_int(row, rewrite_a_request(row, guarded_end() - size, size),
                           size < due ? -1 : (int)due);
    }
}

static int rewrite_a_response(const struct response_row *row, char *out, size_t size)
{
    struct rewrite_asked asked = { span_of(row->host), row->is_head, row->is_last };
    struct head head;

    parse(row->in, strlen(row->in), true, &head);
    return rewrite_response(&head, row->options, &asked, row->length, out, size);
}

static void responses_are_written_anew(void **state)
{
    (void)state;
    for (const struct response_row *row = responses; row < responses + COUNT(responses); row++) {
        size_t due = strlen(row->out);
        char *out = guarded_end() - ROOM;
        int n = rewrite_a_response(row, out, ROOM);

        row_assert(row, n >= 0);
        out[n] = '\0';
        row_assert_string(row, out, row->out);
        for (size_t size = 0; size <= due; size++)
            row_assert_int(row, rewrite_a_response(row, guarded_end() - size, size),
                           size < due ? -1 : (int)due);
    }
}

/* The next parser understands what the first did. */
static void what_is_written_means_the_same(void **state)
{
    (void)state;
    for (const struct request_row *row = requests; row < requests + COUNT(requests); row++) {
        struct head in, out;

        parse(row->in, strlen(row->in), false, &in);
        parse(row->out, strlen(row->out), false, &out);
        row_assert(row, span_is(in.method, out.method));
        row_assert(row, span_is(in.path, out.path));
        row_assert(row, span_is(in.host, out.host));
        row_assert(row, span_is(in.upgrade, out.upgrade));
        row_assert_int(row, out.minor, in.minor);
        row_assert_int(row, out.body, in.body);
        row_assert_int(row, out.content_length, in.content_length);
        row_assert_int(row, out.expects_continue, in.expects_continue);
        row_assert_int(row, out.wants_close, row->wants_close);
    }
    for (const struct response_row *row = responses; row < responses + COUNT(responses); row++) {
        struct head in, out;

        parse(row->in, strlen(row->in), true, &in);
        parse(row->out, strlen(row->out), true, &out);
        row_assert_int(row, out.status, in.status);
        row_assert(row, span_is(in.reason, out.reason));
        row_assert(row, span_is(in.upgrade, out.upgrade));
        row_assert_int(row, out.wants_close, row->is_last);
        if (row->length < 0)
            row_assert_int(row, head_response_body(&out, row->is_head),
                           head_response_body(&in, row->is_head));
    }
}

/* ---- no spelling of ours slips through ---- */

static const struct alias_row {
    const char *name;
    bool is_kept_of_trusted; /* with append */
} aliases[] = {
    { "X-Forwarded-For", true },    { "x-forwarded-for", true },
    { "X_Forwarded_For", false },   { "X-Forwarded_For", false },
    { "x_forwarded-for", false },   { "X-Forwarded-Proto", true },
    { "X_FORWARDED_PROTO", false }, { "X-Forwarded-Host", true },
    { "X-Forwarded_Host", false },  { "X-Forwarded-Port", true },
    { "X_Forwarded-Port", false },  { "X-Forwarded-Ssl", true },
    { "X-Forwarded_Ssl", false },   { "X_FORWARDED_SERVER", false },
    { "x_forwarded_", false },      { "X-Real-IP", true },
    { "X_Real_IP", false },         { "Forwarded", true },
    { "FORWARDED", true },          { "X-SSL-Client-Verify", false },
    { "x-ssl-client-cert", false }, { "X_SSL_Client_Subject", false },
    { "X-SSL_Client-S-DN", false }, { "Content_Length", false },
    { "Transfer_Encoding", false }, { "HTTP2_Settings", false },
    { "Keep_Alive", false },        { "Proxy_Connection", false },
    { "Accept_Encoding", false },   { "Set_Cookie", false },
};

static void no_alias_slips_through(void **state)
{
    static const struct rewrite_options *const options[] = { &defaults, &quiet, &append };
    static const struct rewrite_client *const clients[] = { &client, &trusted, &certified };

    (void)state;
    for (size_t i = 0; i < COUNT(aliases) * COUNT(options) * COUNT(clients); i++) {
        const struct alias_row *row = &aliases[i % COUNT(aliases)];
        const struct rewrite_options *o = options[i / COUNT(aliases) % COUNT(options)];
        const struct rewrite_client *c = clients[i / COUNT(aliases) / COUNT(options)];
        bool is_kept = row->is_kept_of_trusted && o == &append && c == &trusted;
        char out[ROOM];
        char in[256];
        struct head head;
        int n = snprintf(in, sizeof(in), GET HOST "%s: spoofed\r\n" END, row->name);

        parse(in, (size_t)n, false, &head);
        n = rewrite_request(&head, o, c, false, out, sizeof(out));
        row_assert(row, n > 0);
        row_assert_int(row, memmem(out, (size_t)n, "spoofed", 7) != NULL, is_kept);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(requests_are_written_anew),
        cmocka_unit_test(responses_are_written_anew),
        cmocka_unit_test(what_is_written_means_the_same),
        cmocka_unit_test(no_alias_slips_through),
    };

    return cmocka_run_group_tests_name("rewrite", tests, NULL, NULL);
}
