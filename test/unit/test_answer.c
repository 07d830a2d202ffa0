#include "test/unit/guarded.h"
#include "test/unit/unit.h"

#include "http/answer.h"
#include "http/head.h"

enum { ROOM = 2048 };

/* What is asked for: an error, a redirect or a file. */
struct row {
    const char *name;
    unsigned error;
    const char *base;
    const char *path;
    bool is_get;
    bool to_head;
    const char *file;
    size_t length;
    bool is_last;
    const char *expected;
};

#define TEXT "Content-Type: text/plain; charset=utf-8\r\n"
#define LAST "Connection: close\r\n\r\n"

static const struct row rows[] = {
    { .name = "an error",
      .error = 502,
      .expected =
          "HTTP/1.1 502 Bad Gateway\r\nCache-Control: no-store\r\n" TEXT
          "Content-Length: 52\r\n" LAST "The server behind this one did not answer properly.\n" },
    { .name = "an error for HEAD",
      .error = 408,
      .to_head = true,
      .expected = "HTTP/1.1 408 Request Timeout\r\nCache-Control: no-store\r\n" TEXT
                  "Content-Length: 37\r\n" LAST },
    { .name = "a redirect for GET",
      .base = "https://cam.example.org:5443",
      .path = "/openmeetings/?a=<b>&c=\"d\"",
      .is_get = true,
      .expected = "HTTP/1.1 301 Moved Permanently\r\n"
                  "Location: https://cam.example.org:5443/openmeetings/?a=<b>&c=\"d\"\r\n" TEXT
                  "Content-Length: 32\r\n" LAST "This page is served over https.\n" },
    { .name = "a redirect for POST",
      .base = "https://h",
      .path = "/",
      .expected = "HTTP/1.1 308 Permanent Redirect\r\nLocation: https://h/\r\n" TEXT
                  "Content-Length: 32\r\n" LAST "This page is served over https.\n" },
    { .name = "a redirect for HEAD",
      .base = "https://h",
      .path = "/x",
      .is_get = true,
      .to_head = true,
      .expected = "HTTP/1.1 301 Moved Permanently\r\nLocation: https://h/x\r\n" TEXT
                  "Content-Length: 32\r\n" LAST },
    { .name = "a redirect for OPTIONS *",
      .base = "https://h",
      .path = "*",
      .expected = "HTTP/1.1 308 Permanent Redirect\r\nLocation: https://h/\r\n" TEXT
                  "Content-Length: 32\r\n" LAST "This page is served over https.\n" },
    { .name = "a file",
      .file = "local/config.XML",
      .length = 1234,
      .expected = "HTTP/1.1 200 OK\r\nContent-Type: application/xml\r\n"
                  "Content-Length: 1234\r\nCache-Control: no-cache\r\n\r\n" },
    { .name = "the last file, of no known type",
      .file = "local.d/README",
      .length = 0,
      .is_last = true,
      .expected = "HTTP/1.1 200 OK\r\nContent-Type: application/octet-stream\r\n"
                  "Content-Length: 0\r\nCache-Control: no-cache\r\n" LAST },
};

static int answer(const struct row *row, char *out, size_t size)
{
    if (row->error > 0)
        return answer_error(row->error, row->to_head, out, size);
    if (row->file != NULL)
        return answer_file(row->file, row->length, row->is_last, out, size);
    return answer_redirect(span_of(row->base), span_of(row->path), row->is_get, row->to_head, out,
                           size);
}

/* In a buffer of every size: all of it, or -1, and no byte behind the end. */
static void every_answer_fits_or_says_so(void **state)
{
    (void)state;
    for (const struct row *row = rows; row < rows + COUNT(rows); row++) {
        size_t due = strlen(row->expected);
        char *out = guarded_end() - ROOM;
        int n = answer(row, out, ROOM);

        row_assert(row, n >= 0);
        out[n] = '\0';
        row_assert_string(row, out, row->expected);
        for (size_t size = 0; size <= due; size++)
            row_assert_int(row, answer(row, guarded_end() - size, size),
                           size < due ? -1 : (int)due);
    }
}

/* Each is a whole response: its length is that of its text, and it ends the connection. */
static void every_error_is_a_whole_response(void **state)
{
    static const unsigned statuses[] = { 400, 408, 413, 417, 431, 501, 502, 504, 505 };

    (void)state;
    for (size_t i = 0; i < COUNT(statuses); i++) {
        char out[ROOM];
        int n = answer_error(statuses[i], false, out, sizeof(out));
        struct head_scan scan = { 0 };
        struct head head;
        size_t size;

        assert_true(n > 0);
        assert_int_equal(head_scan(&scan, HEAD_RESPONSE, out, (size_t)n, ROOM, &size), HEAD_OK);
        assert_int_equal(head_parse_response(out, size, &head), HEAD_OK);
        assert_int_equal(head.status, statuses[i]);
        assert_int_equal(head.content_length, (size_t)n - size);
        assert_true(head.wants_close);
        assert_int_equal(answer_error(statuses[i], true, out, sizeof(out)), size);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_answer_fits_or_says_so),
        cmocka_unit_test(every_error_is_a_whole_response),
    };

    return cmocka_run_group_tests_name("answer", tests, NULL, NULL);
}
