#include "proxy/generation.h"

#include "proxy/stats.h"
#include "tls/tls.h"

#include <stdlib.h>
#include <string.h>

static void complain_at(struct complaints *c, const struct section *section, const char *key,
                        const char *sentence)
{
    complain(c, config_key_line(section, key), section->name, key, "%s", sentence);
}

static void load_certificate(const struct certificate_config *config, struct tls_certificate **out,
                             struct complaints *c)
{
    struct error err;

    if (config->chain == NULL || config->key == NULL)
        return; /* complained of already */
    *out = tls_certificate_new(config->name);
    if (*out == NULL)
        complain(c, config->section.line, config->section.name, NULL, "memory has run out");
    if (*out != NULL && tls_certificate_load_chain(*out, config->chain, &err) < 0)
        complain_at(c, &config->section, "chain", err.text);
    if (*out != NULL && tls_certificate_load_key(*out, config->key, &err) < 0)
        complain_at(c, &config->section, "key", err.text);
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
        load_certificate(&g->config->certificates[i], &g->certificates[i], c);
    return c->errors == 0 ? 0 : -1;
}

/* The same text is the same backend, and shares its limit of dials. */
static int number_backend(const struct generation *g, const char *text, size_t *index,
                          struct complaints *c)
{
    const char *texts[STATS_BACKENDS];
    size_t n = 0;

    for (size_t i = 0; i < g->config->listener_count; i++)
        for (enum protocol p = PROTOCOL_HTTP; p < PROTOCOL_COUNT; p++) {
            const char *t = g->config->listeners[i].backends[p].text;

            if (t == NULL)
                continue;
            for (*index = 0; *index < n && strcmp(texts[*index], t) != 0; (*index)++)
                ;
            if (*index == n && n < STATS_BACKENDS)
                texts[n++] = t;
            if (*index < STATS_BACKENDS && strcmp(t, text) == 0)
                return 0;
        }
    complain(c, 0, NULL, NULL, "has more than %d different backends", STATS_BACKENDS);
    return -1;
}

static int set_backends(const struct generation *g, struct front *front, struct complaints *c)
{
    for (enum protocol p = PROTOCOL_HTTP; p < PROTOCOL_COUNT; p++) {
        const struct backend_config *b = &front->config->backends[p];

        if ((front->config->offers & 1u << p) == 0 || b->text == NULL)
            continue;
        front->backends[p] = (struct backend){
            .text = b->text,
            .addresses = b->addresses,
            .address_count = b->address_count,
            .max_dials = front->config->max_dials,
        };
        if (number_backend(g, b->text, &front->backends[p].index, c) < 0)
            return -1;
    }
    return 0;
}

static int make_front(const struct generation *g, const struct listener_config *config,
                      struct front *front, struct complaints *c)
{
    size_t count = config->certificates.count;
    const struct tls_certificate **chosen = calloc(count, sizeof(struct tls_certificate *));
    struct tls_options options = { .name = config->name,
                                   .certificates = chosen,
                                   .certificate_count = count,
                                   .offers_http = (config->offers & OFFERS_HTTP) != 0 };
    struct error err;

    front->config = config;
    if (chosen == NULL) {
        complain(c, config->section.line, config->section.name, NULL, "memory has run out");
        return -1;
    }
    for (size_t i = 0; i < count; i++)
        chosen[i] = g->certificates[config->certificate_indices[i]];
    front->tls = tls_context_new(&options, &err);
    free(chosen);
    if (front->tls == NULL) {
        complain_at(c, &config->section, "certificates", err.text);
        return -1;
    }
    return set_backends(g, front, c);
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
        if (make_front(g, &g->config->listeners[i], &g->fronts[i], c) < 0)
            return -1;
    return 0;
}

struct generation *generation_load(const char *path, struct complaints *c)
{
    struct generation *g = calloc(1, sizeof(*g));

    c->file = path;
    if (g == NULL) {
        complain(c, 0, NULL, NULL, "memory has run out");
        return NULL;
    }
    g->config = config_load(path, c);
    if (g->config != NULL)
        privileges_resolve(g->config, &g->privileges, c);
    if (g->config == NULL || load_certificates(g, c) < 0 || make_fronts(g, c) < 0) {
        generation_free(g);
        return NULL;
    }
    return g;
}

void generation_free(struct generation *g)
{
    if (g == NULL || g->config == NULL) {
        free(g); /* nothing else was made */
        return;
    }
    for (size_t i = 0; g->fronts != NULL && i < g->config->listener_count; i++)
        tls_context_free(g->fronts[i].tls);
    for (size_t i = 0; g->certificates != NULL && i < g->config->certificate_count; i++)
        tls_certificate_free(g->certificates[i]);
    free(g->fronts);
    free(g->certificates);
    config_free(g->config);
    free(g);
}
