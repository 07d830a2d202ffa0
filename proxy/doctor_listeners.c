/* doctor_listeners.c - what the listeners show: the right chain for each name, and their
 * redirect to whoever comes without TLS. */
#include "proxy/doctor.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static const char check[] = "chain";

static const char to_reload[] = "reload the proxy (HUP, systemctl reload red5-tls-proxy); if that "
                                "changes nothing, another program may listen there";

/* ---- who listens at all ---- */

static void knock(struct doctor *d, struct place *place, struct probe *p)
{
    if (addr_port(&place->address) == 0) {
        doctor_warning(d, "listening", place->subject, "write a port to have this tried",
                       "has a port that the kernel chooses");
        return;
    }
    if (probe_open(p, &place->address, d->run_ms) < 0)
        return;
    place->is_up = true;
    probe_close(p);
}

/* The machine has no IPv6: the proxy goes without as well. */
static bool is_excused(const struct place *place, int error)
{
    return place->is_optional &&
           (error == EADDRNOTAVAIL || error == EAFNOSUPPORT || error == ENETUNREACH);
}

static void check_listening(struct doctor *d)
{
    struct probe p = { .fd = -1 };
    size_t up = 0;

    for (size_t i = 0; i < d->place_count && !doctor_is_late(d); i++) {
        struct place *place = &d->places[i];

        knock(d, place, &p);
        up += place->is_up;
        if (!place->is_up && addr_port(&place->address) != 0 && !is_excused(place, p.error))
            place->error = p.error;
    }
    if (up == 0 && !doctor_is_late(d)) {
        doctor_fault(d, "listening", d->path,
                     "start the proxy (systemctl start red5-tls-proxy), or look into its log",
                     "nothing listens on any of its addresses: the proxy does not run");
        return;
    }
    for (size_t i = 0; i < d->place_count; i++)
        if (d->places[i].error != 0)
            doctor_fault(d, "listening", d->places[i].subject, to_reload,
                         "nothing answers there: %s", strerror(d->places[i].error));
}

/* ---- chains ---- */

/* What is known of one certificate of a listener after some handshakes. */
struct exhibit {
    const struct tls_certificate *known; /* NULL: could not be loaded */
    struct tls_certificate *shown;       /* owned; NULL: not seen yet */
    char names[256];                     /* for which it was shown */
};

struct visit {
    struct doctor *d;
    struct place *place;
    struct exhibit *exhibits; /* as listener->certificates */
    size_t count;
    bool is_mixed;   /* keys of several types */
    bool has_failed; /* something was told already */
};

static void add_name(struct exhibit *e, const char *name)
{
    size_t used = strlen(e->names);

    if (used + strlen(name) + sizeof(", , ...") < sizeof(e->names))
        (void)snprintf(e->names + used, sizeof(e->names) - used, "%s%s", used > 0 ? ", " : "",
                       name);
    else if (used < 4 || strcmp(e->names + used - 3, "...") != 0)
        (void)snprintf(e->names + used, sizeof(e->names) - used, ", ...");
}

/* One handshake: the chain that was shown, or NULL with `fault`. */
static struct tls_certificate *look(struct visit *v, const char *sni,
                                    const struct tls_certificate *like, struct error *fault)
{
    struct tls_probe_options options = { .sni = sni, .like = like };
    struct tls_certificate *shown;
    struct probe p;
    int rc;

    if (probe_open(&p, &v->place->address, v->d->run_ms) < 0) {
        *fault = p.fault;
        return NULL;
    }
    rc = probe_secure(&p, &options);
    shown = p.tls != NULL ? tls_probe_shown(p.tls, "shown") : NULL;
    v->place->is_tls |= rc == 0;
    v->place->was_asked |= p.tls != NULL && tls_probe_was_asked(p.tls);
    *fault = p.fault;
    if (rc < 0 && !v->place->was_asked) { /* else it has no more to show */
        tls_certificate_free(shown);
        shown = NULL;
    }
    probe_close(&p);
    return shown;
}

/* Which of the listener's certificates this is. */
static struct exhibit *find_exhibit(const struct visit *v, const struct tls_certificate *shown)
{
    for (size_t i = 0; i < v->count; i++)
        if (v->exhibits[i].known != NULL && tls_certificate_is_same(v->exhibits[i].known, shown))
            return &v->exhibits[i];
    return NULL;
}

static bool may_be_unknown(const struct visit *v)
{
    for (size_t i = 0; i < v->count; i++)
        if (v->exhibits[i].known == NULL)
            return true;
    return false;
}

/* Takes `shown`. */
static void note(struct visit *v, const char *name, struct tls_certificate *shown)
{
    struct exhibit *e = find_exhibit(v, shown);
    struct tls_facts facts;

    tls_certificate_describe(shown, &facts);
    if (e == NULL && may_be_unknown(v)) /* one of those that could not be loaded */
        for (e = v->exhibits; e->known != NULL; e++)
            ;
    if (e == NULL) {
        v->has_failed = true;
        doctor_fault(v->d, check, v->place->subject, to_reload,
                     "shows %s, until %s, which is none of the certificates in %s", facts.subject,
                     facts.end, v->d->path);
        tls_certificate_free(shown);
        return;
    }
    add_name(e, name);
    if (e->shown == NULL)
        e->shown = shown;
    else
        tls_certificate_free(shown);
}

/* `name` as clients ask for it: any host will do for a wildcard. */
static void look_for(struct visit *v, const char *name, const struct tls_certificate *c)
{
    struct tls_certificate *shown;
    struct error fault;
    char sni[256];

    (void)snprintf(sni, sizeof(sni), "%s%s", *name == '*' ? "any-host" : "",
                   *name == '*' ? name + 1 : name);
    shown = look(v, sni, v->is_mixed ? c : NULL, &fault);
    if (shown == NULL) {
        v->has_failed = true;
        doctor_fault(v->d, check, v->place->subject, NULL, "no handshake for the name %s: %s", name,
                     fault.text);
        return;
    }
    if (!tls_certificate_covers(shown, sni)) {
        struct tls_facts facts;

        v->has_failed = true;
        tls_certificate_describe(shown, &facts);
        doctor_fault(v->d, check, v->place->subject, to_reload,
                     "shows %s to clients that ask for %s, and it does not have that name",
                     facts.subject, name);
        tls_certificate_free(shown);
        return;
    }
    note(v, name, shown);
}

static void look_for_names(struct visit *v, const struct tls_certificate *c)
{
    const char *name;

    for (size_t i = 0; c != NULL && (name = tls_certificate_host(c, i)) != NULL; i++)
        if (!doctor_is_late(v->d))
            look_for(v, name, c);
}

/* ---- what was seen ---- */

struct reviewer {
    struct doctor *d;
    const char *subject;
};

static void on_report(void *user, enum tls_severity severity, const char *option,
                      const char *sentence)
{
    const struct reviewer *r = user;

    (void)option;
    if (severity == TLS_WARNING)
        doctor_warning(r->d, "certificate", r->subject, NULL, "%s", sentence);
    else
        doctor_fault(r->d, "certificate", r->subject, NULL, "%s", sentence);
}

/* What is shown as it stands in the files was looked at with these. Java asks nobody for an
 * intermediate that is missing; nor does the review. */
static void review(struct visit *v, size_t i)
{
    const struct exhibit *e = &v->exhibits[i];
    char subject[DOCTOR_SUBJECT_BYTES];
    struct reviewer reviewer = { .d = v->d, .subject = subject };
    const struct tls_report report = { .say = on_report, .user = &reviewer };

    (void)snprintf(subject, sizeof(subject), "[certificate %s]",
                   v->place->listener->certificates.items[i]);
    if (e->known != NULL && tls_certificate_is_chained_alike(e->shown, e->known))
        return;
    if (e->known != NULL)
        doctor_fault(v->d, check, v->place->subject, to_reload,
                     "shows \"%s\" with other issuers than its files have",
                     v->place->listener->certificates.items[i]);
    tls_probe_review(e->shown, e->known, &report);
}

static void tell(struct visit *v, size_t i)
{
    const char *name = v->place->listener->certificates.items[i];
    const struct exhibit *e = &v->exhibits[i];
    struct tls_facts facts;

    if (e->shown == NULL && e->known != NULL && !v->has_failed) {
        doctor_warning(v->d, check, v->place->subject, NULL, "never shows \"%s\"", name);
        return;
    }
    if (e->shown == NULL)
        return;
    tls_certificate_describe(e->shown, &facts);
    doctor_ok(v->d, check, v->place->subject,
              "shows \"%s\" for %s: %s, %s, %d days left, %d certificate%s up to %s", name,
              e->names, facts.subject, facts.key_name, facts.days_left, facts.chain_count,
              facts.chain_count == 1 ? "" : "s", facts.root);
    review(v, i);
}

/* Old Flash and Java have RSA alone; they are whom `legacy` is for. */
static void check_key_types(struct visit *v)
{
    bool has_rsa = false;
    bool is_known = true;

    for (size_t i = 0; i < v->count; i++) {
        const struct exhibit *e = &v->exhibits[i];
        const struct tls_certificate *c = e->known != NULL ? e->known : e->shown;
        struct tls_facts facts;

        is_known &= c != NULL;
        if (c == NULL)
            continue;
        tls_certificate_describe(c, &facts);
        has_rsa |= facts.key == TLS_KEY_RSA;
    }
    if (v->place->listener->tls == CONFIG_TLS_LEGACY && is_known && !has_rsa)
        doctor_warning(v->d, "key", v->place->subject,
                       "add a certificate with an RSA key to its certificates",
                       "has no RSA certificate, and clients for which tls = legacy is meant have "
                       "no other");
}

static bool is_mixed(const struct visit *v)
{
    struct tls_facts first = { .key = TLS_KEY_RSA };
    struct tls_facts other;
    bool has_first = false;

    for (size_t i = 0; i < v->count; i++) {
        if (v->exhibits[i].known == NULL)
            continue;
        tls_certificate_describe(v->exhibits[i].known, has_first ? &other : &first);
        if (has_first && other.key != first.key)
            return true;
        has_first = true;
    }
    return false;
}

static void visit_names(struct visit *v)
{
    struct error fault;
    struct tls_certificate *shown =
        look(v, NULL, v->is_mixed ? v->exhibits[0].known : NULL, &fault);

    if (shown == NULL) {
        doctor_fault(v->d, check, v->place->subject,
                     "look into the proxy's log; or does another program listen there?",
                     "no TLS handshake: %s", fault.text);
        return;
    }
    v->place->has_shown = true;
    if (v->exhibits[0].known == NULL)
        look_for_names(v, shown);
    note(v, "clients without SNI", shown);
    for (size_t i = 0; i < v->count; i++)
        look_for_names(v, v->exhibits[i].known);
    for (size_t i = 0; i < v->count; i++)
        tell(v, i);
    check_key_types(v);
}

static void check_chains(struct doctor *d, struct place *place)
{
    const struct listener_config *l = place->listener;
    struct visit v = { .d = d, .place = place, .count = l->certificates.count };

    v.exhibits = calloc(v.count, sizeof(*v.exhibits));
    if (v.exhibits == NULL) {
        d->findings.is_incomplete = true;
        return;
    }
    for (size_t i = 0; i < v.count; i++)
        v.exhibits[i].known = d->certificates[l->certificate_indices[i]];
    v.is_mixed = is_mixed(&v);
    visit_names(&v);
    for (size_t i = 0; i < v.count; i++)
        tls_certificate_free(v.exhibits[i].shown);
    free(v.exhibits);
}

/* ---- plain HTTP ---- */

static bool is_sent_to(const struct probe_response *response, const char *start)
{
    struct span location = probe_http_field(response, FIELD_LOCATION, 0);
    size_t n = strlen(start);

    return (response->head.status == 301 || response->head.status == 308) && location.len >= n &&
           span_is_nocase((struct span){ location.at, n }, span_of(start));
}

static int ask_plainly(struct doctor *d, struct place *place, struct probe *p)
{
    const char *target = place->listener->redirect != NULL ? place->listener->redirect : "https://";
    char host[DOCTOR_HOST_BYTES];
    const struct probe_request request = { .path = "/", .host = host };
    char text[300];

    doctor_authority(d, place, host);
    if (probe_http(p, &request, d->response) < 0)
        return -1;
    if (!is_sent_to(d->response, target))
        return error_set(&p->fault, "the answer is %u and no redirect to %s",
                         d->response->head.status, target);
    doctor_ok(d, "plain-http", place->subject, "sends plain HTTP to %s",
              doctor_escape(probe_http_field(d->response, FIELD_LOCATION, 0), text, sizeof(text)));
    return 0;
}

static void check_plain_http(struct doctor *d, struct place *place)
{
    struct probe p;

    if (probe_open(&p, &place->address, d->run_ms) < 0)
        return;
    if (ask_plainly(d, place, &p) < 0)
        doctor_fault(d, "plain-http", place->subject, to_reload, "does not redirect plain HTTP: %s",
                     p.fault.text);
    probe_close(&p);
}

void doctor_check_listeners(struct doctor *d)
{
    check_listening(d);
    for (size_t i = 0; i < d->place_count; i++) {
        struct place *place = &d->places[i];

        if (!place->is_up || doctor_is_late(d))
            continue;
        if (place->listener->redirect == NULL)
            check_chains(d, place);
        if (place->listener->redirect != NULL ||
            (place->has_shown && (place->listener->offers & OFFERS_HTTP) != 0))
            check_plain_http(d, place);
    }
}
