#include "test/unit/unit.h"

#include "proxy/properties.h"

/* The file, and the value of `rtmp.host` in it; NULL: there is none. */
static const struct row {
    const char *name;
    const char *text;
    const char *value;
} rows[] = {
    { "a line", "rtmp.host=127.0.0.1\n", "127.0.0.1" },
    { "no line end", "rtmp.host=127.0.0.1", "127.0.0.1" },
    { "Windows' line ends", "http.host=0\r\nrtmp.host=127.0.0.1\r\nx=y\r\n", "127.0.0.1" },
    { "old Macintosh's", "http.host=0\rrtmp.host=127.0.0.1\rx=y\r", "127.0.0.1" },
    { "blanks", " \trtmp.host \t= 127.0.0.1 \t\n", "127.0.0.1" },
    { "a colon", "rtmp.host: ::1\n", "::1" },
    { "neither", "rtmp.host 127.0.0.1\n", "127.0.0.1" },
    { "an equals sign in the value", "rtmp.host==a=b\n", "=a=b" },
    { "no value", "rtmp.host=\n", "" },
    { "the key alone", "rtmp.host\nx=y\n", "" },
    { "a comment", "#rtmp.host=1\n ! rtmp.host=2\n", NULL },
    { "a comment that does not go on", "# x \\\nrtmp.host=127.0.0.1\n", "127.0.0.1" },
    { "a line that goes on", "rtmp.host=127.\\\n   0.0.1\n", "127.0.0.1" },
    { "a key that goes on", "rtmp.\\\n  host=127.0.0.1\n", "127.0.0.1" },
    { "a value that goes on with what looks like it", "x=\\\nrtmp.host=1\n", NULL },
    { "two backslashes", "x=\\\\\nrtmp.host=127.0.0.1\n", "127.0.0.1" },
    { "twice", "rtmp.host=1\nrtmp.host=2\n", "2" },
    { "a longer key", "rtmp.hostname=1\n", NULL },
    { "another case", "RTMP.host=1\n", NULL },
    { "a long value", "rtmp.host=0123456789012345678901234567890123456789\n",
      "0123456789012345678901234567890" },
    { "nothing", "", NULL },
    { "a backslash at the end", "rtmp.host=1\\", "1" },
};

static void values(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        char value[32] = "";
        bool is_there = properties_find(rows[i].text, "rtmp.host", value, sizeof(value));

        row_assert_int(&rows[i], is_there, rows[i].value != NULL);
        row_assert_string(&rows[i], value, rows[i].value != NULL ? rows[i].value : "");
    }
}

/* A line of any length is read, and the next one is found. */
static void a_long_line(void **state)
{
    char *text = calloc(1, 100000);
    char value[32];

    (void)state;
    assert_non_null(text);
    memset(text, 'x', 90000);
    memcpy(text + 90000, "\nrtmp.host=1\n", 13);
    assert_true(properties_find(text, "rtmp.host", value, sizeof(value)));
    assert_string_equal(value, "1");
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(values),
        cmocka_unit_test(a_long_line),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
