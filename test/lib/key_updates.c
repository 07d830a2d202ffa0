/* key_updates.c - a TLS 1.3 client for what no other client can do: KeyUpdates, as many as wanted.
 *
 *    key_updates PORT      reads lines from stdin, and answers each with a line when it is done
 *    made N                gather N KeyUpdates
 *    asked N               gather N KeyUpdates that ask for one in return
 *    byte                  gather a byte of data
 *    send                  send what is gathered
 *    await                 wait for a byte of data
 *    drain                 take what has come off the socket, and throw it away
 *
 * It prints its own port first, reads nothing unless told to, and has a small window.
 */
#include <arpa/inet.h>
#include <openssl/ssl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { PATIENCE_S = 60, WINDOW_BYTES = 4096 };

static int connect_to(int port)
{
    struct sockaddr_in there = { .sin_family = AF_INET, .sin_port = htons((uint16_t)port) };
    struct sockaddr_in here;
    socklen_t len = sizeof(here);
    int window = WINDOW_BYTES;
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    there.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &window, sizeof(window)) != 0 ||
        connect(fd, (struct sockaddr *)&there, sizeof(there)) != 0 ||
        getsockname(fd, (struct sockaddr *)&here, &len) != 0)
        exit(1);
    printf("%d\n", ntohs(here.sin_port));
    return fd;
}

static int update_keys(SSL *ssl, int count, int kind)
{
    for (int i = 0; i < count; i++)
        if (SSL_key_update(ssl, kind) != 1 || SSL_do_handshake(ssl) != 1)
            return 0;
    return 1;
}

static int send_all(int fd, BIO *gathered)
{
    char *bytes;
    long left = BIO_get_mem_data(gathered, &bytes);
    ssize_t n;

    for (; left > 0; bytes += n, left -= n)
        if ((n = write(fd, bytes, (size_t)left)) <= 0)
            return 0;
    return BIO_reset(gathered);
}

static int drain(int fd)
{
    static char bytes[65536];

    while (recv(fd, bytes, sizeof(bytes), MSG_DONTWAIT) > 0)
        ;
    return 1;
}

static int obey(const char *line, SSL *ssl, int fd, BIO *gathered)
{
    char byte = 'x';
    int count;

    if (sscanf(line, "made %d", &count) == 1)
        return update_keys(ssl, count, SSL_KEY_UPDATE_NOT_REQUESTED);
    if (sscanf(line, "asked %d", &count) == 1)
        return update_keys(ssl, count, SSL_KEY_UPDATE_REQUESTED);
    if (strcmp(line, "byte\n") == 0)
        return SSL_write(ssl, &byte, 1) == 1;
    if (strcmp(line, "send\n") == 0)
        return send_all(fd, gathered);
    if (strcmp(line, "await\n") == 0)
        return SSL_read(ssl, &byte, 1) == 1;
    return strcmp(line, "drain\n") == 0 && drain(fd);
}

int main(int argc, char **argv)
{
    SSL *ssl = SSL_new(SSL_CTX_new(TLS_client_method()));
    BIO *gathered = BIO_new(BIO_s_mem());
    char line[64];
    int fd;

    (void)alarm(PATIENCE_S);
    setvbuf(stdout, NULL, _IOLBF, 0);
    fd = connect_to(argc > 1 ? atoi(argv[1]) : 0);
    if (SSL_set_fd(ssl, fd) != 1 || SSL_connect(ssl) != 1)
        return 1;
    BIO_up_ref(SSL_get_rbio(ssl));
    SSL_set0_wbio(ssl, gathered);
    while (fgets(line, sizeof(line), stdin) != NULL) {
        if (!obey(line, ssl, fd, gathered))
            return 1;
        puts("done");
    }
    return 0;
}
