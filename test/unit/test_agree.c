#include "test/unit/guarded.h"
#include "test/unit/unit.h"

#include "http/agree.h"

static const char request[] =
    "POST /a?b HTTP/1.1\r\nHost: h\r\nContent-Length: 12\r\nEmpty:\r\nA: b c \r\n\r\n";
static const char response[] = "HTTP/1.0 404 Not Found\r\nContent-Length: 3\r\nA:b\r\n\r\n";
static const char chunked[] = "HTTP/1.1 200\r\nTransfer-Encoding: chunked\r\n\r\n";

static struct head head;
static struct span target;

static bool agrees_about(const char *bytes, size_t size)
{
    const char *copy = guarded_copy(bytes, size);

    return head.method.len > 0 ? agree_about_request(copy, size, &head, target)
                               : agree_about_response(copy, size, &head);
}

/* `head` as we understand these bytes. */
static void understand(const char *bytes, size_t size)
{
    const char *copy = guarded_copy(bytes, size);

    if (bytes[0] == 'H') {
        assert_int_equal(head_parse_response(copy, size, &head), HEAD_OK);
    } else {
        assert_int_equal(head_parse_request(copy, size, &head), HEAD_OK);
        target = head.path;
    }
    assert_true(agrees_about(bytes, size));
}

/* After this change to what we understood llhttp must not agree any more. */
#define differ(bytes, change)                                                                      \
    do {                                                                                           \
        understand((bytes), sizeof(bytes) - 1);                                                    \
        change;                                                                                    \
        if (agrees_about((bytes), sizeof(bytes) - 1))                                              \
            fail_msg("it agrees after %s", #change);                                               \
    } while (0)

static void every_difference_counts(void **state)
{
    (void)state;
    differ(request, head.method = SPAN("PUT"));
    differ(request, head.method.len--);
    differ(request, head.minor = 0);
    differ(request, target.len--);
    differ(request, target.len++);
    differ(request, target.at++);
    differ(request, target.len = 0);
    differ(request, head.field_count--);
    differ(request, head.field_count++);
    differ(request, head.fields[0].name.len--);
    differ(request, head.fields[0].name.at++);
    differ(request, head.fields[3].value.len--);
    differ(request, head.fields[3].value.len++);
    differ(request, head.fields[3].value.at--);
    differ(request, head.fields[2].value = head.fields[3].value);
    differ(request, head.content_length++);
    differ(request, (head.has_content_length = false, head.body = BODY_NONE));
    differ(request, (head.has_content_length = false, head.body = BODY_CHUNKED));
    differ(response, head.status = 405);
    differ(response, head.minor = 1);
    differ(response, head.reason.len--);
    differ(response, head.reason.len = 0);
    differ(response, head.field_count--);
    differ(response, head.fields[1].value.at++);
    differ(response, head.content_length = 0);
    differ(response, head.has_content_length = false);
    differ(chunked, head.body = BODY_CLOSE);
    differ(chunked, head.reason = SPAN("OK"));
}

/* Not where the head ends: it would take a body's bytes for its own, or leave some of its own. */
static void the_end_counts(void **state)
{
    static const char more[] = "GET / HTTP/1.1\r\nHost: h\r\n\r\nGET /";
    const size_t size = sizeof(more) - 1 - 5;

    (void)state;
    understand(more, size);
    assert_true(agrees_about(more, size));
    assert_false(agrees_about(more, size + 5));
    assert_false(agrees_about(more, size - 1));
}

static void methods(void **state)
{
    (void)state;
    assert_true(agree_knows_method(SPAN("GET")));
    assert_true(agree_knows_method(SPAN("M-SEARCH")));
    assert_false(agree_knows_method(SPAN("CONNECT")));
    assert_false(agree_knows_method(SPAN("DESCRIBE")));
    assert_false(agree_knows_method(SPAN("PRI")));
    assert_false(agree_knows_method(SPAN("GE")));
    assert_false(agree_knows_method(SPAN("")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_difference_counts),
        cmocka_unit_test(the_end_counts),
        cmocka_unit_test(methods),
    };

    return cmocka_run_group_tests_name("agree", tests, NULL, NULL);
}
