#include "proxy/fleet.h"

#include "base/log.h"
#include "proxy/clock.h"
#include "tls/tls.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { START_MAX_MS = 60000 }; /* for all workers of a coming crew to be ready */

/* ---- sockets ---- */

static const char *listener_name(const struct generation *g, const struct listener *l)
{
    return g->config->listeners[l->front].section.name;
}

static bool has_socket(const struct crew *crew, int fd)
{
    for (size_t i = 0; crew != NULL && i < crew->listener_count; i++)
        if (crew->listeners[i].fd == fd)
            return true;
    return false;
}

static bool is_among(const struct listener *listeners, size_t count, int fd)
{
    for (size_t i = 0; i < count; i++)
        if (listeners[i].fd == fd)
            return true;
    return false;
}

/* The socket that `crew` has for an address. Where the kernel chose the port, the
 * name of the listener tells whose it was. */
static const struct listener *find_socket(const struct crew *crew, const struct addr *address,
                                          const char *name)
{
    for (size_t i = 0; crew != NULL && i < crew->listener_count; i++) {
        const struct listener *l = &crew->listeners[i];

        if (l->fd >= 0 && addr_is_equal(&l->requested, address) &&
            (addr_port(address) != 0 || strcmp(listener_name(crew->generation, l), name) == 0))
            return l;
    }
    return NULL;
}

static void close_those_not_of(const struct crew *crew, struct listener *listeners, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (!has_socket(crew, listeners[i].fd))
            listener_close(&listeners[i]);
}

static int open_socket(const struct fleet *fleet, const struct listener_config *config, size_t k,
                       struct listener *l, struct error *err)
{
    char text[ADDR_TEXT_BYTES];

    if (listener_open(l, &config->addresses[k], config->is_optional[k], err) < 0) {
        struct error why = *err;

        if (fleet->serving != NULL) /* an address and a wildcard cannot be exchanged */
            return error_set(err, "%s; if [%s] listened there before in another form, restart",
                             why.text, config->section.name);
        return -1;
    }
    if (l->fd >= 0)
        log_info("listening on %s for [%s]", addr_print(&l->address, text), config->section.name);
    else
        log_info("no IPv6 here: [%s] listens on IPv4 alone", config->section.name);
    return 0;
}

static size_t count_sockets(const struct config *config)
{
    size_t count = 0;

    for (size_t i = 0; i < config->listener_count; i++)
        count += config->listeners[i].address_count;
    return count;
}

/* Fill in all sockets of a configuration; *count grows with each that is there. */
static int gather_sockets(const struct fleet *fleet, const struct config *config,
                          struct listener *listeners, size_t *count, struct error *err)
{
    for (size_t i = 0; i < config->listener_count; i++) {
        const struct listener_config *c = &config->listeners[i];

        for (size_t k = 0; k < c->address_count; k++) {
            struct listener *l = &listeners[*count];
            const struct listener *old =
                find_socket(fleet->serving, &c->addresses[k], c->section.name);

            if (old != NULL && !is_among(listeners, *count, old->fd))
                *l = *old;
            else if (open_socket(fleet, c, k, l, err) < 0)
                return -1;
            l->front = i;
            ++*count;
        }
    }
    return 0;
}

static void log_closed(const struct crew *old, const struct crew *now)
{
    char text[ADDR_TEXT_BYTES];

    for (size_t i = 0; i < old->listener_count; i++)
        if (old->listeners[i].fd >= 0 && !has_socket(now, old->listeners[i].fd))
            log_info("no longer listening on %s for [%s]",
                     addr_print(&old->listeners[i].address, text),
                     listener_name(old->generation, &old->listeners[i]));
}

/* ---- in the new process ---- */

static void on_fork(void *owner, const struct crew *crew)
{
    const struct fleet *fleet = owner;
    const struct crew *rest[] = { fleet->serving, fleet->coming };

    for (size_t i = 0; i < sizeof(rest) / sizeof(rest[0]); i++) {
        if (rest[i] == NULL)
            continue;
        crew_hang_up(rest[i]);
        if (rest[i] != crew)
            close_those_not_of(crew, rest[i]->listeners, rest[i]->listener_count);
    }
    for (const struct crew *c = fleet->leaving; c != NULL; c = c->next)
        crew_hang_up(c);
    (void)close(fleet->signal_fd);
}

/* ---- crews ---- */

int fleet_launch(struct fleet *fleet, struct generation *generation, struct error *err)
{
    struct listener *listeners = calloc(count_sockets(generation->config) + 1, sizeof(*listeners));
    struct crew *crew = NULL;
    size_t count = 0;

    if (listeners == NULL)
        return error_set(err, "memory has run out");
    if (gather_sockets(fleet, generation->config, listeners, &count, err) == 0)
        crew = crew_new(generation, listeners, count, fleet->stats, err);
    if (crew == NULL) {
        close_those_not_of(fleet->serving, listeners, count);
        free(listeners);
        return -1;
    }
    crew->on_fork = on_fork;
    crew->owner = fleet;
    if (fleet->serving == NULL)
        fleet->serving = crew;
    else
        fleet->coming = crew;
    fleet->has_given_up = false;
    return 0;
}

/* Its sockets are closed, or others' by now. */
static void let_go(struct fleet *fleet, struct crew *crew, uint64_t timeout_ms)
{
    crew->listener_count = 0;
    crew_drain(crew, timeout_ms);
    crew->next = fleet->leaving;
    fleet->leaving = crew;
}

static void take_over(struct fleet *fleet)
{
    struct crew *old = fleet->serving;
    struct crew *now = fleet->coming;
    uint64_t timeout_ms = now->generation->config->proxy.drain_timeout_ms;
    struct error err;

    fleet->serving = now;
    fleet->coming = NULL;
    if (tls_tickets_use(fleet->tickets, now->generation->ticket_keys, &err) < 0)
        log_error("session tickets keep their keys: %s", err.text);
    log_closed(old, now);
    close_those_not_of(now, old->listeners, old->listener_count);
    let_go(fleet, old, timeout_ms != 0 ? timeout_ms : UINT64_MAX);
    fleet->is_changing = true;
}

static void give_up(struct fleet *fleet)
{
    struct crew *crew = fleet->coming;

    log_error("the new workers cannot start; the running set-up stays");
    fleet->coming = NULL;
    fleet->has_given_up = true;
    close_those_not_of(fleet->serving, crew->listeners, crew->listener_count);
    let_go(fleet, crew, UINT64_MAX); /* some of its workers may have sessions */
}

/* A crew that left is remembered until its last worker has ended. */
static void forget_gone(struct fleet *fleet)
{
    for (struct crew **link = &fleet->leaving; *link != NULL;) {
        struct crew *crew = *link;

        if (!crew_is_gone(crew)) {
            link = &crew->next;
            continue;
        }
        *link = crew->next;
        crew_free(crew);
    }
}

static void announce_change(struct fleet *fleet)
{
    if (!fleet->is_changing)
        return;
    for (const struct crew *c = fleet->leaving; c != NULL; c = c->next)
        if (!crew_is_quiet(c))
            return;
    fleet->is_changing = false;
    log_info("reload done; sessions from before go on as they are");
}

void fleet_step(struct fleet *fleet)
{
    bool has_started = fleet->serving != NULL && fleet->serving->was_ready;

    if (fleet->serving != NULL)
        crew_start_due(fleet->serving);
    if (fleet->coming != NULL && fleet->coming->was_ready && has_started)
        take_over(fleet);
    else if (fleet->coming != NULL && (crew_has_failed(fleet->coming) ||
                                       clock_ms() > fleet->coming->started_ms + START_MAX_MS))
        give_up(fleet);
    else if (fleet->coming != NULL)
        crew_start_due(fleet->coming);

    if (fleet->serving != NULL)
        crew_step(fleet->serving);
    for (struct crew *c = fleet->leaving; c != NULL; c = c->next)
        crew_step(c);
    forget_gone(fleet);
    announce_change(fleet);
}

bool fleet_has_failed(const struct fleet *fleet)
{
    return fleet->serving != NULL && crew_has_failed(fleet->serving);
}

/* ---- all of them ---- */

/* The crew after `crew`, which is NULL at first, in any order. */
static struct crew *next_crew(const struct fleet *fleet, const struct crew *crew)
{
    if (crew == NULL && fleet->serving != NULL)
        return fleet->serving;
    if ((crew == NULL || crew == fleet->serving) && fleet->coming != NULL)
        return fleet->coming;
    if (crew == NULL || crew == fleet->serving || crew == fleet->coming)
        return fleet->leaving;
    return crew->next;
}

int fleet_next_due_ms(const struct fleet *fleet)
{
    int next = -1;

    for (struct crew *c = NULL; (c = next_crew(fleet, c)) != NULL;) {
        int due = crew_next_due_ms(c);

        if (due >= 0 && (next < 0 || due < next))
            next = due;
    }
    return next;
}

unsigned fleet_poll_fds(const struct fleet *fleet, struct pollfd *out)
{
    unsigned n = 0;

    for (struct crew *c = NULL; (c = next_crew(fleet, c)) != NULL;)
        n += crew_poll_fds(c, out + n);
    return n;
}

void fleet_read(struct fleet *fleet)
{
    bool was_ready = fleet->serving != NULL && fleet->serving->was_ready;

    for (struct crew *c = NULL; (c = next_crew(fleet, c)) != NULL;)
        crew_read(c);
    if (!was_ready && fleet->serving != NULL && fleet->serving->was_ready) {
        log_info("ready: %u %s", fleet->serving->hand_count,
                 fleet->serving->hand_count == 1 ? "worker" : "workers");
        generation_log(fleet->serving->generation);
    }
}

void fleet_note_exit(struct fleet *fleet, pid_t pid, int status)
{
    for (struct crew *c = NULL; (c = next_crew(fleet, c)) != NULL;)
        if (crew_note_exit(c, pid, status))
            return;
}

static void close_all(struct fleet *fleet)
{
    if (fleet->coming != NULL)
        close_those_not_of(fleet->serving, fleet->coming->listeners, fleet->coming->listener_count);
    if (fleet->serving != NULL)
        close_those_not_of(NULL, fleet->serving->listeners, fleet->serving->listener_count);
    fleet->is_changing = false;
}

static void dismiss(struct fleet *fleet)
{
    struct crew *staying[] = { fleet->serving, fleet->coming };

    close_all(fleet);
    fleet->serving = fleet->coming = NULL;
    for (size_t i = 0; i < sizeof(staying) / sizeof(staying[0]); i++)
        if (staying[i] != NULL) {
            staying[i]->next = fleet->leaving;
            fleet->leaving = staying[i];
        }
}

void fleet_drain(struct fleet *fleet, uint64_t timeout_ms)
{
    dismiss(fleet);
    for (struct crew *c = fleet->leaving; c != NULL; c = c->next)
        crew_drain(c, timeout_ms);
}

void fleet_stop(struct fleet *fleet)
{
    dismiss(fleet);
    for (struct crew *c = fleet->leaving; c != NULL; c = c->next)
        crew_stop(c);
}

bool fleet_is_gone(const struct fleet *fleet)
{
    return fleet->serving == NULL && fleet->coming == NULL && fleet->leaving == NULL;
}

void fleet_deinit(struct fleet *fleet)
{
    struct crew *next;

    dismiss(fleet);
    for (struct crew *c = fleet->leaving; c != NULL; c = next) {
        next = c->next;
        crew_free(c);
    }
    fleet->leaving = NULL;
}
