#include "http/rewrite.h"

#include "http/authority.h"
#include "http/chars.h"
#include "http/openmeetings.h"
#include "http/outgoing.h"

/* ---- what becomes of a field that came ---- */

/* Whether `url` starts with `scheme` and an authority that is ours: the Host, or with
 * `or_backend` its name with the backend's port, or the backend. Then *rest is what follows. */
static bool is_ours(const struct outgoing *o, struct span url, struct span scheme, bool or_backend,
                    struct span *rest)
{
    struct span text = authority_of_url(url, scheme);
    struct authority a, host, backend;
    bool is_found;

    if (text.len == 0 || !authority_parse(text, &a) || !authority_parse(o->asked->host, &host))
        return false;
    is_found = authority_is_ours(&a, &host);
    if (!is_found && or_backend && authority_parse(span_of(o->options->backend), &backend)) {
        host.port = backend.port;
        is_found =
            authority_is_same(&a, &host, PORT_HTTP) || authority_is_same(&a, &backend, PORT_HTTP);
    }
    rest->at = text.at + text.len;
    rest->len = (size_t)(url.at + url.len - rest->at);
    return is_found;
}

static void put_url(struct outgoing *o, struct span url)
{
    struct span rest;

    if (!is_ours(o, url, SPAN("http://"), true, &rest)) {
        outgoing_put(o, url);
        return;
    }
    outgoing_put(o, SPAN("https://"));
    outgoing_put(o, o->asked->host);
    outgoing_put(o, rest);
}

static void pass_location(struct outgoing *o, const struct field *f)
{
    if (!o->options->location) {
        outgoing_keep(o, f);
        return;
    }
    outgoing_put(o, f->name);
    outgoing_put(o, SPAN(": "));
    put_url(o, f->value);
    outgoing_put_crlf(o);
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

static void pass_refresh(struct outgoing *o, const struct field *f)
{
    size_t at = refresh_url_at(f->value);

    if (!o->options->location) {
        outgoing_keep(o, f);
        return;
    }
    outgoing_put(o, f->name);
    outgoing_put(o, SPAN(": "));
    outgoing_put(o, (struct span){ f->value.at, at });
    put_url(o, (struct span){ f->value.at + at, f->value.len - at });
    outgoing_put_crlf(o);
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

static void pass_cookie(struct outgoing *o, const struct field *f)
{
    if (!o->options->secure_cookies || f->value.len == 0 || has_secure(f->value)) {
        outgoing_keep(o, f);
        return;
    }
    outgoing_put(o, f->name);
    outgoing_put(o, SPAN(": "));
    outgoing_put(o, f->value);
    outgoing_put(o, SPAN("; Secure\r\n"));
}

/* Words that say ws://<Host>, and perhaps a path, say wss:// instead. */
static void pass_policy(struct outgoing *o, const struct field *f)
{
    struct span left = f->value;

    if (!o->options->csp) {
        outgoing_keep(o, f);
        return;
    }
    outgoing_put(o, f->name);
    outgoing_put(o, SPAN(": "));
    while (left.len > 0) {
        struct span word = { left.at, 0 };
        struct span rest = word;

        while (word.len < left.len && !span_has(SPAN(" \t;,"), word.at[word.len]))
            word.len++;
        left.at += word.len;
        left.len -= word.len;
        if (is_ours(o, word, SPAN("ws://"), false, &rest)) {
            outgoing_put(o, SPAN("wss://"));
            outgoing_put(o, o->asked->host);
            word = rest;
        }
        outgoing_put(o, word);
        if (left.len > 0) {
            outgoing_put(o, (struct span){ left.at++, 1 });
            left.len--;
        }
    }
    outgoing_put_crlf(o);
}

static void pass_hsts(struct outgoing *o, const struct field *f)
{
    if (o->options->hsts == HSTS_PASS)
        outgoing_keep(o, f);
}

static void keep_with_body(struct outgoing *o, const struct field *f)
{
    if (o->length < 0)
        outgoing_keep(o, f);
}

static void pass_unknown(struct outgoing *o, const struct field *f)
{
    static const struct span of_other_bytes[] = {
        { "Accept-Ranges", 13 }, { "Content-Digest", 14 }, { "Content-MD5", 11 }, { "Digest", 6 },
        { "ETag", 4 },           { "Repr-Digest", 11 },
    };

    for (size_t i = 0; o->length >= 0 && i < sizeof(of_other_bytes) / sizeof(of_other_bytes[0]);
         i++)
        if (span_is_nocase(f->name, of_other_bytes[i]))
            return;
    outgoing_put_field(o, f->name, f->value);
}

static outgoing_rule *const rules[FIELD_COUNT] = {
    [FIELD_OTHER] = pass_unknown,
    [FIELD_CONNECTION] = outgoing_drop,
    [FIELD_CONTENT_ENCODING] = keep_with_body,
    [FIELD_CONTENT_LENGTH] = outgoing_drop,
    [FIELD_CONTENT_LOCATION] = pass_location,
    [FIELD_CONTENT_SECURITY_POLICY] = pass_policy,
    [FIELD_CONTENT_SECURITY_POLICY_REPORT_ONLY] = pass_policy,
    [FIELD_HTTP2_SETTINGS] = outgoing_drop,
    [FIELD_KEEP_ALIVE] = outgoing_drop,
    [FIELD_LOCATION] = pass_location,
    [FIELD_PROXY_CONNECTION] = outgoing_drop,
    [FIELD_REFRESH] = pass_refresh,
    [FIELD_SET_COOKIE] = pass_cookie,
    [FIELD_STRICT_TRANSPORT_SECURITY] = pass_hsts,
    [FIELD_TE] = outgoing_drop,
    [FIELD_TRAILER] = keep_with_body,
    [FIELD_TRANSFER_ENCODING] = outgoing_drop,
    [FIELD_UPGRADE] = outgoing_drop,
};

/* ---- what is ours ---- */

/* Of a document that will be changed, HEAD cannot tell the length. */
static bool knows_length(const struct outgoing *o)
{
    return o->head->has_content_length &&
           !(o->asked->is_head && o->options->jnlp && openmeetings_is_jnlp(o->head));
}

static void put_response_framing(struct outgoing *o)
{
    const struct head *h = o->head;

    if (h->status < 200 || h->status == 204) /* RFC 9110, 8.6; RFC 9112, 6.1 */
        return;
    if (o->length >= 0)
        outgoing_put_length(o, (uint64_t)o->length);
    else if (h->body == BODY_CHUNKED)
        outgoing_put_chunked(o);
    else if (knows_length(o))
        outgoing_put_length(o, h->content_length);
}

int rewrite_response(const struct head *head, const struct rewrite_options *options,
                     const struct rewrite_asked *asked, int64_t length, char *out, size_t size)
{
    struct outgoing o = {
        .text = writer_on(out, size),
        .head = head,
        .options = options,
        .asked = asked,
        .length = length,
    };

    outgoing_put(&o, SPAN("HTTP/1.1 "));
    writer_put_number(&o.text, head->status);
    outgoing_put(&o, SPAN(" "));
    outgoing_put(&o, head->reason);
    outgoing_put_crlf(&o);
    outgoing_pass_fields(&o, rules);
    if (options->hsts == HSTS_SET && head->status >= 200)
        outgoing_put_field(&o, field_name(FIELD_STRICT_TRANSPORT_SECURITY),
                           span_of(options->hsts_value));
    put_response_framing(&o);
    if (head->status == 101) {
        outgoing_put(&o, SPAN("Connection: Upgrade\r\n"));
        outgoing_put_field(&o, SPAN("Upgrade"), head->upgrade);
    } else if (asked->is_last) {
        outgoing_put(&o, SPAN("Connection: close\r\n"));
    }
    outgoing_put_crlf(&o);
    return writer_length(&o.text);
}
