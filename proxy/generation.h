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
#include "proxy/front.h"
#include "proxy/privileges.h"

struct tls_certificate;
struct tls_ticket_keys;
struct tls_tickets;

struct generation {
    struct config *config;                 /* owned */
    struct tls_certificate **certificates; /* owned; as config->certificates */
    struct front *fronts;                  /* owned; as config->listeners */
    struct tls_tickets *tickets;           /* borrowed; NULL where nothing will be served */
    struct tls_ticket_keys *ticket_keys;   /* owned; of a file, else NULL */
    struct privileges privileges;          /* of the workers */
};

/* Read `path` and load all it names; the contexts use `tickets`. NULL if anything is
 * wrong, all of which went to `c`. */
struct generation *generation_load(const char *path, struct tls_tickets *tickets,
                                   struct complaints *c);
void generation_free(struct generation *g);

#endif
