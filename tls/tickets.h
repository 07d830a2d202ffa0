/* tickets.h - the keys that seal session tickets. For tls/ only, and for tests.
 *
 *    master: draw, rotate, load --> one shared page --> workers: seal, open
 *
 * A ticket holds the session itself: whoever has a key can read, and make, all
 * tickets of its time. So keys are drawn before any worker runs, never stored,
 * replaced every 12 hours, and good for opening 12 hours more. The page is written by
 * the master alone; a sequence number, odd while it writes, tells readers to
 * look again.
 */
#ifndef TLS_TICKETS_H
#define TLS_TICKETS_H

#include "tls/tls.h"

#include <openssl/ssl.h>
#include <stdatomic.h>
#include <stdint.h>
#include <time.h>

enum {
    TICKET_NAME_BYTES = 16,
    TICKET_KEYS_MAX = 8,
    TICKET_LIFETIME_S = 12 * 3600, /* of a session, and of a key after it was replaced */
    TICKET_ROTATION_S = 12 * 3600,
};

/* Also a record of a ticket_keys file. */
struct ticket_key {
    unsigned char name[TICKET_NAME_BYTES];
    unsigned char hmac[32];
    unsigned char aes[32];
};

struct ticket_keys {
    uint64_t count;
    struct {
        struct ticket_key key;
        uint64_t until_s;     /* opens tickets until then; 0: for ever */
    } slots[TICKET_KEYS_MAX]; /* the first seals */
};

enum { TICKET_WORDS = sizeof(struct ticket_keys) / sizeof(uint64_t) };

_Static_assert(sizeof(struct ticket_keys) % sizeof(uint64_t) == 0, "keys are copied in words");

struct ticket_page {
    atomic_uint sequence;
    atomic_uint_least64_t words[TICKET_WORDS]; /* a struct ticket_keys */
};

struct tls_tickets {
    struct ticket_page *page; /* shared */
    uint64_t rotate_s;        /* when the next key is due; 0: the keys come from a file */
    uint64_t (*now_s)(void);  /* a clock that every process of the machine sees alike */
    EVP_CIPHER *cipher;
};

/* For SSL_CTX_set_tlsext_ticket_key_evp_cb(), less its SSL. */
int tickets_key(struct tls_tickets *t, unsigned char *name, unsigned char *iv,
                EVP_CIPHER_CTX *cipher, EVP_MAC_CTX *mac, bool is_sealing);

#endif
