#include "proxy/probe_http.h"

#include "http/writer.h"

#include <string.h>

enum { REQUEST_BYTES = 2048 };

static int write_request(const struct probe_request *request, char *out, size_t size)
{
    struct writer w = writer_on(out, size);
    bool is_post = request->body != NULL;

    writer_put(&w, is_post ? SPAN("POST ") : SPAN("GET "));
    writer_put(&w, span_of(request->path));
    writer_put(&w, SPAN(" HTTP/1.1\r\n"));
    writer_put_field(&w, SPAN("Host"), span_of(request->host));
    writer_put_field(&w, SPAN("User-Agent"), SPAN("red5-tls-proxy-doctor"));
    if (!request->is_kept)
        writer_put_field(&w, SPAN("Connection"), SPAN("close"));
    if (is_post) {
        writer_put_field(&w, SPAN("Content-Type"), SPAN("application/x-fcs"));
        writer_put(&w, SPAN("Content-Length: "));
        writer_put_number(&w, request->body_len);
        writer_put(&w, SPAN("\r\n"));
    }
    writer_put(&w, SPAN("\r\n"));
    if (is_post)
        writer_put(&w, (struct span){ request->body, request->body_len });
    return writer_length(&w);
}

/* Bytes into `r` behind the `have` that are there; as probe_receive(), and -1 without room. */
static ssize_t receive(struct probe *p, struct probe_response *r, size_t have)
{
    if (have == sizeof(r->bytes))
        return error_set(&p->fault, "the response is longer than %d kB", PROBE_HTTP_BYTES / 1024);
    return probe_receive(p, r->bytes + have, sizeof(r->bytes) - have);
}

static int parse(struct probe *p, struct probe_response *r, size_t start, size_t size)
{
    enum head_verdict verdict = head_parse_response(r->bytes + start, size, &r->head);

    if (verdict == HEAD_OK)
        return 0;
    return error_set(&p->fault, "the answer is no valid HTTP: %s",
                     r->head.fault != NULL ? r->head.fault : "unknown reason");
}

/* The head from `start` on, of which all up to *have is there: its size, or -1. */
static ssize_t read_head(struct probe *p, struct probe_response *r, size_t start, size_t *have)
{
    struct head_scan scan = { .scanned = 0 };
    size_t size = 0;

    for (;;) {
        enum head_verdict verdict = head_scan(&scan, HEAD_RESPONSE, r->bytes + start, *have - start,
                                              sizeof(r->bytes) - start, &size);
        ssize_t n;

        if (verdict == HEAD_OK)
            return parse(p, r, start, size) == 0 ? (ssize_t)size : -1;
        if (verdict != HEAD_PARTIAL)
            return error_set(&p->fault, "the answer is no valid HTTP: %s",
                             scan.fault != NULL ? scan.fault : "unknown reason");
        n = receive(p, r, *have);
        if (n == 0)
            return error_set(&p->fault, "the connection was closed without an HTTP response");
        if (n < 0)
            return -1;
        *have += (size_t)n;
    }
}

/* The body from `start` on, as far as there is room for it. */
static int read_body(struct probe *p, struct probe_response *r, size_t start, size_t have)
{
    struct body body;
    size_t end = start;
    ssize_t n = 1;

    body_init(&body, head_response_body(&r->head, false), r->head.content_length);
    for (;;) {
        end += body_scan(&body, r->bytes + end, have - end);
        if (body.is_done || body.is_bad || have == sizeof(r->bytes) || n == 0)
            break;
        n = receive(p, r, have);
        if (n < 0)
            return -1;
        have += (size_t)n;
    }
    if (body.is_bad || (n == 0 && !body.is_done && body.kind != BODY_CLOSE))
        return error_set(&p->fault, "the response breaks off in its body");
    r->body = (struct span){ r->bytes + start, end - start };
    if (body.kind == BODY_CHUNKED)
        r->body.len = body_unchunk(r->bytes + start, r->body.len);
    return 0;
}

int probe_http(struct probe *p, const struct probe_request *request,
               struct probe_response *response)
{
    char text[REQUEST_BYTES];
    int n = write_request(request, text, sizeof(text));
    size_t have = 0;
    size_t start = 0;
    ssize_t size;

    probe_begin(p);
    if (n < 0)
        return error_set(&p->fault, "the request is too long");
    if (probe_send(p, text, (size_t)n) < 0)
        return -1;
    do { /* interim responses are passed over */
        size = read_head(p, response, start, &have);
        if (size < 0)
            return -1;
        start += (size_t)size;
    } while (response->head.status < 200 && response->head.status != 101);
    return read_body(p, response, start, have);
}

struct span probe_http_field(const struct probe_response *response, enum field_id id, size_t n)
{
    for (size_t i = 0; i < response->head.field_count; i++) {
        const struct field *field = &response->head.fields[i];

        if (field->id == id && !field->is_alias && n-- == 0)
            return field->value;
    }
    return (struct span){ "", 0 };
}
