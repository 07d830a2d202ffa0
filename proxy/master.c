#include "proxy/master.h"

#include "base/log.h"
#include "proxy/clock.h"
#include "proxy/crew.h"
#include "tls/tls.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
    STOP_GRACE_MS = 5000,   /* from telling workers to stop to killing them */
    TIMEOUT_MAX_MS = 60000, /* of one poll; nothing is due so late that it matters */
};

enum stopping { NOT_STOPPING, STOP_DRAINING, STOP_NOW, STOP_KILLED };

struct master {
    struct tls_tickets *tickets;
    struct stats *stats;
    struct listener *listeners;
    size_t listener_count;
    struct crew crew;
    int signal_fd;
    enum stopping stopping;
    uint64_t next_stop_ms; /* when the next, harder way to stop is due */
};

static void print_complaint(const char *line)
{
    (void)fprintf(stderr, "%s\n", line);
}

static struct generation *load(const char *path, struct tls_tickets *tickets)
{
    struct complaints c = { .file = path, .report = print_complaint };

    return generation_load(path, tickets, &c);
}

enum exit_code master_check(const char *config_path)
{
    struct generation *g = load(config_path, NULL);

    if (g == NULL)
        return EXIT_CONFIGURATION;
    config_print(g->config, stdout);
    generation_free(g);
    return fflush(stdout) == 0 ? EXIT_DONE : EXIT_CANNOT_START;
}

/* ---- start ---- */

static int open_listeners(struct master *m, const struct config *config, struct error *err)
{
    size_t count = 0;

    for (size_t i = 0; i < config->listener_count; i++)
        count += config->listeners[i].address_count;
    m->listeners = calloc(count + 1, sizeof(*m->listeners));
    if (m->listeners == NULL)
        return error_set(err, "memory has run out");

    for (size_t i = 0; i < config->listener_count; i++) {
        const struct listener_config *l = &config->listeners[i];

        for (size_t k = 0; k < l->address_count; k++) {
            struct listener *listener = &m->listeners[m->listener_count];
            char text[ADDR_TEXT_BYTES];

            listener->front = i;
            if (listener_open(listener, &l->addresses[k], l->is_optional[k], err) < 0)
                return -1;
            m->listener_count++;
            if (listener->fd >= 0)
                log_info("listening on %s for [%s]", addr_print(&listener->address, text),
                         l->section.name);
            else
                log_info("no IPv6 here: [%s] listens on IPv4 alone", l->section.name);
        }
    }
    return 0;
}

static void close_listeners(struct master *m)
{
    for (size_t i = 0; i < m->listener_count; i++)
        listener_close(&m->listeners[i]);
}

/* As many descriptors as we may have: a session takes two. */
static void raise_descriptor_limit(void)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) < 0 || limit.rlim_cur == limit.rlim_max)
        return;
    limit.rlim_cur = limit.rlim_max;
    (void)setrlimit(RLIMIT_NOFILE, &limit);
}

/* Signals are read as messages, in the loop, one at a time. */
static int catch_signals(struct master *m, struct error *err)
{
    static const int caught[] = { SIGTERM, SIGINT, SIGHUP, SIGUSR1, SIGUSR2, SIGCHLD };
    sigset_t set;

    (void)signal(SIGPIPE, SIG_IGN);
    (void)signal(SIGCHLD, SIG_DFL); /* inherited as ignored, it would tell us of no death */
    (void)sigemptyset(&set);
    for (size_t i = 0; i < sizeof(caught) / sizeof(caught[0]); i++)
        (void)sigaddset(&set, caught[i]);
    if (sigprocmask(SIG_BLOCK, &set, NULL) < 0 ||
        (m->signal_fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK)) < 0)
        return error_set(err, "signals cannot be caught: %s", strerror(errno));
    return 0;
}

static int start(struct master *m, struct generation *g, struct error *err)
{
    raise_descriptor_limit();
    m->stats = stats_new();
    if (m->stats == NULL)
        return error_set(err, "no shared memory: %s", strerror(errno));
    if (tls_tickets_use(m->tickets, g->ticket_keys, err) < 0 || catch_signals(m, err) < 0 ||
        open_listeners(m, g->config, err) < 0)
        return -1;

    m->crew.stats = m->stats;
    m->crew.signal_fd = m->signal_fd;
    m->crew.listeners = m->listeners;
    m->crew.listener_count = m->listener_count;
    return crew_init(&m->crew, g, err);
}

/* ---- stop ---- */

static void drain(struct master *m)
{
    uint64_t timeout_ms = m->crew.generation->config->proxy.stop_timeout_ms;

    log_info("stopping: waiting for sessions to end, %g s at most", (double)timeout_ms / 1000);
    m->stopping = STOP_DRAINING;
    m->next_stop_ms = clock_ms() + timeout_ms;
    crew_tell(&m->crew, CONTROL_DRAIN);
    close_listeners(m);
}

static void stop_now(struct master *m)
{
    log_info("stopping now");
    m->stopping = STOP_NOW;
    m->next_stop_ms = clock_ms() + STOP_GRACE_MS;
    crew_tell(&m->crew, CONTROL_STOP);
    close_listeners(m);
}

static void stop_harder_if_due(struct master *m)
{
    if (m->stopping == NOT_STOPPING || m->stopping == STOP_KILLED || clock_ms() < m->next_stop_ms)
        return;
    if (m->stopping == STOP_DRAINING) {
        stop_now(m);
        return;
    }
    log_warn("workers do not stop; killing them");
    m->stopping = STOP_KILLED;
    crew_kill(&m->crew);
}

/* ---- the loop ---- */

static void reap(struct master *m)
{
    pid_t pid;
    int status;

    while ((pid = waitpid(-1, &status, WNOHANG)) > 0)
        (void)crew_note_exit(&m->crew, pid, status);
}

static void take_signal(struct master *m, int signal)
{
    switch (signal) {
    case SIGCHLD:
        reap(m);
        break;
    case SIGTERM:
        if (m->stopping == NOT_STOPPING)
            drain(m);
        else if (m->stopping == STOP_DRAINING)
            stop_now(m);
        break;
    case SIGINT:
        if (m->stopping == NOT_STOPPING || m->stopping == STOP_DRAINING)
            stop_now(m);
        break;
    default:
        log_warn("signal %s does nothing in this version; restart to apply changes",
                 signal == SIGHUP    ? "HUP"
                 : signal == SIGUSR1 ? "USR1"
                                     : "USR2");
        break;
    }
}

static void take_signals(struct master *m)
{
    struct signalfd_siginfo info;

    while (read(m->signal_fd, &info, sizeof(info)) == (ssize_t)sizeof(info))
        take_signal(m, (int)info.ssi_signo);
}

static void rotate_tickets(struct master *m)
{
    struct error err;

    if (tls_tickets_rotate(m->tickets, &err) < 0)
        log_error("session tickets keep their old key: %s", err.text);
}

static int next_timeout_ms(const struct master *m)
{
    int next = crew_next_due_ms(&m->crew);
    uint64_t now = clock_ms();
    int stop;

    if (m->stopping == STOP_DRAINING || m->stopping == STOP_NOW) {
        stop = m->next_stop_ms <= now                   ? 0
               : m->next_stop_ms - now < TIMEOUT_MAX_MS ? (int)(m->next_stop_ms - now)
                                                        : TIMEOUT_MAX_MS;
        next = next < 0 || stop < next ? stop : next;
    }
    return next < 0 || next > TIMEOUT_MAX_MS ? TIMEOUT_MAX_MS : next;
}

/* A worker that ends before any was ready will not do better next time. */
static bool cannot_start(const struct master *m)
{
    if (m->crew.was_ready || m->stopping != NOT_STOPPING)
        return false;
    for (unsigned i = 0; i < m->crew.hand_count; i++)
        if (m->crew.hands[i].failures > 0)
            return true;
    return false;
}

static enum exit_code watch(struct master *m)
{
    struct pollfd fds[1 + CONFIG_WORKERS_MAX];
    enum exit_code code = EXIT_DONE;

    while (!crew_is_gone(&m->crew)) {
        unsigned n = crew_poll_fds(&m->crew, fds + 1);

        fds[0] = (struct pollfd){ .fd = m->signal_fd, .events = POLLIN };
        (void)poll(fds, n + 1, next_timeout_ms(m));
        crew_read(&m->crew);
        take_signals(m);
        if (cannot_start(m)) {
            log_error("the workers cannot start");
            code = EXIT_CANNOT_START;
            stop_now(m);
        }
        stop_harder_if_due(m);
        rotate_tickets(m);
        crew_start_due(&m->crew);
    }
    return code;
}

static void finish(struct master *m)
{
    crew_deinit(&m->crew);
    close_listeners(m);
    free(m->listeners);
    stats_free(m->stats);
    tls_tickets_free(m->tickets);
    if (m->signal_fd >= 0)
        (void)close(m->signal_fd);
}

enum exit_code master_run(const char *config_path)
{
    struct master m = { .signal_fd = -1 };
    enum exit_code code = EXIT_CANNOT_START;
    struct generation *g = NULL;
    struct error err;

    m.tickets = tls_tickets_new(&err);
    if (m.tickets == NULL) {
        (void)fprintf(stderr, "%s\n", err.text);
        return EXIT_CANNOT_START;
    }
    g = load(config_path, m.tickets);
    if (g == NULL) {
        tls_tickets_free(m.tickets);
        return EXIT_CONFIGURATION;
    }
    log_open();
    log_set_level((enum log_level)g->config->proxy.log_level);

    if (start(&m, g, &err) < 0) {
        log_error("%s", err.text);
        generation_free(g);
    } else {
        crew_start_due(&m.crew);
        code = watch(&m);
        log_info("stopped");
    }
    finish(&m);
    return code;
}
