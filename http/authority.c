#include "http/authority.h"

static bool parse_port(struct span digits, unsigned *port)
{
    unsigned long n = 0;

    for (size_t i = 0; i < digits.len; i++) {
        if (digits.at[i] < '0' || digits.at[i] > '9')
            return false;
        n = n * 10 + (unsigned long)(digits.at[i] - '0');
        if (n > UINT16_MAX)
            return false;
    }
    *port = (unsigned)n;
    return digits.len == 0 || n > 0;
}

static size_t name_bytes(struct span text)
{
    bool is_bracketed = text.len > 0 && text.at[0] == '[';
    const char *end = text.len > 0 ? memchr(text.at, is_bracketed ? ']' : ':', text.len) : NULL;

    if (end == NULL)
        return is_bracketed ? 0 : text.len;
    return (size_t)(end - text.at) + (is_bracketed ? 1 : 0);
}

bool authority_parse(struct span text, struct authority *a)
{
    size_t n = name_bytes(text);

    *a = (struct authority){ { text.at, n }, 0 };
    if (n == 0 || n == text.len)
        return n > 0;
    return text.at[n] == ':' &&
           parse_port((struct span){ text.at + n + 1, text.len - n - 1 }, &a->port);
}

static unsigned port_or(const struct authority *a, unsigned default_port)
{
    return a->port != 0 ? a->port : default_port;
}

bool authority_is_same(const struct authority *a, const struct authority *b, unsigned default_port)
{
    return port_or(a, default_port) == port_or(b, default_port) && span_is_nocase(a->name, b->name);
}

bool authority_is_ours(const struct authority *a, const struct authority *host)
{
    return authority_is_same(a, host, PORT_HTTP) || authority_is_same(a, host, PORT_HTTPS);
}

struct span authority_of_url(struct span url, struct span scheme)
{
    struct span a = { url.at + scheme.len, 0 };

    if (url.len <= scheme.len || strncasecmp(url.at, scheme.at, scheme.len) != 0)
        return (struct span){ url.at, 0 };
    while (scheme.len + a.len < url.len && !span_has(SPAN("/?#"), a.at[a.len]))
        a.len++;
    return a;
}
