/* doctor_config_xml.c - whether the config.xml that Flash reads sends it to the listeners.
 *
 * OpenMeetings 1.9 to 2.2 serve /openmeetings/config.xml, 3.0 to 3.3
 * /openmeetings/public/config.xml; 4.0 and Red5 alone have neither. It is fetched through
 * the proxy, so that an `override` counts. */
#include "proxy/doctor.h"

#include "http/config_xml.h"

#include <stdlib.h>
#include <string.h>

static const char check[] = "config-xml";

static const char to_set[] = "scripts/openmeetings enable DIR sets it, or serve a file of your own "
                             "in its place (override)";

struct document {
    struct doctor *d;
    const char *subject;
    struct span bytes;
};

static bool find(const struct document *doc, const char *name, char out[80])
{
    struct span value;
    if (!config_xml_find(doc->bytes, span_of(name), &value))
        return false;
    (void)doctor_escape(value, out, 80);
    return true;
}

/* A key with one right value. */
static void expect(const struct document *doc, const char *name, const char *expected,
                   const char *or_else)
{
    char value[80];

    if (!find(doc, name, value))
        doctor_fault(doc->d, check, doc->subject, to_set, "has no %s, and should say %s: %s", name,
                     expected, or_else);
    else if (strcasecmp(value, expected) != 0)
        doctor_fault(doc->d, check, doc->subject, to_set, "says %s = %s instead of %s: %s", name,
                     value, expected, or_else);
    else
        doctor_ok(doc->d, check, doc->subject, "says %s = %s", name, value);
}

static const struct listener_config *find_listener(const struct doctor *d, unsigned port)
{
    for (size_t i = 0; i < d->place_count; i++)
        if (addr_port(&d->places[i].address) == port && d->places[i].listener->redirect == NULL)
            return d->places[i].listener;
    return NULL;
}

static bool is_backend_port(const struct doctor *d, unsigned port)
{
    for (size_t i = 0; i < d->target_count; i++)
        for (size_t k = 0; k < d->targets[i].backend->address_count; k++)
            if (addr_port(&d->targets[i].backend->addresses[k]) == port)
                return true;
    return false;
}

/* A key with the port of a listener that offers `protocol`. */
static void expect_port(const struct document *doc, const char *name, enum protocol protocol)
{
    const struct listener_config *l;
    char value[80];
    unsigned port;

    if (!find(doc, name, value)) {
        doctor_fault(doc->d, check, doc->subject, to_set, "has no %s", name);
        return;
    }
    port = (unsigned)strtoul(value, NULL, 10);
    l = find_listener(doc->d, port);
    if (l != NULL && (l->offers & 1u << protocol) != 0)
        doctor_ok(doc->d, check, doc->subject, "says %s = %u, which is [%s]", name, port,
                  l->section.name);
    else if (l != NULL)
        doctor_fault(doc->d, check, doc->subject, to_set,
                     "says %s = %u, but [%s] does not offer %s", name, port, l->section.name,
                     protocol_name(protocol));
    else if (is_backend_port(doc->d, port))
        doctor_fault(doc->d, check, doc->subject, to_set,
                     "says %s = %u, which is the plain port behind the proxy", name, port);
    else
        doctor_warning(doc->d, check, doc->subject, to_set,
                       "says %s = %s, which is no listener's port; that is right only where "
                       "a router maps it to one",
                       name, value);
}

/* Native RTMPS with best and CONNECT; with none, the default, and HTTP it is HTTPS that
 * carries RTMPT. */
static enum protocol protocol_of_flash(const struct document *doc)
{
    char value[80];

    if (!find(doc, "proxyType", value)) {
        doctor_warning(doc->d, check, doc->subject, to_set,
                       "has no proxyType, so Flash tunnels RTMP in HTTPS");
        return PROTOCOL_HTTP;
    }
    doctor_ok(doc->d, check, doc->subject, "says proxyType = %s", value);
    return strcasecmp(value, "best") == 0 || strcasecmp(value, "CONNECT") == 0 ? PROTOCOL_RTMP
                                                                               : PROTOCOL_HTTP;
}

static void judge(const struct document *doc)
{
    if (!config_xml_is(doc->bytes)) {
        doctor_warning(doc->d, check, doc->subject, NULL, "is no config.xml of OpenMeetings");
        return;
    }
    expect(doc, "useSSL", "yes", "Flash would connect without TLS");
    expect_port(doc, "rtmpsslport", protocol_of_flash(doc));
    expect(doc, "protocol", "https", "uploads and downloads would go without TLS");
    expect_port(doc, "red5httpport", PROTOCOL_HTTP);
}

/* Fetch and judge one; false where there is none. */
static bool look_at(struct doctor *d, const struct place *place, const char *path)
{
    char authority[DOCTOR_HOST_BYTES];
    const struct probe_request request = { .path = path, .host = authority };
    struct document doc = { .d = d, .subject = path };
    bool is_there = false;
    struct probe p;

    doctor_authority(d, place, authority);
    if (doctor_visit(d, place, &p) < 0)
        return false;
    if (probe_http(&p, &request, d->response) == 0 && d->response->head.status == 200) {
        doc.bytes = d->response->body;
        judge(&doc);
        is_there = true;
    }
    probe_close(&p);
    return is_there;
}

/* Where pages come from: the listener that overrides one of the paths, else the first. */
static const struct place *find_place(const struct doctor *d)
{
    const struct place *found = NULL;

    for (size_t i = 0; i < d->config->listener_count; i++) {
        const struct listener_config *l = &d->config->listeners[i];
        const struct target *http = doctor_target(d, l, PROTOCOL_HTTP);
        const struct place *place = doctor_place(d, l);

        if (http == NULL || place == NULL || l->client_verify == CONFIG_VERIFY_REQUIRED)
            continue;
        for (size_t k = 0; k < l->override.count; k += 2)
            if (strstr(l->override.items[k], "/config.xml") != NULL)
                return place;
        if (found == NULL && http->address != NULL)
            found = place;
    }
    return found;
}

void doctor_check_config_xml(struct doctor *d)
{
    static const char *const paths[] = { "/openmeetings/config.xml",
                                         "/openmeetings/public/config.xml" };
    const struct place *place = find_place(d);
    bool is_there = false;

    if (place == NULL || doctor_is_late(d))
        return;
    for (size_t i = 0; i < 2; i++)
        is_there |= look_at(d, place, paths[i]);
    if (!is_there)
        doctor_ok(d, check, place->subject,
                  "serves no config.xml, as OpenMeetings 4.0 and Red5 alone have none");
}
