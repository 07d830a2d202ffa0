#include "proxy/doctor.h"

#include "base/log.h"
#include "proxy/clock.h"
#include "tls/tls.h"

#include <getopt.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

static const char usage[] =
    "usage: red5-tls-proxy doctor -c FILE [--json] [DIR]\n"
    "\n"
    "Tries the set-up that FILE, a proxy.ini, describes, as its clients would: listeners,\n"
    "certificates, backends, what passes through, what should not be reachable. DIR is\n"
    "Red5's folder; with it conf/red5.properties is looked at too. Prints a line for each\n"
    "check: ok, warning or fault, and what to do; or JSON. Changes nothing. Exit codes:\n"
    "0 no fault, 1 some fault, 2 bad usage.\n";

static void (*const checks[])(struct doctor *) = {
    doctor_check_certificates, doctor_check_clock,      doctor_check_descriptors,
    doctor_check_backends,     doctor_check_listeners,  doctor_check_through,
    doctor_check_ports,        doctor_check_config_xml, doctor_check_properties,
};

/* ---- what the checks share ---- */

struct target *doctor_target(const struct doctor *d, const struct listener_config *listener,
                             enum protocol protocol)
{
    const char *text = listener->backends[protocol].text;

    for (size_t i = 0; (listener->offers & 1u << protocol) != 0 && i < d->target_count; i++)
        if (d->targets[i].protocol == protocol && strcmp(d->targets[i].backend->text, text) == 0)
            return &d->targets[i];
    return NULL;
}

const struct place *doctor_place(const struct doctor *d, const struct listener_config *listener)
{
    for (size_t i = 0; i < d->place_count; i++)
        if (d->places[i].listener == listener && d->places[i].is_tls)
            return &d->places[i];
    return NULL;
}

const struct tls_certificate *doctor_default_certificate(const struct doctor *d,
                                                         const struct listener_config *listener)
{
    return listener->certificates.count > 0 ? d->certificates[listener->certificate_indices[0]]
                                            : NULL;
}

bool doctor_host(const struct doctor *d, const struct place *place, char out[DOCTOR_HOST_BYTES])
{
    const struct tls_certificate *c = doctor_default_certificate(d, place->listener);
    const char *name = c != NULL ? tls_certificate_host(c, 0) : NULL;

    if (name == NULL) {
        (void)addr_print_host(&place->address, out);
        return false;
    }
    (void)snprintf(out, DOCTOR_HOST_BYTES, "%s%s", *name == '*' ? "www" : "",
                   *name == '*' ? name + 1 : name);
    return true;
}

void doctor_authority(const struct doctor *d, const struct place *place,
                      char out[DOCTOR_HOST_BYTES])
{
    char host[DOCTOR_HOST_BYTES];

    if (doctor_host(d, place, host))
        (void)snprintf(out, DOCTOR_HOST_BYTES, "%.290s:%u", host,
                       (unsigned)addr_port(&place->address));
    else
        (void)addr_print(&place->address, out);
}

bool doctor_is_late(struct doctor *d)
{
    bool is_late = clock_ms() + PROBE_STEP_MS > d->run_ms;

    if (is_late)
        doctor_warning(d, "time", d->path, "mend what is told above, and run this again",
                       "the %d s of a run are over, and the rest was not tried",
                       DOCTOR_RUN_MS / 1000);
    return is_late;
}

const char *doctor_escape(struct span text, char *out, size_t size)
{
    char copy[256];

    (void)snprintf(copy, sizeof(copy), "%.*s", (int)(text.len < 200 ? text.len : 200), text.at);
    return log_escape(copy, out, size);
}

int doctor_visit(const struct doctor *d, const struct place *place, struct probe *p)
{
    char host[DOCTOR_HOST_BYTES];
    bool has_name = doctor_host(d, place, host);
    struct tls_probe_options options = { .sni = has_name ? host : NULL };

    if (probe_open(p, &place->address, d->run_ms) < 0)
        return -1;
    if (probe_secure(p, &options) == 0)
        return 0;
    probe_close(p);
    return -1;
}

/* ---- before the checks ---- */

static struct addr loopback_for(const struct addr *address)
{
    struct addr a = *address;

    if (!addr_is_wildcard(address))
        return a;
    if (a.any.sa_family == AF_INET)
        a.v4.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    else
        a.v6.sin6_addr = in6addr_loopback;
    return a;
}

static int find_places(struct doctor *d)
{
    d->places = calloc(d->config->listener_count * CONFIG_LISTEN_MAX, sizeof(*d->places));
    if (d->places == NULL)
        return -1;
    for (size_t i = 0; i < d->config->listener_count; i++) {
        const struct listener_config *l = &d->config->listeners[i];

        for (size_t k = 0; k < l->address_count; k++) {
            struct place *place = &d->places[d->place_count++];
            char text[ADDR_TEXT_BYTES];

            place->listener = l;
            place->address = loopback_for(&l->addresses[k]);
            place->is_optional = l->is_optional[k];
            (void)snprintf(place->subject, sizeof(place->subject), "[%s] %s", l->section.name,
                           addr_print(&place->address, text));
        }
    }
    return 0;
}

static int find_targets(struct doctor *d)
{
    d->targets = calloc(d->config->listener_count * PROTOCOL_COUNT, sizeof(*d->targets));
    if (d->targets == NULL)
        return -1;
    for (size_t i = 0; i < d->config->listener_count; i++)
        for (enum protocol p = PROTOCOL_HTTP; p < PROTOCOL_COUNT; p++) {
            const struct listener_config *l = &d->config->listeners[i];
            struct target *target = &d->targets[d->target_count];

            if ((l->offers & 1u << p) == 0 || doctor_target(d, l, p) != NULL)
                continue;
            *target = (struct target){ .protocol = p, .backend = &l->backends[p], .listener = l };
            (void)snprintf(target->subject, sizeof(target->subject), "%s_backend %s",
                           protocol_name(p), l->backends[p].text);
            d->target_count++;
        }
    return 0;
}

/* Who is complained to; complaint.h has no room for it. */
static struct doctor *listening;

/* Whether a check has told of the same already: a complaint ends with the sentence. */
static bool is_known(const struct doctor *d, const char *line)
{
    for (size_t i = 0; i < d->findings.count; i++) {
        const char *message = d->findings.items[i].message;
        size_t n = strlen(message);

        if (strlen(line) >= n && strcmp(line + strlen(line) - n, message) == 0)
            return true;
    }
    return false;
}

/* "proxy.ini:4: warning: sentence" */
static void on_complaint(const char *line)
{
    static const char mark[] = ": warning: ";
    const char *warning = strstr(line, mark);
    int place = warning != NULL ? (int)(warning - line) : 0;

    if (is_known(listening, line))
        return;
    if (warning == NULL)
        doctor_fault(listening, "configuration", listening->path, NULL, "%s", line);
    else
        doctor_warning(listening, "configuration", listening->path, NULL, "%.*s: %s", place, line,
                       warning + sizeof(mark) - 1);
}

struct complaints doctor_complaints(struct doctor *d)
{
    listening = d;
    return (struct complaints){ .file = d->path, .report = on_complaint };
}

/* All that stands in the file must be right, or nothing that follows means much. */
static int read_configuration(struct doctor *d)
{
    struct complaints c = doctor_complaints(d);

    d->config = config_load(d->path, &c);
    if (d->config == NULL || c.errors > 0)
        return -1;
    d->certificates = calloc(d->config->certificate_count + 1, sizeof(struct tls_certificate *));
    d->response = malloc(sizeof(*d->response));
    if (d->certificates == NULL || d->response == NULL || find_places(d) < 0 ||
        find_targets(d) < 0) {
        d->findings.is_incomplete = true;
        return -1;
    }
    doctor_ok(d, "configuration", d->path, "can be read, and has %zu listener%s",
              d->config->listener_count, d->config->listener_count == 1 ? "" : "s");
    return 0;
}

static void forget(struct doctor *d)
{
    for (size_t i = 0; d->certificates != NULL && i < d->config->certificate_count; i++)
        tls_certificate_free(d->certificates[i]);
    free(d->certificates);
    free(d->response);
    free(d->places);
    free(d->targets);
    config_free(d->config);
    findings_free(&d->findings);
}

static enum exit_code examine(struct doctor *d, bool is_json)
{
    enum exit_code code;

    d->findings.out = is_json ? NULL : stdout;
    d->run_ms = clock_ms() + DOCTOR_RUN_MS;
    if (read_configuration(d) == 0)
        for (size_t i = 0; i < sizeof(checks) / sizeof(checks[0]); i++)
            checks[i](d);
    if (is_json)
        findings_print_json(&d->findings, stdout);
    else
        findings_print_count(&d->findings, stdout);
    if (d->findings.is_incomplete)
        (void)fputs("red5-tls-proxy doctor: memory has run out\n", stderr);
    code =
        d->findings.counts[SEVERITY_FAULT] == 0 && !d->findings.is_incomplete && fflush(stdout) == 0
            ? EXIT_DONE
            : EXIT_CONFIGURATION;
    forget(d);
    return code;
}

static enum exit_code refuse(void)
{
    (void)fputs(usage, stderr);
    return EXIT_USAGE;
}

enum exit_code doctor_main(int argc, char **argv)
{
    static const struct option long_options[] = { { "json", no_argument, NULL, 'j' },
                                                  { "help", no_argument, NULL, 'h' },
                                                  { NULL, 0, NULL, 0 } };
    struct doctor d = { .path = NULL };
    bool is_json = false;
    int option;

    while ((option = getopt_long(argc, argv, "c:h", long_options, NULL)) != -1) {
        switch (option) {
        case 'c':
            d.path = optarg;
            break;
        case 'j':
            is_json = true;
            break;
        case 'h':
            (void)fputs(usage, stdout);
            return EXIT_DONE;
        default:
            return refuse();
        }
    }
    if (d.path == NULL || argc - optind > 1)
        return refuse();
    d.red5 = argv[optind];
    (void)signal(SIGPIPE, SIG_IGN);
    return examine(&d, is_json);
}
