#include "tls/offload.h"

#include <errno.h>
#include <linux/sockios.h>
#include <linux/tcp.h>
#include <linux/tls.h>
#include <netinet/in.h>
#include <openssl/crypto.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#ifndef SOL_TLS
#define SOL_TLS 282
#endif

enum { FOR_SENDING = 1 };

/* What the keys look like in memory only OpenSSL knows, so its own BIO sets them. That BIO
 * stays out of the way otherwise: one made by BIO_new_socket() would prepare every
 * socket for kernel TLS, at a system call each. */
bool offload_start(int fd, void *keys)
{
    BIO *bio = BIO_new(BIO_s_socket());
    bool is_taken;

    if (bio == NULL)
        return false;
    (void)BIO_set_fd(bio, fd, BIO_NOCLOSE);
    is_taken = setsockopt(fd, IPPROTO_TCP, TCP_ULP, "tls", sizeof("tls")) == 0 &&
               BIO_ctrl(bio, OFFLOAD_CTRL_KEYS, FOR_SENDING, keys) > 0;
    BIO_free(bio);
    return is_taken;
}

ssize_t offload_send_record(int fd, unsigned char type, const void *bytes, size_t size)
{
    char control[CMSG_SPACE(sizeof(type))] = { 0 };
    struct iovec part = { .iov_base = (void *)(uintptr_t)bytes, .iov_len = size };
    struct msghdr message = {
        .msg_iov = &part,
        .msg_iovlen = 1,
        .msg_control = control,
        .msg_controllen = sizeof(control),
    };
    struct cmsghdr *cmsg = CMSG_FIRSTHDR(&message);
    ssize_t n;

    cmsg->cmsg_level = SOL_TLS;
    cmsg->cmsg_type = TLS_SET_RECORD_TYPE;
    cmsg->cmsg_len = CMSG_LEN(sizeof(type));
    *CMSG_DATA(cmsg) = type;
    do
        n = sendmsg(fd, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
    while (n < 0 && errno == EINTR);
    return n;
}

/* What a record has around its bytes: the header (5); TLS 1.3 a tag (16) and the inner
 * type (RFC 8446, 5.2); TLS 1.2 a tag and, but for ChaCha20, a nonce (8; RFC 5288). */
static uint64_t frame_bytes(const SSL *ssl)
{
    if (SSL_version(ssl) == TLS1_3_VERSION)
        return 5 + 16 + 1;
    return SSL_CIPHER_get_cipher_nid(SSL_get_current_cipher(ssl)) == NID_chacha20_poly1305
               ? 5 + 16
               : 5 + 16 + 8;
}

/* How many records the kernel has made. It tells with all else it was told, the key
 * included; the number of the next record is at the end, for every cipher. */
static int count_records(int fd, const SSL *ssl, uint64_t *count)
{
    unsigned char info[sizeof(struct tls12_crypto_info_aes_gcm_256)];
    bool is_small = SSL_CIPHER_get_bits(SSL_get_current_cipher(ssl), NULL) == 128;
    socklen_t size = is_small ? sizeof(struct tls12_crypto_info_aes_gcm_128) : sizeof(info);
    int rc = getsockopt(fd, SOL_TLS, TLS_TX, info, &size);

    *count = 0;
    for (size_t i = size - sizeof(*count); rc == 0 && i < size; i++)
        *count = *count << 8 | info[i];
    OPENSSL_cleanse(info, sizeof(info));
    return rc;
}

/* Bytes that TCP was ever given. Not more than that: what is acknowledged between the two
 * calls is missing. */
static int count_tcp_bytes(int fd, uint64_t *count)
{
    struct tcp_info info = { 0 };
    socklen_t size = sizeof(info);
    int queued = 0;

    if (getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &size) < 0 || ioctl(fd, SIOCOUTQ, &queued) < 0)
        return -1;
    *count = info.tcpi_bytes_acked + (unsigned)queued;
    return 0;
}

bool offload_is_flushed(int fd, const SSL *ssl, uint64_t handshake_bytes, uint64_t bytes)
{
    uint64_t records;
    uint64_t count;

    if (count_records(fd, ssl, &records) < 0 || count_tcp_bytes(fd, &count) < 0)
        return true; /* nothing is known: it may be closed, too */
    return count >= handshake_bytes + bytes + records * frame_bytes(ssl);
}
