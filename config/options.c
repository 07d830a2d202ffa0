/* options.c - THE table: what proxy.ini may say.
 *
 * Adding a key is adding a row: the parser, the default, the range, the
 * effective set-up that -t prints and the check for keys without effect all
 * read it. A key is in the table only when it does something.
 */
#include "config/options.h"

#include "base/uri.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

enum { SECOND = 1000, MINUTE = 60 * SECOND, HOUR = 60 * MINUTE, DAY = 24 * HOUR };

enum { KIB = 1024, MIB = 1024 * KIB };

static const char *const log_levels[] = { "error", "warn", "info", "debug", NULL };
static const char *const schemes[] = { "http", "https", NULL };
static const char *const forwarded_words[] = { "replace", "append", "off", NULL };

static const char *const policies[] = { "modern", "intermediate", "legacy", NULL };
static const char *const versions[] = {
    "policy", "TLSv1.0", "TLSv1.1", "TLSv1.2", "TLSv1.3", NULL
};
static const char *const unknown_names[] = { "default", "reject", NULL };
static const char *const offloads[] = { "auto", "on", "off", NULL };
static const char *const verifications[] = { "none", "optional", "required", NULL };

#define PROXY(field)       offsetof(struct proxy_config, field)
#define CERTIFICATE(field) offsetof(struct certificate_config, field)
#define LISTENER(field)    offsetof(struct listener_config, field)

/* clang-format off */
const struct option options[] = {
    { "proxy", "workers", OPT_NUMBER, PROXY(workers),
      .min = 1, .max = CONFIG_WORKERS_MAX, .word = "auto", .fallback = "auto",
      .help = "Worker processes; auto is one for each CPU." },
    { "proxy", "user", OPT_TEXT, PROXY(user),
      .help = "What the workers drop to, when started as root." },
    { "proxy", "group", OPT_TEXT, PROXY(group),
      .help = "The workers' group; default: the user's primary group." },
    { "proxy", "log_level", OPT_CHOICE, PROXY(log_level),
      .choices = log_levels, .fallback = "info",
      .help = "error, warn, info or debug." },
    { "proxy", "max_sessions", OPT_NUMBER, PROXY(max_sessions),
      .min = 1, .max = 10000000, .word = "auto", .fallback = "auto",
      .help = "Sessions at once, over all workers; auto is what the descriptor limit allows." },
    { "proxy", "stop_timeout", OPT_DURATION, PROXY(stop_timeout_ms),
      .min = 0, .max = DAY, .fallback = "90s",
      .help = "After TERM, how long sessions may take to end by themselves." },
    { "proxy", "drain_timeout", OPT_DURATION, PROXY(drain_timeout_ms),
      .min = 0, .max = 7ull * DAY, .fallback = "0s",
      .help = "After a reload, how long sessions from before may last; 0s is as long as they like." },
    { "proxy", "watch", OPT_FLAG, PROXY(watch),
      .fallback = "on",
      .help = "Reload certificates, CAs, lists and ticket keys when their files change." },
    { "proxy", "ticket_keys", OPT_PATH, PROXY(ticket_keys),
      .help = "File of session ticket keys, shared with other machines; default: keys of our own." },

    { "certificate", "chain", OPT_PATH, CERTIFICATE(chain),
      .may_be_uri = true,
      .help = "PEM, DER or PKCS#7 file: the certificate and its intermediates, in any order." },
    { "certificate", "key", OPT_PATH, CERTIFICATE(key),
      .may_be_uri = true,
      .help = "PEM or DER file with the private key, not readable by others; or pkcs11:..." },
    { "certificate", "key_password_file", OPT_PATH, CERTIFICATE(key_password_file),
      .help = "File with the password of an encrypted key; not readable by others." },
    { "certificate", "keystore", OPT_PATH, CERTIFICATE(keystore),
      .help = "PKCS#12 file with certificates and private key, instead of chain and key." },
    { "certificate", "keystore_password_file", OPT_PATH, CERTIFICATE(keystore_password_file),
      .help = "File with the password of the keystore; not readable by others." },
    { "certificate", "keystore_alias", OPT_TEXT, CERTIFICATE(keystore_alias),
      .help = "Which private key of the keystore; default: the only one." },
    { "certificate", "ocsp", OPT_PATH, CERTIFICATE(ocsp),
      .help = "DER file with an OCSP response, sent with the certificate while it holds." },

    { "listener", "listen", OPT_WORDS, LISTENER(listen),
      .help = "Addresses: *:5443 is IPv4 and IPv6, 127.0.0.1:5443, [::1]:5443." },
    { "listener", "certificates", OPT_WORDS, LISTENER(certificates),
      .serves = OFFERS_TLS,
      .help = "Names of [certificate] sections; the first is the default, SNI chooses the others." },
    { "listener", "protocols", OPT_WORDS, LISTENER(protocols),
      .serves = OFFERS_TLS,
      .help = "http, rtmp or both; or tunnel. Default: those whose backend is set." },
    { "listener", "http_backend", OPT_TEXT, LISTENER(backends[PROTOCOL_HTTP].text),
      .serves = OFFERS_HTTP, .help = "Where HTTP goes: HOST:PORT." },
    { "listener", "rtmp_backend", OPT_TEXT, LISTENER(backends[PROTOCOL_RTMP].text),
      .serves = OFFERS_RTMP, .help = "Where RTMP goes: HOST:PORT." },
    { "listener", "tunnel_backend", OPT_TEXT, LISTENER(backends[PROTOCOL_TUNNEL].text),
      .serves = OFFERS_TUNNEL, .help = "Where a tunnel goes: HOST:PORT." },
    { "listener", "tls", OPT_CHOICE, LISTENER(tls),
      .choices = policies, .fallback = "intermediate",
      .serves = OFFERS_TLS,
      .help = "TLS versions and ciphers: modern, intermediate, legacy." },
    { "listener", "tls_min", OPT_CHOICE, LISTENER(tls_min),
      .choices = versions, .fallback = "policy",
      .serves = OFFERS_TLS,
      .help = "The lowest TLS version: TLSv1.2, say; policy is what tls says." },
    { "listener", "tls_max", OPT_CHOICE, LISTENER(tls_max),
      .choices = versions, .fallback = "policy",
      .serves = OFFERS_TLS,
      .help = "The highest TLS version." },
    { "listener", "ciphers", OPT_WORDS, LISTENER(ciphers),
      .serves = OFFERS_TLS,
      .help = "Ciphers of TLS 1.2 and older, the best first." },
    { "listener", "ciphersuites", OPT_WORDS, LISTENER(ciphersuites),
      .serves = OFFERS_TLS,
      .help = "Cipher suites of TLS 1.3, the best first." },
    { "listener", "curves", OPT_WORDS, LISTENER(curves),
      .serves = OFFERS_TLS,
      .help = "Groups for the key exchange, the best first." },
    { "listener", "unknown_sni", OPT_CHOICE, LISTENER(unknown_sni),
      .choices = unknown_names, .fallback = "default",
      .serves = OFFERS_TLS,
      .help = "For a name that no certificate has: the first certificate, or reject." },
    { "listener", "client_verify", OPT_CHOICE, LISTENER(client_verify),
      .choices = verifications, .fallback = "none",
      .serves = OFFERS_TLS,
      .help = "Client certificates: none, optional or required." },
    { "listener", "client_ca", OPT_PATH, LISTENER(client_ca),
      .serves = OFFERS_TLS,
      .help = "PEM file of the CAs that vouch for clients." },
    { "listener", "client_crl", OPT_PATH, LISTENER(client_crl),
      .serves = OFFERS_TLS,
      .help = "PEM file of revocation lists, one of each CA." },
    { "listener", "ktls", OPT_CHOICE, LISTENER(ktls),
      .choices = offloads, .fallback = "auto",
      .serves = OFFERS_TLS,
      .help = "Kernel TLS for what is sent: auto (where it works and pays), on or off." },
    { "listener", "handshake_timeout", OPT_DURATION, LISTENER(handshake_timeout_ms),
      .min = 100, .max = HOUR, .fallback = "10s", .serves = OFFERS_TLS,
      .help = "From accept to the end of the TLS handshake, however many bytes arrive." },
    { "listener", "first_byte_timeout", OPT_DURATION, LISTENER(first_byte_timeout_ms),
      .min = 100, .max = HOUR, .fallback = "10s", .serves = OFFERS_HTTP | OFFERS_RTMP | OFFERS_REDIRECT,
      .help = "From the handshake to the first decrypted byte." },
    { "listener", "connect_timeout", OPT_DURATION, LISTENER(connect_timeout_ms),
      .min = 100, .max = HOUR, .fallback = "3s", .serves = OFFERS_TLS,
      .help = "To reach the backend, waiting for a turn and retries included." },
    { "listener", "idle_timeout", OPT_DURATION, LISTENER(idle_timeout_ms),
      .min = SECOND, .max = 7ull * DAY, .fallback = "5m", .serves = OFFERS_TLS,
      .help = "Close an RTMP session, a tunnel, a WebSocket or an HTTP body with no bytes either way." },
    { "listener", "header_timeout", OPT_DURATION, LISTENER(header_timeout_ms),
      .min = 100, .max = HOUR, .fallback = "15s", .serves = OFFERS_HTTP | OFFERS_REDIRECT,
      .help = "From a request's first byte to the end of its head." },
    { "listener", "keepalive_timeout", OPT_DURATION, LISTENER(keepalive_timeout_ms),
      .min = 100, .max = DAY, .fallback = "75s", .serves = OFFERS_HTTP,
      .help = "Between a response and the next request." },
    { "listener", "response_timeout", OPT_DURATION, LISTENER(response_timeout_ms),
      .min = SECOND, .max = 7ull * DAY, .fallback = "15m", .serves = OFFERS_HTTP,
      .help = "From the end of a request to the head of its response." },
    { "listener", "half_close_timeout", OPT_DURATION, LISTENER(half_close_timeout_ms),
      .min = SECOND, .max = DAY, .fallback = "60s",
      .help = "Close a session with one side ended and no bytes on the other." },
    { "listener", "batch_delay", OPT_DELAY, LISTENER(batch_delay_us),
      .min = 0, .max = 10000, .fallback = "500us", .serves = OFFERS_RTMP | OFFERS_TUNNEL,
      .help = "How long a worker that is woken very often lets small messages gather; 0us: it does not." },
    { "listener", "max_dials", OPT_NUMBER, LISTENER(max_dials),
      .min = 1, .max = 65535, .fallback = "32", .serves = OFFERS_TLS,
      .help = "Connections being opened to one backend at once, over all workers." },
    { "listener", "tickets", OPT_FLAG, LISTENER(tickets),
      .fallback = "off", .serves = OFFERS_TUNNEL,
      .help = "Send a TLS 1.3 session ticket after the handshake." },

    { "listener", "max_header_bytes", OPT_SIZE, LISTENER(max_header_bytes),
      .min = KIB, .max = 64ull * KIB, .fallback = "8k", .serves = OFFERS_HTTP | OFFERS_REDIRECT,
      .help = "The longest head of a request or a response." },
    { "listener", "max_body_bytes", OPT_SIZE, LISTENER(max_body_bytes),
      .min = KIB, .max = 1024ull * 1024 * MIB, .word = "none", .fallback = "none", .serves = OFFERS_HTTP,
      .help = "The longest body of a request; none is no limit." },
    { "listener", "backend_scheme", OPT_CHOICE, LISTENER(backend_scheme),
      .choices = schemes, .fallback = "http", .serves = OFFERS_HTTP,
      .help = "What the HTTP backend believes to be reached by; https where its connector says secure." },
    { "listener", "forwarded", OPT_CHOICE, LISTENER(forwarded),
      .choices = forwarded_words, .fallback = "replace", .serves = OFFERS_HTTP,
      .help = "X-Forwarded-* and Forwarded: replace, append (to a trusted proxy's) or off." },
    { "listener", "trusted_proxies", OPT_WORDS, LISTENER(trusted_proxies), .serves = OFFERS_HTTP,
      .help = "Addresses or networks whose X-Forwarded-* fields are believed." },
    { "listener", "rewrite_location", OPT_FLAG, LISTENER(rewrite_location),
      .fallback = "on", .serves = OFFERS_HTTP,
      .help = "Location, Content-Location and Refresh that name this server with http get https." },
    { "listener", "secure_cookies", OPT_FLAG, LISTENER(secure_cookies),
      .fallback = "on", .serves = OFFERS_HTTP,
      .help = "Set-Cookie gets Secure." },
    { "listener", "rewrite_origin", OPT_FLAG, LISTENER(rewrite_origin),
      .fallback = "on", .serves = OFFERS_HTTP,
      .help = "Origin and Referer of this server get the scheme that the backend expects." },
    { "listener", "rewrite_csp", OPT_FLAG, LISTENER(rewrite_csp),
      .fallback = "on", .serves = OFFERS_HTTP,
      .help = "ws: of this server in a Content-Security-Policy becomes wss:." },
    { "listener", "rewrite_jnlp", OPT_FLAG, LISTENER(rewrite_jnlp),
      .fallback = "on", .serves = OFFERS_HTTP,
      .help = "The codebase of a Java Web Start file that names this server with http gets https." },
    { "listener", "hsts", OPT_TEXT, LISTENER(hsts),
      .fallback = "pass", .serves = OFFERS_HTTP,
      .help = "Strict-Transport-Security: pass, strip, or the value to set." },
    { "listener", "override", OPT_WORDS, LISTENER(override), .serves = OFFERS_HTTP,
      .help = "PATH FILE: answer GET of exactly PATH with FILE; more pairs in indented lines." },
    { "listener", "redirect", OPT_TEXT, LISTENER(redirect), .serves = OFFERS_REDIRECT,
      .help = "https://HOST:PORT: plain HTTP that is sent there; no certificates, no backend." },
};
/* clang-format on */

const size_t option_count = sizeof(options) / sizeof(options[0]);

_Static_assert(sizeof(options) / sizeof(options[0]) <= CONFIG_OPTIONS_MAX,
               "CONFIG_OPTIONS_MAX is too small for the table");

static int parse_number(const struct option *o, const char *text, void *field, struct error *err)
{
    unsigned *out = field;
    unsigned long long n;
    char *end;

    if (o->word != NULL && strcmp(text, o->word) == 0) {
        *out = 0;
        return 0;
    }
    n = strtoull(text, &end, 10);
    if (!isdigit((unsigned char)*text) || *end != '\0')
        return error_set(err, "\"%s\" is no number", text);
    if (n < o->min || n > o->max)
        return error_set(err, "%s is out of range (%llu to %llu)", text, (unsigned long long)o->min,
                         (unsigned long long)o->max);
    *out = (unsigned)n;
    return 0;
}

static int parse_duration(const struct option *o, const char *text, void *field, struct error *err)
{
    static const struct {
        const char *unit;
        unsigned ms;
    } units[] = { { "ms", 1 }, { "s", SECOND }, { "m", MINUTE }, { "h", HOUR } };
    uint64_t *out = field;
    unsigned long long n;
    char *end;

    n = strtoull(text, &end, 10);
    for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
        if (!isdigit((unsigned char)*text) || strcmp(end, units[i].unit) != 0)
            continue;
        if (n > o->max || n * units[i].ms < o->min || n * units[i].ms > o->max)
            return error_set(err, "%s is out of range (%llums to %llus)", text,
                             (unsigned long long)o->min, (unsigned long long)o->max / SECOND);
        *out = n * units[i].ms;
        return 0;
    }
    return error_set(err, "\"%s\" is no time; write a number and ms, s, m or h, as 90s", text);
}

static int parse_delay(const struct option *o, const char *text, void *field, struct error *err)
{
    char *end;
    unsigned long long n = strtoull(text, &end, 10);
    unsigned long long unit = strcmp(end, "ms") == 0 ? 1000 : strcmp(end, "us") == 0 ? 1 : 0;

    if (!isdigit((unsigned char)*text) || unit == 0)
        return error_set(err, "\"%s\" is no short time; write a number and us or ms, as 500us",
                         text);
    if (n > o->max || n * unit < o->min || n * unit > o->max)
        return error_set(err, "%s is out of range (%lluus to %lluus)", text,
                         (unsigned long long)o->min, (unsigned long long)o->max);
    *(uint64_t *)field = n * unit;
    return 0;
}

static int parse_size(const struct option *o, const char *text, void *field, struct error *err)
{
    static const struct {
        const char *unit;
        unsigned shift;
    } units[] = { { "", 0 }, { "k", 10 }, { "m", 20 }, { "g", 30 } };
    uint64_t *out = field;
    unsigned long long n;
    char *end;

    if (o->word != NULL && strcmp(text, o->word) == 0) {
        *out = 0;
        return 0;
    }
    n = strtoull(text, &end, 10);
    for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
        if (!isdigit((unsigned char)*text) || strcmp(end, units[i].unit) != 0)
            continue;
        if (n > o->max || n << units[i].shift < o->min || n << units[i].shift > o->max)
            return error_set(err, "%s is out of range (%llu to %llu bytes)", text,
                             (unsigned long long)o->min, (unsigned long long)o->max);
        *out = n << units[i].shift;
        return 0;
    }
    return error_set(err, "\"%s\" is no size; write a number of bytes, or one and k, m or g", text);
}

static int parse_flag(const struct option *o, const char *text, void *field, struct error *err)
{
    (void)o;
    if (strcmp(text, "on") != 0 && strcmp(text, "off") != 0)
        return error_set(err, "\"%s\" is neither on nor off", text);
    *(bool *)field = strcmp(text, "on") == 0;
    return 0;
}

static int parse_choice(const struct option *o, const char *text, void *field, struct error *err)
{
    char known[128] = "";

    for (unsigned i = 0; o->choices[i] != NULL; i++) {
        if (strcmp(text, o->choices[i]) == 0) {
            *(unsigned *)field = i;
            return 0;
        }
        (void)strncat(known, i > 0 ? ", " : "", sizeof(known) - strlen(known) - 1);
        (void)strncat(known, o->choices[i], sizeof(known) - strlen(known) - 1);
    }
    return error_set(err, "\"%s\" is not one of %s", text, known);
}

static int parse_text(const struct option *o, const char *text, void *field, struct error *err)
{
    (void)o;
    *(char **)field = strdup(text);
    return *(char **)field != NULL ? 0 : error_set(err, "memory has run out");
}

static int parse_words(const struct option *o, const char *text, void *field, struct error *err)
{
    struct words *out = field;
    char **items;
    size_t n;

    (void)o;
    for (;;) {
        text += strspn(text, " \t");
        n = strcspn(text, " \t");
        if (n == 0)
            return out->count > 0 ? 0 : error_set(err, "has no value");
        items = realloc(out->items, (out->count + 1) * sizeof(*items));
        if (items == NULL)
            return error_set(err, "memory has run out");
        out->items = items;
        items[out->count] = strndup(text, n);
        if (items[out->count] == NULL)
            return error_set(err, "memory has run out");
        out->count++;
        text += n;
    }
}

static int parse_path(const struct option *o, const char *text, const char *directory, char **field,
                      struct error *err)
{
    if (*text == '/' || (o->may_be_uri && uri_is(text)))
        directory = "";
    else if (uri_is(text) || uri_is(directory))
        return error_set(err,
                         "\"%s%s\" looks like a URI and must be a file; write an absolute path",
                         directory, text);
    if (asprintf(field, "%s%s", directory, text) < 0) {
        *field = NULL;
        return error_set(err, "memory has run out");
    }
    return 0;
}

static int parse(const struct option *o, const char *text, const char *directory, void *field,
                 struct error *err)
{
    switch (o->type) {
    case OPT_NUMBER:
        return parse_number(o, text, field, err);
    case OPT_DURATION:
        return parse_duration(o, text, field, err);
    case OPT_DELAY:
        return parse_delay(o, text, field, err);
    case OPT_SIZE:
        return parse_size(o, text, field, err);
    case OPT_FLAG:
        return parse_flag(o, text, field, err);
    case OPT_CHOICE:
        return parse_choice(o, text, field, err);
    case OPT_TEXT:
        return parse_text(o, text, field, err);
    case OPT_PATH:
        return parse_path(o, text, directory, field, err);
    case OPT_WORDS:
        return parse_words(o, text, field, err);
    }
    return error_set(err, "is of no known type");
}

int option_find(const char *kind, const char *key)
{
    for (size_t i = 0; i < option_count; i++)
        if (strcmp(options[i].section, kind) == 0 && strcmp(options[i].key, key) == 0)
            return (int)i;
    return -1;
}

const char *option_text(const struct section *section, size_t i)
{
    const char *text = section->settings[i].text;

    return text != NULL ? text : options[i].fallback;
}

void options_apply(const char *kind, struct section *section, const char *directory,
                   struct complaints *c)
{
    for (size_t i = 0; i < option_count; i++) {
        const struct option *o = &options[i];
        const char *text = option_text(section, i);
        struct error err;

        if (strcmp(o->section, kind) != 0 || text == NULL)
            continue;
        if (parse(o, text, directory, (char *)section + o->offset, &err) < 0)
            complain(c, section->settings[i].line, section->name, o->key, "%s", err.text);
    }
}

static void free_field(const struct option *o, void *field)
{
    struct words *words = field;

    if (o->type == OPT_TEXT || o->type == OPT_PATH)
        free(*(char **)field);
    if (o->type != OPT_WORDS)
        return;
    for (size_t i = 0; i < words->count; i++)
        free(words->items[i]);
    free(words->items);
}

void options_free(const char *kind, struct section *section)
{
    for (size_t i = 0; i < option_count; i++) {
        free(section->settings[i].text);
        if (strcmp(options[i].section, kind) == 0)
            free_field(&options[i], (char *)section + options[i].offset);
    }
}
