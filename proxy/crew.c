#include "proxy/crew.h"

#include "base/log.h"
#include "proxy/clock.h"
#include "proxy/control.h"
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
    DESCRIPTORS_PER_PIPE = 2,
    PIPES_MAX = 256,      /* of 256 kB: what fs.pipe-user-pages-soft allows by default */
    STOP_GRACE_MS = 5000, /* from telling workers to stop to killing them */
};

static unsigned count_cpus(void)
{
    cpu_set_t cpus;
    int n = sched_getaffinity(0, sizeof(cpus), &cpus) == 0 ? CPU_COUNT(&cpus) : 1;

    return n < 1 ? 1 : n > CONFIG_WORKERS_MAX ? CONFIG_WORKERS_MAX : (unsigned)n;
}

unsigned crew_workers(unsigned configured)
{
    return configured != 0 ? configured : count_cpus();
}

/* A session whose client takes nothing holds one; beyond that, bytes are copied. */
static uint64_t room_for_pipes(uint64_t descriptors)
{
    uint64_t count = descriptors / DESCRIPTORS_PER_PIPE / 16;

    return count < PIPES_MAX ? count : PIPES_MAX;
}

uint64_t crew_room(uint64_t descriptors)
{
    uint64_t reserved = DESCRIPTORS_RESERVED + room_for_pipes(descriptors) * DESCRIPTORS_PER_PIPE;

    if (descriptors < reserved + DESCRIPTORS_PER_SESSION)
        return 1;
    return (descriptors - reserved) / DESCRIPTORS_PER_SESSION;
}

static void hang_up(struct hand *h)
{
    if (h->control_fd >= 0)
        (void)close(h->control_fd);
    h->control_fd = -1;
}

void crew_hang_up(const struct crew *crew)
{
    for (unsigned i = 0; i < crew->hand_count; i++)
        hang_up(&crew->hands[i]);
}

static void give_slot(struct crew *crew, struct hand *h)
{
    if (h->slot < 0)
        return;
    stats_clear_slot(crew->stats, (size_t)h->slot);
    stats_give_slot(crew->stats, h->slot);
    h->slot = -1;
}

static int take_slots(struct crew *crew, struct error *err)
{
    for (unsigned i = 0; i < crew->hand_count; i++) {
        crew->hands[i].slot = stats_take_slot(crew->stats);
        if (crew->hands[i].slot < 0)
            return error_set(err, "%d workers are there, the old ones with sessions included",
                             STATS_SLOTS);
    }
    return 0;
}

struct crew *crew_new(struct generation *generation, struct listener *listeners,
                      size_t listener_count, struct stats *stats, struct error *err)
{
    struct crew *crew = calloc(1, sizeof(*crew));
    unsigned workers = generation->config->proxy.workers;

    if (crew != NULL) {
        crew->stats = stats;
        crew->harder_ms = UINT64_MAX;
        crew->started_ms = clock_ms();
        crew->hand_count = crew_workers(workers);
        crew->hands = calloc(crew->hand_count, sizeof(*crew->hands));
    }
    if (crew == NULL || crew->hands == NULL) {
        free(crew);
        (void)error_set(err, "memory has run out");
        return NULL;
    }
    for (unsigned i = 0; i < crew->hand_count; i++)
        crew->hands[i] = (struct hand){ .control_fd = -1, .slot = -1 };
    if (take_slots(crew, err) < 0) {
        crew_free(crew);
        return NULL;
    }
    crew->generation = generation;
    crew->listeners = listeners;
    crew->listener_count = listener_count;
    return crew;
}

void crew_free(struct crew *crew)
{
    if (crew == NULL)
        return;
    crew_hang_up(crew);
    for (unsigned i = 0; i < crew->hand_count; i++)
        give_slot(crew, &crew->hands[i]);
    free(crew->hands);
    free(crew->listeners);
    generation_free(crew->generation);
    free(crew);
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

static uint64_t descriptors_of_one_worker(void)
{
    struct rlimit limit;

    return getrlimit(RLIMIT_NOFILE, &limit) == 0 ? limit.rlim_cur : 0;
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
        .slot = (size_t)self->slot,
        .control_fd = control_fd,
        .sessions_max = sessions_max != 0 ? sessions_max : UINT_MAX,
        .worker_max = (size_t)crew_room(descriptors_of_one_worker()),
        .buffers_max = buffers_of_one_worker(crew),
        .pipes_max = (size_t)room_for_pipes(descriptors_of_one_worker()),
    };
    struct error err;

    crew->on_fork(crew->owner, crew);
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

    stats_clear_slot(crew->stats, (size_t)h->slot);
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
        .slot = h->slot,
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

    if (crew->harder_ms != UINT64_MAX) {
        uint64_t wait = crew->harder_ms > now ? crew->harder_ms - now : 0;

        next = wait < INT_MAX ? (int)wait : INT_MAX;
    }
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
    stats_clear_slot(crew->stats, (size_t)h->slot);
    h->state = HAND_GONE;
    if (crew->state != CREW_SERVES) {
        give_slot(crew, h);
    } else {
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
        if (crew->hands[i].state == HAND_RUNNING &&
            (!crew->hands[i].is_ready || (crew->state != CREW_SERVES && !crew->hands[i].is_quiet)))
            out[n++] = (struct pollfd){ .fd = crew->hands[i].control_fd, .events = POLLIN };
    return n;
}

void crew_read(struct crew *crew)
{
    unsigned ready = 0;
    char message;

    for (unsigned i = 0; i < crew->hand_count; i++) {
        struct hand *h = &crew->hands[i];

        while (h->control_fd >= 0 && recv(h->control_fd, &message, 1, MSG_DONTWAIT) == 1) {
            h->is_ready |= message == CONTROL_READY;
            h->is_quiet |= message == CONTROL_QUIET;
        }
        ready += h->is_ready;
    }
    crew->was_ready |= ready == crew->hand_count;
}

bool crew_has_failed(const struct crew *crew)
{
    if (crew->was_ready || crew->state != CREW_SERVES)
        return false;
    for (unsigned i = 0; i < crew->hand_count; i++)
        if (crew->hands[i].failures > 0)
            return true;
    return false;
}

bool crew_is_quiet(const struct crew *crew)
{
    for (unsigned i = 0; i < crew->hand_count; i++)
        if (crew->hands[i].state == HAND_WAITING ||
            (crew->hands[i].state == HAND_RUNNING && !crew->hands[i].is_quiet))
            return false;
    return true;
}

static void tell(struct crew *crew, enum control command)
{
    const char message = (char)command;

    for (unsigned i = 0; i < crew->hand_count; i++) {
        struct hand *h = &crew->hands[i];

        if (h->state == HAND_WAITING) {
            h->state = HAND_GONE;
            give_slot(crew, h);
        }
        if (h->state == HAND_RUNNING)
            (void)send(h->control_fd, &message, 1, MSG_NOSIGNAL | MSG_DONTWAIT);
    }
}

void crew_drain(struct crew *crew, uint64_t timeout_ms)
{
    uint64_t now = clock_ms();
    uint64_t at = timeout_ms < UINT64_MAX - now ? now + timeout_ms : UINT64_MAX;

    if (crew->state > CREW_DRAINS)
        return;
    if (crew->state == CREW_SERVES)
        tell(crew, CONTROL_DRAIN);
    crew->state = CREW_DRAINS;
    crew->harder_ms = at < crew->harder_ms ? at : crew->harder_ms;
}

void crew_stop(struct crew *crew)
{
    if (crew->state >= CREW_STOPS)
        return;
    tell(crew, CONTROL_STOP);
    crew->state = CREW_STOPS;
    crew->harder_ms = clock_ms() + STOP_GRACE_MS;
}

static void kill_all(struct crew *crew)
{
    log_warn("workers do not stop; killing them");
    for (unsigned i = 0; i < crew->hand_count; i++)
        if (crew->hands[i].state == HAND_RUNNING)
            (void)kill(crew->hands[i].pid, SIGKILL);
    crew->state = CREW_KILLED;
    crew->harder_ms = UINT64_MAX;
}

void crew_step(struct crew *crew)
{
    if (clock_ms() < crew->harder_ms)
        return;
    if (crew->state == CREW_STOPS) {
        kill_all(crew);
        return;
    }
    log_info("the time for sessions to end is over; stopping the rest");
    crew_stop(crew);
}

bool crew_is_gone(const struct crew *crew)
{
    for (unsigned i = 0; i < crew->hand_count; i++)
        if (crew->hands[i].state != HAND_GONE)
            return false;
    return true;
}
