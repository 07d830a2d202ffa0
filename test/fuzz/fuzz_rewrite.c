/* fuzz_rewrite.c - a byte of options, and a head that is written anew.
 *
 * Whatever head was accepted: the one that goes on is accepted too and means the
 * same, holds nothing that only this hop may say, and nothing about the client but ours.
 */
#include "test/fuzz/fuzz.h"

#include "http/rewrite.h"

enum { IN_MAX = 16 * 1024, OUT_MAX = 128 * 1024 };

static const struct rewrite_options options[] = {
    { .location = true,
      .secure_cookies = true,
      .origin = true,
      .csp = true,
      .jnlp = true,
      .hsts = HSTS_SET,
      .hsts_value = "max-age=1",
      .backend = "127.0.0.1:5080" },
    { .forwarded = FORWARDED_APPEND, .hsts = HSTS_STRIP, .backend = "h" },
    { .forwarded = FORWARDED_OFF, .origin = true, .location = true, .csp = true, .backend = "" },
};

static bool parse(enum head_type type, const char *bytes, size_t len, struct head *head)
{
    struct head_scan scan = { 0 };
    size_t size;

    return head_scan(&scan, type, bytes, len, len, &size) == HEAD_OK && size == len &&
           (type == HEAD_REQUEST ? head_parse_request(bytes, size, head)
                                 : head_parse_response(bytes, size, head)) == HEAD_OK;
}

static size_t count(const struct head *head, enum field_id id)
{
    size_t n = 0;

    for (size_t i = 0; i < head->field_count; i++)
        n += head->fields[i].id == id ? 1 : 0;
    return n;
}

static const struct field *find(const struct head *head, enum field_id id)
{
    const struct field *f = head->fields;

    while (f < head->fields + head->field_count && f->id != id)
        f++;
    must(f < head->fields + head->field_count);
    return f;
}

/* Of either: what only this hop may say, and other spellings. */
static void check_fields(const struct head *out)
{
    static const enum field_id gone[] = { FIELD_KEEP_ALIVE, FIELD_PROXY_CONNECTION, FIELD_TE,
                                          FIELD_HTTP2_SETTINGS };

    for (size_t i = 0; i < sizeof(gone) / sizeof(gone[0]); i++)
        must(count(out, gone[i]) == 0);
    for (size_t i = 0; i < out->field_count; i++)
        must(!out->fields[i].is_alias);
    must(count(out, FIELD_CONNECTION) <= 1);
    must(count(out, FIELD_CONTENT_LENGTH) + count(out, FIELD_TRANSFER_ENCODING) <= 1);
    must(count(out, FIELD_UPGRADE) <= 1);
}

static void check_provenance(const struct head *out, const struct rewrite_options *o,
                             const struct rewrite_client *c)
{
    size_t due = o->forwarded == FORWARDED_OFF ? 0 : 1;

    must(count(out, FIELD_X_FORWARDED_FOR) == due);
    must(count(out, FIELD_FORWARDED) == due);
    if (due == 0 || (c->is_trusted && o->forwarded == FORWARDED_APPEND))
        return;
    must(span_is(find(out, FIELD_X_FORWARDED_FOR)->value, c->address));
    must(count(out, FIELD_X_FORWARDED_PROTO) == 1 && count(out, FIELD_X_FORWARDED_PORT) == 1);
    must(count(out, FIELD_X_FORWARDED_HOST) == (out->host.len > 0 ? 1 : 0));
    must(count(out, FIELD_X_REAL_IP) == 0);
}

/* https becomes http where it was ours, and nothing else passes for ours. */
static void check_origins(const struct head *out, const struct rewrite_options *o)
{
    for (size_t i = 0; o->origin && i < out->field_count; i++)
        if (out->fields[i].id == FIELD_ORIGIN)
            must(strncasecmp(out->fields[i].value.at, "https://", 8) != 0 ||
                 !span_is_nocase(
                     (struct span){ out->fields[i].value.at + 8, out->fields[i].value.len - 8 },
                     out->host));
}

static void try_request(const struct head *in, const struct rewrite_options *o,
                        const struct rewrite_client *c, bool wants_close, char *bytes)
{
    int n = rewrite_request(in, o, c, wants_close, bytes, OUT_MAX);
    struct head out;

    must(n > 0);
    must(rewrite_request(in, o, c, wants_close, bytes, (size_t)n - 1) == -1);
    must(rewrite_request(in, o, c, wants_close, bytes, (size_t)n) == n);
    if (!parse(HEAD_REQUEST, bytes, (size_t)n, &out)) {
        must(in->field_count + 12 > HEAD_FIELDS_MAX);
        return;
    }
    must(span_is(in->method, out.method) && span_is(in->path, out.path));
    must(span_is(in->host, out.host) && span_is(in->upgrade, out.upgrade));
    must(in->minor == out.minor && in->body == out.body);
    must(in->content_length == out.content_length);
    must(in->expects_continue == out.expects_continue);
    must(out.wants_close == (wants_close || in->minor == 0));
    check_fields(&out);
    check_provenance(&out, o, c);
    check_origins(&out, o);
}

static void try_response(const struct head *in, const struct rewrite_options *o,
                         const struct rewrite_asked *asked, char *bytes)
{
    int n = rewrite_response(in, o, asked, -1, bytes, OUT_MAX);
    struct head out;

    must(n > 0);
    must(rewrite_response(in, o, asked, -1, bytes, (size_t)n - 1) == -1);
    must(rewrite_response(in, o, asked, 7, bytes, OUT_MAX) > 0);
    must(rewrite_response(in, o, asked, -1, bytes, (size_t)n) == n);
    if (!parse(HEAD_RESPONSE, bytes, (size_t)n, &out)) {
        must(in->field_count + 4 > HEAD_FIELDS_MAX);
        return;
    }
    must(in->status == out.status && span_is(in->reason, out.reason));
    must(head_response_body(in, asked->is_head) == head_response_body(&out, asked->is_head));
    must(head_response_body(in, asked->is_head) != BODY_LENGTH ||
         in->content_length == out.content_length);
    must(in->status == 101 || out.wants_close == asked->is_last);
    must(count(&out, FIELD_STRICT_TRANSPORT_SECURITY) ==
             (o->hsts == HSTS_SET && in->status >= 200 ? 1 : 0) ||
         o->hsts == HSTS_PASS);
    check_fields(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static char bytes[OUT_MAX];
    unsigned bits = size > 0 ? data[0] : 0;
    const struct rewrite_options *o =
        &options[(bits >> 4) % (sizeof(options) / sizeof(options[0]))];
    const struct rewrite_client client = { .address = SPAN("203.0.113.9"),
                                           .is_trusted = (bits & 2) != 0,
                                           .is_tls = (bits & 4) != 0 };
    const struct rewrite_asked asked = { (bits & 2) != 0 ? SPAN("h:5443") : SPAN("h"),
                                         (bits & 4) != 0, (bits & 8) != 0 };
    struct head in;

    if (size < 2 || size > IN_MAX)
        return 0;
    if ((bits & 1) == 0) {
        if (parse(HEAD_REQUEST, (const char *)data + 1, size - 1, &in))
            try_request(&in, o, &client, (bits & 8) != 0 || in.minor == 0, bytes);
    } else if (parse(HEAD_RESPONSE, (const char *)data + 1, size - 1, &in)) {
        try_response(&in, o, &asked, bytes);
    }
    return 0;
}
