#include "proxy/probe_rtmp.h"

enum {
    RTMP_VERSION = 3,
    CHUNK_BYTES = 1536, /* of C1, S1, C2 and S2 alike */
    FILLED_FROM = 8,    /* behind the time, and four zeros: no digests */
};

int probe_rtmp(struct probe *p)
{
    unsigned char hello[1 + CHUNK_BYTES] = { RTMP_VERSION };
    unsigned char answer[1 + 2 * CHUNK_BYTES];
    ssize_t n;

    probe_begin(p);
    for (size_t i = 1 + FILLED_FROM; i < sizeof(hello); i++)
        hello[i] = (unsigned char)i; /* "random", to tell connections apart: there is one */
    if (probe_send(p, hello, sizeof(hello)) < 0)
        return -1;
    n = probe_receive_all(p, answer, 1);
    if (n == 1 && answer[0] != RTMP_VERSION)
        return error_set(&p->fault, "the first byte of the answer is 0x%02x, which is no RTMP",
                         answer[0]);
    if (n == 1)
        n = probe_receive_all(p, answer + 1, sizeof(answer) - 1);
    if (n < 0)
        return -1;
    if (n < (ssize_t)sizeof(answer) - 1)
        return error_set(&p->fault, "the connection was closed in the RTMP handshake");
    return probe_send(p, answer + 1, CHUNK_BYTES); /* C2 repeats S1 */
}
