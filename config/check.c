/* check.c - what no single line of proxy.ini can know: names that must exist,
 * keys that do nothing where they stand, addresses that collide.
 */
#include "config/check.h"
#include "config/check_http.h"
#include "config/options.h"

#include <stdlib.h>
#include <string.h>

enum {
    /* Red5 pings every second and drops a client that has been silent for 60 s
     * (red5-common 1.0.10, RTMPConnection: pingInterval, maxInactivity). */
    RTMP_IDLE_FLOOR_MS = 65000,
};

static const char *const protocol_names[PROTOCOL_COUNT] = {
    [PROTOCOL_NONE] = "-",
    [PROTOCOL_HTTP] = "http",
    [PROTOCOL_RTMP] = "rtmp",
    [PROTOCOL_TUNNEL] = "tunnel",
};

static const char *const backend_keys[PROTOCOL_COUNT] = {
    [PROTOCOL_HTTP] = "http_backend",
    [PROTOCOL_RTMP] = "rtmp_backend",
    [PROTOCOL_TUNNEL] = "tunnel_backend",
};

const char *protocol_name(enum protocol protocol)
{
    return protocol_names[protocol];
}

int config_key_line(const struct section *section, const char *key)
{
    for (size_t i = 0; i < option_count; i++)
        if (strcmp(options[i].key, key) == 0 && section->settings[i].text != NULL)
            return section->settings[i].line;
    return section->line;
}

static bool is_written(const struct section *section, const char *key)
{
    for (size_t i = 0; i < option_count; i++)
        if (strcmp(options[i].key, key) == 0 && section->settings[i].text != NULL)
            return true;
    return false;
}

/* Chain and key, or a keystore; and what belongs to each. */
static void check_certificate(const struct certificate_config *cert, struct complaints *c)
{
    static const struct {
        const char *key;
        bool is_needed;
    } pair[] = { { "chain", true }, { "key", true }, { "key_password_file", false } }, store[] = {
        { "keystore", false }, { "keystore_password_file", false }, { "keystore_alias", false }
    };
    const struct section *section = &cert->section;
    bool has_store = is_written(section, "keystore");

    for (size_t i = 0; i < sizeof(pair) / sizeof(pair[0]); i++) {
        if (has_store && is_written(section, pair[i].key))
            complain(c, config_key_line(section, pair[i].key), section->name, pair[i].key,
                     "does nothing beside keystore; leave one of the two out");
        if (!has_store && pair[i].is_needed && !is_written(section, pair[i].key))
            complain(c, section->line, section->name, pair[i].key,
                     "is missing; name a PEM file, or set keystore");
    }
    for (size_t i = 0; i < sizeof(store) / sizeof(store[0]); i++)
        if (!has_store && is_written(section, store[i].key))
            complain(c, config_key_line(section, store[i].key), section->name, store[i].key,
                     "does nothing without keystore");
}

static bool find_certificate(const struct config *config, const char *name, size_t *index)
{
    for (*index = 0; *index < config->certificate_count; (*index)++)
        if (strcmp(config->certificates[*index].name, name) == 0)
            return true;
    return false;
}

static void check_certificate_names(const struct config *config, struct listener_config *l,
                                    struct complaints *c)
{
    int line = config_key_line(&l->section, "certificates");

    if (l->redirect != NULL)
        return;
    if (l->certificates.count == 0) {
        complain(c, l->section.line, l->section.name, "certificates",
                 "is missing; name at least one [certificate] section");
        return;
    }
    l->certificate_indices = calloc(l->certificates.count, sizeof(*l->certificate_indices));
    if (l->certificate_indices == NULL) {
        complain(c, line, l->section.name, "certificates", "memory has run out");
        return;
    }
    for (size_t i = 0; i < l->certificates.count; i++) {
        const char *name = l->certificates.items[i];

        if (!find_certificate(config, name, &l->certificate_indices[i]))
            complain(c, line, l->section.name, "certificates",
                     "there is no section [certificate %s]", name);
        for (size_t k = 0; k < i; k++)
            if (strcmp(name, l->certificates.items[k]) == 0)
                complain(c, line, l->section.name, "certificates", "\"%s\" stands there twice",
                         name);
    }
}

static enum protocol protocol_find(const char *name)
{
    for (enum protocol p = PROTOCOL_HTTP; p < PROTOCOL_COUNT; p++)
        if (strcmp(protocol_names[p], name) == 0)
            return p;
    return PROTOCOL_NONE;
}

static void check_protocols(struct listener_config *l, struct complaints *c)
{
    int line = config_key_line(&l->section, "protocols");

    if (l->redirect != NULL) {
        l->offers = OFFERS_REDIRECT;
        return;
    }
    for (size_t i = 0; i < l->protocols.count; i++) {
        enum protocol p = protocol_find(l->protocols.items[i]);

        if (p == PROTOCOL_NONE)
            complain(c, line, l->section.name, "protocols",
                     "\"%s\" is no protocol; write http, rtmp, both, or tunnel",
                     l->protocols.items[i]);
        else
            l->offers |= 1u << p;
    }
    if (l->protocols.count == 0) { /* those whose backend is set; a tunnel is said in words */
        l->offers |= l->backends[PROTOCOL_HTTP].text != NULL ? OFFERS_HTTP : 0;
        l->offers |= l->backends[PROTOCOL_RTMP].text != NULL ? OFFERS_RTMP : 0;
    }
    if ((l->offers & OFFERS_TUNNEL) != 0 && l->offers != OFFERS_TUNNEL)
        complain(c, line, l->section.name, "protocols",
                 "tunnel stands alone: it passes any bytes and cannot tell protocols apart");
}

static void check_backends(struct listener_config *l, struct complaints *c)
{
    if ((l->offers & OFFERS_REDIRECT) != 0)
        return;
    if (l->offers == 0 && l->protocols.count == 0) {
        complain(c, l->section.line, l->section.name, NULL,
                 l->backends[PROTOCOL_TUNNEL].text != NULL
                     ? "has a tunnel_backend; write protocols = tunnel as well"
                     : "has no backend; set http_backend, rtmp_backend or both");
        return;
    }
    for (enum protocol p = PROTOCOL_HTTP; p < PROTOCOL_COUNT; p++) {
        struct backend_config *b = &l->backends[p];
        struct error err;
        int n;

        if ((l->offers & 1u << p) == 0)
            continue;
        if (b->text == NULL) {
            complain(c, config_key_line(&l->section, "protocols"), l->section.name, backend_keys[p],
                     "is missing, but protocols has %s", protocol_names[p]);
            continue;
        }
        n = addr_resolve(b->text, b->addresses, CONFIG_BACKEND_ADDRESSES, &err);
        if (n < 0)
            complain(c, config_key_line(&l->section, backend_keys[p]), l->section.name,
                     backend_keys[p], "%s", err.text);
        else
            b->address_count = (size_t)n;
    }
}

/* Why a key that serves `serves` does nothing where `offers` is offered. */
static const char *missing_for(unsigned serves, unsigned offers)
{
    if ((offers & OFFERS_REDIRECT) != 0)
        return "with redirect: it speaks plain HTTP and has no backend";
    if ((serves & OFFERS_RTMP) != 0)
        return "without RTMP";
    return (serves & OFFERS_HTTP) != 0 ? "without HTTP" : "without protocols = tunnel";
}

static void check_useless_keys(const struct listener_config *l, struct complaints *c)
{
    if (l->offers == 0)
        return; /* complained of already */
    for (size_t i = 0; i < option_count; i++)
        if (l->section.settings[i].text != NULL && options[i].serves != 0 &&
            (options[i].serves & l->offers) == 0)
            complain(c, l->section.settings[i].line, l->section.name, options[i].key,
                     "does nothing on a listener %s", missing_for(options[i].serves, l->offers));
}

static void check_timeouts(const struct listener_config *l, struct complaints *c)
{
    if ((l->offers & OFFERS_RTMP) != 0 && l->idle_timeout_ms > 0 &&
        l->idle_timeout_ms < RTMP_IDLE_FLOOR_MS)
        complain(c, config_key_line(&l->section, "idle_timeout"), l->section.name, "idle_timeout",
                 "is under 65s, and Red5 itself drops a silent client only after 60 s");
}

static void check_tls(const struct listener_config *l, struct complaints *c)
{
    static const char *const files[] = { "client_ca", "client_crl" };

    if (l->tls == CONFIG_TLS_LEGACY)
        complain_mildly(c, config_key_line(&l->section, "tls"), l->section.name, "tls",
                        "legacy offers TLS 1.0 and ciphers without forward secrecy; for old "
                        "clients alone, on a port of their own");
    for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++)
        if (l->client_verify == CONFIG_VERIFY_NONE && is_written(&l->section, files[i]))
            complain(c, config_key_line(&l->section, files[i]), l->section.name, files[i],
                     "does nothing without client_verify = optional or required");
}

static void check_listen(struct listener_config *l, struct complaints *c)
{
    int line = config_key_line(&l->section, "listen");

    if (l->listen.count == 0)
        complain(c, l->section.line, l->section.name, "listen", "is missing; write *:PORT");
    for (size_t i = 0; i < l->listen.count; i++) {
        struct addr found[2];
        struct error err;
        int n = addr_parse_listen(l->listen.items[i], found, &err);

        if (n < 0) {
            complain(c, line, l->section.name, "listen", "%s", err.text);
            continue;
        }
        if (l->address_count + (size_t)n > CONFIG_LISTEN_MAX) {
            complain(c, line, l->section.name, "listen", "has too many addresses, over %d",
                     CONFIG_LISTEN_MAX);
            return;
        }
        for (int k = 0; k < n; k++) {
            l->is_optional[l->address_count] = k > 0;
            l->addresses[l->address_count++] = found[k];
        }
    }
}

static bool collides(const struct addr *a, const struct addr *b)
{
    return addr_port(a) != 0 && addr_port(a) == addr_port(b) &&
           a->any.sa_family == b->any.sa_family &&
           (addr_is_equal(a, b) || addr_is_wildcard(a) || addr_is_wildcard(b));
}

/* The addresses of `l` against those of `other`, which stands before it or is
 * the same; each pair is looked at once. */
static void check_overlap(const struct listener_config *l, const struct listener_config *other,
                          struct complaints *c)
{
    char text[ADDR_TEXT_BYTES];
    char other_text[ADDR_TEXT_BYTES];

    for (size_t i = 0; i < l->address_count; i++)
        for (size_t k = 0; k < (l == other ? i : other->address_count); k++)
            if (collides(&l->addresses[i], &other->addresses[k])) {
                complain(c, config_key_line(&l->section, "listen"), l->section.name, "listen",
                         "%s overlaps with %s of [%s]", addr_print(&l->addresses[i], text),
                         addr_print(&other->addresses[k], other_text), other->section.name);
                return;
            }
}

/* Whether a connection to `a` arrives where `listener` listens; of the machine's
 * own addresses only the loopback's are known. */
static bool reaches(const struct addr *a, const struct addr *listener)
{
    return addr_is_equal(a, listener) ||
           (addr_is_wildcard(listener) && (addr_is_loopback(a) || addr_is_wildcard(a)) &&
            addr_port(a) == addr_port(listener) && a->any.sa_family == listener->any.sa_family);
}

/* A backend that is a listener of ours would be dialled by ourselves, for ever. */
static void check_loop(const struct config *config, const struct listener_config *l,
                       struct complaints *c)
{
    for (enum protocol p = PROTOCOL_HTTP; p < PROTOCOL_COUNT; p++)
        for (size_t i = 0; i < l->backends[p].address_count; i++)
            for (size_t k = 0; k < config->listener_count; k++)
                for (size_t m = 0; m < config->listeners[k].address_count; m++)
                    if (addr_port(&config->listeners[k].addresses[m]) != 0 &&
                        reaches(&l->backends[p].addresses[i], &config->listeners[k].addresses[m]))
                        complain(c, config_key_line(&l->section, backend_keys[p]), l->section.name,
                                 backend_keys[p], "is the proxy itself: [%s] listens there",
                                 config->listeners[k].section.name);
}

static void warn_unused(const struct config *config, struct complaints *c)
{
    for (size_t i = 0; i < config->certificate_count; i++) {
        bool is_used = false;

        for (size_t k = 0; k < config->listener_count; k++)
            for (size_t m = 0; m < config->listeners[k].certificates.count; m++)
                is_used |= strcmp(config->listeners[k].certificates.items[m],
                                  config->certificates[i].name) == 0;
        if (!is_used)
            complain_mildly(c, config->certificates[i].section.line,
                            config->certificates[i].section.name, NULL,
                            "no listener uses this certificate");
    }
}

void config_check(struct config *config, struct complaints *c)
{
    for (size_t i = 0; i < config->certificate_count; i++)
        check_certificate(&config->certificates[i], c);
    for (size_t i = 0; i < config->listener_count; i++) {
        struct listener_config *l = &config->listeners[i];

        check_listen(l, c);
        check_certificate_names(config, l, c);
        check_protocols(l, c);
        check_backends(l, c);
        check_useless_keys(l, c);
        check_timeouts(l, c);
        check_tls(l, c);
        config_check_http(l, c);
        for (size_t k = 0; k <= i; k++)
            check_overlap(l, &config->listeners[k], c);
    }
    for (size_t i = 0; i < config->listener_count; i++)
        check_loop(config, &config->listeners[i], c);
    if (c->errors == 0)
        warn_unused(config, c);
}
