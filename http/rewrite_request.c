#include "http/rewrite.h"

#include "http/authority.h"
#include "http/openmeetings.h"
#include "http/outgoing.h"

/* ---- what becomes of a field that came ---- */

static void keep_if_believed(struct outgoing *o, const struct field *f)
{
    if (o->believes)
        outgoing_keep(o, f);
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
static void pass_unknown(struct outgoing *o, const struct field *f)
{
    if (o->wants_whole &&
        (span_is_nocase(f->name, SPAN("Range")) || span_is_nocase(f->name, SPAN("If-Range"))))
        return;
    if ((f->name.at[0] | 0x20) == 'x') {
        if (field_is_certificate(f->name))
            return;
        if (starts_with(f->name, SPAN("x-forwarded-")) &&
            (!o->believes || memchr(f->name.at, '_', f->name.len) != NULL))
            return;
    }
    outgoing_put_field(o, f->name, f->value);
}

static void pass_origin(struct outgoing *o, const struct field *f)
{
    enum origin_fate fate =
        o->options->origin ? openmeetings_judge_origin(f->value, o->head->host) : ORIGIN_KEPT;
    struct span authority;
    const char *rest;

    if (fate == ORIGIN_KEPT) {
        outgoing_keep(o, f);
        return;
    }
    outgoing_put(o, f->name);
    if (fate == ORIGIN_FORGED) {
        /* A conflict. `null`, or none, would be let through by Wicket before 7.5. */
        outgoing_put(o, SPAN(": http://plain.invalid"));
        outgoing_put(o, f->id == FIELD_REFERER ? SPAN("/\r\n") : SPAN("\r\n"));
        return;
    }
    authority = authority_of_url(f->value, SPAN("https://"));
    rest = authority.at + authority.len;
    outgoing_put(o, SPAN(": http://"));
    outgoing_put(o, o->head->host);
    outgoing_put(o, (struct span){ rest, (size_t)(f->value.at + f->value.len - rest) });
    outgoing_put_crlf(o);
}

static void pass_accept_encoding(struct outgoing *o, const struct field *f)
{
    if (!o->wants_whole)
        outgoing_keep(o, f);
}

static outgoing_rule *const rules[FIELD_COUNT] = {
    [FIELD_OTHER] = pass_unknown,
    [FIELD_ACCEPT_ENCODING] = pass_accept_encoding,
    [FIELD_CONNECTION] = outgoing_drop,
    [FIELD_CONTENT_LENGTH] = outgoing_drop,
    [FIELD_EXPECT] = outgoing_drop,
    [FIELD_FORWARDED] = outgoing_drop,
    [FIELD_HOST] = outgoing_drop,
    [FIELD_HTTP2_SETTINGS] = outgoing_drop,
    [FIELD_KEEP_ALIVE] = outgoing_drop,
    [FIELD_ORIGIN] = pass_origin,
    [FIELD_PROXY_CONNECTION] = outgoing_drop,
    [FIELD_REFERER] = pass_origin,
    [FIELD_TE] = outgoing_drop,
    [FIELD_TRANSFER_ENCODING] = outgoing_drop,
    [FIELD_UPGRADE] = outgoing_drop,
    [FIELD_X_FORWARDED_FOR] = outgoing_drop,
    [FIELD_X_FORWARDED_HOST] = keep_if_believed,
    [FIELD_X_FORWARDED_PORT] = keep_if_believed,
    [FIELD_X_FORWARDED_PROTO] = keep_if_believed,
    [FIELD_X_REAL_IP] = keep_if_believed,
};

/* ---- what is ours ---- */

static void put_request_line(struct outgoing *o)
{
    outgoing_put(o, o->head->method);
    outgoing_put(o, SPAN(" "));
    outgoing_put(o, o->head->path);
    outgoing_put(o, o->head->minor == 0 ? SPAN(" HTTP/1.0\r\n") : SPAN(" HTTP/1.1\r\n"));
}

/* What a trusted proxy said, a comma before the next. */
static void put_earlier(struct outgoing *o, enum field_id id)
{
    for (size_t i = 0; o->believes && i < o->head->field_count; i++) {
        const struct field *f = &o->head->fields[i];

        if (f->id != id || f->is_alias || o->nominated[i] || f->value.len == 0)
            continue;
        outgoing_put(o, f->value);
        outgoing_put(o, SPAN(", "));
    }
}

/* RFC 7239, 4: what is no token stands in quotes. */
static void put_forwarded(struct outgoing *o, struct span address)
{
    struct span host = o->head->host;
    bool is_ipv6 = address.len > 0 && memchr(address.at, ':', address.len) != NULL;

    outgoing_put(o, SPAN("Forwarded: "));
    put_earlier(o, FIELD_FORWARDED);
    outgoing_put(o, is_ipv6 ? SPAN("for=\"[") : SPAN("for="));
    outgoing_put(o, address);
    outgoing_put(o, is_ipv6 ? SPAN("]\"") : SPAN(""));
    if (host.len > 0) {
        outgoing_put(o, SPAN(";host=\""));
        outgoing_put(o, host);
        outgoing_put(o, SPAN("\""));
    }
    outgoing_put(o, o->client->is_tls ? SPAN(";proto=https\r\n") : SPAN(";proto=http\r\n"));
}

static void put_port(struct outgoing *o)
{
    struct authority host;

    if (!authority_parse(o->head->host, &host) || host.port == 0)
        host.port = o->client->is_tls ? PORT_HTTPS : PORT_HTTP;
    outgoing_put(o, SPAN("X-Forwarded-Port: "));
    writer_put_number(&o->text, host.port);
    outgoing_put_crlf(o);
}

static void put_provenance(struct outgoing *o)
{
    struct span address = span_before(o->client->address, '%');

    if (o->options->forwarded == FORWARDED_OFF)
        return;
    outgoing_put(o, SPAN("X-Forwarded-For: "));
    put_earlier(o, FIELD_X_FORWARDED_FOR);
    outgoing_put(o, address);
    outgoing_put_crlf(o);
    if (!outgoing_has_kept(o, FIELD_X_FORWARDED_PROTO))
        outgoing_put_field(o, SPAN("X-Forwarded-Proto"),
                           o->client->is_tls ? SPAN("https") : SPAN("http"));
    if (!outgoing_has_kept(o, FIELD_X_FORWARDED_HOST) && o->head->host.len > 0)
        outgoing_put_field(o, SPAN("X-Forwarded-Host"), o->head->host);
    if (!outgoing_has_kept(o, FIELD_X_FORWARDED_PORT))
        put_port(o);
    put_forwarded(o, address);
}

static void put_encoded(struct outgoing *o, struct span text)
{
    static const char digits[] = "0123456789ABCDEF";

    for (size_t i = 0; i < text.len; i++) {
        unsigned char c = (unsigned char)text.at[i];
        char code[3] = { '%', digits[c >> 4], digits[c & 15] };

        if (c < ' ' || c > '~' || c == '%')
            outgoing_put(o, (struct span){ code, sizeof(code) });
        else
            outgoing_put(o, (struct span){ &text.at[i], 1 });
    }
}

static void put_certificate(struct outgoing *o)
{
    const struct rewrite_client *c = o->client;
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
        outgoing_put(o, rows[i].name);
        put_encoded(o, rows[i].value);
        outgoing_put_crlf(o);
    }
}

static void put_request_framing(struct outgoing *o, bool wants_close)
{
    const struct head *h = o->head;

    if (h->body == BODY_CHUNKED)
        outgoing_put_chunked(o);
    else if (h->has_content_length)
        outgoing_put_length(o, h->content_length);
    if (h->expects_continue)
        outgoing_put(o, SPAN("Expect: 100-continue\r\n"));
    if (h->upgrade.len > 0) {
        outgoing_put(o, wants_close ? SPAN("Connection: Upgrade, close\r\n")
                                    : SPAN("Connection: Upgrade\r\n"));
        outgoing_put_field(o, SPAN("Upgrade"), h->upgrade);
    } else if (wants_close) {
        outgoing_put(o, SPAN("Connection: close\r\n"));
    }
}

int rewrite_request(const struct head *head, const struct rewrite_options *options,
                    const struct rewrite_client *client, bool wants_close, char *out, size_t size)
{
    struct outgoing o = {
        .text = writer_on(out, size),
        .head = head,
        .options = options,
        .client = client,
        .believes = client->is_trusted && options->forwarded == FORWARDED_APPEND,
        .wants_whole = options->jnlp && openmeetings_may_be_jnlp(head),
    };

    put_request_line(&o);
    if (head->host.len > 0)
        outgoing_put_field(&o, SPAN("Host"), head->host);
    outgoing_pass_fields(&o, rules);
    if (o.wants_whole)
        outgoing_put(&o, SPAN("Accept-Encoding: identity\r\n"));
    put_request_framing(&o, wants_close);
    put_provenance(&o);
    put_certificate(&o);
    outgoing_put_crlf(&o);
    return writer_length(&o.text);
}
