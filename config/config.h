/* config.h - proxy.ini as a typed, read-only struct.
 *
 *    load.c     file -> sections of (key, text, line)        inih's part
 *    options.c  text -> typed field, one table row per key
 *    check.c    what no single line can know
 *
 * All complaints of a file are made in one run. The sections keep what was
 * written and where, so that a later fault (a certificate that does not
 * load) can be reported at the line of the key that named the file.
 *
 * Times are milliseconds. Everything is owned by struct config.
 */
#ifndef CONFIG_CONFIG_H
#define CONFIG_CONFIG_H

#include "base/addr.h"
#include "base/log.h"
#include "config/complaint.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

enum {
    CONFIG_OPTIONS_MAX = 96,      /* rows of the option table */
    CONFIG_NAME_BYTES = 50,       /* inih's longest "kind name" of a section, and a NUL */
    CONFIG_LISTEN_MAX = 16,       /* addresses of one listener; a wildcard counts twice */
    CONFIG_BACKEND_ADDRESSES = 4, /* of one backend name */
    CONFIG_WORKERS_MAX = 64,
    CONFIG_TRUSTED_MAX = 32, /* trusted_proxies of one listener */
};

/* What a session is. A listener's mask has a bit for each it offers. */
enum protocol { PROTOCOL_NONE, PROTOCOL_HTTP, PROTOCOL_RTMP, PROTOCOL_TUNNEL, PROTOCOL_COUNT };

enum {
    OFFERS_HTTP = 1u << PROTOCOL_HTTP,
    OFFERS_RTMP = 1u << PROTOCOL_RTMP,
    OFFERS_TUNNEL = 1u << PROTOCOL_TUNNEL,
    OFFERS_REDIRECT = 1u << PROTOCOL_COUNT, /* plain HTTP, sent elsewhere: no TLS, no backend */
    OFFERS_TLS = OFFERS_HTTP | OFFERS_RTMP | OFFERS_TUNNEL,
};

const char *protocol_name(enum protocol protocol); /* "http"; "-" for none */

/* What was written, by row of the option table. The head of each section. */
struct section {
    char name[CONFIG_NAME_BYTES]; /* "listener rtmps", "proxy" */
    int line;                     /* 0: not written, a default */
    struct {
        char *text; /* NULL: not written */
        int line;
    } settings[CONFIG_OPTIONS_MAX];
};

struct words {
    char **items;
    size_t count;
};

enum { CONFIG_TLS_LEGACY = 2 }; /* listener_config.tls */
enum { CONFIG_SNI_DEFAULT, CONFIG_SNI_REJECT };
enum { CONFIG_KTLS_AUTO, CONFIG_KTLS_ON, CONFIG_KTLS_OFF };
enum { CONFIG_VERIFY_NONE, CONFIG_VERIFY_OPTIONAL, CONFIG_VERIFY_REQUIRED };

struct proxy_config {
    struct section section;
    unsigned workers; /* 0: one for each CPU */
    char *user;       /* NULL: choose */
    char *group;      /* NULL: the user's primary group */
    unsigned log_level;
    unsigned max_sessions; /* 0: what the descriptor limit allows */
    uint64_t stop_timeout_ms;
    char *ticket_keys;         /* NULL: keys of our own */
    uint64_t drain_timeout_ms; /* 0: until the last session has ended */
    bool watch;
};

struct certificate_config {
    struct section section;
    const char *name; /* "main" */
    char *chain;      /* paths, relative to the working directory or absolute, or URIs */
    char *key;
    char *key_password_file;
    char *keystore;
    char *keystore_password_file;
    char *ocsp;
    char *keystore_alias;
};

struct backend_config {
    char *text; /* NULL: none; as written otherwise */
    struct addr addresses[CONFIG_BACKEND_ADDRESSES];
    size_t address_count;
};

/* The rows of `forwarded` and `backend_scheme`, in this order. */
enum forwarded { FORWARD_REPLACE, FORWARD_APPEND, FORWARD_OFF };
enum backend_scheme { BACKEND_IS_HTTP, BACKEND_IS_HTTPS };

struct listener_config {
    struct section section;
    const char *name; /* "rtmps" */
    struct words listen;
    struct words certificates;
    struct words protocols;
    struct backend_config backends[PROTOCOL_COUNT];
    unsigned tls; /* these choices are in the order of tls.h's enums */
    unsigned tls_min;
    unsigned tls_max;
    struct words ciphers;
    struct words ciphersuites;
    struct words curves;
    unsigned unknown_sni;
    unsigned client_verify;
    char *client_ca;
    char *client_crl;
    unsigned ktls;
    uint64_t handshake_timeout_ms;
    uint64_t first_byte_timeout_ms;
    uint64_t connect_timeout_ms;
    uint64_t idle_timeout_ms;
    uint64_t response_timeout_ms;
    uint64_t half_close_timeout_ms;
    uint64_t batch_delay_us;
    unsigned max_dials;
    bool tickets;

    /* HTTP */
    uint64_t header_timeout_ms;
    uint64_t keepalive_timeout_ms;
    uint64_t max_header_bytes;
    uint64_t max_body_bytes; /* 0: no limit */
    unsigned backend_scheme; /* enum backend_scheme */
    unsigned forwarded;      /* enum forwarded */
    struct words trusted_proxies;
    bool rewrite_location;
    bool secure_cookies;
    bool rewrite_jnlp;
    bool rewrite_origin;
    bool rewrite_csp;
    char *hsts;            /* "pass", "strip" or a value */
    struct words override; /* PATH FILE, PATH FILE ...; FILE as written */
    char *redirect;        /* NULL, or "https://host:port" */

    /* worked out by check.c */
    unsigned offers;             /* mask of OFFERS_* */
    size_t *certificate_indices; /* into config.certificates, certificates.count of them */
    struct addr addresses[CONFIG_LISTEN_MAX];
    bool is_optional[CONFIG_LISTEN_MAX]; /* the IPv6 half of a wildcard */
    size_t address_count;
    struct addr_prefix trusted[CONFIG_TRUSTED_MAX];
    size_t trusted_count;
};

struct config {
    unsigned owners; /* config_free() frees for the last one */
    char *directory; /* of the file, for relative paths; ends with '/' or is empty */
    struct proxy_config proxy;
    struct certificate_config *certificates;
    size_t certificate_count;
    struct listener_config *listeners;
    size_t listener_count;
};

/* Read and check `path`. NULL if there is nothing to look at; what is wrong went
 * to `c`, and a config that has errors is good for finding more of them alone.
 * `path` is borrowed by `c` and must live as long. Free with config_free().
 * Looks names of backends up, and so may block. */
struct config *config_load(const char *path, struct complaints *c);
void config_free(struct config *config);

/* One owner more, who frees it as well. */
struct config *config_share(struct config *config);

/* The set-up that is in effect, defaults included, as an ini file. */
void config_print(const struct config *config, FILE *out);

/* Where `key` of a section was written, for a complaint about it; the
 * section's own line if it was not. */
int config_key_line(const struct section *section, const char *key);

#endif
