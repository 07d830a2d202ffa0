/* offload_check.c - whether kernel TLS can be had here, is right, and pays.
 *
 *    text -- write --> pipe -- splice --> a socket of ours -- record --> its other end
 *
 * One record is sent over the loopback interface the way that a session's bytes will go,
 * and decrypted by OpenSSL. Then both ways to encrypt do the same work against the
 * clock: a kernel without code for this processor's AES instructions takes several times
 * as long as OpenSSL.
 */
#include "base/pipe.h"
#include "tls/tls.h"

#include <errno.h>
#include <linux/tcp.h>
#include <linux/tls.h>
#include <netinet/in.h>
#include <openssl/evp.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#ifndef SOL_TLS
#define SOL_TLS 282
#endif

enum {
    HEADER_BYTES = 5, /* of a record */
    TAG_BYTES = 16,
    FRAME_BYTES = HEADER_BYTES + 1 + TAG_BYTES,
    RECORD_BYTES = 16 * 1024,
    CHUNK_BYTES = 4 * RECORD_BYTES,
    CHUNKS = 16,
    TRIES = 5, /* of which the best counts: others run on this machine as well */
};

/* Of a test vector: they protect nothing. */
static const unsigned char key[32] = { 1, 2, 3 };
static const unsigned char nonce[12] = { 4, 5, 6 }; /* of record 0: salt and IV */

struct bench {
    int sender; /* encrypts in the kernel, or sends what OpenSSL has encrypted */
    int receiver;
    struct pipe_pool pipes;
    struct pipe *pipe;
    EVP_CIPHER_CTX *cipher;
    unsigned char bytes[CHUNK_BYTES + 4 * FRAME_BYTES];
};

/* A start that hangs is worse than one without kernel TLS. */
static void limit_time(int fd)
{
    const struct timeval limit = { .tv_sec = 1 };

    (void)setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
    (void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
}

static int connect_pair(struct bench *b)
{
    struct sockaddr_in address = { .sin_family = AF_INET,
                                   .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t size = sizeof(address);
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int rc = -1;

    b->sender = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (listener >= 0 && b->sender >= 0 && bind(listener, (struct sockaddr *)&address, size) == 0 &&
        listen(listener, 1) == 0 &&
        getsockname(listener, (struct sockaddr *)&address, &size) == 0 &&
        connect(b->sender, (struct sockaddr *)&address, size) == 0) {
        b->receiver = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
        rc = b->receiver >= 0 ? 0 : -1;
        limit_time(b->sender);
        limit_time(b->receiver);
    }
    if (listener >= 0)
        (void)close(listener);
    return rc;
}

static int open_bench(struct bench *b, struct error *err)
{
    b->sender = b->receiver = -1;
    pipe_pool_init(&b->pipes, 1, 0);
    b->pipe = pipe_get(&b->pipes);
    b->cipher = EVP_CIPHER_CTX_new();
    if (b->pipe == NULL || b->cipher == NULL)
        return error_set(err, "memory or descriptors have run out");
    if (connect_pair(b) < 0)
        return error_set(err, "a connection over the loopback interface failed: %s",
                         strerror(errno));
    return 0;
}

static void close_bench(struct bench *b)
{
    EVP_CIPHER_CTX_free(b->cipher);
    pipe_put(&b->pipes, b->pipe);
    pipe_pool_deinit(&b->pipes);
    if (b->sender >= 0)
        (void)close(b->sender);
    if (b->receiver >= 0)
        (void)close(b->receiver);
}

static int start_kernel(struct bench *b, struct error *err)
{
    struct tls12_crypto_info_aes_gcm_256 info = {
        .info = { .version = TLS_1_3_VERSION, .cipher_type = TLS_CIPHER_AES_GCM_256 },
    };

    memcpy(info.key, key, sizeof(info.key));
    memcpy(info.salt, nonce, sizeof(info.salt));
    memcpy(info.iv, nonce + sizeof(info.salt), sizeof(info.iv));
    if (setsockopt(b->sender, IPPROTO_TCP, TCP_ULP, "tls", sizeof("tls")) < 0)
        return errno == ENOENT || errno == ENOPROTOOPT
                   ? error_set(err,
                               "this kernel has none, or its module is not loaded (modprobe tls)")
                   : error_set(err, "the kernel refuses it: %s", strerror(errno));
    if (setsockopt(b->sender, SOL_TLS, TLS_TX, &info, sizeof(info)) < 0)
        return error_set(err, "the kernel does not take AES-256-GCM keys for TLS 1.3: %s",
                         strerror(errno));
    return 0;
}

/* All of `size` bytes through the pipe. */
static int splice_bytes(struct bench *b, const void *bytes, size_t size)
{
    if (write(b->pipe->write_fd, bytes, size) != (ssize_t)size)
        return -1;
    b->pipe->held = size;
    while (b->pipe->held > 0)
        if (pipe_drain(b->pipe, b->sender) <= 0)
            return -1;
    return 0;
}

/* RFC 8446, 5.2: the header is what is authenticated beside the bytes; behind them
 * stands the record's type. */
static int decrypt(struct bench *b, const unsigned char *record, size_t size, unsigned char *out)
{
    int n = (int)(size - HEADER_BYTES - TAG_BYTES);
    unsigned char tag[TAG_BYTES];
    int used;

    memcpy(tag, record + size - TAG_BYTES, TAG_BYTES);
    return EVP_DecryptInit_ex(b->cipher, EVP_aes_256_gcm(), NULL, key, nonce) == 1 &&
                   EVP_DecryptUpdate(b->cipher, NULL, &used, record, HEADER_BYTES) == 1 &&
                   EVP_DecryptUpdate(b->cipher, out, &used, record + HEADER_BYTES, n) == 1 &&
                   EVP_CIPHER_CTX_ctrl(b->cipher, EVP_CTRL_AEAD_SET_TAG, TAG_BYTES, tag) == 1 &&
                   EVP_DecryptFinal_ex(b->cipher, out + used, &used) == 1
               ? 0
               : -1;
}

static int check_record(struct bench *b, struct error *err)
{
    static const char text[] = "the record of a self-test";
    unsigned char record[sizeof(text) + FRAME_BYTES];
    unsigned char plain[sizeof(record)];

    if (splice_bytes(b, text, sizeof(text)) < 0)
        return error_set(err, "splice(2) into a socket that encrypts fails: %s", strerror(errno));
    if (recv(b->receiver, record, sizeof(record), MSG_WAITALL) != (ssize_t)sizeof(record) ||
        decrypt(b, record, sizeof(record), plain) < 0 || memcmp(plain, text, sizeof(text)) != 0)
        return error_set(err, "the kernel encrypts wrongly");
    return 0;
}

/* ---- does it pay? ---- */

static int encrypt_chunk(struct bench *b)
{
    unsigned char *out = b->bytes;
    int used;

    for (int i = 0; i < CHUNK_BYTES / RECORD_BYTES; i++, out += RECORD_BYTES + FRAME_BYTES)
        if (EVP_EncryptInit_ex(b->cipher, NULL, NULL, NULL, nonce) != 1 ||
            EVP_EncryptUpdate(b->cipher, out, &used, out, RECORD_BYTES) != 1 ||
            EVP_EncryptFinal_ex(b->cipher, out + used, &used) != 1)
            return -1;
    return send(b->sender, b->bytes, sizeof(b->bytes), MSG_NOSIGNAL) == sizeof(b->bytes) ? 0 : -1;
}

static int splice_chunk(struct bench *b)
{
    return splice_bytes(b, b->bytes, CHUNK_BYTES);
}

static int discard_chunk(struct bench *b)
{
    size_t left = sizeof(b->bytes);
    ssize_t n;

    while (left > 0) {
        n = recv(b->receiver, NULL, left, MSG_TRUNC);
        if (n <= 0)
            return -1;
        left -= (size_t)n;
    }
    return 0;
}

static int64_t now_ns(void)
{
    struct timespec t;

    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

/* How long the best of some tries takes; -1 if one failed. */
static int64_t cost(struct bench *b, int (*work)(struct bench *))
{
    int64_t best = INT64_MAX;

    for (int try = 0; try < TRIES; try++) {
        int64_t start = now_ns();
        int64_t taken;

        for (int i = 0; i < CHUNKS; i++)
            if (work(b) < 0 || discard_chunk(b) < 0)
                return -1;
        taken = now_ns() - start;
        best = taken < best ? taken : best;
    }
    return best;
}

static int compare(struct bench *kernel, struct error *err)
{
    struct bench ours = { 0 };
    int64_t kernel_ns = cost(kernel, splice_chunk);
    int64_t our_ns = -1;
    int rc = open_bench(&ours, err);

    if (rc == 0 && EVP_EncryptInit_ex(ours.cipher, EVP_aes_256_gcm(), NULL, key, nonce) == 1)
        our_ns = cost(&ours, encrypt_chunk);
    close_bench(&ours);
    if (rc == 0 && (kernel_ns <= 0 || our_ns <= 0))
        rc = error_set(err, "its cost could not be measured");
    else if (rc == 0 && kernel_ns > our_ns)
        rc = error_set(err, "it takes %.1f times as long as OpenSSL here",
                       (double)kernel_ns / (double)our_ns);
    return rc;
}

int tls_offload_check(bool must_pay, struct error *err)
{
    struct bench b = { 0 };
    int rc = open_bench(&b, err);

    if (rc == 0)
        rc = start_kernel(&b, err);
    if (rc == 0)
        rc = check_record(&b, err);
    if (rc == 0 && must_pay)
        rc = compare(&b, err);
    close_bench(&b);
    return rc;
}
