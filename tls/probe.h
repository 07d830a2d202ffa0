/* probe.h - a TLS client that looks at a server as the server's clients do.
 *
 *    connected socket --handshake--> what was shown, who was asked for a certificate
 *                     --read, write--> whatever the server does with its clients
 *
 * For `doctor`, which must reach every listener, be it pinned to what it likes: the
 * probe offers all versions and ciphers that OpenSSL has, and accepts every certificate.
 * So nothing that is secret may be sent through it. What was shown is judged behind the
 * handshake, even if that failed: a server that wants a client certificate, which the
 * probe has not, has shown its own before.
 *
 * A step returns what to wait for, as a tls_conn's does. A probe owns no descriptor.
 */
#ifndef TLS_PROBE_H
#define TLS_PROBE_H

#include "tls/tls.h"

struct tls_probe;

struct tls_probe_options {
    int fd;                             /* connected, does not block; borrowed */
    const char *sni;                    /* NULL: the client says no name */
    const struct tls_certificate *like; /* can verify keys of this one's type alone; NULL: all */
};

/* NULL with `err`. */
struct tls_probe *tls_probe_new(const struct tls_probe_options *options, struct error *err);
void tls_probe_free(struct tls_probe *probe);

enum io_status tls_probe_handshake(struct tls_probe *probe);

/* IO_OK with *n > 0; IO_EOF at close_notify, or at a FIN without. */
enum io_status tls_probe_read(struct tls_probe *probe, void *out, size_t size, size_t *n);
enum io_status tls_probe_write(struct tls_probe *probe, const void *bytes, size_t size, size_t *n);

/* Say good-bye, if the socket takes it. */
void tls_probe_shutdown(struct tls_probe *probe);

/* After IO_ERROR: why. Lives as long as the probe. */
const char *tls_probe_fault(const struct tls_probe *probe);

/* "TLSv1.3"; NULL before the handshake is done. */
const char *tls_probe_version(const struct tls_probe *probe);

/* The server asked for a certificate of ours. */
bool tls_probe_was_asked(const struct tls_probe *probe);

/* The chain that was shown, as if read from files with the name `name`, but without a
 * key: good for the functions of tls.h that describe and compare. The caller
 * frees it. NULL: none was shown, or memory has run out. */
struct tls_certificate *tls_probe_shown(const struct tls_probe *probe, const char *name);

/* Tell of what clients of the server would refuse or miss, those that fetch no intermediate
 * (Java) as well. `known`, which may be NULL, is what the server's files hold: a root
 * among them is one that its clients are told to trust. */
void tls_probe_review(const struct tls_certificate *shown, const struct tls_certificate *known,
                      const struct tls_report *report);

#endif
