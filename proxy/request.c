#include "proxy/request.h"

#include "http/answer.h"
#include "http/rewrite.h"
#include "proxy/exchange.h"
#include "tls/tls.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    /* Red5 and Tomcat refuse over 8192 bytes (tomcat 6.0 to 10.1,
     * maxHttpHeaderSize), and count a little differently than we do. */
    HEADROOM_BYTES = 192,
    ANSWER_ROOM_BYTES = 1024,
};

static void fail_request(struct exchange *x, enum head_verdict verdict, const char *fault)
{
    static const unsigned statuses[] = {
        [HEAD_BAD] = 400, [HEAD_TOO_LARGE] = 431, [HEAD_VERSION] = 505, [HEAD_UNSUPPORTED] = 501
    };

    exchange_fail(x, END_BAD_REQUEST, statuses[verdict], fault);
}

/* ---- answers of our own ---- */

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
        exchange_fail(x, END_PLAIN_HTTP, 400, "no host to redirect to");
        return;
    }
    x->is_last = true;
    if (!exchange_set_answer(x, 2 * room + (size_t)n))
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

    if (!exchange_set_answer(x, ANSWER_ROOM_BYTES))
        return;
    n = answer_file(file->name, file->len, x->is_last, x->answer, ANSWER_ROOM_BYTES);
    x->answer_bytes = n > 0 ? (size_t)n : 0;
    x->file = x->is_head ? NULL : file;
}

/* ---- what goes on ---- */

static bool keep_host(struct exchange *x, struct span host)
{
    char *copy;

    if (host.len == x->host_bytes && host.len > 0 && memcmp(host.at, x->host, host.len) == 0)
        return true;
    copy = malloc(host.len + 1);
    if (copy == NULL) {
        exchange_fail(x, END_NO_MEMORY, 0, "memory has run out");
        return false;
    }
    memcpy(copy, host.len > 0 ? host.at : "", host.len);
    copy[host.len] = '\0';
    free(x->host);
    x->host = copy;
    x->host_bytes = host.len;
    return true;
}

/* RTMP inside of HTTP begins with one of these. A client that does so may be
 * librtmp, which takes a session ticket for a failed read. */
static bool is_rtmpt(const struct head *head)
{
    static const struct span paths[] = { SPAN("/open/"), SPAN("/fcs/"), SPAN("/send/"),
                                         SPAN("/idle/"), SPAN("/close/") };

    for (size_t i = 0; i < sizeof(paths) / sizeof(*paths); i++)
        if (head->path.len >= paths[i].len &&
            span_is((struct span){ head->path.at, paths[i].len }, paths[i]))
            return true;
    return false;
}

static bool keep_request(struct exchange *x, const struct head *head)
{
    x->is_rtmpt = is_rtmpt(head);
    if (x->count++ == 0)
        x->bears_ticket = !x->is_rtmpt;
    x->is_head = head->is_head;
    x->is_old = head->minor == 0;
    x->is_last = head->wants_close || exchange_is_draining(x);
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
        exchange_fail(x, END_BAD_REQUEST, 413, "the body is longer than max_body_bytes");
        return false;
    }
    for (size_t i = 0; i < head->field_count; i++)
        if (head->fields[i].id == FIELD_EXPECT && !head->fields[i].is_alias && head->minor > 0 &&
            !head->expects_continue) {
            exchange_fail(x, END_BAD_REQUEST, 417, "an expectation other than 100-continue");
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
    return rewrite_request(head, &x->front->rewrite, &client, x->is_last, exchange_scratch,
                           max < sizeof(exchange_scratch) ? max : sizeof(exchange_scratch));
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
    memcpy(x->replay, exchange_scratch, len);
    x->replay_bytes = len;
}

static void pass_request(struct exchange *x, const struct head *head, size_t size)
{
    int n = write_request(x, head);

    if (n < 0 || !channel_pass_instead(x->in, size, exchange_scratch, (size_t)n)) {
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

/* Whether it is HEAD shows before the rest is there, or is found wanting. */
static bool names_head(const char *bytes, size_t len)
{
    return len >= 5 && memcmp(bytes, "HEAD ", 5) == 0;
}

static void take_request_head(struct exchange *x)
{
    const struct override *file;
    enum head_verdict verdict;
    const char *fault;
    struct head head;
    size_t size;
    size_t len;
    const char *bytes = channel_unjudged(x->in, &len);

    x->is_head = names_head(bytes, len);
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
    const char *bytes = channel_unjudged(x->in, &len);
    size_t n = body_scan(&x->request_body, bytes, len);

    x->request_bytes += n;
    if (max > 0 && x->request_bytes > max) {
        x->request_body.is_done = false; /* what is over the limit stays here */
        exchange_fail(x, END_BAD_REQUEST, 413, "the body is longer than max_body_bytes");
        return;
    }
    channel_grant(x->in, n);
    if (x->request_body.is_bad)
        exchange_fail(x, END_BAD_REQUEST, 400, "a chunk that is none");
}

/* What follows the request waits for its turn, and is read no further. */
void request_judge(struct channel *in, void *user)
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
