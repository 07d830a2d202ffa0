#include "proxy/response.h"

#include "http/openmeetings.h"
#include "http/rewrite.h"
#include "proxy/exchange.h"

#include <string.h>

static int write_response(const struct exchange *x, const struct head *head, int64_t length)
{
    const struct rewrite_asked asked = {
        .host = { x->host, x->host_bytes },
        .is_head = x->is_head,
        .is_last = x->is_last && head->status >= 200,
    };

    return rewrite_response(head, &x->front->rewrite, &asked, length, exchange_scratch,
                            sizeof(exchange_scratch));
}

static void fail_response(struct exchange *x, const char *fault)
{
    exchange_fail(x, END_BAD_RESPONSE, 0, fault);
    channel_drop(x->out);
}

/* A 1xx other than 101: passed on, but to a client that knows none. */
static void pass_interim(struct exchange *x, const struct head *head, size_t size)
{
    int n = x->is_old ? 0 : write_response(x, head, -1);

    x->has_continued |= head->status == 100;
    if (n < 0 || !channel_pass_instead(x->out, size, exchange_scratch, (size_t)n))
        fail_response(x, "a response head that is too long");
}

static void pass_upgrade(struct exchange *x, const struct head *head, size_t size)
{
    int n = write_response(x, head, -1);

    if (x->upgrade[0] == '\0' || !span_is_nocase(head->upgrade, span_of(x->upgrade))) {
        fail_response(x, "101 to a request that did not ask for it");
        return;
    }
    if (n < 0 || !channel_pass_instead(x->out, size, exchange_scratch, (size_t)n)) {
        fail_response(x, "a response head that is too long");
        return;
    }
    x->is_upgraded = true;
    x->is_final_seen = true;
    channel_open(x->out);
    channel_open(x->in);
}

/* Whether the two connections can go on behind this response. A request whose
 * body the client may still hold back, or that the backend will not read to its
 * end, leaves nobody knowing where the next one begins. */
static void note_ends(struct exchange *x, const struct head *head, enum body_kind kind)
{
    bool is_asked = exchange_request_is_done(x);

    x->is_backend_last |= head->wants_close || kind == BODY_CLOSE;
    x->is_last |= kind == BODY_CLOSE || exchange_is_draining(x);
    if (!is_asked && (x->is_backend_last || (x->expects_continue && !x->has_continued)))
        x->is_last = true;
}

static void grant_response_body(struct exchange *x)
{
    if (x->response_body.kind == BODY_LENGTH)
        channel_grant(x->out, x->response_body.left);
    else if (x->response_body.kind == BODY_CLOSE)
        channel_grant(x->out, UINT64_MAX);
    x->response = PART_BODY;
    x->is_final_seen = true;
}

static bool is_to_be_changed(const struct exchange *x, const struct head *head, enum body_kind kind)
{
    return x->front->rewrite.jnlp && !x->is_head && kind != BODY_NONE && openmeetings_is_jnlp(head);
}

static void pass_final(struct exchange *x, const struct head *head, size_t size)
{
    enum body_kind kind = head_response_body(head, x->is_head);
    size_t len;
    const char *raw = channel_unjudged(x->out, &len);
    int n;

    if (x->is_old && kind == BODY_CHUNKED) {
        fail_response(x, "a chunked response to HTTP/1.0");
        return;
    }
    note_ends(x, head, kind);
    n = write_response(x, head, -1);
    if (n < 0) {
        fail_response(x, "a response head that is too long");
        return;
    }
    body_init(&x->response_body, kind, head->content_length);
    if (is_to_be_changed(x, head, kind) &&
        gather_start(&x->gather, raw, size, exchange_scratch, (size_t)n)) {
        (void)buffer_replace(x->out->buffer, channel_judged(x->out), size, "", 0);
        x->response = PART_GATHERED;
    } else if (channel_pass_instead(x->out, size, exchange_scratch, (size_t)n)) {
        grant_response_body(x);
    } else {
        fail_response(x, "a response head that is too long");
    }
}

/* False when more bytes are needed, or nothing more is to be done. */
static bool take_response_head(struct exchange *x)
{
    const char *fault;
    enum head_verdict verdict;
    struct head head;
    size_t size;
    size_t len;
    const char *bytes = channel_unjudged(x->out, &len);

    if (len == 0)
        return false;
    verdict = head_scan(&x->out_scan, HEAD_RESPONSE, bytes, len, EXCHANGE_HEAD_BYTES_MAX, &size);
    if (verdict == HEAD_PARTIAL)
        return false;
    fault = x->out_scan.fault;
    if (verdict == HEAD_OK) {
        verdict = head_parse_response(bytes, size, &head);
        fault = head.fault;
    }
    x->out_scan = (struct head_scan){ 0 };
    x->replay_bytes = 0;
    if (verdict != HEAD_OK)
        fail_response(x, fault);
    else if (head.status == 101)
        pass_upgrade(x, &head, size);
    else if (head.status < 200)
        pass_interim(x, &head, size);
    else
        pass_final(x, &head, size);
    return x->end == END_NONE && x->response == PART_HEAD && !x->is_upgraded;
}

/* The gathered body is whole: change it, and let it go out under a new head. */
static void finish_gathered(struct exchange *x)
{
    struct gather *g = &x->gather;
    char *body = gather_body(g);
    size_t len = gather_body_bytes(g);
    struct head head;
    int n;

    if (x->response_body.kind == BODY_CHUNKED)
        len = body_unchunk(body, len);
    len = openmeetings_rewrite_jnlp(body, len, (struct span){ x->host, x->host_bytes });
    (void)head_parse_response(g->bytes, g->raw_bytes, &head); /* it did before */
    n = write_response(x, &head, (int64_t)len);
    if (n < 0 || !exchange_set_answer(x, (size_t)n)) {
        fail_response(x, "a response head that is too long");
        return;
    }
    memcpy(x->answer, exchange_scratch, (size_t)n);
    channel_feed(x->out, x->answer, (size_t)n);
    channel_feed(x->out, body, len);
    x->response_body.is_done = true;
    x->response_body.left = 0;
    x->response_body.kind = BODY_LENGTH;
    grant_response_body(x);
}

/* Too long to be held: it goes out as it came. */
static void release_gathered(struct exchange *x)
{
    struct gather *g = &x->gather;

    channel_feed(x->out, g->bytes + g->raw_bytes, g->len - g->raw_bytes);
    grant_response_body(x);
}

static void take_gathered(struct exchange *x)
{
    size_t len;
    const char *bytes = channel_unjudged(x->out, &len);
    size_t n = body_scan(&x->response_body, bytes, len);
    bool is_ended = x->response_body.kind == BODY_CLOSE && x->out->state != CHANNEL_OPEN;

    if (n > 0 && !gather_add(&x->gather, bytes, n)) {
        exchange_fail(x, END_NO_MEMORY, 0, "memory has run out");
        return;
    }
    if (n > 0)
        (void)buffer_replace(x->out->buffer, channel_judged(x->out), n, "", 0);
    if (x->response_body.is_bad)
        fail_response(x, "a chunk that is none");
    else if (gather_body_bytes(&x->gather) > GATHER_BODY_BYTES_MAX)
        release_gathered(x);
    else if (x->response_body.is_done || is_ended)
        finish_gathered(x);
}

static void take_response_body(struct exchange *x)
{
    size_t len;
    const char *bytes = channel_unjudged(x->out, &len);

    if (x->response_body.kind == BODY_CHUNKED && !x->response_body.is_done) {
        channel_grant(x->out, body_scan(&x->response_body, bytes, len));
        if (x->response_body.is_bad)
            exchange_fail(x, END_BAD_RESPONSE, 0, "a chunk that is none");
        if (!x->response_body.is_done)
            return;
    }
    (void)channel_unjudged(x->out, &len);
    if (len > 0 && x->response_body.kind != BODY_CLOSE) {
        x->has_surplus = true;
        channel_drop(x->out);
    }
}

void response_judge(struct channel *out, void *user)
{
    struct exchange *x = user;

    (void)out;
    if (x->end != END_NONE)
        return;
    if (x->response == PART_HEAD)
        while (take_response_head(x))
            ;
    if (x->response == PART_GATHERED && x->end == END_NONE)
        take_gathered(x);
    if (x->response == PART_BODY && x->end == END_NONE)
        take_response_body(x);
}
