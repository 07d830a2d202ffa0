#include "http/rewrite.h"

#include "http/authority.h"
#include "http/chars.h"
#include "http/openmeetings.h"
#include "http/writer.h"

/* One head on its way. */
struct pass {
    struct writer out;
    const struct head *head;
    const struct rewrite_options *options;
    const struct rewrite_client *client; /* of a request */
    const struct rewrite_asked *asked;   /* of a response */
    int64_t length;                      /* of a response: see rewrite_response() */
    bool believes;                       /* what the client says of those before it */
    bool wants_whole;                    /* of a request: the answer may have to be changed */
    uint64_t seen;                       /* a bit per field_id: passed on as it came */
    bool nominated[HEAD_FIELDS_MAX];     /* by Connection: hop-by-hop */
};

_Static_assert(FIELD_COUNT <= 64, "struct pass has a bit per field");

static void put(struct pass *p, struct span text)
{
    writer_put(&p->out, text);
}

static void put_crlf(struct pass *p)
{
    put(p, SPAN("\r\n"));
}

static void put_field(struct pass *p, struct span name, struct span value)
{
    writer_put_field(&p->out, name, value);
}

/* ---- what becomes of a field: a function per field_id; where there is none, it is kept ---- */

static void keep(struct pass *p, const struct field *f)
{
    p->seen |= UINT64_C(1) << f->id;
    put_field(p, f->name, f->value);
}

/* Hop-by-hop, or written from what was parsed, or by us. */
static void drop(struct pass *p, const struct field *f)
{
    (void)p;
    (void)f;
}

static void keep_if_believed(struct pass *p, const struct field *f)
{
    if (p->believes)
        keep(p, f);
}

static bool starts_with(struct span name, struct span start)
{
    if (name.len < start.len)
        return false;
    for (size_t i = 0; i < start.len; i++) {
        bool is_dash = start.at[i] == '-';

        if (is_dash ? !span_has(SPAN("-_"), name.at[i]) : (name.at[i] | 0x20) != start.at[i])
            return false;
    }
    return true;
}

/* X-Forwarded-Server, X-Forwarded-Ssl, and whatever else some backend believes. Of what
 * may have to be changed the whole is wanted. */
static void pass_unknown_of_request(struct pass *p, const struct field *f)
{
    if (p->wants_whole &&
        (span_is_nocase(f->name, SPAN("Range")) || span_is_nocase(f->name, SPAN("If-Range"))))
        return;
    if ((f->name.at[0] | 0x20) == 'x') {
        if (starts_with(f->name, SPAN("x-ssl-")))
            return;
        if (starts_with(f->name, SPAN("x-forwarded-")) &&
            (!p->believes || memchr(f->name.at, '_', f->name.len) != NULL))
            return;
    }
    put_field(p, f->name, f->value);
}

static void pass_origin(struct pass *p, const struct field *f)
{
    enum origin_fate fate =
        p->options->origin ? openmeetings_judge_origin(f->value, p->head->host) : ORIGIN_KEPT;
    struct span authority;
    const char *rest;

    if (fate == ORIGIN_KEPT) {
        keep(p, f);
        return;
    }
    put(p, f->name);
    if (fate == ORIGIN_FORGED) {
        /* A conflict. `null`, or none, would be let through by Wicket before 7.5. */
        put(p, SPAN(": http://plain.invalid"));
        put(p, f->id == FIELD_REFERER ? SPAN("/\r\n") : SPAN("\r\n"));
        return;
    }
    authority = authority_of_url(f->value, SPAN("https://"));
    rest = authority.at + authority.len;
    put(p, SPAN(": http://"));
    put(p, p->head->host);
    put(p, (struct span){ rest, (size_t)(f->value.at + f->value.len - rest) });
    put_crlf(p);
}

static void pass_accept_encoding(struct pass *p, const struct field *f)
{
    if (!p->wants_whole)
        keep(p, f);
}

static void (*const of_request[FIELD_COUNT])(struct pass *, const struct field *) = {
    [FIELD_OTHER] = pass_unknown_of_request,
    [FIELD_ACCEPT_ENCODING] = pass_accept_encoding,
    [FIELD_CONNECTION] = drop,
    [FIELD_CONTENT_LENGTH] = drop,
    [FIELD_EXPECT] = drop,
    [FIELD_FORWARDED] = drop,
    [FIELD_HOST] = drop,
    [FIELD_HTTP2_SETTINGS] = drop,
    [FIELD_KEEP_ALIVE] = drop,
    [FIELD_ORIGIN] = pass_origin,
    [FIELD_PROXY_CONNECTION] = drop,
    [FIELD_REFERER] = pass_origin,
    [FIELD_TE] = drop,
    [FIELD_TRANSFER_ENCODING] = drop,
    [FIELD_UPGRADE] = drop,
    [FIELD_X_FORWARDED_FOR] = drop,
    [FIELD_X_FORWARDED_HOST] = keep_if_believed,
    [FIELD_X_FORWARDED_PORT] = keep_if_believed,
    [FIELD_X_FORWARDED_PROTO] = keep_if_believed,
    [FIELD_X_REAL_IP] = keep_if_believed,
};

/* Whether `url` starts with `scheme` and an authority that is ours: the Host, or with
 * `or_backend` its name with the backend's port, or the backend. Then *rest is what follows. */
static bool is_ours(const struct pass *p, struct span url, struct span scheme, bool or_backend,
                    struct span *rest)
{
    struct span text = authority_of_url(url, scheme);
    struct authority a, host, backend;
    bool is_found;

    if (text.len == 0 || !authority_parse(text, &a) || !authority_parse(p->asked->host, &host))
        return false;
    is_found = authority_is_ours(&a, &host);
    if (!is_found && or_backend && authority_parse(span_of(p->options->backend), &backend)) {
        host.port = backend.port;
        is_found =
            authority_is_same(&a, &host, PORT_HTTP) || authority_is_same(&a, &backend, PORT_HTTP);
    }
    rest->at = text.at + text.len;
    rest->len = (size_t)(url.at + url.len - rest->at);
    return is_found;
}

static void put_url(struct pass *p, struct span url)
{
    struct span rest;

    if (!is_ours(p, url, SPAN("http://"), true, &rest)) {
        put(p, url);
        return;
    }
    put(p, SPAN("https://"));
    put(p, p->asked->host);
    put(p, rest);
}

static void pass_location(struct pass *p, const struct field *f)
{
    if (!p->options->location) {
        keep(p, f);
        return;
    }
    put(p, f->name);
    put(p, SPAN(": "));
    put_url(p, f->value);
    put_crlf(p);
}

static size_t blanks(struct span text, size_t at)
{
    while (at < text.len && char_is_blank(text.at[at]))
        at++;
    return at;
}

/* 5; url='http://h/' - where ',' may stand for ';', and "url=" and quotes may be missing. */
static size_t refresh_url_at(struct span v)
{
    size_t at = 0;
    size_t word;

    while (at < v.len && v.at[at] != ';' && v.at[at] != ',')
        at++;
    at = blanks(v, at < v.len ? at + 1 : at);
    if (v.len - at >= 3 && strncasecmp(v.at + at, "url", 3) == 0) {
        word = blanks(v, at + 3);
        if (word < v.len && v.at[word] == '=')
            at = blanks(v, word + 1);
    }
    if (at < v.len && (v.at[at] == '"' || v.at[at] == '\''))
        at++;
    return at;
}

static void pass_refresh(struct pass *p, const struct field *f)
{
    size_t at = refresh_url_at(f->value);

    if (!p->options->location) {
        keep(p, f);
        return;
    }
    put(p, f->name);
    put(p, SPAN(": "));
    put(p, (struct span){ f->value.at, at });
    put_url(p, (struct span){ f->value.at + at, f->value.len - at });
    put_crlf(p);
}

/* Up to the next ';', which goes with it: NAME=VALUE; ATTRIBUTE; ATTRIBUTE=VALUE (RFC 6265,
 * 5.2: quotes mean nothing). */
static struct span next_attribute(struct span *left)
{
    struct span attribute = span_before(*left, ';');
    size_t n = attribute.len < left->len ? attribute.len + 1 : attribute.len;
    size_t start = blanks(attribute, 0);

    *left = (struct span){ left->at + n, left->len - n };
    return (struct span){ attribute.at + start, attribute.len - start };
}

static bool has_secure(struct span cookie)
{
    (void)next_attribute(&cookie); /* the cookie itself */
    while (cookie.len > 0) {
        struct span attribute = next_attribute(&cookie);
        struct span name = { attribute.at, 0 };

        while (name.len < attribute.len && !span_has(SPAN("= \t"), name.at[name.len]))
            name.len++;
        if (span_is_nocase(name, SPAN("Secure")))
            return true;
    }
    return false;
}

static void pass_cookie(struct pass *p, const struct field *f)
{
    if (!p->options->secure_cookies || f->value.len == 0 || has_secure(f->value)) {
        keep(p, f);
        return;
    }
    put(p, f->name);
    put(p, SPAN(": "));
    put(p, f->value);
    put(p, SPAN("; Secure\r\n"));
}

/* Words that say ws://<Host>, and perhaps a path, say wss:// instead. */
static void pass_policy(struct pass *p, const struct field *f)
{
    struct span left = f->value;

    if (!p->options->csp) {
        keep(p, f);
        return;
    }
    put(p, f->name);
    put(p, SPAN(": "));
    while (left.len > 0) {
        struct span word = { left.at, 0 };
        struct span rest = word;

        while (word.len < left.len && !span_has(SPAN(" \t;,"), word.at[word.len]))
            word.len++;
        left.at += word.len;
        left.len -= word.len;
        if (is_ours(p, word, SPAN("ws://"), false, &rest)) {
            put(p, SPAN("wss://"));
            put(p, p->asked->host);
            word = rest;
        }
        put(p, word);
        if (left.len > 0) {
            put(p, (struct span){ left.at++, 1 });
            left.len--;
        }
    }
    put_crlf(p);
}

static void pass_hsts(struct pass *p, const struct field *f)
{
    if (p->options->hsts == HSTS_PASS)
        keep(p, f);
}

static void keep_with_body(struct pass *p, const struct field *f)
{
    if (p->length < 0)
        keep(p, f);
}

static void pass_unknown_of_response(struct pass *p, const struct field *f)
{
    static const struct span of_other_bytes[] = {
        { "Accept-Ranges", 13 }, { "Content-Digest", 14 }, { "Content-MD5", 11 }, { "Digest", 6 },
        { "ETag", 4 },           { "Repr-Digest", 11 },
    };

    for (size_t i = 0; p->length >= 0 && i < sizeof(of_other_bytes) / sizeof(of_other_bytes[0]);
         i++)
        if (span_is_nocase(f->name, of_other_bytes[i]))
            return;
    put_field(p, f->name, f->value);
}

static void (*const of_response[FIELD_COUNT])(struct pass *, const struct field *) = {
    [FIELD_OTHER] = pass_unknown_of_response,
    [FIELD_CONNECTION] = drop,
    [FIELD_CONTENT_ENCODING] = keep_with_body,
    [FIELD_CONTENT_LENGTH] = drop,
    [FIELD_CONTENT_LOCATION] = pass_location,
    [FIELD_CONTENT_SECURITY_POLICY] = pass_policy,
    [FIELD_CONTENT_SECURITY_POLICY_REPORT_ONLY] = pass_policy,
    [FIELD_HTTP2_SETTINGS] = drop,
    [FIELD_KEEP_ALIVE] = drop,
    [FIELD_LOCATION] = pass_location,
    [FIELD_PROXY_CONNECTION] = drop,
    [FIELD_REFRESH] = pass_refresh,
    [FIELD_SET_COOKIE] = pass_cookie,
    [FIELD_STRICT_TRANSPORT_SECURITY] = pass_hsts,
    [FIELD_TE] = drop,
    [FIELD_TRAILER] = keep_with_body,
    [FIELD_TRANSFER_ENCODING] = drop,
    [FIELD_UPGRADE] = drop,
};

/* ---- all fields ---- */

static void nominate(struct pass *p, struct span name)
{
    for (size_t i = 0; i < p->head->field_count; i++)
        if (span_is_nocase(p->head->fields[i].name, name))
            p->nominated[i] = true;
}

/* Of "a, b" the next name; *list is what is left. */
static struct span next_name(struct span *list)
{
    size_t start = 0;
    size_t end;
    struct span name;

    while (start < list->len && span_has(SPAN(" \t,"), list->at[start]))
        start++;
    end = start;
    while (end < list->len && list->at[end] != ',')
        end++;
    name = (struct span){ list->at + start, end - start };
    while (name.len > 0 && char_is_blank(name.at[name.len - 1]))
        name.len--;
    *list = (struct span){ list->at + end, list->len - end };
    return name;
}

static void nominate_all(struct pass *p)
{
    for (size_t i = 0; i < p->head->field_count; i++) {
        struct span list = p->head->fields[i].value;
        struct span name;

        if (p->head->fields[i].id != FIELD_CONNECTION)
            continue;
        while ((name = next_name(&list)).len > 0)
            if (!span_is_nocase(name, SPAN("close")) && !span_is_nocase(name, SPAN("keep-alive")))
                nominate(p, name);
    }
}

static void pass_fields(struct pass *p, void (*const of[])(struct pass *, const struct field *))
{
    nominate_all(p);
    for (size_t i = 0; i < p->head->field_count; i++) {
        const struct field *f = &p->head->fields[i];

        if (f->is_alias || p->nominated[i])
            continue;
        if (of[f->id] != NULL)
            of[f->id](p, f);
        else
            keep(p, f);
    }
}

static void put_length(struct pass *p, uint64_t length)
{
    put(p, SPAN("Content-Length: "));
    writer_put_number(&p->out, length);
    put_crlf(p);
}

static void put_chunked(struct pass *p)
{
    put(p, SPAN("Transfer-Encoding: chunked\r\n"));
}

/* ---- ours, in a request ---- */

static void put_request_line(struct pass *p)
{
    put(p, p->head->method);
    put(p, SPAN(" "));
    put(p, p->head->path);
    put(p, p->head->minor == 0 ? SPAN(" HTTP/1.0\r\n") : SPAN(" HTTP/1.1\r\n"));
}

/* What a trusted proxy said, a comma before the next. */
static void put_earlier(struct pass *p, enum field_id id)
{
    for (size_t i = 0; p->believes && i < p->head->field_count; i++) {
        const struct field *f = &p->head->fields[i];

        if (f->id != id || f->is_alias || p->nominated[i] || f->value.len == 0)
            continue;
        put(p, f->value);
        put(p, SPAN(", "));
    }
}

/* RFC 7239, 4: what is no token stands in quotes. */
static void put_forwarded(struct pass *p, struct span address)
{
    struct span host = p->head->host;
    bool is_ipv6 = address.len > 0 && memchr(address.at, ':', address.len) != NULL;

    put(p, SPAN("Forwarded: "));
    put_earlier(p, FIELD_FORWARDED);
    put(p, is_ipv6 ? SPAN("for=\"[") : SPAN("for="));
    put(p, address);
    put(p, is_ipv6 ? SPAN("]\"") : SPAN(""));
    if (host.len > 0) {
        put(p, SPAN(";host=\""));
        put(p, host);
        put(p, SPAN("\""));
    }
    put(p, p->client->is_tls ? SPAN(";proto=https\r\n") : SPAN(";proto=http\r\n"));
}

static bool has_passed(const struct pass *p, enum field_id id)
{
    return (p->seen & (UINT64_C(1) << id)) != 0;
}

static void put_port(struct pass *p)
{
    struct authority host;

    if (!authority_parse(p->head->host, &host) || host.port == 0)
        host.port = p->client->is_tls ? PORT_HTTPS : PORT_HTTP;
    put(p, SPAN("X-Forwarded-Port: "));
    writer_put_number(&p->out, host.port);
    put_crlf(p);
}

static void put_provenance(struct pass *p)
{
    struct span address = span_before(p->client->address, '%');

    if (p->options->forwarded == FORWARDED_OFF)
        return;
    put(p, SPAN("X-Forwarded-For: "));
    put_earlier(p, FIELD_X_FORWARDED_FOR);
    put(p, address);
    put_crlf(p);
    if (!has_passed(p, FIELD_X_FORWARDED_PROTO))
        put_field(p, SPAN("X-Forwarded-Proto"), p->client->is_tls ? SPAN("https") : SPAN("http"));
    if (!has_passed(p, FIELD_X_FORWARDED_HOST) && p->head->host.len > 0)
        put_field(p, SPAN("X-Forwarded-Host"), p->head->host);
    if (!has_passed(p, FIELD_X_FORWARDED_PORT))
        put_port(p);
    put_forwarded(p, address);
}

static void put_encoded(struct pass *p, struct span text)
{
    static const char digits[] = "0123456789ABCDEF";

    for (size_t i = 0; i < text.len; i++) {
        unsigned char c = (unsigned char)text.at[i];
        char code[3] = { '%', digits[c >> 4], digits[c & 15] };

        if (c < ' ' || c > '~' || c == '%')
            put(p, (struct span){ code, sizeof(code) });
        else
            put(p, (struct span){ &text.at[i], 1 });
    }
}

static void put_certificate(struct pass *p)
{
    const struct rewrite_client *c = p->client;
    const struct {
        struct span name, value;
    } rows[] = {
        { SPAN("X-SSL-Client-Verify: "), c->verify },
        { SPAN("X-SSL-Client-Subject: "), c->subject },
        { SPAN("X-SSL-Client-Issuer: "), c->issuer },
        { SPAN("X-SSL-Client-Serial: "), c->serial },
        { SPAN("X-SSL-Client-Fingerprint: "), c->fingerprint },
    };

    for (size_t i = 0; c->verify.len > 0 && i < sizeof(rows) / sizeof(rows[0]); i++) {
        if (rows[i].value.len == 0)
            continue;
        put(p, rows[i].name);
        put_encoded(p, rows[i].value);
        put_crlf(p);
    }
}

static void put_request_framing(struct pass *p, bool wants_close)
{
    const struct head *h = p->head;

    if (h->body == BODY_CHUNKED)
        put_chunked(p);
    else if (h->has_content_length)
        put_length(p, h->content_length);
    if (h->expects_continue)
        put(p, SPAN("Expect: 100-continue\r\n"));
    if (h->upgrade.len > 0) {
        put(p,
            wants_close ? SPAN("Connection: Upgrade, close\r\n") : SPAN("Connection: Upgrade\r\n"));
        put_field(p, SPAN("Upgrade"), h->upgrade);
    } else if (wants_close) {
        put(p, SPAN("Connection: close\r\n"));
    }
}

int rewrite_request(const struct head *head, const struct rewrite_options *options,
                    const struct rewrite_client *client, bool wants_close, char *out, size_t size)
{
    struct pass p = {
        .out = writer_on(out, size),
        .head = head,
        .options = options,
        .client = client,
        .believes = client->is_trusted && options->forwarded == FORWARDED_APPEND,
        .wants_whole = options->jnlp && openmeetings_may_be_jnlp(head),
    };

    put_request_line(&p);
    if (head->host.len > 0)
        put_field(&p, SPAN("Host"), head->host);
    pass_fields(&p, of_request);
    if (p.wants_whole)
        put(&p, SPAN("Accept-Encoding: identity\r\n"));
    put_request_framing(&p, wants_close);
    put_provenance(&p);
    put_certificate(&p);
    put_crlf(&p);
    return writer_length(&p.out);
}

/* ---- ours, in a response ---- */

/* Of a document that will be changed, HEAD cannot tell the length. */
static bool knows_length(const struct pass *p)
{
    return p->head->has_content_length &&
           !(p->asked->is_head && p->options->jnlp && openmeetings_is_jnlp(p->head));
}

static void put_response_framing(struct pass *p)
{
    const struct head *h = p->head;

    if (h->status < 200 || h->status == 204) /* RFC 9110, 8.6; RFC 9112, 6.1 */
        return;
    if (p->length >= 0)
        put_length(p, (uint64_t)p->length);
    else if (h->body == BODY_CHUNKED)
        put_chunked(p);
    else if (knows_length(p))
        put_length(p, h->content_length);
}

int rewrite_response(const struct head *head, const struct rewrite_options *options,
                     const struct rewrite_asked *asked, int64_t length, char *out, size_t size)
{
    struct pass p = {
        .out = writer_on(out, size),
        .head = head,
        .options = options,
        .asked = asked,
        .length = length,
    };

    put(&p, SPAN("HTTP/1.1 "));
    writer_put_number(&p.out, head->status);
    put(&p, SPAN(" "));
    put(&p, head->reason);
    put_crlf(&p);
    pass_fields(&p, of_response);
    if (options->hsts == HSTS_SET && head->status >= 200)
        put_field(&p, field_name(FIELD_STRICT_TRANSPORT_SECURITY), span_of(options->hsts_value));
    put_response_framing(&p);
    if (head->status == 101) {
        put(&p, SPAN("Connection: Upgrade\r\n"));
        put_field(&p, SPAN("Upgrade"), head->upgrade);
    } else if (asked->is_last) {
        put(&p, SPAN("Connection: close\r\n"));
    }
    put_crlf(&p);
    return writer_length(&p.out);
}
