/* doctor.h - `red5-tls-proxy doctor`: try a set-up from outside in.
 *
 *    proxy.ini --> places:  the addresses of its listeners    --> doctor_listeners, doctor_through
 *              --> targets: the addresses of its backends     --> doctor_backends, doctor_ports
 *              --> the machine                                --> doctor_machine
 *              --> OpenMeetings' own settings                 --> doctor_openmeetings
 *
 * A client of the machine's own listeners and backends: it connects to addresses that
 * proxy.ini names and to the machine's own, opens no listener, changes nothing, and needs
 * no rights but to read. What it has learnt in one check the next ones use, so that one
 * fault is told once.
 */
#ifndef PROXY_DOCTOR_H
#define PROXY_DOCTOR_H

#include "config/config.h"
#include "http/span.h"
#include "proxy/exit.h"
#include "proxy/finding.h"
#include "proxy/probe_http.h"

enum { DOCTOR_SUBJECT_BYTES = CONFIG_NAME_BYTES + ADDR_TEXT_BYTES + 8, DOCTOR_RUN_MS = 25000 };

/* One address of a listener; of a wildcard, the loopback's. */
struct place {
    const struct listener_config *listener;
    struct addr address;
    bool is_optional; /* the IPv6 half of a wildcard */
    int error;        /* errno where nothing listens; 0 where that is as it should be */
    bool is_up;       /* something listens */
    bool has_shown;   /* and shows a certificate */
    bool is_tls;      /* and does a TLS handshake with us to its end */
    bool was_asked;   /* and asks for a client certificate */
    char subject[DOCTOR_SUBJECT_BYTES]; /* "[listener https] 127.0.0.1:5443" */
};

/* A backend, however many listeners it has. */
struct target {
    enum protocol protocol;
    const struct backend_config *backend;
    const struct listener_config *listener; /* the first that has it */
    const struct addr *address;             /* the first that answers; NULL: none does */
    bool has_rtmpt;
    char subject[DOCTOR_SUBJECT_BYTES]; /* "http_backend 127.0.0.1:5080" */
};

struct doctor {
    const char *path; /* of proxy.ini, as it was named */
    const char *red5; /* Red5's folder; NULL: not given */
    struct config *config;
    struct tls_certificate **certificates; /* owned; as config->certificates. NULL: not loaded */
    struct place *places;
    size_t place_count;
    struct target *targets;
    size_t target_count;
    struct findings findings;
    struct probe_response *response; /* owned; of the exchange at hand */
    uint64_t run_ms;                 /* when it must be over */
};

/* The command; argv[0] is "doctor". */
enum exit_code doctor_main(int argc, char **argv);

/* Where complaints of proxy.ini become findings, until the next call. */
struct complaints doctor_complaints(struct doctor *d);

/* The checks, in the order in which they are made. */
void doctor_check_certificates(struct doctor *d);
void doctor_check_clock(struct doctor *d);
void doctor_check_descriptors(struct doctor *d);
void doctor_check_backends(struct doctor *d);
void doctor_check_listeners(struct doctor *d);
void doctor_check_through(struct doctor *d);
void doctor_check_ports(struct doctor *d);
void doctor_check_config_xml(struct doctor *d);
void doctor_check_properties(struct doctor *d);

/* One line more. */
#define doctor_ok(d, check_, subject_, ...)                                                        \
    findings_add(&(d)->findings,                                                                   \
                 &(const struct remark){ .check = (check_), .subject = (subject_) }, __VA_ARGS__)
#define doctor_warning(d, check_, subject_, advice_, ...)                                          \
    findings_add(&(d)->findings,                                                                   \
                 &(const struct remark){ SEVERITY_WARNING, (check_), (subject_), (advice_) },      \
                 __VA_ARGS__)
#define doctor_fault(d, check_, subject_, advice_, ...)                                            \
    findings_add(&(d)->findings,                                                                   \
                 &(const struct remark){ SEVERITY_FAULT, (check_), (subject_), (advice_) },        \
                 __VA_ARGS__)

/* The target that a listener's sessions of `protocol` go to; NULL: it offers none. */
struct target *doctor_target(const struct doctor *d, const struct listener_config *listener,
                             enum protocol protocol);

/* The first place of a listener that clients can use to the end; NULL: there is none. */
const struct place *doctor_place(const struct doctor *d, const struct listener_config *listener);

/* The certificate that a listener shows to a client which asks for no name; NULL: not loaded. */
const struct tls_certificate *doctor_default_certificate(const struct doctor *d,
                                                         const struct listener_config *listener);

/* How clients call a listener: a host name of its first certificate, with a word for a
 * wildcard; its address where there is none. HOST or HOST:PORT. */
enum { DOCTOR_HOST_BYTES = 300 };
bool doctor_host(const struct doctor *d, const struct place *place, char out[DOCTOR_HOST_BYTES]);
void doctor_authority(const struct doctor *d, const struct place *place,
                      char out[DOCTOR_HOST_BYTES]);

/* Whether there is no time for one step more, which is told once: what was not tried is no
 * fault. */
bool doctor_is_late(struct doctor *d);

/* What came from the other end, fit to be printed and cut where it is long. Returns `out`. */
const char *doctor_escape(struct span text, char *out, size_t size);

/* Connect to a place as a client does that asks for its name. -1 with the probe's fault. */
int doctor_visit(const struct doctor *d, const struct place *place, struct probe *p);

#endif
