/* tls_pair.h - a tls_conn and a client, at the two ends of a socket pair. */
#ifndef TLS_PAIR_H
#define TLS_PAIR_H

#include "test/unit/tls_client.h"
#include "tls/tls.h"

enum { PAIR_BUFFER_BYTES = 128 * 1024 };

struct pair {
    struct pool pool;
    struct tls_conn *conn;
    int fd; /* the conn's */
    struct tls_client client;
};

/* Load, and note in `said` what is reported, as "key: sentence\n" and
 * "warning: chain: sentence\n". */
struct tls_certificate *load_certificate(const struct tls_certificate_options *options, char *said,
                                         size_t said_bytes);

/* The same of PEM files that must be good. */
struct tls_certificate *load_pem(const char *name, const char *chain, const char *key);

/* The same of a context; and one with the intermediate policy, which must be good. */
struct tls_context *make_context(const struct tls_options *options, char *said, size_t said_bytes);
struct tls_context *offer(const struct tls_certificate *const *certificates, size_t count);

/* Of SOCK_SEQPACKET, each send is one packet; of SOCK_STREAM, bytes. */
void pair_open(struct pair *p, int socket_type, struct tls_context *server, SSL_CTX *client,
               const char *sni);

/* Every buffer must be back. */
void pair_close(struct pair *p);

/* Tell the conn what poll says of its socket. */
void pair_notice(struct pair *p);

/* Both sides in turn. IO_OK: both are done; else what the conn said last. */
enum io_status pair_handshake(struct pair *p);

/* Open, and done with the handshake. */
void pair_connect(struct pair *p, int socket_type, struct tls_context *server, SSL_CTX *client);

/* A few bytes each way arrive, and no buffer is kept. */
void pair_assert_alive(struct pair *p);

#endif
