#include "tls/context.h"

#include "tls/errors.h"
#include "tls/policy.h"
#include "tls/staple.h"
#include "tls/tickets.h"
#include "tls/verify.h"
#include "tls/wire.h"

#include <ctype.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/ui.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { READ_AHEAD_BYTES = 64 * 1024 };

void tls_setup(void)
{
    (void)OPENSSL_init_crypto(OPENSSL_INIT_NO_ATEXIT, NULL);
    UI_set_default_method(UI_null());
}

const char *tls_library_version(void)
{
    return OpenSSL_version(OPENSSL_VERSION);
}

/* ---- which certificates ---- */

static bool has_name(const struct tls_certificate *c, const char *name)
{
    for (size_t i = 0; i < c->dns_name_count; i++)
        if (strcasecmp(c->dns_names[i], name) == 0)
            return true;
    return false;
}

static bool has_names_of(const struct tls_certificate *c, const struct tls_certificate *other)
{
    for (size_t i = 0; i < other->dns_name_count; i++)
        if (!has_name(c, other->dns_names[i]))
            return false;
    return true;
}

static enum name_match best_match(const struct tls_context *context, const char *sni)
{
    enum name_match best = NAME_MISS;

    for (size_t i = 0; i < context->certificate_count && best != NAME_EXACT; i++) {
        enum name_match match = certificate_match(context->certificates[i], sni);

        if (match > best)
            best = match;
    }
    return best;
}

static bool has_type(const struct choice *choice, const struct tls_certificate *c)
{
    for (size_t i = 0; i < choice->count; i++)
        if (certificate_is_alike(choice->certificates[i], c))
            return true;
    return false;
}

/* Whether `c` answers for the name that was matched so well; for no name, whether
 * it stands for the same as the listener's first. */
static bool answers(const struct tls_context *context, const struct tls_certificate *c,
                    const char *sni, enum name_match best)
{
    const struct tls_certificate *first = context->certificates[0];

    if (best != NAME_MISS)
        return certificate_match(c, sni) == best;
    return c == first || (has_names_of(c, first) && has_names_of(first, c));
}

void context_choose(const struct tls_context *context, const char *sni, struct choice *choice)
{
    enum name_match best = *sni != '\0' ? best_match(context, sni) : NAME_MISS;

    *choice = (struct choice){ .count = 0 };
    for (size_t i = 0; i < context->certificate_count && choice->count < CHOICE_MAX; i++) {
        const struct tls_certificate *c = context->certificates[i];

        if (!has_type(choice, c) && answers(context, c, sni, best))
            choice->certificates[choice->count++] = c;
    }
}

static bool is_default(const struct tls_context *context, const struct choice *choice)
{
    return memcmp(choice, &context->by_default, sizeof(*choice)) == 0;
}

/* ---- callbacks ---- */

const char *hello_name(const struct hello *hello)
{
    return hello->name != NULL ? hello->name : "";
}

/* The server name, before OpenSSL looks at tickets; called again after a HelloRetryRequest.
 * What is malformed is left for OpenSSL to refuse: 2 bytes of list length, 1 of type (0),
 * 2 of length (RFC 6066, 3). Where memory has run out the handshake fails: a client that
 * said a name must not get the certificate or the ticket of one that said none. */
static int on_client_hello(SSL *ssl, int *alert, void *user)
{
    struct hello *hello = SSL_get_app_data(ssl);
    const unsigned char *p;
    size_t n;

    (void)user;
    free(hello->name);
    hello->name = NULL;
    if (SSL_client_hello_get0_ext(ssl, TLSEXT_TYPE_server_name, &p, &n) != 1 || n < 6 || p[2] != 0)
        return SSL_CLIENT_HELLO_SUCCESS;
    n -= 5;
    if (n != ((size_t)p[3] << 8 | p[4]) || n >= SERVER_NAME_BYTES)
        return SSL_CLIENT_HELLO_SUCCESS;
    hello->name = malloc(n + 1);
    if (hello->name == NULL) {
        hello->refusal = "memory has run out";
        *alert = SSL_AD_INTERNAL_ERROR;
        return SSL_CLIENT_HELLO_ERROR;
    }
    for (size_t i = 0; i < n; i++)
        hello->name[i] = (char)tolower(p[5 + i]);
    hello->name[n] = '\0';
    return SSL_CLIENT_HELLO_SUCCESS;
}

/* Called for resumed sessions as well. Also, OpenSSL keeps a name for the log
 * only where somebody asks for it. */
static int on_servername(SSL *ssl, int *alert, void *user)
{
    const struct tls_context *context = user;
    struct hello *hello = SSL_get_app_data(ssl);

    if (!context->rejects_unknown_names || *hello_name(hello) == '\0' ||
        best_match(context, hello_name(hello)) != NAME_MISS)
        return SSL_TLSEXT_ERR_OK;
    hello->refusal = "no certificate has the name that the client asked for";
    *alert = SSL_AD_UNRECOGNIZED_NAME;
    return SSL_TLSEXT_ERR_ALERT_FATAL;
}

/* Called for each full handshake. Of several key types OpenSSL takes one that the client
 * can verify. The default is set in the context, so most handshakes copy nothing. */
static int on_certificate(SSL *ssl, void *user)
{
    const struct tls_context *context = user;
    const struct hello *hello = SSL_get_app_data(ssl);
    struct choice choice;

    context_choose(context, hello_name(hello), &choice);
    if (is_default(context, &choice))
        return 1;
    SSL_certs_clear(ssl); /* or a default of another key type would stay eligible */
    for (size_t i = 0; i < choice.count; i++) {
        const struct tls_certificate *c = choice.certificates[i];

        if (SSL_use_cert_and_key(ssl, c->leaf, c->key, c->chain, 1) != 1)
            return 0;
    }
    return 1;
}

/* Clients that offer only what we do not speak (h2, say) go on without ALPN:
 * refused, they would not come back with less. The list was checked by OpenSSL,
 * and is walked as if it were not. */
static int on_alpn(SSL *ssl, const unsigned char **out, unsigned char *out_bytes,
                   const unsigned char *in, unsigned in_bytes, void *user)
{
    static const unsigned char http[] = "http/1.1";

    (void)ssl;
    (void)user;
    while (in_bytes > 0 && in[0] < in_bytes) {
        if (in[0] == sizeof(http) - 1 && memcmp(in + 1, http, sizeof(http) - 1) == 0) {
            *out = http;
            *out_bytes = sizeof(http) - 1;
            return SSL_TLSEXT_ERR_OK;
        }
        in_bytes -= in[0] + 1u;
        in += in[0] + 1u;
    }
    return SSL_TLSEXT_ERR_NOACK;
}

/* OpenSSL tells whose response it wants by the certificate that it chose. */
static int on_status_request(SSL *ssl, void *user)
{
    const struct tls_context *context = user;
    const X509 *leaf = SSL_get_certificate(ssl);

    for (size_t i = 0; i < context->certificate_count; i++) {
        const struct staple *staple = staple_current(context->certificates[i]);
        unsigned char *der;

        if (context->certificates[i]->leaf != leaf || staple == NULL)
            continue;
        der = OPENSSL_memdup(staple->der, staple->size);
        if (der == NULL)
            return SSL_TLSEXT_ERR_NOACK;
        (void)SSL_set_tlsext_status_ocsp_resp(ssl, der, (long)staple->size);
        return SSL_TLSEXT_ERR_OK;
    }
    return SSL_TLSEXT_ERR_NOACK;
}

/* ---- tickets ---- */

static int on_ticket_key(SSL *ssl, unsigned char *name, unsigned char *iv, EVP_CIPHER_CTX *cipher,
                         EVP_MAC_CTX *mac, int is_sealing)
{
    const struct tls_context *context = SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl));

    return tickets_key(context->tickets, name, iv, cipher, mac, is_sealing != 0);
}

/* OpenSSL resumes before it looks at the server name, so the name goes with the
 * ticket: a session that was made for one name is good for no other. */
static int on_ticket_made(SSL *ssl, void *user)
{
    const char *name = hello_name(SSL_get_app_data(ssl));

    (void)user;
    return SSL_SESSION_set1_ticket_appdata(SSL_get_session(ssl), name, strlen(name));
}

static bool is_of_this_name(SSL *ssl, SSL_SESSION *session)
{
    const char *name = hello_name(SSL_get_app_data(ssl));
    void *sealed = NULL;
    size_t n = 0;

    return SSL_SESSION_get0_ticket_appdata(session, &sealed, &n) == 1 && n == strlen(name) &&
           (n == 0 || memcmp(sealed, name, n) == 0);
}

static SSL_TICKET_RETURN on_ticket_read(SSL *ssl, SSL_SESSION *session, const unsigned char *name,
                                        size_t name_bytes, SSL_TICKET_STATUS status, void *user)
{
    const struct tls_context *context = user;

    (void)name;
    (void)name_bytes;
    if (status != SSL_TICKET_SUCCESS && status != SSL_TICKET_SUCCESS_RENEW)
        return SSL_TICKET_RETURN_IGNORE_RENEW;
    if (!is_of_this_name(ssl, session) || !verify_is_current(session, context->crl_until))
        return SSL_TICKET_RETURN_IGNORE_RENEW;
    return status == SSL_TICKET_SUCCESS ? SSL_TICKET_RETURN_USE : SSL_TICKET_RETURN_USE_RENEW;
}

/* Tickets only: nothing to share between workers, nothing to grow. None is sent
 * in a TLS 1.3 handshake, see tls_conn_send_ticket(). */
static void set_tickets(struct tls_context *context, const struct tls_options *options)
{
    (void)SSL_CTX_set_session_cache_mode(context->ssl, SSL_SESS_CACHE_OFF);
    (void)SSL_CTX_set_num_tickets(context->ssl, 0);
    (void)SSL_CTX_set_timeout(context->ssl, TICKET_LIFETIME_S);
    (void)SSL_CTX_set_session_ticket_cb(context->ssl, on_ticket_made, on_ticket_read, context);
    context->tickets = options->tickets;
    (void)SSL_CTX_set_app_data(context->ssl, context);
    if (options->tickets != NULL)
        (void)SSL_CTX_set_tlsext_ticket_key_evp_cb(context->ssl, on_ticket_key);
}

/* ---- making one ---- */

/* What a session was made under: a ticket is good where this is the same. */
static int digest_policy(SSL_CTX *ssl, const struct tls_options *options, EVP_MD_CTX *digest)
{
    const STACK_OF(SSL_CIPHER) *ciphers = SSL_CTX_get_ciphers(ssl);
    int numbers[] = { (int)SSL_CTX_get_min_proto_version(ssl),
                      (int)SSL_CTX_get_max_proto_version(ssl), SSL_CTX_get_security_level(ssl) };
    int rc = EVP_DigestInit_ex(digest, EVP_sha256(), NULL) == 1 &&
             EVP_DigestUpdate(digest, options->name, strlen(options->name) + 1) == 1 &&
             EVP_DigestUpdate(digest, numbers, sizeof(numbers)) == 1;

    for (int i = 0; rc == 1 && i < sk_SSL_CIPHER_num(ciphers); i++) {
        uint32_t id = SSL_CIPHER_get_id(sk_SSL_CIPHER_value(ciphers, i));

        rc = EVP_DigestUpdate(digest, &id, sizeof(id));
    }
    return rc == 1 ? 0 : -1;
}

static int set_policy(struct tls_context *context, const struct tls_options *options,
                      const struct tls_report *report, const char **option, struct error *err)
{
    EVP_MD_CTX *digest = EVP_MD_CTX_new();
    unsigned char id[EVP_MAX_MD_SIZE];
    unsigned n = 0;
    int rc = policy_apply(context->ssl, options, option, err);

    if (rc == 0 && (digest == NULL || digest_policy(context->ssl, options, digest) < 0))
        rc = error_set(err, "memory has run out");
    if (rc == 0)
        rc = verify_apply(context, options, digest, report, option, err);
    if (rc == 0 && (EVP_DigestFinal_ex(digest, id, &n) != 1 ||
                    SSL_CTX_set_session_id_context(context->ssl, id, n) != 1))
        rc = tls_error_set(err, "the session context cannot be set");
    EVP_MD_CTX_free(digest);
    return rc;
}

/* Several records for each receive, and no record buffer while a conn idles. */
static void set_buffers(SSL_CTX *ssl)
{
    (void)SSL_CTX_set_mode(ssl, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    SSL_CTX_set_read_ahead(ssl, 1);
    SSL_CTX_set_default_read_buffer_len(ssl, READ_AHEAD_BYTES);
}

static int set_certificates(struct tls_context *context, const struct tls_options *options,
                            struct error *err)
{
    context->certificates = calloc(options->certificate_count, sizeof(*context->certificates));
    if (context->certificates == NULL)
        return error_set(err, "memory has run out");
    memcpy(context->certificates, options->certificates,
           options->certificate_count * sizeof(*context->certificates));
    context->certificate_count = options->certificate_count;

    context_choose(context, "", &context->by_default);
    for (size_t i = 0; i < context->by_default.count; i++) {
        const struct tls_certificate *c = context->by_default.certificates[i];

        if (SSL_CTX_use_cert_and_key(context->ssl, c->leaf, c->key, c->chain, 1) != 1)
            return tls_error_set(err, "the certificate cannot be used");
    }
    return 0;
}

static void set_callbacks(struct tls_context *context, const struct tls_options *options)
{
    context->rejects_unknown_names = options->rejects_unknown_names;
    SSL_CTX_set_client_hello_cb(context->ssl, on_client_hello, NULL);
    (void)SSL_CTX_set_tlsext_servername_callback(context->ssl, on_servername);
    (void)SSL_CTX_set_tlsext_servername_arg(context->ssl, context);
    SSL_CTX_set_cert_cb(context->ssl, on_certificate, context);
    (void)SSL_CTX_set_tlsext_status_cb(context->ssl, on_status_request);
    (void)SSL_CTX_set_tlsext_status_arg(context->ssl, context);
    if (options->offers_http)
        SSL_CTX_set_alpn_select_cb(context->ssl, on_alpn, NULL);
}

static int set_up(struct tls_context *context, const struct tls_options *options,
                  const struct tls_report *report, const char **option, struct error *err)
{
    *option = NULL;
    if (wire_setup() < 0)
        return error_set(err, "memory has run out");
    ERR_clear_error();
    context->ssl = SSL_CTX_new(TLS_server_method());
    if (context->ssl == NULL)
        return tls_error_set(err, "OpenSSL cannot be used");
    if (set_policy(context, options, report, option, err) < 0)
        return -1;
    *option = "certificates";
    if (set_certificates(context, options, err) < 0)
        return -1;
    set_tickets(context, options);
    set_callbacks(context, options);
    set_buffers(context->ssl);
    context->may_offload = options->may_offload;
    if (options->may_offload)
        (void)SSL_CTX_set_options(context->ssl, SSL_OP_ENABLE_KTLS);
    return 0;
}

struct tls_context *tls_context_new(const struct tls_options *options,
                                    const struct tls_report *report)
{
    struct tls_context *context = calloc(1, sizeof(*context));
    const char *option;
    struct error err;

    if (context == NULL) {
        report->say(report->user, TLS_FAULT, NULL, "memory has run out");
    } else if (set_up(context, options, report, &option, &err) < 0) {
        report->say(report->user, TLS_FAULT, option, err.text);
        tls_context_free(context);
        context = NULL;
    }
    return context;
}

void tls_context_free(struct tls_context *context)
{
    if (context == NULL)
        return;
    SSL_CTX_free(context->ssl);
    free(context->certificates);
    free(context);
}
