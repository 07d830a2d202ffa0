#include "tls/errors.h"

#include <errno.h>
#include <openssl/err.h>
#include <string.h>

static const char *reason_of(unsigned long code)
{
    const char *reason = ERR_reason_error_string(code);

    if (ERR_SYSTEM_ERROR(code))
        return strerror((int)ERR_GET_REASON(code));
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
