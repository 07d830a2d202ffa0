/* doctor_backends.c - whether what stands behind the proxy answers: HTTP, RTMP, RTMPT. */
#include "proxy/doctor.h"
#include "proxy/probe_rtmp.h"
#include "proxy/probe_rtmpt.h"

#include <stdio.h>

/* proxy.ini's line that names the backend, and what to do. */
static void advise(const struct doctor *d, const struct target *t, char *out, size_t size)
{
    static const char *const keys[PROTOCOL_COUNT] = { [PROTOCOL_HTTP] = "http_backend",
                                                      [PROTOCOL_RTMP] = "rtmp_backend",
                                                      [PROTOCOL_TUNNEL] = "tunnel_backend" };
    int line = config_key_line(&t->listener->section, keys[t->protocol]);

    if (line > 0)
        (void)snprintf(out, size, "start that server, or correct %s (%s:%d)", keys[t->protocol],
                       d->path, line);
    else
        (void)snprintf(out, size, "start that server, or write a [listener] with another %s",
                       keys[t->protocol]);
}

/* ---- one connection ---- */

static int ask_http(struct doctor *d, struct target *t, struct probe *p)
{
    const struct probe_request request = { .path = "/", .host = t->backend->text };
    unsigned status;

    if (probe_http(p, &request, d->response) < 0)
        return -1;
    status = d->response->head.status;
    if (status >= 500)
        doctor_warning(d, "http", t->subject, "look into the log of that server",
                       "answers GET / with %u", status);
    else
        doctor_ok(d, "http", t->subject, "answers GET / with %u", status);
    return 0;
}

static int ask_rtmp(struct doctor *d, struct target *t, struct probe *p)
{
    if (probe_rtmp(p) < 0)
        return -1;
    doctor_ok(d, "rtmp", t->subject, "answers an RTMP handshake");
    return 0;
}

static int ask_nothing(struct doctor *d, struct target *t, struct probe *p)
{
    (void)p;
    doctor_ok(d, "tunnel", t->subject, "takes connections; what it speaks is not known here");
    return 0;
}

static int (*const ask[PROTOCOL_COUNT])(struct doctor *, struct target *, struct probe *) = {
    [PROTOCOL_HTTP] = ask_http,
    [PROTOCOL_RTMP] = ask_rtmp,
    [PROTOCOL_TUNNEL] = ask_nothing,
};

/* ---- a backend with all its addresses ---- */

static int check_address(struct doctor *d, struct target *t, const struct addr *address,
                         struct error *fault)
{
    char text[ADDR_TEXT_BYTES];
    struct probe p;
    int rc;

    (void)addr_print(address, text);
    if (probe_open(&p, address, d->run_ms) < 0)
        return error_set(fault, "cannot be reached at %s: %.400s", text, p.fault.text);
    rc = ask[t->protocol](d, t, &p);
    if (rc < 0)
        (void)error_set(fault, "does not answer in %s at %s: %.400s",
                        t->protocol == PROTOCOL_HTTP ? "HTTP" : "RTMP", text, p.fault.text);
    else if (t->address == NULL)
        t->address = address;
    probe_close(&p);
    return rc;
}

/* One of several addresses is enough for the proxy, which tries them in turn. */
static void check_target(struct doctor *d, struct target *t)
{
    const char *name = protocol_name(t->protocol);
    struct error faults[CONFIG_BACKEND_ADDRESSES];
    char advice[256];

    advise(d, t, advice, sizeof(advice));
    for (size_t i = 0; i < t->backend->address_count; i++) {
        faults[i].text[0] = '\0';
        (void)check_address(d, t, &t->backend->addresses[i], &faults[i]);
    }
    for (size_t i = 0; i < t->backend->address_count; i++) {
        if (faults[i].text[0] == '\0')
            continue;
        if (t->address != NULL)
            doctor_warning(d, name, t->subject, "name the other address alone", "%s",
                           faults[i].text);
        else
            doctor_fault(d, name, t->subject, advice, "%s", faults[i].text);
    }
}

/* A server without it is of no use to Flash with proxyType none, and to nobody else. */
static void check_rtmpt(struct doctor *d, struct target *t)
{
    struct probe p;

    if (probe_open(&p, t->address, d->run_ms) < 0)
        return;
    t->has_rtmpt = probe_rtmpt(&p, t->backend->text, d->response) == 0;
    if (t->has_rtmpt)
        doctor_ok(d, "rtmpt", t->subject, "opens an RTMPT session");
    else
        doctor_warning(d, "rtmpt", t->subject,
                       "only Flash with proxyType none needs it; Red5 has it in "
                       "webapps/root/WEB-INF/web.xml, at /open/*, /idle/*, /send/*, /close/*",
                       "does not speak RTMPT: %s", p.fault.text);
    probe_close(&p);
}

void doctor_check_backends(struct doctor *d)
{
    for (size_t i = 0; i < d->target_count && !doctor_is_late(d); i++) {
        struct target *t = &d->targets[i];

        check_target(d, t);
        if (t->protocol == PROTOCOL_HTTP && t->address != NULL)
            check_rtmpt(d, t);
    }
}
