#include "proxy/exchange.h"

#include "http/answer.h"

#include <stdlib.h>
#include <string.h>

enum {
    /* By how much the head of a response may grow, without its body being moved. */
    RESPONSE_HEADROOM_BYTES = 4096,
    ANSWER_ROOM_BYTES = 1024,
};

char exchange_scratch[EXCHANGE_HEAD_BYTES_MAX + EXCHANGE_ADDED_BYTES_MAX];

void exchange_fail(struct exchange *x, enum end_reason end, unsigned status, const char *fault)
{
    if (x->end != END_NONE)
        return;
    x->end = end;
    x->status = status;
    x->fault = fault;
}

bool exchange_set_answer(struct exchange *x, size_t room)
{
    free(x->answer);
    x->answer = malloc(room);
    if (x->answer == NULL)
        exchange_fail(x, END_NO_MEMORY, 0, "memory has run out");
    return x->answer != NULL;
}

bool exchange_answer_error(struct exchange *x, unsigned status)
{
    int n;

    channel_drop(x->in);
    channel_drop(x->out);
    x->is_last = true;
    if (!exchange_set_answer(x, ANSWER_ROOM_BYTES))
        return false;
    n = answer_error(status, x->is_head, x->answer, ANSWER_ROOM_BYTES);
    x->answer_bytes = n > 0 ? (size_t)n : 0;
    return true;
}

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

bool exchange_is_draining(const struct exchange *x)
{
    return *x->is_draining && !x->is_rtmpt;
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
