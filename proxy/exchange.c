#include "proxy/exchange.h"

#include "http/answer.h"
#include "http/openmeetings.h"
#include "http/rewrite.h"
#include "tls/tls.h"

#include <stdlib.h>
#include <string.h>

enum {
    /* By how much the head of a response may grow, without its body being moved. */
    RESPONSE_HEADROOM_BYTES = 4096,
    /* A listener's max_header_bytes, and what is added to a head. */
    SCRATCH_BYTES = 64 * 1024 + 4096,
    /* Red5 and Tomcat refuse over 8192 bytes (tomcat 6.0 to 10.1,
     * maxHttpHeaderSize), and count a little differently than we do. */
    HEADROOM_BYTES = 192,
    ANSWER_ROOM_BYTES = 1024,
};

/* Where a new head is written before it takes the old one's place. One worker
 * is one thread. */
static char scratch[SCRATCH_BYTES];

/* ---- the bytes at hand ---- */

static const char *unjudged(const struct channel *ch, size_t *len)
{
    size_t judged = channel_judged(ch);

    *len = channel_held(ch) - judged;
    return *len > 0 ? (const char *)buffer_head(ch->buffer) + judged : NULL;
}

/* Put `len` bytes in the place of the next `old` and let them pass. */
static bool pass_instead(struct channel *ch, size_t old, const char *bytes, size_t len)
{
    if (!buffer_replace(ch->buffer, channel_judged(ch), old, bytes, len))
        return false;
    channel_grant(ch, len);
    return true;
}

static void fail(struct exchange *x, enum end_reason end, unsigned status, const char *fault)
{
    if (x->end != END_NONE)
        return;
    x->end = end;
    x->status = status;
    x->fault = fault;
}

static void fail_request(struct exchange *x, enum head_verdict verdict, const char *fault)
{
    static const unsigned statuses[] = {
        [HEAD_BAD] = 400, [HEAD_TOO_LARGE] = 431, [HEAD_VERSION] = 505, [HEAD_UNSUPPORTED] = 501
    };

    fail(x, END_BAD_REQUEST, statuses[verdict], fault);
}

/* ---- answers of our own ---- */

static bool set_answer(struct exchange *x, size_t room)
{
    free(x->answer);
    x->answer = malloc(room);
    if (x->answer == NULL)
        fail(x, END_NO_MEMORY, 0, "memory has run out");
    return x->answer != NULL;
}

bool exchange_answer_error(struct exchange *x, unsigned status)
{
    int n;

    channel_drop(x->in);
    channel_drop(x->out);
    x->is_last = true;
    if (!set_answer(x, ANSWER_ROOM_BYTES))
        return false;
    n = answer_error(status, x->is_head, x->answer, ANSWER_ROOM_BYTES);
    x->answer_bytes = n > 0 ? (size_t)n : 0;
    return true;
}

static void answer_with_redirect(struct exchange *x, const struct head *head)
{
    const char *fixed = x->front->config->redirect;
    size_t room = ANSWER_ROOM_BYTES + head->host.len + head->path.len;
    bool is_get = x->is_head || span_is(head->method, SPAN("GET"));
    char base[512];
    int n = fixed != NULL
                ? snprintf(base, sizeof(base), "%s", fixed)
                : snprintf(base, sizeof(base), "https://%.*s", (int)head->host.len, head->host.at);

    if ((fixed == NULL && head->host.len == 0) || (size_t)n >= sizeof(base)) {
        fail(x, END_PLAIN_HTTP, 400, "no host to redirect to");
        return;
    }
    x->is_last = true;
    if (!set_answer(x, 2 * room + (size_t)n))
        return;
    n = answer_redirect(span_of(base), head->path, is_get, x->is_head, x->answer,
                        2 * room + (size_t)n);
    x->answer_bytes = n > 0 ? (size_t)n : 0;
}

static const struct override *find_override(const struct exchange *x, const struct head *head)
{
    const char *query = head->path.len > 0 ? memchr(head->path.at, '?', head->path.len) : NULL;
    struct span path = { head->path.at,
                         query != NULL ? (size_t)(query - head->path.at) : head->path.len };

    if (head->body != BODY_NONE || !(x->is_head || span_is(head->method, SPAN("GET"))))
        return NULL;
    for (size_t i = 0; i < x->front->override_count; i++)
        if (span_is(span_of(x->front->overrides[i].path), path))
            return &x->front->overrides[i];
    return NULL;
}

static void answer_with_file(struct exchange *x, const struct override *file)
{
    int n;

    if (!set_answer(x, ANSWER_ROOM_BYTES))
        return;
    n = answer_file(file->name, file->len, x->is_last, x->answer, ANSWER_ROOM_BYTES);
    x->answer_bytes = n > 0 ? (size_t)n : 0;
    x->file = x->is_head ? NULL : file;
}

/* ---- the request ---- */

static bool keep_host(struct exchange *x, struct span host)
{
    char *copy;

    if (host.len == x->host_bytes && host.len > 0 && memcmp(host.at, x->host, host.len) == 0)
        return true;
    copy = malloc(host.len + 1);
    if (copy == NULL) {
        fail(x, END_NO_MEMORY, 0, "memory has run out");
        return false;
    }
    memcpy(copy, host.len > 0 ? host.at : "", host.len);
    copy[host.len] = '\0';
    free(x->host);
    x->host = copy;
    x->host_bytes = host.len;
    return true;
}

static bool keep_request(struct exchange *x, const struct head *head)
{
    x->count++;
    x->is_head = head->is_head;
    x->is_old = head->minor == 0;
    x->is_last = head->wants_close || *x->is_draining;
    x->expects_continue = head->expects_continue;
    x->upgrade[0] = '\0';
    if (head->upgrade.len > 0 && head->upgrade.len < sizeof(x->upgrade)) {
        memcpy(x->upgrade, head->upgrade.at, head->upgrade.len);
        x->upgrade[head->upgrade.len] = '\0';
    }
    return keep_host(x, head->host);
}

/* What of a well-formed request we will not have. */
static bool is_acceptable(struct exchange *x, const struct head *head)
{
    uint64_t max = x->front->config->max_body_bytes;

    if (head->body == BODY_LENGTH && max > 0 && head->content_length > max) {
        fail(x, END_BAD_REQUEST, 413, "the body is longer than max_body_bytes");
        return false;
    }
    for (size_t i = 0; i < head->field_count; i++)
        if (head->fields[i].id == FIELD_EXPECT && !head->fields[i].is_alias && head->minor > 0 &&
            !head->expects_continue) {
            fail(x, END_BAD_REQUEST, 417, "an expectation other than 100-continue");
            return false;
        }
    return true;
}

static struct span span_or_none(const char *text)
{
    return text != NULL ? span_of(text) : (struct span){ "", 0 };
}

/* Who shows no certificate where none is asked for is not spoken of. */
static void name_certificate(const struct exchange *x, struct rewrite_client *client)
{
    if (x->front->config->client_verify == CONFIG_VERIFY_NONE)
        return;
    client->verify = span_or_none(tls_conn_client_verify(x->tls));
    client->subject = span_or_none(tls_conn_client_subject(x->tls));
    client->issuer = span_or_none(tls_conn_client_issuer(x->tls));
    client->serial = span_or_none(tls_conn_client_serial(x->tls));
    client->fingerprint = span_or_none(tls_conn_client_fingerprint(x->tls));
}

static int write_request(const struct exchange *x, const struct head *head)
{
    struct rewrite_client client = {
        .address = span_of(x->address),
        .is_trusted = x->is_trusted,
        .is_tls = x->tls != NULL,
    };
    size_t max = x->front->config->max_header_bytes - HEADROOM_BYTES;

    name_certificate(x, &client);
    return rewrite_request(head, &x->front->rewrite, &client, x->is_last, scratch,
                           max < sizeof(scratch) ? max : sizeof(scratch));
}

/* A request that a kept connection may have lost can be sent once more, if
 * doing so twice does no harm and it is all there. */
static void keep_replay(struct exchange *x, const struct head *head, size_t len)
{
    x->replay_bytes = 0;
    if (!head->is_safe || head->body != BODY_NONE || x->upgrade[0] != '\0')
        return;
    free(x->replay);
    x->replay = malloc(len);
    if (x->replay == NULL)
        return; /* then it is sent once */
    memcpy(x->replay, scratch, len);
    x->replay_bytes = len;
}

static void pass_request(struct exchange *x, const struct head *head, size_t size)
{
    int n = write_request(x, head);

    if (n < 0 || !pass_instead(x->in, size, scratch, (size_t)n)) {
        fail_request(x, HEAD_TOO_LARGE, "the head is too long with what is added to it");
        return;
    }
    if (x->is_reused)
        keep_replay(x, head, (size_t)n);
    body_init(&x->request_body, head->body, head->content_length);
    if (head->body == BODY_LENGTH)
        channel_grant(x->in, head->content_length);
    x->request = PART_BODY;
}

static void take_request_head(struct exchange *x)
{
    const struct override *file;
    enum head_verdict verdict;
    const char *fault;
    struct head head;
    size_t size;
    size_t len;
    const char *bytes = unjudged(x->in, &len);

    verdict =
        head_scan(&x->in_scan, HEAD_REQUEST, bytes, len, x->front->config->max_header_bytes, &size);
    if (verdict == HEAD_PARTIAL)
        return;
    fault = x->in_scan.fault;
    if (verdict == HEAD_OK) {
        verdict = head_parse_request(bytes, size, &head);
        fault = head.fault;
    }
    if (verdict != HEAD_OK) {
        fail_request(x, verdict, fault);
        return;
    }
    if (!keep_request(x, &head) || !is_acceptable(x, &head))
        return;
    file = find_override(x, &head);
    if (x->tls == NULL) {
        answer_with_redirect(x, &head);
    } else if (file != NULL) {
        answer_with_file(x, file);
        x->request = PART_DONE;
        (void)buffer_replace(x->in->buffer, 0, size, "", 0);
    } else {
        pass_request(x, &head, size);
    }
}

static void take_request_body(struct exchange *x)
{
    uint64_t max = x->front->config->max_body_bytes;
    size_t len;
    const char *bytes = unjudged(x->in, &len);
    size_t n = body_scan(&x->request_body, bytes, len);

    x->request_bytes += n;
    if (max > 0 && x->request_bytes > max) {
        x->request_body.is_done = false; /* what is over the limit stays here */
        fail(x, END_BAD_REQUEST, 413, "the body is longer than max_body_bytes");
        return;
    }
    channel_grant(x->in, n);
    if (x->request_body.is_bad)
        fail(x, END_BAD_REQUEST, 400, "a chunk that is none");
}

/* What follows the request waits for its turn, and is read no further. */
static void judge_request(struct channel *in, void *user)
{
    struct exchange *x = user;

    if (x->end != END_NONE)
        return;
    if (x->request == PART_HEAD && channel_held(in) > 0)
        take_request_head(x);
    if (x->request == PART_BODY && x->request_body.kind == BODY_CHUNKED &&
        !x->request_body.is_done && x->end == END_NONE)
        take_request_body(x);
    in->is_held = x->request != PART_HEAD && channel_held(in) > channel_judged(in);
}

/* ---- the response ---- */

static int write_response(const struct exchange *x, const struct head *head, int64_t length)
{
    const struct rewrite_asked asked = {
        .host = { x->host, x->host_bytes },
        .is_head = x->is_head,
        .is_last = x->is_last && head->status >= 200,
    };

    return rewrite_response(head, &x->front->rewrite, &asked, length, scratch, sizeof(scratch));
}

static void fail_response(struct exchange *x, const char *fault)
{
    fail(x, END_BAD_RESPONSE, 0, fault);
    channel_drop(x->out);
}

/* A 1xx other than 101: passed on, but to a client that knows none. */
static void pass_interim(struct exchange *x, const struct head *head, size_t size)
{
    int n = x->is_old ? 0 : write_response(x, head, -1);

    x->has_continued |= head->status == 100;
    if (n < 0 || !pass_instead(x->out, size, scratch, (size_t)n))
        fail_response(x, "a response head that is too long");
}

static void pass_upgrade(struct exchange *x, const struct head *head, size_t size)
{
    int n = write_response(x, head, -1);

    if (x->upgrade[0] == '\0' || !span_is_nocase(head->upgrade, span_of(x->upgrade))) {
        fail_response(x, "101 to a request that did not ask for it");
        return;
    }
    if (n < 0 || !pass_instead(x->out, size, scratch, (size_t)n)) {
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
    x->is_last |= kind == BODY_CLOSE || *x->is_draining;
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

static void pass_final(struct exchange *x, const struct head *head, size_t size)
{
    enum body_kind kind = head_response_body(head, x->is_head);
    size_t len;
    const char *raw = unjudged(x->out, &len);
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
    if (x->front->rewrite.jnlp && !x->is_head && kind != BODY_NONE && openmeetings_is_jnlp(head)) {
        if (!gather_start(&x->gather, raw, size, scratch, (size_t)n))
            fail(x, END_NO_MEMORY, 0, "memory has run out");
        (void)buffer_replace(x->out->buffer, channel_judged(x->out), size, "", 0);
        x->response = PART_GATHERED;
    } else if (pass_instead(x->out, size, scratch, (size_t)n)) {
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
    const char *bytes = unjudged(x->out, &len);

    if (len == 0)
        return false;
    verdict = head_scan(&x->out_scan, HEAD_RESPONSE, bytes, len, SCRATCH_BYTES - 4096, &size);
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
    if (n < 0 || !set_answer(x, (size_t)n)) {
        fail_response(x, "a response head that is too long");
        return;
    }
    memcpy(x->answer, scratch, (size_t)n);
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
    const char *bytes = unjudged(x->out, &len);
    size_t n = body_scan(&x->response_body, bytes, len);
    bool is_ended = x->response_body.kind == BODY_CLOSE && x->out->state != CHANNEL_OPEN;

    if (n > 0 && !gather_add(&x->gather, bytes, n)) {
        fail(x, END_NO_MEMORY, 0, "memory has run out");
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
    const char *bytes = unjudged(x->out, &len);

    if (x->response_body.kind == BODY_CHUNKED && !x->response_body.is_done) {
        channel_grant(x->out, body_scan(&x->response_body, bytes, len));
        if (x->response_body.is_bad)
            fail(x, END_BAD_RESPONSE, 0, "a chunk that is none");
        if (!x->response_body.is_done)
            return;
    }
    (void)unjudged(x->out, &len);
    if (len > 0 && x->response_body.kind != BODY_CLOSE) {
        x->has_surplus = true;
        channel_drop(x->out);
    }
}

static void judge_response(struct channel *out, void *user)
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

/* ---- one after the other ---- */

static bool is_trusted(const struct front *front, const struct addr *address)
{
    for (size_t i = 0; i < front->config->trusted_count; i++)
        if (addr_prefix_contains(&front->config->trusted[i], address))
            return true;
    return false;
}

static void reset(struct exchange *x)
{
    x->in_scan = (struct head_scan){ 0 };
    x->out_scan = (struct head_scan){ 0 };
    x->request = x->response = PART_HEAD;
    x->request_bytes = 0;
    x->is_final_seen = x->has_continued = false;
    x->is_backend_last = x->is_backend_broken = false;
    x->replay_bytes = 0;
    gather_free(&x->gather);
    free(x->answer);
    x->answer = NULL;
    x->file = NULL;
    x->is_head = x->is_old = false;
    x->in->credit = x->out->credit = 0;
    x->in->is_held = x->out->is_held = false;
    x->in->must_not_end = x->out->must_not_end = true;
}

struct exchange *exchange_new(const struct front *front, struct tls_conn *tls,
                              const struct addr *address, struct channel *in, struct channel *out)
{
    struct exchange *x = calloc(1, sizeof(*x));

    if (x == NULL)
        return NULL;
    x->front = front;
    x->tls = tls;
    x->in = in;
    x->out = out;
    x->is_trusted = is_trusted(front, address);
    (void)addr_print_host(address, x->address);
    in->judge = judge_request;
    out->judge = judge_response;
    in->judge_user = out->judge_user = x;
    in->headroom = front->config->max_header_bytes;
    out->headroom = RESPONSE_HEADROOM_BYTES;
    reset(x);
    return x;
}

void exchange_free(struct exchange *x)
{
    if (x == NULL)
        return;
    gather_free(&x->gather);
    free(x->answer);
    free(x->replay);
    free(x->host);
    free(x);
}

void exchange_next(struct exchange *x)
{
    reset(x);
    channel_judge_again(x->in);
}

bool exchange_request_is_done(const struct exchange *x)
{
    bool is_all_granted = x->request_body.kind != BODY_CHUNKED || x->request_body.is_done;

    return x->request == PART_DONE ||
           (x->request == PART_BODY && is_all_granted && x->in->credit == 0);
}

bool exchange_response_is_done(const struct exchange *x)
{
    const struct channel *out = x->out;

    if (x->response != PART_BODY || channel_is_fed(out))
        return false;
    if (x->response_body.kind == BODY_CLOSE)
        return out->state != CHANNEL_OPEN && channel_held(out) == 0 && !x->is_backend_broken;
    return (x->response_body.kind != BODY_CHUNKED || x->response_body.is_done) && out->credit == 0;
}

bool exchange_request_is_cut(const struct exchange *x)
{
    bool is_all_granted = x->request_body.kind != BODY_CHUNKED || x->request_body.is_done;

    return x->in->state != CHANNEL_OPEN && x->request == PART_BODY &&
           (!is_all_granted || x->in->credit > channel_held(x->in));
}

bool exchange_response_is_cut(const struct exchange *x)
{
    const struct channel *out = x->out;

    if (out->state == CHANNEL_OPEN || channel_is_fed(out))
        return false;
    if (x->response != PART_BODY)
        return true;
    if (x->response_body.kind == BODY_CLOSE)
        return x->is_backend_broken;
    if (x->response_body.kind == BODY_CHUNKED)
        return !x->response_body.is_done;
    return x->response_body.kind == BODY_LENGTH && out->credit > channel_held(out);
}

/* What of the first try was not sent is still there, and requests behind it. */
static bool put_replay(struct exchange *x)
{
    struct channel *in = x->in;

    if (in->buffer == NULL) {
        channel_feed(in, x->replay, x->replay_bytes);
        return true;
    }
    if (!buffer_replace(in->buffer, 0, in->credit, x->replay, x->replay_bytes))
        return false;
    in->credit = x->replay_bytes;
    return true;
}

bool exchange_replay(struct exchange *x)
{
    if (x->replay_bytes == 0 || !x->is_reused || x->response != PART_HEAD ||
        channel_held(x->out) > 0 || !put_replay(x))
        return false;
    x->is_reused = false;
    x->replay_bytes = 0;
    return true;
}
