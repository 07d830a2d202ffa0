#include "test/unit/unit.h"

#include "base/addr.h"

#include <netinet/in.h>

#define NOT_HOST_PORT "\" is not of the form HOST:PORT"
#define BRACKETS      "\": write an IPv6 address in brackets, as [::1]:5443"
#define NO_ADDRESS    "\" is no address; write *:PORT, 192.0.2.1:PORT or [2001:db8::1]:PORT"

/* "127.0.0.1:1 [::1]:2", or the complaint. */
static const char *describe(const struct addr *found, int n, const struct error *err)
{
    static char text[4 * ADDR_TEXT_BYTES];
    char one[ADDR_TEXT_BYTES];

    if (n < 0)
        return err->text;
    text[0] = '\0';
    for (int i = 0; i < n; i++) {
        strcat(text, i > 0 ? " " : "");
        strcat(text, addr_print(&found[i], one));
    }
    return text;
}

static void parse_listen(void **state)
{
    static const struct {
        const char *name, *text, *result;
    } rows[] = {
        { "IPv4", "127.0.0.1:5443", "127.0.0.1:5443" },
        { "IPv6", "[::1]:5443", "[::1]:5443" },
        { "IPv6, long form", "[2001:0db8:0:0:0:0:0:1]:1", "[2001:db8::1]:1" },
        { "IPv4 in IPv6", "[::ffff:192.0.2.1]:1", "[::ffff:192.0.2.1]:1" },
        { "wildcard", "*:5443", "0.0.0.0:5443 [::]:5443" },
        { "IPv4 wildcard", "0.0.0.0:5443", "0.0.0.0:5443" },
        { "IPv6 wildcard", "[::]:5443", "[::]:5443" },
        { "lowest port", "127.0.0.1:0", "127.0.0.1:0" },
        { "highest port", "*:65535", "0.0.0.0:65535 [::]:65535" },
        { "port with zeros", "127.0.0.1:00080", "127.0.0.1:80" },
        { "port above", "127.0.0.1:65536", "port 65536 is out of range (0 to 65535)" },
        { "port far above", "*:99999999999999999999",
          "port 99999999999999999999 is out of range (0 to 65535)" },
        { "port below", "127.0.0.1:-1", "\"-1\" is no port" },
        { "port with sign", "127.0.0.1:+1", "\"+1\" is no port" },
        { "port with space", "127.0.0.1: 1", "\" 1\" is no port" },
        { "port and more", "127.0.0.1:1x", "\"1x\" is no port" },
        { "port by name", "127.0.0.1:https", "\"https\" is no port" },
        { "port left out", "127.0.0.1:", "\"\" is no port" },
        { "nothing", "", "\"" NOT_HOST_PORT },
        { "no colon", "127.0.0.1", "\"127.0.0.1" NOT_HOST_PORT },
        { "a port alone", ":5443", "\":5443" NOT_HOST_PORT },
        { "empty brackets", "[]:5443", "\"[]:5443" NOT_HOST_PORT },
        { "brackets without a port", "[::1]", "\"[::1]" BRACKETS },
        { "brackets not closed", "[::1:5443", "\"[::1:5443" BRACKETS },
        { "IPv6 without brackets", "::1:5443", "\"::1:5443" BRACKETS },
        { "IPv4 in brackets", "[127.0.0.1]:1", "\"[127.0.0.1]:1" NO_ADDRESS },
        { "wildcard in brackets", "[*]:1", "\"[*]:1" NO_ADDRESS },
        { "scope", "[fe80::1%lo]:1", "\"[fe80::1%lo]:1" NO_ADDRESS },
        { "a name", "localhost:1", "\"localhost:1" NO_ADDRESS },
        { "IPv4 cut short", "127.0.1:1", "\"127.0.1:1" NO_ADDRESS },
        { "IPv4 out of range", "127.0.0.256:1", "\"127.0.0.256:1" NO_ADDRESS },
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct addr found[2];
        struct error err;
        int n = addr_parse_listen(rows[i].text, found, &err);

        row_assert_string(&rows[i], describe(found, n, &err), rows[i].result);
    }
}

static void resolve_numbers(void **state)
{
    static const struct {
        const char *name, *text, *result;
    } rows[] = {
        { "IPv4", "127.0.0.1:1935", "127.0.0.1:1935" },
        { "IPv6", "[::1]:1935", "[::1]:1935" },
        { "port 0", "127.0.0.1:0", "port 0 is out of range (1 to 65535)" },
        { "port above", "127.0.0.1:65536", "port 65536 is out of range (0 to 65535)" },
        { "no port", "localhost", "\"localhost" NOT_HOST_PORT },
        { "IPv6 without brackets", "::1:1935", "\"::1:1935" BRACKETS },
        { "wildcard", "*:1935", "\"*:1935\" is no address to connect to" },
        { "a name in brackets", "[localhost]:1", "\"[localhost]:1\" is no address to connect to" },
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct addr found[2];
        struct error err;
        int n = addr_resolve(rows[i].text, found, COUNT(found), &err);

        row_assert_string(&rows[i], describe(found, n, &err), rows[i].result);
    }
}

static bool is_loopback(const struct addr *a)
{
    char text[ADDR_TEXT_BYTES];

    (void)addr_print(a, text);
    return strncmp(text, "127.", 4) == 0 || strncmp(text, "[::1]:", 6) == 0;
}

static void resolve_localhost(void **state)
{
    struct addr found[4];
    struct error err;
    int n = addr_resolve("localhost:1935", found, COUNT(found), &err);

    (void)state;
    assert_in_range(n, 1, COUNT(found));
    for (int i = 0; i < n; i++) {
        assert_true(is_loopback(&found[i]));
        assert_int_equal(addr_port(&found[i]), 1935);
    }
    assert_int_equal(addr_resolve("localhost:1935", found, 1, &err), 1);
}

static void a_host_too_long_is_refused(void **state)
{
    char text[300];
    struct addr found[2];
    struct error err;

    (void)state;
    memset(text, 'a', sizeof(text));
    strcpy(text + 256, ":1");
    assert_int_equal(addr_resolve(text, found, COUNT(found), &err), -1);
    assert_string_equal(err.text, "\"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa...\" is too long for "
                                  "a host");
}

static void compare(void **state)
{
    static const struct {
        const char *name, *a, *b;
        bool is_equal;
    } rows[] = {
        { "the same", "127.0.0.1:1", "127.0.0.1:1", true },
        { "two spellings", "[::1]:1", "[0:0:0:0:0:0:0:1]:1", true },
        { "another port", "127.0.0.1:1", "127.0.0.1:2", false },
        { "another host", "127.0.0.1:1", "127.0.0.2:1", false },
        { "another family", "0.0.0.0:1", "[::]:1", false },
        { "IPv4 in IPv6", "127.0.0.1:1", "[::ffff:127.0.0.1]:1", false },
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct addr a[2], b[2];
        struct error err;

        row_assert_int(&rows[i], addr_parse_listen(rows[i].a, a, &err), 1);
        row_assert_int(&rows[i], addr_parse_listen(rows[i].b, b, &err), 1);
        row_assert_int(&rows[i], addr_is_equal(&a[0], &b[0]), rows[i].is_equal);
        row_assert_int(&rows[i], addr_is_equal(&b[0], &a[0]), rows[i].is_equal);
    }
}

static void wildcards(void **state)
{
    static const struct {
        const char *name, *text;
        bool is_wildcard;
    } rows[] = {
        { "IPv4 wildcard", "0.0.0.0:1", true },
        { "IPv6 wildcard", "[::]:1", true },
        { "IPv4", "0.0.0.1:1", false },
        { "IPv6", "[::1]:1", false },
        { "IPv4 wildcard in IPv6", "[::ffff:0.0.0.0]:1", false },
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct addr a[2];
        struct error err;

        row_assert_int(&rows[i], addr_parse_listen(rows[i].text, a, &err), 1);
        row_assert_int(&rows[i], addr_is_wildcard(&a[0]), rows[i].is_wildcard);
    }
}

static void ports(void **state)
{
    static const char *const texts[] = { "127.0.0.1:0", "[::1]:0" };
    struct addr a[2];
    struct error err;
    char text[ADDR_TEXT_BYTES];

    (void)state;
    for (size_t i = 0; i < COUNT(texts); i++) {
        assert_int_equal(addr_parse_listen(texts[i], a, &err), 1);
        addr_set_port(&a[0], 65534);
        assert_int_equal(addr_port(&a[0]), 65534);
        assert_non_null(strstr(addr_print(&a[0], text), ":65534"));
    }
}

static void take_what_the_system_gave(void **state)
{
    static const struct {
        const char *name;
        sa_family_t family;
        const char *result; /* NULL: refused */
    } rows[] = {
        { "IPv4", AF_INET, "192.0.2.1:1" },
        { "IPv6", AF_INET6, "[2001:db8::1]:2" },
        { "a socket in the file system", AF_UNIX, NULL },
        { "an interface", AF_PACKET, NULL },
        { "none", AF_UNSPEC, NULL },
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct addr a[2], expected[2];
        struct error err;
        const char *text = rows[i].result != NULL ? rows[i].result : "[2001:db8::1]:2";
        bool is_taken;

        row_assert_int(&rows[i], addr_parse_listen(text, expected, &err), 1);
        memset(a, 'x', sizeof(a));
        expected[0].any.sa_family = rows[i].family;
        is_taken = addr_take(&expected[0].any, &a[0]);
        row_assert_int(&rows[i], is_taken, rows[i].result != NULL);
        if (is_taken)
            row_assert(&rows[i], addr_is_equal(&a[0], &expected[0]));
    }
}

static void print_what_is_no_address(void **state)
{
    const struct addr none = { .len = 0 };
    char text[ADDR_TEXT_BYTES];

    (void)state;
    assert_string_equal(addr_print(&none, text), "-");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(parse_listen),
        cmocka_unit_test(resolve_numbers),
        cmocka_unit_test(resolve_localhost),
        cmocka_unit_test(a_host_too_long_is_refused),
        cmocka_unit_test(compare),
        cmocka_unit_test(wildcards),
        cmocka_unit_test(ports),
        cmocka_unit_test(take_what_the_system_gave),
        cmocka_unit_test(print_what_is_no_address),
    };

    return cmocka_run_group_tests_name("addr", tests, NULL, NULL);
}
