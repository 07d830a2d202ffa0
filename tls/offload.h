/* offload.h - the kernel encrypts what a socket sends (kTLS). For tls/ only.
 *
 *    in the handshake   SSL -- records --> wire -- send --> socket
 *    behind it          bytes ------------ send, splice --> socket, which makes records
 *                       SSL -- alert, ticket --> wire -- sendmsg with a type --> socket
 *
 * OpenSSL hands over its keys, by a control of its BIO, when it would begin to write
 * with them; from then on nothing but the kernel knows the number of the next record.
 * There is no way back, and no way to other keys: a KeyUpdate that asks for them ends
 * the connection (doc/decisions/0033).
 */
#ifndef TLS_OFFLOAD_H
#define TLS_OFFLOAD_H

#include <openssl/ssl.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* Controls of a BIO that OpenSSL uses; openssl/bio.h has their numbers without names. */
enum { OFFLOAD_CTRL_KEYS = 72, OFFLOAD_CTRL_RECORD_TYPE = 74 };

/* Let the kernel take `keys`, as they come with that control, for what `fd`
 * sends. False: it declined, and the socket is as it was. */
bool offload_start(int fd, void *keys);

/* Send one record of another type than application data. As send(2). */
ssize_t offload_send_record(int fd, unsigned char type, const void *bytes, size_t size);

/* Whether the kernel has given to TCP all that it was given: `handshake_bytes` as they
 * were, and `bytes` in records. A record that the send queue had no room for is not in
 * that queue, and is lost if FIN goes into it first. */
bool offload_is_flushed(int fd, const SSL *ssl, uint64_t handshake_bytes, uint64_t bytes);

#endif
