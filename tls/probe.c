#include "tls/probe.h"

#include "tls/certificate.h"
#include "tls/chain.h"
#include "tls/errors.h"
#include "tls/review.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <stdlib.h>
#include <string.h>

struct tls_probe {
    SSL_CTX *context;
    SSL *ssl;
    bool was_asked;
    bool is_established;
    const char *fault; /* constant text, or strerror's */
};

/* Signatures by which a server can prove that it has a key of this type (RFC 8446, 4.2.3). */
static const char *const signatures[] = {
    [TLS_KEY_RSA] = "RSA-PSS+SHA256:RSA-PSS+SHA384:RSA+SHA256:RSA+SHA384:RSA+SHA512:RSA+SHA1",
    [TLS_KEY_RSA_PSS] = "rsa_pss_pss_sha256:rsa_pss_pss_sha384:rsa_pss_pss_sha512",
    [TLS_KEY_EC] = "ECDSA+SHA256:ECDSA+SHA384:ECDSA+SHA512:ECDSA+SHA1",
    [TLS_KEY_P521] = "ECDSA+SHA256:ECDSA+SHA384:ECDSA+SHA512:ECDSA+SHA1",
    [TLS_KEY_EDWARDS] = "ed25519:ed448",
};

static int on_certificate_request(SSL *ssl, X509 **certificate, EVP_PKEY **key)
{
    struct tls_probe *probe = SSL_get_app_data(ssl);

    (void)certificate;
    (void)key;
    probe->was_asked = true;
    return 0; /* there is none */
}

/* Level 0: or OpenSSL would refuse TLS 1.0, old ciphers and short keys by itself. */
static int set_up_context(SSL_CTX *context)
{
    SSL_CTX_set_verify(context, SSL_VERIFY_NONE, NULL);
    SSL_CTX_set_security_level(context, 0);
    SSL_CTX_set_client_cert_cb(context, on_certificate_request);
    (void)SSL_CTX_set_options(context, SSL_OP_LEGACY_SERVER_CONNECT);
    return SSL_CTX_set_min_proto_version(context, TLS1_VERSION) == 1 &&
           SSL_CTX_set_max_proto_version(context, 0) == 1 &&
           SSL_CTX_set_cipher_list(context, "ALL") == 1;
}

static int set_up(struct tls_probe *probe, const struct tls_probe_options *options)
{
    struct tls_facts like;

    probe->context = SSL_CTX_new(TLS_client_method());
    if (probe->context == NULL || !set_up_context(probe->context))
        return -1;
    probe->ssl = SSL_new(probe->context);
    if (probe->ssl == NULL || SSL_set_fd(probe->ssl, options->fd) != 1)
        return -1;
    (void)SSL_set_app_data(probe->ssl, probe);
    SSL_set_connect_state(probe->ssl);
    if (options->sni != NULL && SSL_set_tlsext_host_name(probe->ssl, options->sni) != 1)
        return -1;
    if (options->like == NULL)
        return 0;
    tls_certificate_describe(options->like, &like);
    return SSL_set1_sigalgs_list(probe->ssl, signatures[like.key]) == 1 ? 0 : -1;
}

struct tls_probe *tls_probe_new(const struct tls_probe_options *options, struct error *err)
{
    struct tls_probe *probe = calloc(1, sizeof(*probe));

    ERR_clear_error();
    if (probe != NULL && set_up(probe, options) == 0)
        return probe;
    (void)tls_error_set(err, "no TLS client can be made");
    tls_probe_free(probe);
    return NULL;
}

void tls_probe_free(struct tls_probe *probe)
{
    if (probe == NULL)
        return;
    SSL_free(probe->ssl);
    SSL_CTX_free(probe->context);
    free(probe);
}

/* What OpenSSL's last call, which returned `rc`, asks for. `error` is errno behind it. */
static enum io_status status_of(struct tls_probe *probe, int rc, int error)
{
    int reason = ERR_GET_REASON(ERR_peek_error());

    switch (SSL_get_error(probe->ssl, rc)) {
    case SSL_ERROR_WANT_READ:
        return IO_WANT_READ;
    case SSL_ERROR_WANT_WRITE:
        return IO_WANT_WRITE;
    case SSL_ERROR_ZERO_RETURN:
        return IO_EOF;
    case SSL_ERROR_SYSCALL:
        probe->fault = error != 0 ? strerror(error) : "the connection was closed";
        break;
    default:
        probe->fault = reason == SSL_R_UNEXPECTED_EOF_WHILE_READING ? "the connection was closed"
                                                                    : tls_error_reason();
    }
    ERR_clear_error();
    if (reason == SSL_R_UNEXPECTED_EOF_WHILE_READING && probe->is_established)
        return IO_EOF;
    return IO_ERROR;
}

static void clear_errors(void)
{
    ERR_clear_error();
    errno = 0;
}

enum io_status tls_probe_handshake(struct tls_probe *probe)
{
    int rc;

    clear_errors();
    rc = SSL_do_handshake(probe->ssl);
    if (rc != 1)
        return status_of(probe, rc, errno);
    probe->is_established = true;
    return IO_OK;
}

enum io_status tls_probe_read(struct tls_probe *probe, void *out, size_t size, size_t *n)
{
    clear_errors();
    *n = 0;
    return SSL_read_ex(probe->ssl, out, size, n) == 1 ? IO_OK : status_of(probe, 0, errno);
}

enum io_status tls_probe_write(struct tls_probe *probe, const void *bytes, size_t size, size_t *n)
{
    clear_errors();
    *n = 0;
    return SSL_write_ex(probe->ssl, bytes, size, n) == 1 ? IO_OK : status_of(probe, 0, errno);
}

void tls_probe_shutdown(struct tls_probe *probe)
{
    if (probe->is_established && probe->fault == NULL)
        (void)SSL_shutdown(probe->ssl);
    ERR_clear_error();
}

const char *tls_probe_fault(const struct tls_probe *probe)
{
    return probe->fault != NULL ? probe->fault : "unknown reason";
}

const char *tls_probe_version(const struct tls_probe *probe)
{
    return probe->is_established ? SSL_get_version(probe->ssl) : NULL;
}

bool tls_probe_was_asked(const struct tls_probe *probe)
{
    return probe->was_asked;
}

/* ---- what was shown ---- */

struct tls_certificate *tls_probe_shown(const struct tls_probe *probe, const char *name)
{
    const STACK_OF(X509) *sent = SSL_get_peer_cert_chain(probe->ssl);
    struct tls_certificate *c = sk_X509_num(sent) > 0 ? certificate_new(name) : NULL;
    struct error err;
    bool is_whole = c != NULL;

    for (int i = 0; is_whole && i < sk_X509_num(sent); i++)
        is_whole = X509_add_cert(c->loaded, sk_X509_value(sent, i), X509_ADD_FLAG_UP_REF) == 1;
    if (is_whole) {
        c->leaf = sk_X509_value(c->loaded, 0);
        is_whole = certificate_build(c, &err) == 0;
    }
    ERR_clear_error();
    if (is_whole)
        return c;
    tls_certificate_free(c);
    return NULL;
}

/* The roots of the files stand behind what was shown while that is looked at. */
static void add_roots(STACK_OF(X509) * to, const struct tls_certificate *known)
{
    for (int i = 0; known != NULL && i < sk_X509_num(known->loaded); i++) {
        X509 *x = sk_X509_value(known->loaded, i);

        if ((X509_get_extension_flags(x) & EXFLAG_SS) != 0)
            (void)X509_add_cert(to, x, X509_ADD_FLAG_UP_REF | X509_ADD_FLAG_NO_DUP);
    }
}

void tls_probe_review(const struct tls_certificate *shown, const struct tls_certificate *known,
                      const struct tls_report *report)
{
    struct tls_certificate with_roots = *shown;

    with_roots.loaded = X509_chain_up_ref(shown->loaded);
    if (with_roots.loaded == NULL)
        return;
    add_roots(with_roots.loaded, known);
    review_chain(&with_roots, "chain", false, report);
    sk_X509_pop_free(with_roots.loaded, X509_free);
}
