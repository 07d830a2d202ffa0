#include "proxy/session_log.h"

#include "proxy/exchange.h"
#include "proxy/session_set.h"
#include "tls/tls.h"

#include <stdio.h>

/* What the client was sent: not what still waits to be. */
static uint64_t sent_to_client(const struct session *s)
{
    size_t waiting = s->client.tls != NULL ? tls_conn_pending(s->client.tls) : 0;

    return s->out.delivered > waiting ? s->out.delivered - waiting : 0;
}

static const char *or_dash(const char *text)
{
    return text != NULL ? text : "-";
}

static void describe_fault(const struct session *s, char *out, size_t size)
{
    static const char *const doing[] = {
        [SESSION_HANDSHAKE] = "in the TLS handshake",
        [SESSION_ROUTING] = "waiting for the first byte",
        [SESSION_CONNECTING] = "while connecting to backend ",
        [SESSION_RELAYING] = "while relaying",
        [SESSION_REQUEST] = "in a request's head",
        [SESSION_ANSWERING] = "while answering",
    };
    bool is_dialling = s->end_state == SESSION_CONNECTING;

    out[0] = '\0';
    if (s->fault != NULL)
        (void)snprintf(out, size, " error=\"%s %s%s\"", s->fault, doing[s->end_state],
                       is_dialling ? session_backend(s)->text : "");
}

/* Who showed a certificate: printable ASCII, in quotes, cut where it is very long. */
static void describe_subject(const struct session *s, char *out, size_t size)
{
    const char *subject = s->client.tls != NULL ? tls_conn_client_subject(s->client.tls) : NULL;
    size_t n = 0;

    out[0] = '\0';
    if (subject == NULL)
        return;
    n = (size_t)snprintf(out, size, " subject=\"");
    for (; *subject != '\0' && n + 4 < size; subject++) {
        if (*subject == '"' || *subject == '\\')
            out[n++] = '\\';
        out[n++] = *subject;
    }
    (void)snprintf(out + n, size - n, "\"");
}

void session_log_end(const struct session *s)
{
    const struct tls_conn *tls = s->client.tls;
    char client[ADDR_TEXT_BYTES];
    char sni[256];
    char subject[288];
    char fault[256];
    char requests[32] = "";

    if (!log_is_on(ends[s->end].level))
        return;
    describe_subject(s, subject, sizeof(subject));
    describe_fault(s, fault, sizeof(fault));
    if (s->http != NULL)
        (void)snprintf(requests, sizeof(requests), " requests=%u", s->http->count);
    log_line(ends[s->end].level,
             "session %llu %s %s > %s protocol=%s tls=%s cipher=%s sni=%s certificate=%s end=%s "
             "ms=%llu in=%llu out=%llu%s%s%s%s%s",
             (unsigned long long)s->number, s->front->config->name, addr_print(&s->address, client),
             or_dash(s->is_dialled ? session_backend(s)->text : NULL), protocol_name(s->protocol),
             or_dash(tls != NULL ? tls_conn_version(tls) : NULL),
             or_dash(tls != NULL ? tls_conn_cipher(tls) : NULL),
             log_escape(or_dash(tls != NULL ? tls_conn_sni(tls) : NULL), sni, sizeof(sni)),
             or_dash(tls != NULL ? tls_conn_certificate(tls) : NULL), ends[s->end].word,
             (unsigned long long)(uv_now(s->set->loop) - s->accepted_ms),
             (unsigned long long)s->in.delivered, (unsigned long long)sent_to_client(s),
             tls != NULL && tls_conn_is_offloaded(tls) ? " ktls=tx" : "",
             s->out.spliced > 0 ? " spliced=out" : "", requests, subject, fault);
}

void session_log_state(const struct session *s)
{
    static const char *const entered[] = {
        [SESSION_HANDSHAKE] = "accepted",
        [SESSION_ROUTING] = "waits for the first byte",
        [SESSION_CONNECTING] = "connects to its backend",
        [SESSION_REQUEST] = "waits for a request",
        [SESSION_RELAYING] = "relays",
        [SESSION_ANSWERING] = "is answered here",
    };
    char client[ADDR_TEXT_BYTES];

    if (log_is_on(LOG_DEBUG))
        log_debug("session %llu %s %s %s", (unsigned long long)s->number, s->front->config->name,
                  addr_print(&s->address, client), entered[s->state]);
}
