/* tls.h - everything the proxy knows of TLS; OpenSSL ends behind this header.
 *
 *    tls_certificate   a chain and its key, under the name proxy.ini gives it
 *    tls_context       what one listener offers: certificates, versions, ciphers
 *    tls_conn          one client: handshake, read, write, shutdown
 *
 * Certificates and contexts are made by the master and are read-only after
 * that, so workers inherit them through fork. A conn belongs to one thread at
 * a time. It owns no buffer while nothing is on its way: ciphertext that goes
 * out is gathered in a buffer of the pool and sent with one call, and the
 * buffer goes back when it is empty.
 *
 * Reads and writes are non-blocking on the raw socket. A conn remembers that
 * a receive came back short or a send was refused, and makes no further call
 * until tls_conn_notice() says that the socket is ready again.
 */
#ifndef TLS_TLS_H
#define TLS_TLS_H

#include "base/error.h"
#include "base/io.h"
#include "base/pipe.h"
#include "base/pool.h"

#include <stdbool.h>
#include <stddef.h>

/* The most that a record carries, and that it takes with its frame: 5 bytes of header, and up to
 * 256 of IV, tag, padding and inner type (RFC 8446, 5.2; less in practice). A pool's
 * buffer must hold one at least. */
enum {
    TLS_TEXT_BYTES = 16 * 1024,
    TLS_FRAME_BYTES = 5 + 256,
    TLS_RECORD_BYTES = TLS_TEXT_BYTES + TLS_FRAME_BYTES,
};

struct tls_certificate;
struct tls_context;
struct tls_conn;
struct tls_tickets;
struct tls_ticket_keys;

/* Call before all else. OpenSSL leaves its end to the kernel then: modules that its
 * providers have loaded may be gone when it would clean up behind main() (SoftHSM
 * crashes). Nor does it ask anything on a terminal. */
void tls_setup(void);

/* "OpenSSL 3.0.19 ...", of the library that runs. */
const char *tls_library_version(void);

/* What a certificate is made of: chain and key, or a keystore. Paths, or URIs
 * for OpenSSL's stores where uri_is() says so (base/uri.h); NULL: not given. */
struct tls_certificate_options {
    const char *name;  /* copied */
    const char *chain; /* PEM, DER or PKCS#7: all certificates, in any order */
    const char *key;   /* PEM or DER, not readable by everybody */
    const char *key_password_file;
    const char *keystore; /* PKCS#12: certificates and key */
    const char *keystore_password_file;
    const char *keystore_alias; /* of several private keys */
    const char *ocsp;           /* DER: an OCSP response to send with the certificate */
};

/* Whom to tell what is wrong: a whole sentence, and the name of the option
 * above that it is about ("chain"). What is REFUSED can be served, but clients do not take it. */
enum tls_severity { TLS_WARNING, TLS_REFUSED, TLS_FAULT };

struct tls_report {
    void (*say)(void *user, enum tls_severity severity, const char *option, const char *sentence);
    void *user;
};

/* Read all of it, find the certificate of the key, order its issuers behind it
 * and look at them as clients would. NULL after the last fault was reported;
 * warnings leave it usable. Never asks on a terminal. */
struct tls_certificate *tls_certificate_load(const struct tls_certificate_options *options,
                                             const struct tls_report *report);
void tls_certificate_free(struct tls_certificate *certificate);

/* True once, when the OCSP response that was sent with it is over. */
bool tls_certificate_lost_staple(struct tls_certificate *certificate);

/* Whether both have the same private key. */
bool tls_certificate_shares_key(const struct tls_certificate *a, const struct tls_certificate *b);

/* Whether they are the same certificate, without regard to the rest of the chain. */
bool tls_certificate_is_same(const struct tls_certificate *a, const struct tls_certificate *b);

/* Whether the same issuers are sent with both. */
bool tls_certificate_is_chained_alike(const struct tls_certificate *a,
                                      const struct tls_certificate *b);

/* Its host names in lower case, wildcards as they are; NULL behind the last. */
const char *tls_certificate_host(const struct tls_certificate *certificate, size_t i);

/* Whether one of its host names covers `host`. */
bool tls_certificate_covers(const struct tls_certificate *certificate, const char *host);

enum tls_key { TLS_KEY_RSA, TLS_KEY_RSA_PSS, TLS_KEY_EC, TLS_KEY_P521, TLS_KEY_EDWARDS };

/* What a certificate says of itself, for people: printable, cut where it is too long. */
struct tls_facts {
    char subject[128]; /* "CN=cam.example.org" */
    char issuer[128];
    char root[128];  /* the issuer of the last certificate that is sent */
    int chain_count; /* certificates that are sent */
    char names[384]; /* "cam.example.org, *.example.org, 192.0.2.1" */
    enum tls_key key;
    char key_name[32]; /* "RSA 2048", "ECDSA P-256", "Ed25519" */
    char end[32];      /* "2026-12-24 18:00 UTC" */
    int days_left;     /* whole days until then; negative: it is over */
};

void tls_certificate_describe(const struct tls_certificate *certificate, struct tls_facts *facts);

/* Where a listener has these certificates: the reason why `all[i]`, i > 0, is never
 * shown, or not for all of its names. Returns whether there is one. */
bool tls_certificate_is_hidden(const struct tls_certificate *const *all, size_t i,
                               struct error *reason);

/* The keys of session tickets, in memory that forked processes share. They change every 12
 * hours, in tls_tickets_rotate(), which the master calls now and then. NULL if there
 * is no memory, or no random bytes. */
struct tls_tickets *tls_tickets_new(struct error *err);
void tls_tickets_free(struct tls_tickets *tickets);
int tls_tickets_rotate(struct tls_tickets *tickets, struct error *err);

/* Keys of a file that others cannot read: up to eight times 80 random bytes. The first
 * seals, all open. */
struct tls_ticket_keys *tls_ticket_keys_load(const char *path, struct error *err);
void tls_ticket_keys_free(struct tls_ticket_keys *keys);

/* From now on take these, which are copied; or, with NULL, keys of our own, which
 * stay if there are some. At once in all processes. */
int tls_tickets_use(struct tls_tickets *tickets, const struct tls_ticket_keys *keys,
                    struct error *err);

enum tls_policy { TLS_MODERN, TLS_INTERMEDIATE, TLS_LEGACY };
enum tls_version { TLS_AS_POLICY, TLS_1_0, TLS_1_1, TLS_1_2, TLS_1_3 };

enum tls_verify { TLS_VERIFY_NONE, TLS_VERIFY_OPTIONAL, TLS_VERIFY_REQUIRED };

struct tls_words {
    char *const *items; /* borrowed */
    size_t count;
};

struct tls_options {
    const char *name;                                  /* of the listener */
    const struct tls_certificate *const *certificates; /* the first is the default */
    size_t certificate_count;
    bool offers_http; /* so a client that asks by ALPN gets http/1.1 */

    enum tls_policy policy;
    enum tls_version min, max;     /* else the policy's, as with the lists that are empty */
    struct tls_words ciphers;      /* TLS 1.2 and older: OpenSSL's or IANA's names */
    struct tls_words ciphersuites; /* TLS 1.3 */
    struct tls_words curves;
    bool rejects_unknown_names; /* else a name that no certificate has gets the default one */

    enum tls_verify client_verify; /* OPTIONAL: who shows a certificate shows a good one */
    const char *client_ca;         /* PEM file of CAs; needed unless NONE */
    const char *client_crl;        /* PEM file of revocation lists; may be NULL */

    bool may_offload; /* the kernel may encrypt what is sent, see tls_offload_check() */

    struct tls_tickets *tickets; /* borrowed, must live longer; NULL: keys of this context alone */
};

/* The certificates are borrowed and must live longer; of what has no such word nothing
 * is kept. NULL after a fault was reported. */
struct tls_context *tls_context_new(const struct tls_options *options,
                                    const struct tls_report *report);
void tls_context_free(struct tls_context *context);

/* Whether the kernel can encrypt what a socket sends: try it, over the loopback interface.
 * 0, or -1 and why not. If it `must_pay`, it is no slower than OpenSSL. For the
 * master: the kernel may have to load a module, which it does for root alone. */
int tls_offload_check(bool must_pay, struct error *err);

/* The server's end of an accepted socket. `fd`, `context` and `pool` are
 * borrowed. NULL when memory has run out. */
struct tls_conn *tls_conn_new(struct tls_context *context, int fd, struct pool *pool);
void tls_conn_free(struct tls_conn *conn);

/* The socket is readable, or writable, again; or the client's FIN is in it. */
void tls_conn_notice(struct tls_conn *conn, bool is_readable, bool is_writable, bool has_fin);

/* IO_OK when the handshake is done, else what to wait for. */
enum io_status tls_conn_handshake(struct tls_conn *conn);

/* The client's ClientHello was not answered yet, or only by asking for another: to do that costs
 * most of a handshake. */
bool tls_conn_is_fresh(const struct tls_conn *conn);

/* The next step of the handshake may take long: that, or up to TLS 1.2 to use the client's key. */
bool tls_conn_is_costly(const struct tls_conn *conn);

/* Before and after another thread calls tls_conn_handshake(): meanwhile nothing else may be
 * done with the conn, and it leaves the pool alone. False if the pool has no buffer. */
bool tls_conn_hand_over(struct tls_conn *conn);
void tls_conn_take_back(struct tls_conn *conn);

/* Read decrypted bytes until `size` or until the socket has no more. IO_OK
 * with *n > 0; IO_YIELD when much came that held no data; IO_EOF at the client's close_notify, or
 * at a FIN without one (then tls_conn_is_truncated()). IO_ERROR also for a client that floods
 * us with handshake messages after its handshake: KeyUpdates, renegotiation. */
enum io_status tls_conn_read(struct tls_conn *conn, void *out, size_t size, size_t *n);

/* Encrypt some of `bytes` and send. IO_OK with *n > 0: these were taken, and
 * are sent or wait in the conn; IO_WANT_WRITE: earlier ones still wait. */
enum io_status tls_conn_write(struct tls_conn *conn, const void *bytes, size_t size, size_t *n);

/* The kernel encrypts what this conn sends. Then bytes can also go straight to the
 * socket. Not while something else must be sent first; tls_conn_write() does that. */
bool tls_conn_is_offloaded(const struct tls_conn *conn);
bool tls_conn_can_splice(const struct tls_conn *conn);

/* As tls_conn_write(), of what is in `from`; if tls_conn_can_splice(). */
enum io_status tls_conn_splice(struct tls_conn *conn, struct pipe *from, size_t *n);

/* The client wants us to change our keys, which the kernel cannot. No more data may be
 * sent, and none is read; close_notify may. */
bool tls_conn_needs_new_keys(const struct tls_conn *conn);

/* Nothing is taken before the socket is writable. */
bool tls_conn_is_blocked(const struct tls_conn *conn);

/* Send what waits. IO_OK: nothing does. */
enum io_status tls_conn_flush(struct tls_conn *conn);

/* Bytes of ciphertext that wait. */
size_t tls_conn_pending(const struct tls_conn *conn);

/* Send close_notify, once. IO_OK: it has left, with all before it, or will with the FIN that
 * the caller is to send at once. IO_YIELD: the kernel is still busy with that. The other
 * direction goes on. */
enum io_status tls_conn_shutdown(struct tls_conn *conn);

/* TLS 1.3: let one session ticket go out with the next bytes written. A
 * handshake sends none, since librtmp takes a ticket for a failed read. */
void tls_conn_send_ticket(struct tls_conn *conn);

/* The client ended without close_notify. */
bool tls_conn_is_truncated(const struct tls_conn *conn);

/* After IO_ERROR: the socket's errno, or 0 if it was a fault of TLS. */
int tls_conn_errno(const struct tls_conn *conn);

/* After IO_ERROR: what went wrong, in OpenSSL's words. */
const char *tls_conn_fault(const struct tls_conn *conn);

/* For the log. Each is NULL while it is not known. The SNI is the client's
 * and may hold any bytes but NUL; the strings live as long as the conn. */
const char *tls_conn_version(const struct tls_conn *conn);
const char *tls_conn_cipher(const struct tls_conn *conn);
const char *tls_conn_sni(const struct tls_conn *conn);
const char *tls_conn_certificate(const struct tls_conn *conn);

/* The client's certificate, once the handshake is done; NULL if it showed none. Printable
 * ASCII that a CA of client_ca vouches for: subject and issuer as RFC 2253 has
 * it, serial and fingerprint (SHA-256) in hexadecimal. They live as long as the conn. */
const char *tls_conn_client_subject(struct tls_conn *conn);
const char *tls_conn_client_issuer(struct tls_conn *conn);
const char *tls_conn_client_serial(struct tls_conn *conn);
const char *tls_conn_client_fingerprint(struct tls_conn *conn);

/* "SUCCESS", or "NONE" if the client showed no certificate. A bad one ends the handshake. */
const char *tls_conn_client_verify(struct tls_conn *conn);

#endif
