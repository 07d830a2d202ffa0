#include "proxy/generation.h"

#include "base/log.h"
#include "proxy/watch.h"
#include "tls/tls.h"

#include <stdlib.h>
#include <string.h>

static void complain_at(struct complaints *c, const struct section *section, const char *key,
                        const char *sentence)
{
    int line = key != NULL ? config_key_line(section, key) : section->line;

    complain(c, line, section->name, key, "%s", sentence);
}

/* Where the complaints of tls/ about one section go. */
struct addressee {
    struct complaints *complaints;
    const struct section *section;
};

static void on_report(void *user, enum tls_severity severity, const char *option,
                      const char *sentence)
{
    const struct addressee *to = user;

    if (severity == TLS_FAULT)
        complain_at(to->complaints, to->section, option, sentence);
    else
        complain_mildly(to->complaints, config_key_line(to->section, option), to->section->name,
                        option, "%s", sentence);
}

struct tls_certificate *generation_load_certificate(const struct certificate_config *config,
                                                    const struct tls_report *report)
{
    const struct tls_certificate_options options = {
        .name = config->name,
        .chain = config->chain,
        .key = config->key,
        .key_password_file = config->key_password_file,
        .keystore = config->keystore,
        .keystore_password_file = config->keystore_password_file,
        .keystore_alias = config->keystore_alias,
        .ocsp = config->ocsp,
    };

    if (config->keystore == NULL && (config->chain == NULL || config->key == NULL))
        return NULL; /* complained of already */
    return tls_certificate_load(&options, report);
}

static struct tls_certificate *load_certificate(const struct certificate_config *config,
                                                struct complaints *c)
{
    struct addressee to = { .complaints = c, .section = &config->section };
    const struct tls_report report = { .say = on_report, .user = &to };

    return generation_load_certificate(config, &report);
}

/* Whoever is given one key has the other. OpenMeetings 2.0 to 3.3 gives away
 * keystore.screen with its password (ScreenController, StartSharingButton). */
static void warn_shared_key(const struct generation *g, size_t i, struct complaints *c)
{
    const struct certificate_config *config = &g->config->certificates[i];
    const char *key = config->keystore != NULL ? "keystore" : "key";

    for (size_t k = 0; k < i; k++)
        if (g->certificates[k] != NULL && g->certificates[i] != NULL &&
            tls_certificate_shares_key(g->certificates[k], g->certificates[i]))
            complain_mildly(c, config_key_line(&config->section, key), config->section.name, key,
                            "is the private key of [%s] as well; OpenMeetings 2.0 to 3.3 sends "
                            "keystore.screen and its password to everybody who shares a screen, "
                            "and who has it can pose as both; make a key of its own",
                            g->config->certificates[k].section.name);
}

static int load_certificates(struct generation *g, struct complaints *c)
{
    size_t count = g->config->certificate_count;

    g->certificates = calloc(count + 1, sizeof(struct tls_certificate *));
    if (g->certificates == NULL) {
        complain(c, 0, NULL, NULL, "memory has run out");
        return -1;
    }
    for (size_t i = 0; i < count; i++)
        g->certificates[i] = load_certificate(&g->config->certificates[i], c);
    for (size_t i = 0; i < count; i++)
        warn_shared_key(g, i, c);
    return c->errors == 0 ? 0 : -1;
}

static int set_backends(struct generation *g, struct front *front, struct complaints *c)
{
    for (enum protocol p = PROTOCOL_HTTP; p < PROTOCOL_COUNT; p++) {
        const struct backend_config *b = &front->config->backends[p];
        int number;

        if ((front->config->offers & 1u << p) == 0 || b->text == NULL)
            continue;
        number = backend_numbers_take(&g->common->numbers, b->text);
        if (number < 0) {
            complain(c, 0, NULL, NULL, "has more than %d different backends", STATS_BACKENDS);
            return -1;
        }
        front->backends[p] = (struct backend){
            .text = b->text,
            .index = (size_t)number,
            .addresses = b->addresses,
            .address_count = b->address_count,
            .max_dials = front->config->max_dials,
        };
    }
    return 0;
}

static void warn_hidden(const struct listener_config *config,
                        const struct tls_certificate *const *chosen, struct complaints *c)
{
    struct error reason;

    for (size_t i = 1; i < config->certificates.count; i++)
        if (tls_certificate_is_hidden(chosen, i, &reason))
            complain_mildly(c, config_key_line(&config->section, "certificates"),
                            config->section.name, "certificates", "%s", reason.text);
}

static struct tls_words words_of(const struct words *words)
{
    return (struct tls_words){ .items = words->items, .count = words->count };
}

/* Whether kernel TLS is used on a listener. Where it cannot be had nothing is refused. */
static bool may_offload(struct generation *g, const struct listener_config *l, struct complaints *c)
{
    struct error err;

    if (l->ktls == CONFIG_KTLS_OFF)
        return false;
    if (l->ktls == CONFIG_KTLS_AUTO) {
        if (!g->has_ktls_auto && tls_offload_check(true, &g->ktls_fault) == 0)
            g->ktls_fault.text[0] = '\0';
        g->has_ktls_auto = true;
        return g->ktls_fault.text[0] == '\0';
    }
    if (tls_offload_check(false, &err) == 0)
        return true;
    complain_mildly(c, config_key_line(&l->section, "ktls"), l->section.name, "ktls",
                    "kernel TLS cannot be had, so TLS is done without: %s", err.text);
    return false;
}

static int make_context(struct generation *g, const struct listener_config *l,
                        const struct tls_certificate *const *certificates, struct front *front,
                        struct complaints *c)
{
    struct addressee to = { .complaints = c, .section = &l->section };
    const struct tls_report report = { .say = on_report, .user = &to };
    struct tls_options options = {
        .name = l->name,
        .certificates = certificates,
        .certificate_count = l->certificates.count,
        .offers_http = (l->offers & OFFERS_HTTP) != 0,
        .policy = (enum tls_policy)l->tls,
        .min = (enum tls_version)l->tls_min,
        .max = (enum tls_version)l->tls_max,
        .ciphers = words_of(&l->ciphers),
        .ciphersuites = words_of(&l->ciphersuites),
        .curves = words_of(&l->curves),
        .rejects_unknown_names = l->unknown_sni == CONFIG_SNI_REJECT,
        .client_verify = (enum tls_verify)l->client_verify,
        .client_ca = l->client_ca,
        .client_crl = l->client_crl,
        .may_offload = may_offload(g, l, c),
        .tickets = g->common->tickets,
    };

    front->tls = tls_context_new(&options, &report);
    return front->tls != NULL ? 0 : -1;
}

static int make_tls(struct generation *g, const struct listener_config *config, struct front *front,
                    struct complaints *c)
{
    size_t count = config->certificates.count;
    const struct tls_certificate **chosen = calloc(count, sizeof(struct tls_certificate *));
    int rc;

    if (chosen == NULL) {
        complain(c, config->section.line, config->section.name, NULL, "memory has run out");
        return -1;
    }
    for (size_t i = 0; i < count; i++)
        chosen[i] = g->certificates[config->certificate_indices[i]];
    warn_hidden(config, chosen, c);
    rc = make_context(g, config, chosen, front, c);
    free(chosen);
    return rc;
}

static int load_ticket_keys(struct generation *g, struct complaints *c)
{
    const struct proxy_config *proxy = &g->config->proxy;
    struct error err;

    if (proxy->ticket_keys == NULL)
        return 0;
    g->ticket_keys = tls_ticket_keys_load(proxy->ticket_keys, &err);
    if (g->ticket_keys == NULL)
        complain_at(c, &proxy->section, "ticket_keys", err.text);
    return g->ticket_keys != NULL ? 0 : -1;
}

static int make_front(struct generation *g, const struct listener_config *config,
                      struct front *front, struct complaints *c)
{
    front->config = config;
    if (config->redirect != NULL)
        return 0;
    if (make_tls(g, config, front, c) < 0 || set_backends(g, front, c) < 0)
        return -1;
    return front_set_http(front, g->config->directory, c);
}

static int make_fronts(struct generation *g, struct complaints *c)
{
    size_t count = g->config->listener_count;

    g->fronts = calloc(count, sizeof(*g->fronts));
    if (g->fronts == NULL) {
        complain(c, 0, NULL, NULL, "memory has run out");
        return -1;
    }
    for (size_t i = 0; i < count; i++)
        (void)make_front(g, &g->config->listeners[i], &g->fronts[i], c);
    return c->errors == 0 ? 0 : -1;
}

/* The rest, once there is a config; `g` is freed if anything is wrong. */
static struct generation *load_files(struct generation *g, struct complaints *c)
{
    g->look = look_new(g->config);
    if (g->look == NULL)
        complain(c, 0, NULL, NULL, "memory has run out");
    privileges_resolve(g->config, &g->privileges, c);
    (void)load_ticket_keys(g, c);
    if (load_certificates(g, c) == 0 && make_fronts(g, c) == 0)
        return g;
    generation_free(g);
    return NULL;
}

struct generation *generation_load(const char *path, struct generation_common *common,
                                   struct complaints *c)
{
    struct generation *g = calloc(1, sizeof(*g));

    c->file = path;
    if (g == NULL) {
        complain(c, 0, NULL, NULL, "memory has run out");
        return NULL;
    }
    g->common = common;
    g->config = config_load(path, c);
    if (g->config != NULL)
        return load_files(g, c);
    generation_free(g);
    return NULL;
}

struct generation *generation_make(struct config *config, struct generation_common *common,
                                   struct complaints *c)
{
    struct generation *g = calloc(1, sizeof(*g));

    if (g == NULL) {
        complain(c, 0, NULL, NULL, "memory has run out");
        return NULL;
    }
    g->common = common;
    g->config = config_share(config);
    return load_files(g, c);
}

struct generation *generation_renew(const struct generation *old, struct complaints *c)
{
    return generation_make(old->config, old->common, c);
}

void generation_log(const struct generation *g)
{
    const char *fault = g->ktls_fault.text;

    if (g->has_ktls_auto)
        log_info("kernel TLS (ktls = auto) is %s%s", *fault == '\0' ? "on" : "off: ", fault);
}

static void free_front(struct generation *g, struct front *front)
{
    tls_context_free(front->tls);
    front_free_http(front);
    for (enum protocol p = PROTOCOL_HTTP; p < PROTOCOL_COUNT; p++)
        if (front->backends[p].text != NULL)
            backend_numbers_give(&g->common->numbers, (int)front->backends[p].index);
}

void generation_free(struct generation *g)
{
    if (g == NULL || g->config == NULL) {
        free(g); /* nothing else was made */
        return;
    }
    for (size_t i = 0; g->fronts != NULL && i < g->config->listener_count; i++)
        free_front(g, &g->fronts[i]);
    for (size_t i = 0; g->certificates != NULL && i < g->config->certificate_count; i++)
        tls_certificate_free(g->certificates[i]);
    tls_ticket_keys_free(g->ticket_keys);
    look_free(g->look);
    free(g->fronts);
    free(g->certificates);
    config_free(g->config);
    free(g);
}
