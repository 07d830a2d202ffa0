/* generation.h - a configuration made ready to serve: certificates loaded, TLS
 * contexts built, backends numbered.
 *
 * A generation of workers has one and never changes it; a new configuration is
 * a new generation. Only the master, with the rights it was started with,
 * makes one: workers open no file.
 */
#ifndef PROXY_GENERATION_H
#define PROXY_GENERATION_H

#include "config/config.h"
#include "proxy/backend_numbers.h"
#include "proxy/front.h"
#include "proxy/privileges.h"

struct look;
struct tls_certificate;
struct tls_report;
struct tls_ticket_keys;
struct tls_tickets;

/* What outlives a generation. */
struct generation_common {
    struct tls_tickets *tickets; /* borrowed; NULL where nothing will be served */
    struct backend_numbers numbers;
};

struct generation {
    struct generation_common *common;      /* borrowed */
    struct config *config;                 /* shared with generations renewed from this one */
    struct look *look;                     /* owned; its files, before they were read */
    struct tls_certificate **certificates; /* owned; as config->certificates */
    struct front *fronts;                  /* owned; as config->listeners */
    struct tls_ticket_keys *ticket_keys;   /* owned; of a file, else NULL */
    struct privileges privileges;          /* of the workers */
    struct error ktls_fault;               /* why `ktls = auto` is off; empty where it is on */
    bool has_ktls_auto;                    /* some listener says so */
};

/* Read `path` and load all it names. NULL if anything is wrong, all of which went
 * to `c`. */
struct generation *generation_load(const char *path, struct generation_common *common,
                                   struct complaints *c);

/* Load all that a configuration names, which becomes the generation's as well. */
struct generation *generation_make(struct config *config, struct generation_common *common,
                                   struct complaints *c);

/* Load all that the configuration of `old` names once more, without reading
 * that again. */
struct generation *generation_renew(const struct generation *old, struct complaints *c);

/* Say what was found out about this machine, once it serves. */
void generation_log(const struct generation *g);

void generation_free(struct generation *g);

/* Load what one section names, and nothing else. */
struct tls_certificate *generation_load_certificate(const struct certificate_config *config,
                                                    const struct tls_report *report);

#endif
