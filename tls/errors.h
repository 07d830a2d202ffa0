/* errors.h - OpenSSL's error queue as a sentence. For tls/ only. */
#ifndef TLS_ERRORS_H
#define TLS_ERRORS_H

#include "base/error.h"

/* Fill `err` with `what`, a colon and the reason the queue holds (the last
 * one, which is the most precise), and empty the queue. Returns -1. */
int tls_error_set(struct error *err, const char *what);

/* The reason of the oldest entry of libssl's own, which speaks of TLS where
 * libcrypto's speak of arithmetic; empties the queue. Points at constant text. */
const char *tls_error_reason(void);

#endif
