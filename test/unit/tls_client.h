/* tls_client.h - OpenSSL's client, between two memory BIOs and a socket.
 *
 *    SSL <-> in, out <-> client_receive(), client_send() <-> socket
 *
 * So a test sees, and may change, what goes over the wire. Nothing here waits.
 */
#ifndef TLS_CLIENT_H
#define TLS_CLIENT_H

#include <openssl/ssl.h>
#include <stdbool.h>
#include <stddef.h>

struct tls_client {
    SSL *ssl;
    BIO *in, *out; /* owned by `ssl`: ciphertext that came, that is to go */
    int fd;
    unsigned packets; /* receives that brought bytes */
    bool has_fin;
    unsigned ticket_count;
    SSL_SESSION *ticket; /* the last one; owned */
};

/* Trusts `root`; owned by the caller. */
SSL_CTX *client_context_new(X509 *root);

/* `fd` is taken. `sni` may be NULL. */
void client_open(struct tls_client *c, SSL_CTX *context, int fd, const char *sni);
void client_close(struct tls_client *c);

/* Take all that the socket has, at most `size`; give it what it takes. */
void client_receive(struct tls_client *c, size_t size);
void client_send(struct tls_client *c);

/* Receive, go on with the handshake, send; true when it is done. */
bool client_handshake(struct tls_client *c);

/* Receive and decrypt, send what that makes. Returns how many bytes. */
size_t client_read(struct tls_client *c, void *out, size_t size);

/* Encrypt all of it, send what can be sent. */
void client_write(struct tls_client *c, const void *bytes, size_t n);

/* Send bytes that are no TLS of ours. */
void client_send_raw(struct tls_client *c, const void *bytes, size_t n);

#endif
