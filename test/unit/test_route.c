#include "test/unit/unit.h"

#include "proxy/route.h"

/* Every first byte stands in exactly one row. */
static const struct row {
    const char *name;
    int first, last;
    enum protocol protocol;
    enum hello hello;
} rows[] = {
    { "nothing known", 0x00, 0x02, PROTOCOL_NONE, HELLO_UNKNOWN },
    { "RTMP", 0x03, 0x03, PROTOCOL_RTMP, HELLO_RTMP },
    { "RTMP versions never used", 0x04, 0x05, PROTOCOL_NONE, HELLO_UNKNOWN },
    { "RTMPE", 0x06, 0x06, PROTOCOL_RTMP, HELLO_RTMP },
    { "between", 0x07, 0x07, PROTOCOL_NONE, HELLO_UNKNOWN },
    { "RTMPE with XTEA", 0x08, 0x08, PROTOCOL_RTMP, HELLO_RTMP },
    { "RTMPE with Blowfish, TLS alerts", 0x09, 0x15, PROTOCOL_NONE, HELLO_UNKNOWN },
    { "a TLS handshake", 0x16, 0x16, PROTOCOL_NONE, HELLO_TLS },
    { "up to the letters", 0x17, 'A' - 1, PROTOCOL_NONE, HELLO_UNKNOWN },
    { "an HTTP method", 'A', 'Z', PROTOCOL_HTTP, HELLO_HTTP },
    { "lower case and what follows", 'Z' + 1, 0x7f, PROTOCOL_NONE, HELLO_UNKNOWN },
    { "a hello of SSL 2, perhaps", 0x80, 0xff, PROTOCOL_NONE, HELLO_OLD_TLS },
};

static void every_first_byte(void **state)
{
    int next = 0;

    (void)state;
    for (const struct row *row = rows; row < rows + COUNT(rows); row++) {
        row_assert_int(row, row->first, next);
        for (; next <= row->last; next++) {
            row_assert_int(row, route_protocol((unsigned char)next), row->protocol);
            row_assert_int(row, route_hello((unsigned char)next), row->hello);
        }
    }
    assert_int_equal(next, 256);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(every_first_byte) };

    return cmocka_run_group_tests_name("route", tests, NULL, NULL);
}
