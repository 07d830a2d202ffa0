#include "tls/context.h"

#include "tls/errors.h"
#include "tls/wire.h"

#include <openssl/crypto.h>
#include <openssl/err.h>
#include <stdlib.h>
#include <string.h>

enum { READ_AHEAD_BYTES = 64 * 1024 };

/* TLS 1.2: forward secrecy and AEAD only, as Mozilla's "intermediate" has it
 * (guidelines 5.7), without DHE. TLS 1.3: OpenSSL's own list. */
static const char tls12_ciphers[] = "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:"
                                    "ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-RSA-AES256-GCM-SHA384:"
                                    "ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305";

const char *tls_library_version(void)
{
    return OpenSSL_version(OPENSSL_VERSION);
}

const struct tls_certificate *context_choose(const struct tls_context *context, const char *sni)
{
    const struct tls_certificate *wildcard = NULL;

    for (size_t i = 0; sni != NULL && i < context->certificate_count; i++) {
        enum name_match match = certificate_match(context->certificates[i], sni);

        if (match == NAME_EXACT)
            return context->certificates[i];
        if (match == NAME_WILDCARD && wildcard == NULL)
            wildcard = context->certificates[i];
    }
    return wildcard != NULL ? wildcard : context->certificates[0];
}

/* Called for each full handshake, when the ClientHello was read. The default
 * is set in the context, so most handshakes copy nothing. */
static int on_certificate(SSL *ssl, void *user)
{
    const struct tls_context *context = user;
    const char *sni = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);
    const struct tls_certificate *c = context_choose(context, sni);

    if (c == context->certificates[0])
        return 1;
    SSL_certs_clear(ssl); /* or a default of another key type would stay eligible */
    return SSL_use_cert_and_key(ssl, c->leaf, c->key, c->chain, 1);
}

static int set_protocol(SSL_CTX *ssl, const char *name, struct error *err)
{
    (void)SSL_CTX_set_options(ssl, SSL_OP_NO_COMPRESSION | SSL_OP_NO_RENEGOTIATION |
                                       SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_PRIORITIZE_CHACHA);
    if (SSL_CTX_set_min_proto_version(ssl, TLS1_2_VERSION) != 1 ||
        SSL_CTX_set_cipher_list(ssl, tls12_ciphers) != 1)
        return tls_error_set(err, "the TLS policy cannot be set");

    /* Tickets only: nothing to share between workers, nothing to grow. None is
     * sent in a TLS 1.3 handshake, see tls_conn_send_ticket(). */
    (void)SSL_CTX_set_session_cache_mode(ssl, SSL_SESS_CACHE_OFF);
    (void)SSL_CTX_set_num_tickets(ssl, 0);
    if (SSL_CTX_set_session_id_context(ssl, (const unsigned char *)name,
                                       (unsigned)strnlen(name, SSL_MAX_SID_CTX_LENGTH)) != 1)
        return tls_error_set(err, "the session context cannot be set");
    return 0;
}

/* Several records for each receive, and no record buffer while a conn idles. */
static void set_buffers(SSL_CTX *ssl)
{
    (void)SSL_CTX_set_mode(ssl, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    SSL_CTX_set_read_ahead(ssl, 1);
    SSL_CTX_set_default_read_buffer_len(ssl, READ_AHEAD_BYTES);
}

/* OpenSSL keeps a name for the log only where somebody asks for it. */
static int on_servername(SSL *ssl, int *alert, void *user)
{
    (void)ssl;
    (void)alert;
    (void)user;
    return SSL_TLSEXT_ERR_OK;
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

static int set_certificates(struct tls_context *context, const struct tls_options *options,
                            struct error *err)
{
    const struct tls_certificate *first = options->certificates[0];

    context->certificates = calloc(options->certificate_count, sizeof(*context->certificates));
    if (context->certificates == NULL)
        return error_set(err, "memory has run out");
    memcpy(context->certificates, options->certificates,
           options->certificate_count * sizeof(*context->certificates));
    context->certificate_count = options->certificate_count;

    if (SSL_CTX_use_cert_and_key(context->ssl, first->leaf, first->key, first->chain, 1) != 1)
        return tls_error_set(err, "the certificate cannot be used");
    SSL_CTX_set_cert_cb(context->ssl, on_certificate, context);
    (void)SSL_CTX_set_tlsext_servername_callback(context->ssl, on_servername);
    return 0;
}

struct tls_context *tls_context_new(const struct tls_options *options, struct error *err)
{
    struct tls_context *context = calloc(1, sizeof(*context));

    if (context == NULL || wire_setup() < 0) {
        (void)error_set(err, "memory has run out");
        free(context);
        return NULL;
    }
    ERR_clear_error();
    context->ssl = SSL_CTX_new(TLS_server_method());
    if (context->ssl == NULL) {
        (void)tls_error_set(err, "OpenSSL cannot be used");
        goto free_context;
    }
    if (set_protocol(context->ssl, options->name, err) < 0 ||
        set_certificates(context, options, err) < 0)
        goto free_context;
    if (options->offers_http)
        SSL_CTX_set_alpn_select_cb(context->ssl, on_alpn, NULL);
    set_buffers(context->ssl);
    return context;

free_context:
    tls_context_free(context);
    return NULL;
}

void tls_context_free(struct tls_context *context)
{
    if (context == NULL)
        return;
    SSL_CTX_free(context->ssl);
    free(context->certificates);
    free(context);
}
