#include "proxy/route.h"

enum {
    RTMP = 0x03,
    RTMPE = 0x06,
    RTMPE_XTEA = 0x08,
    TLS_HANDSHAKE = 0x16,
    TLS_OLD_HELLO = 0x80, /* the first bit of a two-byte length */
};

enum protocol route_protocol(unsigned char first)
{
    if (first >= 'A' && first <= 'Z')
        return PROTOCOL_HTTP;
    if (first == RTMP || first == RTMPE || first == RTMPE_XTEA)
        return PROTOCOL_RTMP;
    return PROTOCOL_NONE;
}

enum hello route_hello(unsigned char first)
{
    if (first == TLS_HANDSHAKE)
        return HELLO_TLS;
    if ((first & TLS_OLD_HELLO) != 0)
        return HELLO_OLD_TLS;
    switch (route_protocol(first)) {
    case PROTOCOL_HTTP:
        return HELLO_HTTP;
    case PROTOCOL_RTMP:
        return HELLO_RTMP;
    default:
        return HELLO_UNKNOWN;
    }
}
