#include "tls/errors.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <string.h>

/* OpenSSL's words for what the other end said in an alert (RFC 8446, 6.2), which
 * need some explanation; each begins with them. */
static const char *explain(int reason)
{
    switch (reason) {
    case SSL_R_TLSV1_ALERT_UNKNOWN_CA:
        return "tlsv1 alert unknown ca (the client does not trust the certificate's CA, or misses "
               "an intermediate)";
    case SSL_R_SSLV3_ALERT_CERTIFICATE_UNKNOWN:
        return "sslv3 alert certificate unknown (the client refused the certificate)";
    case SSL_R_SSLV3_ALERT_BAD_CERTIFICATE:
        return "sslv3 alert bad certificate (the client refused the certificate; is it for this "
               "host?)";
    case SSL_R_SSLV3_ALERT_CERTIFICATE_EXPIRED:
        return "sslv3 alert certificate expired (the client found the certificate out of date)";
    case SSL_R_SSLV3_ALERT_UNSUPPORTED_CERTIFICATE:
        return "sslv3 alert unsupported certificate (the client does not know this type of key)";
    case SSL_R_NO_SHARED_CIPHER:
        return "no shared cipher (the client offers none that the proxy has, or has for its "
               "certificate's type of key)";
    case SSL_R_UNSUPPORTED_PROTOCOL:
        return "unsupported protocol (the client has no version of TLS that this listener speaks)";
    default:
        return NULL;
    }
}

static const char *reason_of(unsigned long code)
{
    const char *reason = ERR_reason_error_string(code);

    if (ERR_SYSTEM_ERROR(code))
        return strerror((int)ERR_GET_REASON(code));
    if (ERR_GET_LIB(code) == ERR_LIB_SSL && explain(ERR_GET_REASON(code)) != NULL)
        return explain(ERR_GET_REASON(code));
    return reason != NULL ? reason : "unknown reason";
}

int tls_error_set(struct error *err, const char *what)
{
    unsigned long code = ERR_peek_last_error();

    ERR_clear_error();
    if (code == 0)
        return error_set(err, "%s", what);
    return error_set(err, "%s: %s", what, reason_of(code));
}

const char *tls_error_reason(void)
{
    unsigned long first = ERR_peek_error();
    unsigned long code = first;

    while (code != 0 && ERR_GET_LIB(code) != ERR_LIB_SSL)
        code = ERR_get_error();
    ERR_clear_error();
    if (code == 0)
        code = first;
    return code != 0 ? reason_of(code) : "unknown reason";
}
