/* staple.h - an OCSP response that goes out with its certificate. For tls/ only. */
#ifndef TLS_STAPLE_H
#define TLS_STAPLE_H

#include "tls/certificate.h"

#include <time.h>

struct staple {
    unsigned char *der; /* owned, by OpenSSL's allocator */
    size_t size;
    time_t until; /* not sent from then on */
    bool is_lost; /* that was told */
};

/* Read the response at `path` into the certificate, whose chain is built. It is kept if it
 * is about this certificate, signed by its CA, good and current; if not, a warning
 * says why and nothing will be sent. -1 after a fault was reported: there is no
 * such file, or it is no response, or its signature is wrong. */
int staple_load(struct tls_certificate *certificate, const char *path,
                const struct tls_report *report);
void staple_free(struct staple *staple);

/* What may be sent now; NULL: nothing. */
const struct staple *staple_current(const struct tls_certificate *certificate);

#endif
