#include "test/unit/unit.h"

#include "proxy/finding.h"

/* What a stdio function has printed; freed by the caller. */
struct sheet {
    char *text;
    size_t size;
    FILE *file;
};

static void open_sheet(struct sheet *s)
{
    s->file = open_memstream(&s->text, &s->size);
    assert_non_null(s->file);
}

static void json_strings(void **state)
{
    static const struct {
        const char *name;
        const char *text;
        const char *json;
    } rows[] = {
        { "nothing", "", "\"\"" },
        { "letters", "a b", "\"a b\"" },
        { "quotes and backslashes", "\"\\", "\"\\\"\\\\\"" },
        { "control characters", "\n\x1b\x7f", "\"\\u000a\\u001b\\u007f\"" },
        { "two bytes", "\xc3\xa4", "\"\xc3\xa4\"" },
        { "three", "\xe2\x82\xac", "\"\xe2\x82\xac\"" },
        { "four", "\xf0\x9f\x99\x82", "\"\xf0\x9f\x99\x82\"" },
        { "Latin-1", "\xe4x", "\"\\ufffdx\"" },
        { "cut", "\xe2\x82", "\"\\ufffd\\ufffd\"" },
        { "too long", "\xc0\xaf", "\"\\ufffd\\ufffd\"" },
        { "a surrogate", "\xed\xa0\x80", "\"\\ufffd\\ufffd\\ufffd\"" },
        { "too large", "\xf4\x90\x80\x80", "\"\\ufffd\\ufffd\\ufffd\\ufffd\"" },
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct sheet s;

        open_sheet(&s);
        json_print_string(rows[i].text, s.file);
        assert_int_equal(fclose(s.file), 0);
        row_assert_string(&rows[i], s.text, rows[i].json);
        free(s.text);
    }
}

static void lines(void **state)
{
    struct findings f = { .out = NULL };
    const struct remark good = { .check = "http", .subject = "a" };
    const struct remark bad = { SEVERITY_FAULT, "rtmp", "b", "do" };
    struct sheet s;

    (void)state;
    open_sheet(&s);
    f.out = s.file;
    findings_add(&f, &good, "answers %d", 200);
    findings_add(&f, &bad, "is down");
    findings_add(&f, &bad, "is down");
    findings_print_count(&f, s.file);
    assert_int_equal(fclose(s.file), 0);
    assert_string_equal(s.text, "ok       a: answers 200\n"
                                "fault    b: is down; do\n"
                                "1 fault, 0 warnings\n");
    assert_int_equal(f.count, 2);
    free(s.text);
    findings_free(&f);
}

static void json(void **state)
{
    struct findings f = { .out = NULL };
    const struct remark bad = { SEVERITY_WARNING, "rtmp", "b", NULL };
    struct sheet s;

    (void)state;
    open_sheet(&s);
    findings_add(&f, &bad, "is slow");
    findings_print_json(&f, s.file);
    assert_int_equal(fclose(s.file), 0);
    assert_string_equal(s.text,
                        "{\"faults\": 0, \"warnings\": 1, \"checks\": [\n"
                        "  {\"name\": \"rtmp\", \"subject\": \"b\", \"severity\": \"warning\", "
                        "\"message\": \"is slow\", \"advice\": \"\"}\n]}\n");
    free(s.text);
    findings_free(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(json_strings),
        cmocka_unit_test(lines),
        cmocka_unit_test(json),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
