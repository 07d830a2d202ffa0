#include "test/unit/unit.h"

#include "config/config.h"

#include <limits.h>
#include <sys/stat.h>

#define CERTIFICATE "[certificate main]\nchain = chain.pem\nkey = key.pem\n" /* lines 1 to 3 */
#define LISTENER                                                                                   \
    CERTIFICATE "[listener a]\nlisten = 127.0.0.1:1\ncertificates = main\n"                        \
                "http_backend = 127.0.0.1:2\n" /* lines 4 to 7 */

static char shipped_path[PATH_MAX];
static char complaint_lines[8192];

static void collect(const char *line)
{
    strcat(complaint_lines, line);
    strcat(complaint_lines, "\n");
}

/* Load what stands in a file; complaints are in complaint_lines, a line each. */
static struct config *load_file(const char *path)
{
    struct complaints c = { .report = collect };
    struct config *config;

    complaint_lines[0] = '\0';
    config = config_load(path, &c);
    assert_true(config != NULL || c.errors > 0);
    assert_int_equal(complaint_lines[0] != '\0', c.errors + c.warnings > 0);
    if (c.errors == 0)
        return config;
    config_free(config);
    return NULL;
}

static struct config *load(const char *text)
{
    write_file("proxy.ini", text, strlen(text));
    return load_file("proxy.ini");
}

/* "a b c" */
static const char *join(const struct words *words)
{
    static char text[512];

    text[0] = '\0';
    for (size_t i = 0; i < words->count; i++) {
        strcat(text, i > 0 ? " " : "");
        strcat(text, words->items[i]);
    }
    return text;
}

static const char *addresses(const struct listener_config *l)
{
    static char text[CONFIG_LISTEN_MAX * ADDR_TEXT_BYTES];
    char one[ADDR_TEXT_BYTES];

    text[0] = '\0';
    for (size_t i = 0; i < l->address_count; i++) {
        strcat(text, i > 0 ? " " : "");
        strcat(text, l->is_optional[i] ? "?" : "");
        strcat(text, addr_print(&l->addresses[i], one));
    }
    return text;
}

static const char every_key[] = "[proxy]\n"
                                "workers = 3\n"
                                "user = alice\n"
                                "group = staff\n"
                                "log_level = debug\n"
                                "max_sessions = 1000\n"
                                "stop_timeout = 2m\n"
                                "[certificate main]\n"
                                "chain = certs/main.pem\n"
                                "key = /etc/main.key\n"
                                "[certificate screen]\n"
                                "chain = screen.pem\n"
                                "key = screen.key\n"
                                "[listener rtmps]\n"
                                "listen = *:8443 127.0.0.1:0\n"
                                "certificates = screen main\n"
                                "protocols = rtmp http\n"
                                "http_backend = 127.0.0.1:5080\n"
                                "rtmp_backend = [::1]:1935\n"
                                "handshake_timeout = 100ms\n"
                                "first_byte_timeout = 1s\n"
                                "connect_timeout = 2s\n"
                                "idle_timeout = 65s\n"
                                "response_timeout = 1h\n"
                                "half_close_timeout = 3s\n"
                                "max_dials = 4\n"
                                "[listener tunnel]\n"
                                "listen = 127.0.0.1:9444\n"
                                "certificates = main\n"
                                "protocols = tunnel\n"
                                "tunnel_backend = 127.0.0.1:9000\n"
                                "tickets = on\n";

static void every_key_is_typed(void **state)
{
    struct config *config = load(every_key);
    const struct listener_config *l;

    (void)state;
    assert_string_equal(complaint_lines, "");
    assert_int_equal(config->proxy.workers, 3);
    assert_string_equal(config->proxy.user, "alice");
    assert_string_equal(config->proxy.group, "staff");
    assert_int_equal(config->proxy.log_level, LOG_DEBUG);
    assert_int_equal(config->proxy.max_sessions, 1000);
    assert_int_equal(config->proxy.stop_timeout_ms, 120000);

    assert_int_equal(config->certificate_count, 2);
    assert_string_equal(config->certificates[0].name, "main");
    assert_string_equal(config->certificates[0].chain, "certs/main.pem");
    assert_string_equal(config->certificates[0].key, "/etc/main.key");
    assert_string_equal(config->certificates[1].name, "screen");

    assert_int_equal(config->listener_count, 2);
    l = &config->listeners[0];
    assert_string_equal(l->name, "rtmps");
    assert_string_equal(join(&l->listen), "*:8443 127.0.0.1:0");
    assert_string_equal(addresses(l), "0.0.0.0:8443 ?[::]:8443 127.0.0.1:0");
    assert_string_equal(join(&l->certificates), "screen main");
    assert_int_equal(l->certificate_indices[0], 1);
    assert_int_equal(l->certificate_indices[1], 0);
    assert_int_equal(l->offers, OFFERS_HTTP | OFFERS_RTMP);
    assert_string_equal(l->backends[PROTOCOL_HTTP].text, "127.0.0.1:5080");
    assert_int_equal(l->backends[PROTOCOL_HTTP].address_count, 1);
    assert_int_equal(addr_port(&l->backends[PROTOCOL_RTMP].addresses[0]), 1935);
    assert_int_equal(l->handshake_timeout_ms, 100);
    assert_int_equal(l->first_byte_timeout_ms, 1000);
    assert_int_equal(l->connect_timeout_ms, 2000);
    assert_int_equal(l->idle_timeout_ms, 65000);
    assert_int_equal(l->response_timeout_ms, 3600000);
    assert_int_equal(l->half_close_timeout_ms, 3000);
    assert_int_equal(l->max_dials, 4);
    assert_false(l->tickets);

    l = &config->listeners[1];
    assert_int_equal(l->offers, OFFERS_TUNNEL);
    assert_int_equal(addr_port(&l->backends[PROTOCOL_TUNNEL].addresses[0]), 9000);
    assert_true(l->tickets);
    config_free(config);
}

static void defaults(void **state)
{
    struct config *config = load(LISTENER);
    const struct listener_config *l = &config->listeners[0];

    (void)state;
    assert_string_equal(complaint_lines, "");
    assert_int_equal(config->proxy.workers, 0);
    assert_null(config->proxy.user);
    assert_null(config->proxy.group);
    assert_int_equal(config->proxy.log_level, LOG_INFO);
    assert_int_equal(config->proxy.max_sessions, 0);
    assert_int_equal(config->proxy.stop_timeout_ms, 90000);
    assert_int_equal(l->offers, OFFERS_HTTP);
    assert_int_equal(l->handshake_timeout_ms, 10000);
    assert_int_equal(l->first_byte_timeout_ms, 10000);
    assert_int_equal(l->connect_timeout_ms, 3000);
    assert_int_equal(l->idle_timeout_ms, 300000);
    assert_int_equal(l->response_timeout_ms, 900000);
    assert_int_equal(l->half_close_timeout_ms, 60000);
    assert_int_equal(l->max_dials, 32);
    assert_false(l->tickets);
    config_free(config);
}

static void default_listeners(void **state)
{
    static const struct {
        const char *name, *text, *certificates; /* of the second listener */
    } rows[] = {
        { "one certificate", CERTIFICATE, "main" },
        { "one for screen sharing", CERTIFICATE "[certificate screen]\nchain = c\nkey = k\n",
          "main screen" },
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct config *config = load(rows[i].text);
        const struct listener_config *l = config->listeners;

        row_assert_string(&rows[i], complaint_lines, "");
        row_assert_int(&rows[i], config->listener_count, 2);
        row_assert_string(&rows[i], l[0].name, "https");
        row_assert_string(&rows[i], l[1].name, "rtmps");
        row_assert_string(&rows[i], addresses(&l[0]), "0.0.0.0:5443 ?[::]:5443");
        row_assert_string(&rows[i], addresses(&l[1]), "0.0.0.0:8443 ?[::]:8443");
        row_assert_string(&rows[i], join(&l[0].certificates), "main");
        row_assert_string(&rows[i], join(&l[1].certificates), rows[i].certificates);
        for (int k = 0; k < 2; k++) {
            row_assert_int(&rows[i], l[k].offers, OFFERS_HTTP | OFFERS_RTMP);
            row_assert_string(&rows[i], l[k].backends[PROTOCOL_HTTP].text, "127.0.0.1:5080");
            row_assert_string(&rows[i], l[k].backends[PROTOCOL_RTMP].text, "127.0.0.1:1935");
        }
        config_free(config);
    }
}

static void backends_make_protocols(void **state)
{
    static const struct {
        const char *name, *text;
        unsigned offers;
    } rows[] = {
        { "http", "http_backend = 127.0.0.1:2\n", OFFERS_HTTP },
        { "rtmp", "rtmp_backend = 127.0.0.1:2\n", OFFERS_RTMP },
        { "both", "http_backend = 127.0.0.1:2\nrtmp_backend = 127.0.0.1:3\n",
          OFFERS_HTTP | OFFERS_RTMP },
        { "one of two", "protocols = http\nhttp_backend = 127.0.0.1:2\n", OFFERS_HTTP },
        { "tunnel", "protocols = tunnel\ntunnel_backend = 127.0.0.1:2\n", OFFERS_TUNNEL },
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        char text[512];
        struct config *config;

        (void)snprintf(text, sizeof(text),
                       CERTIFICATE "[listener a]\nlisten = *:1\ncertificates = main\n%s",
                       rows[i].text);
        config = load(text);
        row_assert_string(&rows[i], complaint_lines, "");
        row_assert_int(&rows[i], config->listeners[0].offers, rows[i].offers);
        config_free(config);
    }
}

/* The same set-up in other lines. */
static void spellings(void **state)
{
    static const struct {
        const char *name, *listen;
    } rows[] = {
        { "words", "listen = 127.0.0.1:1 127.0.0.1:2\n" },
        { "many blanks", "  listen=127.0.0.1:1 \t 127.0.0.1:2 \t\n" },
        { "an indented line goes on", "listen = 127.0.0.1:1\n  127.0.0.1:2\n" },
        { "a tab as well", "listen = 127.0.0.1:1\n\t127.0.0.1:2\n" },
        { "all in indented lines", "listen =\n  127.0.0.1:1\n  127.0.0.1:2\n" },
        { "comments", "# one\n; two\nlisten = 127.0.0.1:1 127.0.0.1:2 ; three\n" },
        { "comments between indented lines",
          "listen = 127.0.0.1:1 ; one\n  ; two\n# three\n  127.0.0.1:2\n" },
        { "a comment behind an indented line", "listen = 127.0.0.1:1\n  127.0.0.1:2 ; two\n" },
        { "an empty line between", "listen = 127.0.0.1:1\n\n  127.0.0.1:2\n" },
        { "CRLF", "listen = 127.0.0.1:1\r\n  127.0.0.1:2\r\n" },
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        char text[512];
        struct config *config;

        (void)snprintf(text, sizeof(text),
                       CERTIFICATE "[listener a]\n%scertificates = main\n"
                                   "http_backend = 127.0.0.1:3\n",
                       rows[i].listen);
        config = load(text);
        row_assert_string(&rows[i], complaint_lines, "");
        row_assert_string(&rows[i], addresses(&config->listeners[0]), "127.0.0.1:1 127.0.0.1:2");
        config_free(config);
    }
}

static void whole_files(void **state)
{
    static const struct {
        const char *name, *text;
    } rows[] = {
        { "a byte order mark", "\xEF\xBB\xBF" LISTENER },
        { "a byte order mark and CRLF", "\xEF\xBB\xBF\r\n" LISTENER },
        { "no line end at the end", LISTENER "max_dials = 1" },
        { "a comment of any length",
          ";1234567890123456789012345678901234567890123456789012345678901234567890123456789012345"
          "6789012345678901234567890123456789012345678901234567890123456789012345678901234567890"
          "1234567890123456789012345678901234567890\n" LISTENER },
        { "the longest section name that is read",
          LISTENER "[certificate 1234567890123456789012345678901234567]\nchain = c\nkey = k\n"
                   "[listener b]\nlisten = *:3\nhttp_backend = 127.0.0.1:4\n"
                   "certificates = 1234567890123456789012345678901234567\n" },
        { "a comment behind a section", "[proxy] ; here\n[certificate x] # there\nchain = c\n"
                                        "key = k\n" LISTENER "[listener b]\ncertificates = x\n"
                                        "listen = *:3\nhttp_backend = 127.0.0.1:4\n" },
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct config *config = load(rows[i].text);

        row_assert_string(&rows[i], complaint_lines, "");
        config_free(config);
    }
}

static const char *xs(size_t n)
{
    static char text[256];

    memset(text, 'x', n);
    text[n] = '\0';
    return text;
}

static void the_longest_line_that_is_read(void **state)
{
    enum { LONGEST = 198, KEY_BYTES = sizeof("user=") - 1 };
    char text[512];
    struct config *config;

    (void)state;
    (void)snprintf(text, sizeof(text), LISTENER "[proxy]\nuser=%s\n", xs(LONGEST - KEY_BYTES));
    config = load(text);
    assert_string_equal(complaint_lines, "");
    assert_string_equal(config->proxy.user, xs(LONGEST - KEY_BYTES));
    config_free(config);

    (void)snprintf(text, sizeof(text), LISTENER "[proxy]\nuser=%s\n", xs(LONGEST + 1 - KEY_BYTES));
    assert_null(load(text));
    assert_string_equal(complaint_lines, "proxy.ini:9: the line is too long: 199 characters, at "
                                         "most 198 are read\n");
}

#include "test/unit/bad_configs.h"

static void bad_files(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(bad_configs); i++) {
        config_free(load(bad_configs[i].text));
        row_assert_string(&bad_configs[i], complaint_lines, bad_configs[i].complaints);
    }
}

static void bytes_that_are_no_text(void **state)
{
    static const char nul[] = LISTENER "[proxy]\nuser = a\0b\n";

    (void)state;
    write_file("proxy.ini", nul, sizeof(nul) - 1);
    assert_null(load_file("proxy.ini"));
    assert_string_equal(complaint_lines, "proxy.ini:9: the line has a NUL or carriage return; save "
                                         "the file with plain line ends\n");
}

static void files_that_cannot_be_read(void **state)
{
    (void)state;
    assert_null(load_file("missing.ini"));
    assert_string_equal(complaint_lines,
                        "missing.ini: cannot be read: No such file or directory\n");
    assert_null(load_file("."));
    assert_string_equal(complaint_lines, ".: is no regular file\n");
}

/* Everything is relative to the file, wherever it is named from. */
static void paths(void **state)
{
    static const struct {
        const char *name, *directory;
    } rows[] = {
        { "here", "" },           { "here, in words", "./" },
        { "below", "below/" },    { "roundabout", "below/../" },
        { "absolute", temp_dir },
    };

    (void)state;
    assert_int_equal(mkdir("below", 0700), 0);
    write_file("below/proxy.ini", LISTENER, strlen(LISTENER));
    write_file("proxy.ini", LISTENER, strlen(LISTENER));
    for (size_t i = 0; i < COUNT(rows); i++) {
        const char *slash = rows[i].directory == temp_dir ? "/" : "";
        char path[64], chain[64];
        struct config *config;

        (void)snprintf(path, sizeof(path), "%s%sproxy.ini", rows[i].directory, slash);
        (void)snprintf(chain, sizeof(chain), "%s%schain.pem", rows[i].directory, slash);
        config = load_file(path);
        row_assert_string(&rows[i], complaint_lines, "");
        row_assert_string(&rows[i], config->certificates[0].chain, chain);
        config_free(config);
    }
}

static char *print(const struct config *config)
{
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);

    config_print(config, out);
    assert_int_equal(fclose(out), 0);
    return text;
}

/* -t's output can be read back, and is the same set-up. */
static void what_is_printed_loads(void **state)
{
    static const struct {
        const char *name, *text;
    } rows[] = {
        { "every key", every_key },
        { "defaults", CERTIFICATE },
        { "one listener", LISTENER },
        { "more addresses than a line can hold",
          CERTIFICATE "[listener a]\ncertificates = main\nhttp_backend = 127.0.0.1:2\nlisten =\n"
                      "  [2001:db8:1111:2222:3333:4444:5555:1]:5443\n"
                      "  [2001:db8:1111:2222:3333:4444:5555:2]:5443\n"
                      "  [2001:db8:1111:2222:3333:4444:5555:3]:5443\n"
                      "  [2001:db8:1111:2222:3333:4444:5555:4]:5443\n"
                      "  [2001:db8:1111:2222:3333:4444:5555:5]:5443\n" },
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct config *config = load(rows[i].text);
        char *first = print(config), *second;

        config_free(config);
        config = load(first);
        row_assert_string(&rows[i], complaint_lines, "");
        second = print(config);
        row_assert_string(&rows[i], second, first);
        config_free(config);
        free(first);
        free(second);
    }
}

static void a_complaint_finds_its_line(void **state)
{
    struct config *config = load(LISTENER);
    const struct section *s = &config->listeners[0].section;

    (void)state;
    assert_int_equal(config_key_line(s, "listen"), 5);
    assert_int_equal(config_key_line(s, "max_dials"), 4); /* not written: the section's */
    config_free(config);
}

/* The shipped example. */

static void the_example_loads(void **state)
{
    struct config *config = load_file(shipped_path);

    (void)state;
    assert_string_equal(complaint_lines, "");
    assert_int_equal(config->certificate_count, 1);
    assert_int_equal(config->listener_count, 2);
    config_free(config);
}

/* Prose stands behind "; ", what can be switched on behind ";". */
static void the_example_loads_with_all_switched_on(void **state)
{
    char *text = read_file(shipped_path);
    struct config *config;

    (void)state;
    for (char *p = text; p != NULL; p = strchr(p, '\n')) {
        p += *p == '\n';
        if (strncmp(p, ";client_c", 9) == 0) /* does nothing with the default of client_verify */
            continue;
        if (p[0] == ';' && p[1] != ' ' && p[1] != '\n')
            *p = '\n';
    }
    config = load(text);
    assert_string_equal(complaint_lines, "");
    assert_int_equal(config->listener_count, 6);
    config_free(config);
    free(text);
}

static int set_up(void **state)
{
    return realpath("proxy.ini", shipped_path) != NULL ? enter_temp_dir(state) : -1;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_key_is_typed),
        cmocka_unit_test(defaults),
        cmocka_unit_test(default_listeners),
        cmocka_unit_test(backends_make_protocols),
        cmocka_unit_test(spellings),
        cmocka_unit_test(whole_files),
        cmocka_unit_test(the_longest_line_that_is_read),
        cmocka_unit_test(bad_files),
        cmocka_unit_test(bytes_that_are_no_text),
        cmocka_unit_test(files_that_cannot_be_read),
        cmocka_unit_test(paths),
        cmocka_unit_test(what_is_printed_loads),
        cmocka_unit_test(a_complaint_finds_its_line),
        cmocka_unit_test(the_example_loads),
        cmocka_unit_test(the_example_loads_with_all_switched_on),
    };

    return cmocka_run_group_tests_name("config", tests, set_up, leave_temp_dir);
}
