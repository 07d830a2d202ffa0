#include "proxy/master.h"

#include "base/log.h"
#include "proxy/clock.h"
#include "proxy/fleet.h"
#include "proxy/watch.h"
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
    LOOK_MS = 5000,         /* between looks at the files; two that are alike make a reload */
    RETRY_FIRST_MS = 10000, /* doubled for each renewal in a row whose workers cannot start */
    RETRY_LONGEST_MS = 600000,
};

enum stopping { NOT_STOPPING, STOP_DRAINING, STOP_NOW };

struct master {
    const char *config_path;
    struct generation_common common;
    struct stats *stats;
    struct fleet fleet;
    int signal_fd;
    enum stopping stopping;
    bool wants_reload;
    struct look *known;   /* the files as they were last read, with success or not */
    struct look *changed; /* what the last look saw, where that was something else */
    uint64_t look_ms;     /* when the next one is due */
    uint64_t retry_ms;    /* when files that are known but not served are; 0: not at all */
    uint64_t delay_ms;    /* what that was put off by */
};

static void print_complaint(const char *line)
{
    (void)fprintf(stderr, "%s\n", line);
}

static void log_complaint(const char *line)
{
    log_warn("%s", line);
}

static struct generation *load(const char *path, struct generation_common *common)
{
    struct complaints c = { .file = path, .report = print_complaint };

    return generation_load(path, common, &c);
}

/* As comments, so that what is printed stays a proxy.ini. */
static void print_certificates(const struct generation *g, FILE *out)
{
    for (size_t i = 0; i < g->config->certificate_count; i++) {
        struct tls_facts facts;

        tls_certificate_describe(g->certificates[i], &facts);
        (void)fprintf(out,
                      "\n; [certificate %s]: %s\n;   names   %s\n;   until   %s, %d days left\n"
                      ";   key     %s\n;   issuer  %s\n",
                      g->config->certificates[i].name, facts.subject, facts.names, facts.end,
                      facts.days_left, facts.key_name, facts.issuer);
    }
}

enum exit_code master_check(const char *config_path)
{
    struct generation_common common = { .tickets = NULL };
    struct generation *g = load(config_path, &common);

    if (g == NULL)
        return EXIT_CONFIGURATION;
    config_print(g->config, stdout);
    print_certificates(g, stdout);
    generation_free(g);
    return fflush(stdout) == 0 ? EXIT_DONE : EXIT_CANNOT_START;
}

/* ---- start ---- */

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

/* The files as they were when they were read. */
static void remember_files(struct master *m, struct look *look)
{
    look_free(m->known);
    m->known = look;
    m->retry_ms = 0;
    m->delay_ms = 0;
}

static int start(struct master *m, struct generation *g, struct error *err)
{
    raise_descriptor_limit();
    m->stats = stats_new();
    if (m->stats == NULL)
        return error_set(err, "no shared memory: %s", strerror(errno));
    if (tls_tickets_use(m->common.tickets, g->ticket_keys, err) < 0 || catch_signals(m, err) < 0)
        return -1;
    m->fleet.stats = m->stats;
    m->fleet.tickets = m->common.tickets;
    m->fleet.signal_fd = m->signal_fd;
    if (fleet_launch(&m->fleet, g, err) < 0)
        return -1;
    remember_files(m, look_copy(g->look));
    return 0;
}

/* ---- stop ---- */

static void drain(struct master *m)
{
    uint64_t timeout_ms = m->fleet.serving->generation->config->proxy.stop_timeout_ms;

    log_info("stopping: waiting for sessions to end, %g s at most", (double)timeout_ms / 1000);
    m->stopping = STOP_DRAINING;
    fleet_drain(&m->fleet, timeout_ms);
}

static void stop_now(struct master *m)
{
    log_info("stopping now");
    m->stopping = STOP_NOW;
    fleet_stop(&m->fleet);
}

/* ---- reload ---- */

/* Neither while a start is under way, nor while a stop is. */
static bool may_reload(const struct master *m)
{
    return m->stopping == NOT_STOPPING && m->fleet.coming == NULL && m->fleet.serving != NULL &&
           m->fleet.serving->was_ready;
}

static void set_log_level(const struct generation *g)
{
    log_set_level((enum log_level)g->config->proxy.log_level);
}

/* The new workers take the level with them. */
static int launch(struct master *m, struct generation *g)
{
    struct error err;

    set_log_level(g);
    if (fleet_launch(&m->fleet, g, &err) == 0)
        return 0;
    set_log_level(m->fleet.serving->generation);
    log_error("reload: %s; the running set-up stays", err.text);
    generation_free(g);
    return -1;
}

static void reload_if_wanted(struct master *m)
{
    struct complaints c = { .file = m->config_path, .report = log_complaint };
    struct generation *g;

    if (!m->wants_reload || !may_reload(m))
        return;
    m->wants_reload = false;
    log_info("reload: reading %s", m->config_path);
    g = generation_load(m->config_path, &m->common, &c);
    if (g == NULL) {
        log_error("reload: %s has faults; the running set-up stays", m->config_path);
        return;
    }
    if (launch(m, g) == 0)
        remember_files(m, look_copy(g->look));
}

/* Nothing is wrong with the files: descriptors, slots or memory have run out, which passes. */
static void retry_later(struct master *m)
{
    m->delay_ms = m->delay_ms == 0 ? RETRY_FIRST_MS : m->delay_ms * 2;
    if (m->delay_ms > RETRY_LONGEST_MS)
        m->delay_ms = RETRY_LONGEST_MS;
    m->retry_ms = clock_ms() + m->delay_ms;
}

static void renew(struct master *m)
{
    struct complaints c = { .file = m->config_path, .report = log_complaint };
    struct generation *g = generation_renew(m->fleet.serving->generation, &c);

    if (g == NULL) {
        log_error("reload: the files that %s names do not go together; those from before are "
                  "kept in use",
                  m->config_path);
        return;
    }
    if (launch(m, g) < 0)
        retry_later(m);
}

/* Files that are as they were when they were read, but not in use. */
static void renew_if_due(struct master *m, const struct look *now)
{
    if (m->retry_ms == 0 || clock_ms() < m->retry_ms)
        return;
    m->retry_ms = 0;
    if (look_is_equal(now, m->fleet.serving->generation->look))
        return;
    log_info("reload: trying once more");
    renew(m);
}

static void warn_of_lost_staples(const struct generation *g)
{
    for (size_t i = 0; i < g->config->certificate_count; i++)
        if (tls_certificate_lost_staple(g->certificates[i]))
            log_warn("[%s] ocsp: the response is over, nothing is stapled any more; "
                     "scripts/fetch-ocsp gets a new one",
                     g->config->certificates[i].section.name);
}

/* Certificates are renewed by programs that know nothing of us. They write one file
 * after the other, so nothing is read before two looks in a row saw the same. */
static void look_if_due(struct master *m)
{
    struct look *now;

    if (clock_ms() < m->look_ms || !may_reload(m))
        return;
    m->look_ms = clock_ms() + LOOK_MS;
    warn_of_lost_staples(m->fleet.serving->generation);
    if (!m->fleet.serving->generation->config->proxy.watch || m->known == NULL)
        return;
    now = look_new(m->fleet.serving->generation->config);
    if (now == NULL)
        return;
    if (look_is_equal(now, m->known)) {
        renew_if_due(m, now);
        look_free(m->changed);
        look_free(now);
        m->changed = NULL;
    } else if (m->changed != NULL && look_is_equal(now, m->changed)) {
        log_info("reload: files that %s names have changed", m->config_path);
        look_free(m->changed);
        m->changed = NULL;
        remember_files(m, now); /* tried once, if anything is wrong with them */
        renew(m);
    } else {
        look_free(m->changed);
        m->changed = now;
    }
}

/* ---- the loop ---- */

static void reap(struct master *m)
{
    pid_t pid;
    int status;

    while ((pid = waitpid(-1, &status, WNOHANG)) > 0)
        fleet_note_exit(&m->fleet, pid, status);
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
        if (m->stopping != STOP_NOW)
            stop_now(m);
        break;
    case SIGHUP:
        m->wants_reload = m->stopping == NOT_STOPPING;
        break;
    default:
        log_warn("signal %s does nothing in this version", signal == SIGUSR1 ? "USR1" : "USR2");
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

    if (tls_tickets_rotate(m->common.tickets, &err) < 0)
        log_error("session tickets keep their old key: %s", err.text);
}

static int next_timeout_ms(const struct master *m)
{
    int next = fleet_next_due_ms(&m->fleet);

    return next >= 0 && next < LOOK_MS ? next : LOOK_MS;
}

static enum exit_code watch(struct master *m)
{
    struct pollfd fds[1 + FLEET_FDS_MAX];
    enum exit_code code = EXIT_DONE;

    while (!fleet_is_gone(&m->fleet)) {
        unsigned n = fleet_poll_fds(&m->fleet, fds + 1);

        fds[0] = (struct pollfd){ .fd = m->signal_fd, .events = POLLIN };
        (void)poll(fds, n + 1, next_timeout_ms(m));
        fleet_read(&m->fleet);
        take_signals(m);
        if (m->stopping == NOT_STOPPING && fleet_has_failed(&m->fleet)) {
            log_error("the workers cannot start");
            code = EXIT_CANNOT_START;
            stop_now(m);
        }
        rotate_tickets(m);
        reload_if_wanted(m);
        look_if_due(m);
        fleet_step(&m->fleet);
        if (m->fleet.has_given_up)
            retry_later(m);
        m->fleet.has_given_up = false;
        if (m->fleet.coming == NULL && m->fleet.serving != NULL) /* it may have been given up */
            set_log_level(m->fleet.serving->generation);
    }
    return code;
}

static void finish(struct master *m)
{
    fleet_deinit(&m->fleet);
    look_free(m->known);
    look_free(m->changed);
    stats_free(m->stats);
    tls_tickets_free(m->common.tickets);
    if (m->signal_fd >= 0)
        (void)close(m->signal_fd);
}

static enum exit_code serve(struct master *m)
{
    enum exit_code code = EXIT_CANNOT_START;
    struct generation *g = load(m->config_path, &m->common);
    struct error err;

    if (g == NULL)
        return EXIT_CONFIGURATION;
    log_open();
    set_log_level(g);
    if (start(m, g, &err) < 0) {
        log_error("%s", err.text);
        generation_free(g);
        return code;
    }
    fleet_step(&m->fleet); /* the first workers */
    code = watch(m);
    log_info("stopped");
    return code;
}

enum exit_code master_run(const char *config_path)
{
    struct master m = { .config_path = config_path, .signal_fd = -1 };
    enum exit_code code = EXIT_CANNOT_START;
    struct error err;

    m.common.tickets = tls_tickets_new(&err);
    if (m.common.tickets != NULL)
        code = serve(&m);
    else
        (void)fprintf(stderr, "%s\n", err.text);
    finish(&m);
    return code;
}
