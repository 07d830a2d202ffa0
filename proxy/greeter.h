/* greeter.h - the costly part of handshakes, in a thread beside the worker's loop.
 *
 * The first flight of a full RSA-2048 handshake keeps a processor for half a millisecond and
 * longer, and cannot be divided. When a crowd comes back at once, live streams would
 * wait behind it again and again. So a conn is handed over to a thread that the kernel
 * lets run while the loop sleeps, and comes back when that step is done.
 *
 *    loop --greeter_start--> ring of jobs --> thread: tls_conn_handshake()
 *    loop <----on_answer---- the same ring, a byte in an eventfd
 *
 * While it is away nobody else may touch the conn. Some are on their way at once, so that
 * the thread has the next when it is done with one; who waits for that is the caller's business.
 * Neither side ever waits for a lock that the other holds: the thread may be stopped anywhere.
 * libuv's own threads are not used, as uv_async_send() has a place where the loop spins
 * until the thread goes on (unix/async.c, 1.44).
 */
#ifndef PROXY_GREETER_H
#define PROXY_GREETER_H

#include "base/io.h"
#include "base/poller.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

struct greeter;
struct tls_conn;

/* `owner` is what was given with the job; `status` is tls_conn_handshake()'s. */
typedef void greeter_callback(struct greeter *g, void *owner, enum io_status status);

enum { GREETER_JOBS = 2 };

struct greeter {
    uv_loop_t *loop;       /* borrowed; its clock */
    struct poller *poller; /* borrowed */
    greeter_callback *on_answer;
    struct watch watch;
    int event_fd; /* -1: no thread yet */
    uv_thread_t thread;
    uv_sem_t todo;
    unsigned started; /* jobs of all time; the ring has them modulo GREETER_JOBS */
    unsigned answered;
    uint64_t moved_ms; /* when something last came back, or set out from an empty ring */
    struct greeter_job {
        struct tls_conn *tls; /* NULL: the thread is to end */
        void *owner;
        enum io_status status;
        atomic_bool is_done;
    } jobs[GREETER_JOBS];
};

void greeter_init(struct greeter *g, uv_loop_t *loop, struct poller *poller,
                  greeter_callback *on_answer);

/* End the thread; nothing may be under way. */
void greeter_deinit(struct greeter *g);

/* Jobs that have not come back. */
unsigned greeter_under_way(const struct greeter *g);

/* Hand `tls` over. False if the ring is full, or the conn cannot go: it was not touched. */
bool greeter_start(struct greeter *g, struct tls_conn *tls, void *owner);

/* When to ask whether it is; -1: never. */
int greeter_patience_ms(const struct greeter *g);

/* Nothing has come back for a while: other work keeps the processors, and the thread waits.
 * Asking counts as an answer, so it is said now and then only. */
bool greeter_is_stuck(struct greeter *g);

#endif
