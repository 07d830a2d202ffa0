/* doctor_through.c - the same through the proxy as its clients have it: a page over HTTPS,
 * RTMP and RTMPT over TLS; redirects and cookies that keep clients there. */
#include "proxy/doctor.h"
#include "proxy/probe_rtmp.h"
#include "proxy/probe_rtmpt.h"

#include "http/authority.h"

#include <string.h>

static const char to_the_log[] = "look for the reason in the proxy's log";

/* ---- redirects and cookies ---- */

struct page {
    const struct place *place;
    const char *path;
    const char *authority; /* by which it was asked for */
};

static void check_location(struct doctor *d, const struct page *page)
{
    struct span location = probe_http_field(d->response, FIELD_LOCATION, 0);
    struct span authority = authority_of_url(location, SPAN("http://"));
    struct authority found, ours;
    char text[300];

    if (location.len == 0)
        return;
    (void)doctor_escape(location, text, sizeof(text));
    if (authority.len == 0)
        doctor_ok(d, "redirect", page->place->subject, "%s leads to %s", page->path, text);
    else if (authority_parse(authority, &found) &&
             authority_parse(span_of(page->authority), &ours) && !authority_is_ours(&found, &ours))
        doctor_warning(d, "redirect", page->place->subject,
                       "let that server name itself as clients do, or leave the host out",
                       "%s leads to %s, plain HTTP at another place", page->path, text);
    else
        doctor_fault(d, "redirect", page->place->subject,
                     "set rewrite_location = on, and backend_scheme = http unless the server's "
                     "connector says secure=\"true\"",
                     "%s leads clients back to plain HTTP: %s", page->path, text);
}

/* Whether one of the attributes behind the first ';' is `name`. */
static bool has_attribute(struct span cookie, struct span name)
{
    struct span part = span_before(cookie, ';');

    while (part.len < cookie.len) {
        cookie.at += part.len + 1;
        cookie.len -= part.len + 1;
        while (cookie.len > 0 && (*cookie.at == ' ' || *cookie.at == '\t')) {
            cookie.at++;
            cookie.len--;
        }
        part = span_before(cookie, ';');
        if (span_is_nocase(part, name))
            return true;
    }
    return false;
}

static void check_cookies(struct doctor *d, const struct page *page)
{
    struct span cookie;
    char text[300];

    for (size_t i = 0; (cookie = probe_http_field(d->response, FIELD_SET_COOKIE, i)).len > 0; i++) {
        (void)doctor_escape(span_before(cookie, '='), text, sizeof(text));
        if (has_attribute(cookie, SPAN("Secure")))
            doctor_ok(d, "cookie", page->place->subject, "the cookie %s is Secure", text);
        else
            doctor_fault(d, "cookie", page->place->subject,
                         "set secure_cookies = on, and backend_scheme = http unless the server's "
                         "connector says secure=\"true\"",
                         "the cookie %s is not Secure, and browsers send it over plain HTTP as "
                         "well",
                         text);
    }
}

/* ---- one visit for each thing ---- */

static int ask_page(struct doctor *d, const struct place *place, const char *path, struct probe *p)
{
    char authority[DOCTOR_HOST_BYTES];
    const struct probe_request request = { .path = path, .host = authority };
    const struct page page = { .place = place, .path = path, .authority = authority };
    unsigned status;

    doctor_authority(d, place, authority);
    if (probe_http(p, &request, d->response) < 0)
        return -1;
    status = d->response->head.status;
    if (status == 502 || status == 504)
        return error_set(&p->fault, "the proxy answers %u", status);
    if (strcmp(path, "/") == 0)
        doctor_ok(d, "https", place->subject,
                  "GET / comes through, and is answered with %u over %s", status,
                  tls_probe_version(p->tls));
    check_location(d, &page);
    check_cookies(d, &page);
    return 0;
}

static int check_page(struct doctor *d, const struct place *place, const char *path)
{
    struct probe p;
    bool is_open = doctor_visit(d, place, &p) == 0;
    bool is_good = is_open && ask_page(d, place, path, &p) == 0;

    if (!is_good)
        doctor_fault(d, "https", place->subject, to_the_log, "GET %s does not come through: %s",
                     path, p.fault.text);
    if (is_open)
        probe_close(&p);
    return is_good ? 0 : -1;
}

/* The root, and where OpenMeetings redirects and starts a session; elsewhere these are 404. */
static void check_pages(struct doctor *d, const struct place *place)
{
    static const char *const paths[] = { "/", "/openmeetings", "/openmeetings/" };

    for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++)
        if (doctor_is_late(d) || check_page(d, place, paths[i]) < 0)
            return;
}

static void check_rtmps(struct doctor *d, const struct place *place)
{
    struct probe p;
    bool is_open = doctor_visit(d, place, &p) == 0;

    if (is_open && probe_rtmp(&p) == 0)
        doctor_ok(d, "rtmps", place->subject, "an RTMP handshake comes through, over %s",
                  tls_probe_version(p.tls));
    else
        doctor_fault(d, "rtmps", place->subject, to_the_log, "no RTMP handshake comes through: %s",
                     p.fault.text);
    if (is_open)
        probe_close(&p);
}

static void check_rtmpts(struct doctor *d, const struct place *place)
{
    char authority[DOCTOR_HOST_BYTES];
    struct probe p;
    bool is_open = doctor_visit(d, place, &p) == 0;

    doctor_authority(d, place, authority);
    if (is_open && probe_rtmpt(&p, authority, d->response) == 0)
        doctor_ok(d, "rtmpts", place->subject, "opens an RTMPT session");
    else
        doctor_fault(d, "rtmpts", place->subject, to_the_log, "no RTMPT session comes through: %s",
                     p.fault.text);
    if (is_open)
        probe_close(&p);
}

static void check_listener(struct doctor *d, const struct listener_config *l)
{
    const struct place *place = doctor_place(d, l);
    const struct target *http = doctor_target(d, l, PROTOCOL_HTTP);
    const struct target *rtmp = doctor_target(d, l, PROTOCOL_RTMP);

    if (place == NULL)
        return;
    if (l->client_verify == CONFIG_VERIFY_REQUIRED) {
        doctor_warning(d, "https", place->subject, "try it with a client that has one",
                       "what passes through cannot be tried: it takes clients with a certificate "
                       "alone (client_verify = required)");
        return;
    }
    if (http != NULL && http->address != NULL)
        check_pages(d, place);
    if (rtmp != NULL && rtmp->address != NULL && !doctor_is_late(d))
        check_rtmps(d, place);
    if (http != NULL && http->has_rtmpt && !doctor_is_late(d))
        check_rtmpts(d, place);
}

void doctor_check_through(struct doctor *d)
{
    for (size_t i = 0; i < d->config->listener_count; i++)
        check_listener(d, &d->config->listeners[i]);
}
