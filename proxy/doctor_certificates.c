/* doctor_certificates.c - what proxy.ini names: files that can be read, certificates that
 * clients take. The same as -t, and then some. */
#include "proxy/doctor.h"
#include "proxy/generation.h"
#include "tls/tls.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

static const char check[] = "certificate";

/* A certificate that clients refuse is a fault, though it could be served. */
struct patient {
    struct doctor *doctor;
    char subject[DOCTOR_SUBJECT_BYTES];
};

static void on_report(void *user, enum tls_severity severity, const char *option,
                      const char *sentence)
{
    struct patient *patient = user;

    (void)option;
    if (severity == TLS_WARNING)
        doctor_warning(patient->doctor, check, patient->subject, NULL, "%s", sentence);
    else
        doctor_fault(patient->doctor, check, patient->subject, NULL, "%s", sentence);
}

/* The first file of a section that is there, but not for us; NULL: none. */
static const char *closed_file(const struct certificate_config *config)
{
    const char *const paths[] = { config->chain,
                                  config->key,
                                  config->key_password_file,
                                  config->keystore,
                                  config->keystore_password_file,
                                  config->ocsp };

    for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++)
        if (paths[i] != NULL && access(paths[i], R_OK) < 0 && errno == EACCES)
            return paths[i];
    return NULL;
}

static void check_one(struct doctor *d, size_t i)
{
    const struct certificate_config *config = &d->config->certificates[i];
    const char *closed = closed_file(config);
    struct patient patient = { .doctor = d };
    const struct tls_report report = { .say = on_report, .user = &patient };
    struct tls_facts facts;

    (void)snprintf(patient.subject, sizeof(patient.subject), "[%s]", config->section.name);
    if (closed != NULL) {
        doctor_warning(d, check, patient.subject,
                       "run this as root to have the files looked at as well",
                       "%s cannot be read by this user, so only what the listeners show is looked "
                       "at",
                       closed);
        return;
    }
    d->certificates[i] = generation_load_certificate(config, &report);
    if (d->certificates[i] == NULL)
        return;
    tls_certificate_describe(d->certificates[i], &facts);
    if (facts.key == TLS_KEY_EDWARDS || facts.key == TLS_KEY_P521)
        doctor_fault(d, check, patient.subject, "make a key on P-256 or RSA (scripts/make-csr)",
                     "has a key (%s) that browsers and old Java do not take", facts.key_name);
    doctor_ok(d, check, patient.subject, "%s by %s, %s, until %s (%d days), for %s", facts.subject,
              facts.issuer, facts.key_name, facts.end, facts.days_left, facts.names);
}

/* What -t would say besides: of client CAs, ticket keys, overrides, users. Only root may
 * become another user, so only root is told of those. */
static void load_the_rest(struct doctor *d)
{
    struct complaints c = doctor_complaints(d);
    struct generation_common common = { .tickets = NULL };

    for (size_t i = 0; i < d->config->certificate_count; i++)
        if (d->certificates[i] == NULL)
            return;
    if (geteuid() == 0)
        generation_free(generation_make(d->config, &common, &c));
}

void doctor_check_certificates(struct doctor *d)
{
    for (size_t i = 0; i < d->config->certificate_count; i++)
        check_one(d, i);
    load_the_rest(d);
}
