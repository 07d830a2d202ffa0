#include "proxy/crew.h"

#include "base/log.h"
#include "proxy/clock.h"
#include "proxy/exit.h"
#include "proxy/session_set.h"
#include "proxy/worker.h"

#include <errno.h>
#include <limits.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
    STEADY_MS = 10000,       /* who lived this long did not fail at the start */
    BACK_OFF_FIRST_MS = 100, /* doubled for each failure in a row */
    BACK_OFF_LONGEST_MS = 10000,
    DESCRIPTORS_RESERVED = 64, /* a worker's own, and what libuv opens */
    DESCRIPTORS_PER_SESSION = 2,
};

static unsigned count_cpus(void)
{
    cpu_set_t cpus;
    int n = sched_getaffinity(0, sizeof(cpus), &cpus) == 0 ? CPU_COUNT(&cpus) : 1;

    return n < 1 ? 1 : n > CONFIG_WORKERS_MAX ? CONFIG_WORKERS_MAX : (unsigned)n;
}

int crew_init(struct crew *crew, struct generation *generation, struct error *err)
{
    unsigned workers = generation->config->proxy.workers;

    crew->hand_count = workers != 0 ? workers : count_cpus();
    crew->hands = calloc(crew->hand_count, sizeof(*crew->hands));
    if (crew->hands == NULL)
        return error_set(err, "memory has run out");
    for (unsigned i = 0; i < crew->hand_count; i++)
        crew->hands[i].control_fd = -1;
    crew->generation = generation;
    return 0;
}

static void hang_up(struct hand *h)
{
    if (h->control_fd >= 0)
        (void)close(h->control_fd);
    h->control_fd = -1;
}

void crew_deinit(struct crew *crew)
{
    for (unsigned i = 0; i < crew->hand_count; i++)
        hang_up(&crew->hands[i]);
    free(crew->hands);
    generation_free(crew->generation);
}

/* ---- in the new process ---- */

static void reset_signals(void)
{
    static const int ignored[] = { SIGTERM, SIGINT, SIGHUP, SIGUSR1, SIGUSR2, SIGPIPE };
    sigset_t none;

    for (size_t i = 0; i < sizeof(ignored) / sizeof(ignored[0]); i++)
        (void)signal(ignored[i], SIG_IGN);
    (void)sigemptyset(&none);
    (void)sigprocmask(SIG_SETMASK, &none, NULL);
}

static size_t sessions_of_one_worker(void)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) < 0 ||
        limit.rlim_cur < DESCRIPTORS_RESERVED + DESCRIPTORS_PER_SESSION)
        return 1;
    return (limit.rlim_cur - DESCRIPTORS_RESERVED) / DESCRIPTORS_PER_SESSION;
}

/* Buffers may fill a quarter of the machine's memory, over all workers. */
static size_t buffers_of_one_worker(const struct crew *crew)
{
    size_t memory = (size_t)sysconf(_SC_PHYS_PAGES) * (size_t)sysconf(_SC_PAGESIZE);

    return memory / 4 / crew->hand_count / SESSION_BUFFER_BYTES + SESSION_BUFFERS_MORE;
}

static int run(const struct crew *crew, const struct hand *self, int control_fd)
{
    unsigned sessions_max = crew->generation->config->proxy.max_sessions;
    struct worker_options options = {
        .generation = crew->generation,
        .listeners = crew->listeners,
        .listener_count = crew->listener_count,
        .stats = crew->stats,
        .slot = crew->first_slot + (size_t)(self - crew->hands),
        .control_fd = control_fd,
        .sessions_max = sessions_max != 0 ? sessions_max : UINT_MAX,
        .worker_max = sessions_of_one_worker(),
        .buffers_max = buffers_of_one_worker(crew),
    };
    struct error err;

    for (unsigned i = 0; i < crew->hand_count; i++)
        hang_up(&crew->hands[i]); /* the master's ends, of the others too */
    (void)close(crew->signal_fd);
    reset_signals();
    if (privileges_drop(&crew->generation->privileges, &err) < 0) {
        log_error("a worker cannot give up the master's rights: %s", err.text);
        return EXIT_CANNOT_START;
    }
    return worker_run(&options);
}

/* ---- in the master ---- */

static void plan(struct hand *h, uint64_t delay_ms)
{
    h->state = HAND_WAITING;
    h->due_ms = clock_ms() + delay_ms;
}

static uint64_t back_off_ms(unsigned failures)
{
    uint64_t delay = failures == 0 ? 0 : BACK_OFF_FIRST_MS;

    while (failures-- > 1 && delay < BACK_OFF_LONGEST_MS)
        delay *= 2;
    return delay < BACK_OFF_LONGEST_MS ? delay : BACK_OFF_LONGEST_MS;
}

static void start(struct crew *crew, struct hand *h)
{
    unsigned number = (unsigned)(h - crew->hands) + 1;
    int pair[2];
    pid_t pid;

    stats_clear_slot(crew->stats, crew->first_slot + number - 1);
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0) {
        log_error("worker %u cannot be started: %s", number, strerror(errno));
        plan(h, BACK_OFF_LONGEST_MS);
        return;
    }
    pid = fork();
    if (pid == 0) {
        (void)close(pair[0]);
        exit(run(crew, h, pair[1]));
    }
    (void)close(pair[1]);
    if (pid < 0) {
        log_error("worker %u cannot be started: %s", number, strerror(errno));
        (void)close(pair[0]);
        plan(h, BACK_OFF_LONGEST_MS);
        return;
    }
    *h = (struct hand){
        .state = HAND_RUNNING,
        .pid = pid,
        .control_fd = pair[0],
        .failures = h->failures,
        .started_ms = clock_ms(),
    };
    log_info("worker %u (pid %d) started", number, (int)pid);
}

void crew_start_due(struct crew *crew)
{
    for (unsigned i = 0; i < crew->hand_count; i++)
        if (crew->hands[i].state == HAND_WAITING && clock_ms() >= crew->hands[i].due_ms)
            start(crew, &crew->hands[i]);
}

int crew_next_due_ms(const struct crew *crew)
{
    uint64_t now = clock_ms();
    int next = -1;

    for (unsigned i = 0; i < crew->hand_count; i++) {
        const struct hand *h = &crew->hands[i];
        int wait = h->due_ms > now ? (int)(h->due_ms - now) : 0;

        if (h->state == HAND_WAITING && (next < 0 || wait < next))
            next = wait;
    }
    return next;
}

static void log_exit(unsigned number, pid_t pid, int status, const char *then)
{
    if (WIFSIGNALED(status))
        log_warn("worker %u (pid %d) was killed by signal %d%s", number, (int)pid, WTERMSIG(status),
                 then);
    else if (WEXITSTATUS(status) != 0)
        log_warn("worker %u (pid %d) ended with code %d%s", number, (int)pid, WEXITSTATUS(status),
                 then);
    else
        log_info("worker %u (pid %d) ended%s", number, (int)pid, then);
}

bool crew_note_exit(struct crew *crew, pid_t pid, int status)
{
    unsigned number = 1;
    char then[48] = "";
    uint64_t delay;
    struct hand *h;

    while (number <= crew->hand_count &&
           (crew->hands[number - 1].state != HAND_RUNNING || crew->hands[number - 1].pid != pid))
        number++;
    if (number > crew->hand_count)
        return false;

    h = &crew->hands[number - 1];
    hang_up(h);
    stats_clear_slot(crew->stats, crew->first_slot + number - 1);
    h->state = HAND_GONE;
    if (!crew->is_draining) {
        h->failures = clock_ms() - h->started_ms >= STEADY_MS ? 0 : h->failures;
        delay = back_off_ms(h->failures++);
        plan(h, delay);
        (void)snprintf(then, sizeof(then), "; replaced in %llu ms", (unsigned long long)delay);
    }
    log_exit(number, pid, status, then);
    return true;
}

unsigned crew_poll_fds(const struct crew *crew, struct pollfd *out)
{
    unsigned n = 0;

    for (unsigned i = 0; i < crew->hand_count; i++)
        if (crew->hands[i].state == HAND_RUNNING && !crew->hands[i].is_ready)
            out[n++] = (struct pollfd){ .fd = crew->hands[i].control_fd, .events = POLLIN };
    return n;
}

void crew_read(struct crew *crew)
{
    unsigned ready = 0;
    char message;

    for (unsigned i = 0; i < crew->hand_count; i++) {
        struct hand *h = &crew->hands[i];

        if (h->control_fd >= 0 && !h->is_ready &&
            recv(h->control_fd, &message, 1, MSG_DONTWAIT) == 1)
            h->is_ready = message == CONTROL_READY;
        ready += h->is_ready;
    }
    if (crew->was_ready || ready < crew->hand_count)
        return;
    crew->was_ready = true;
    log_info("ready: %u %s", ready, ready == 1 ? "worker" : "workers");
}

void crew_tell(struct crew *crew, enum control command)
{
    const char message = (char)command;

    crew->is_draining = true;
    for (unsigned i = 0; i < crew->hand_count; i++) {
        struct hand *h = &crew->hands[i];

        if (h->state == HAND_WAITING)
            h->state = HAND_GONE;
        if (h->state == HAND_RUNNING)
            (void)send(h->control_fd, &message, 1, MSG_NOSIGNAL | MSG_DONTWAIT);
    }
}

void crew_kill(struct crew *crew)
{
    for (unsigned i = 0; i < crew->hand_count; i++)
        if (crew->hands[i].state == HAND_RUNNING)
            (void)kill(crew->hands[i].pid, SIGKILL);
}

bool crew_is_gone(const struct crew *crew)
{
    for (unsigned i = 0; i < crew->hand_count; i++)
        if (crew->hands[i].state != HAND_GONE)
            return false;
    return true;
}
