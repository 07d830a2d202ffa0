#include "base/addr.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { HOST_BYTES = 256 };

static struct addr from_ipv4(struct in_addr host, uint16_t port)
{
    return (struct addr){
        .v4 = { .sin_family = AF_INET, .sin_addr = host, .sin_port = htons(port) },
        .len = sizeof(struct sockaddr_in),
    };
}

static struct addr from_ipv6(struct in6_addr host, uint16_t port)
{
    return (struct addr){
        .v6 = { .sin6_family = AF_INET6, .sin6_addr = host, .sin6_port = htons(port) },
        .len = sizeof(struct sockaddr_in6),
    };
}

static int parse_port(const char *text, uint16_t *port, struct error *err)
{
    char *end;
    unsigned long n;

    if (*text < '0' || *text > '9')
        return error_set(err, "\"%s\" is no port", text);
    n = strtoul(text, &end, 10);
    if (*end != '\0')
        return error_set(err, "\"%s\" is no port", text);
    if (n > 65535)
        return error_set(err, "port %s is out of range (0 to 65535)", text);
    *port = (uint16_t)n;
    return 0;
}

/* Cut "HOST:PORT" at its last colon, and brackets off the host. */
static int split(const char *text, char host[HOST_BYTES], bool *is_bracketed, uint16_t *port,
                 struct error *err)
{
    const char *colon = strrchr(text, ':');
    size_t n = colon != NULL ? (size_t)(colon - text) : 0;

    *is_bracketed = n >= 2 && text[0] == '[' && text[n - 1] == ']';
    if (strstr(text, "://") != NULL)
        return error_set(err, "\"%s\": write HOST:PORT alone, without %.*s", text,
                         (int)(strstr(text, "://") - text) + 3, text);
    if (n == (*is_bracketed ? 2 : 0))
        return error_set(err, "\"%s\" is not of the form HOST:PORT", text);
    if (n >= HOST_BYTES)
        return error_set(err, "\"%.40s...\" is too long for a host", text);
    if (*is_bracketed)
        n -= 2;
    memcpy(host, text + *is_bracketed, n);
    host[n] = '\0';
    if (!*is_bracketed && strchr(host, ':') != NULL)
        return error_set(err, "\"%s\": write an IPv6 address in brackets, as [::1]:5443", text);
    return parse_port(colon + 1, port, err);
}

static int parse_number(const char *host, bool is_bracketed, uint16_t port, struct addr *out)
{
    struct in_addr v4;
    struct in6_addr v6;

    if (!is_bracketed && inet_pton(AF_INET, host, &v4) == 1) {
        *out = from_ipv4(v4, port);
        return 1;
    }
    if (is_bracketed && inet_pton(AF_INET6, host, &v6) == 1) {
        *out = from_ipv6(v6, port);
        return 1;
    }
    return 0;
}

int addr_parse_listen(const char *text, struct addr out[2], struct error *err)
{
    char host[HOST_BYTES] = "";
    bool is_bracketed = false;
    uint16_t port = 0;

    if (split(text, host, &is_bracketed, &port, err) < 0)
        return -1;
    if (!is_bracketed && strcmp(host, "*") == 0) {
        out[0] = from_ipv4((struct in_addr){ INADDR_ANY }, port);
        out[1] = from_ipv6(in6addr_any, port);
        return 2;
    }
    if (parse_number(host, is_bracketed, port, &out[0]) == 1)
        return 1;
    return error_set(
        err, "\"%s\" is no address; write *:PORT, 192.0.2.1:PORT or [2001:db8::1]:PORT", text);
}

bool addr_take(const struct sockaddr *from, struct addr *out)
{
    *out = (struct addr){ .len = 0 };
    if (from->sa_family == AF_INET)
        out->len = sizeof(out->v4);
    else if (from->sa_family == AF_INET6)
        out->len = sizeof(out->v6);
    memcpy(&out->any, from, out->len);
    return out->len > 0;
}

static int look_up(const char *host, uint16_t port, struct addr *out, size_t max, struct error *err)
{
    struct addrinfo hints = { .ai_socktype = SOCK_STREAM, .ai_flags = AI_ADDRCONFIG };
    struct addrinfo *found;
    int rc = getaddrinfo(host, NULL, &hints, &found);
    int n = 0;

    if (rc != 0)
        return error_set(err, "\"%s\" cannot be resolved: %s", host, gai_strerror(rc));
    for (const struct addrinfo *ai = found; ai != NULL && (size_t)n < max; ai = ai->ai_next) {
        if (!addr_take(ai->ai_addr, &out[n]))
            continue;
        addr_set_port(&out[n], port);
        n++;
    }
    freeaddrinfo(found);
    return n > 0 ? n : error_set(err, "\"%s\" has no usable address", host);
}

int addr_resolve(const char *text, struct addr *out, size_t max, struct error *err)
{
    char host[HOST_BYTES] = "";
    bool is_bracketed = false;
    uint16_t port = 0;

    if (split(text, host, &is_bracketed, &port, err) < 0)
        return -1;
    if (port == 0)
        return error_set(err, "port 0 is out of range (1 to 65535)");
    if (parse_number(host, is_bracketed, port, out) == 1)
        return 1;
    if (is_bracketed || strcmp(host, "*") == 0)
        return error_set(err, "\"%s\" is no address to connect to", text);
    return look_up(host, port, out, max, err);
}

const char *addr_print(const struct addr *a, char out[ADDR_TEXT_BYTES])
{
    char host[INET6_ADDRSTRLEN];

    if (a->any.sa_family == AF_INET) {
        (void)inet_ntop(AF_INET, &a->v4.sin_addr, host, sizeof(host));
        (void)snprintf(out, ADDR_TEXT_BYTES, "%s:%u", host, ntohs(a->v4.sin_port));
    } else if (a->any.sa_family == AF_INET6) {
        (void)inet_ntop(AF_INET6, &a->v6.sin6_addr, host, sizeof(host));
        (void)snprintf(out, ADDR_TEXT_BYTES, "[%s]:%u", host, ntohs(a->v6.sin6_port));
    } else {
        (void)snprintf(out, ADDR_TEXT_BYTES, "-");
    }
    return out;
}

bool addr_is_equal(const struct addr *a, const struct addr *b)
{
    return a->len == b->len && memcmp(&a->any, &b->any, a->len) == 0;
}

bool addr_is_wildcard(const struct addr *a)
{
    return a->any.sa_family == AF_INET ? a->v4.sin_addr.s_addr == htonl(INADDR_ANY)
                                       : IN6_IS_ADDR_UNSPECIFIED(&a->v6.sin6_addr);
}

bool addr_is_loopback(const struct addr *a)
{
    return a->any.sa_family == AF_INET ? ntohl(a->v4.sin_addr.s_addr) >> 24 == IN_LOOPBACKNET
                                       : IN6_IS_ADDR_LOOPBACK(&a->v6.sin6_addr);
}

uint16_t addr_port(const struct addr *a)
{
    return ntohs(a->any.sa_family == AF_INET ? a->v4.sin_port : a->v6.sin6_port);
}

void addr_set_port(struct addr *a, uint16_t port)
{
    if (a->any.sa_family == AF_INET)
        a->v4.sin_port = htons(port);
    else
        a->v6.sin6_port = htons(port);
}

/* The address in network order, and its length in bytes. */
static const unsigned char *host_bytes(const struct addr *a, size_t *n)
{
    if (a->any.sa_family == AF_INET6) {
        *n = sizeof(struct in6_addr);
        return a->v6.sin6_addr.s6_addr;
    }
    *n = sizeof(struct in_addr);
    return (const unsigned char *)&a->v4.sin_addr;
}

const char *addr_print_host(const struct addr *a, char out[ADDR_TEXT_BYTES])
{
    size_t n;

    if (inet_ntop(a->any.sa_family, host_bytes(a, &n), out, ADDR_TEXT_BYTES) == NULL)
        out[0] = '\0';
    return out;
}

/* Whether bits `from` to the end of `bytes` are all zero. */
static bool is_zero_from(const unsigned char *bytes, size_t n, unsigned from)
{
    for (size_t i = 0; i < n * 8; i++)
        if (i >= from && (bytes[i / 8] & 0x80u >> i % 8) != 0)
            return false;
    return true;
}

int addr_parse_prefix(const char *text, struct addr_prefix *out, struct error *err)
{
    const char *slash = strchr(text, '/');
    size_t length = slash != NULL ? (size_t)(slash - text) : strlen(text);
    char host[ADDR_TEXT_BYTES];
    struct in6_addr six;
    struct in_addr four;
    size_t n;
    char *end;

    if (length >= sizeof(host))
        return error_set(err, "\"%s\" is no address", text);
    memcpy(host, text, length);
    host[length] = '\0';
    if (inet_pton(AF_INET, host, &four) == 1)
        out->base = from_ipv4(four, 0);
    else if (inet_pton(AF_INET6, host, &six) == 1)
        out->base = from_ipv6(six, 0);
    else
        return error_set(err, "\"%s\" is no address; write 192.0.2.7, 10.0.0.0/8 or 2001:db8::/32",
                         text);

    (void)host_bytes(&out->base, &n);
    out->bits = (unsigned)n * 8;
    if (slash == NULL)
        return 0;
    out->bits = (unsigned)strtoul(slash + 1, &end, 10);
    if (slash[1] < '0' || slash[1] > '9' || *end != '\0' || out->bits > n * 8)
        return error_set(err, "\"%s\": the prefix is 0 to %zu bits long", text, n * 8);
    if (!is_zero_from(host_bytes(&out->base, &n), n, out->bits))
        return error_set(err, "\"%s\" has bits behind its prefix", text);
    return 0;
}

bool addr_prefix_contains(const struct addr_prefix *prefix, const struct addr *a)
{
    size_t n;
    const unsigned char *base = host_bytes(&prefix->base, &n);
    const unsigned char *host = host_bytes(a, &n);

    if (prefix->base.any.sa_family != a->any.sa_family)
        return false;
    for (unsigned i = 0; i < prefix->bits; i++)
        if (((base[i / 8] ^ host[i / 8]) & 0x80u >> i % 8) != 0)
            return false;
    return true;
}
