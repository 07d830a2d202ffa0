#include "test/unit/guarded.h"
#include "test/unit/unit.h"

#include "http/field.h"

#include <ctype.h>

static const struct row {
    const char *name;
    enum field_id id;
} rows[] = {
#define FIELD(name, text) { text, FIELD_##name },
#include "http/field.def"
#undef FIELD
};

static void check(const struct row *row, const char *text, enum field_id id, bool is_alias)
{
    struct span name = { guarded_copy(text, strlen(text)), strlen(text) };
    bool found_alias = !is_alias;

    row_assert_int(row, field_find(name, &found_alias), id);
    row_assert_int(row, found_alias, is_alias);
}

/* As written, in capitals, in small letters, and with '_' for one '-'. */
static void every_field_in_every_spelling(void **state)
{
    char text[64];

    (void)state;
    assert_int_equal(COUNT(rows), FIELD_COUNT - 1);
    for (const struct row *row = rows; row < rows + COUNT(rows); row++) {
        row_assert(row, strlen(row->name) < sizeof(text));
        row_assert(row, span_is(field_name(row->id), span_of(row->name)));
        check(row, row->name, row->id, false);
        strcpy(text, row->name);
        for (char *c = text; *c != '\0'; c++)
            *c = (char)toupper((unsigned char)*c);
        check(row, text, row->id, false);
        for (char *c = text; *c != '\0'; c++)
            *c = (char)tolower((unsigned char)*c);
        check(row, text, row->id, false);
        for (char *c = text; *c != '\0'; c++) {
            if (*c != '-')
                continue;
            *c = '_';
            check(row, text, row->id, true);
            *c = '-';
        }
    }
}

/* One character more, less or other is another name. */
static void nearly_a_field(void **state)
{
    char text[64];

    (void)state;
    for (const struct row *row = rows; row < rows + COUNT(rows); row++) {
        (void)snprintf(text, sizeof(text), "%sx", row->name);
        check(row, text, FIELD_OTHER, false);
        text[strlen(row->name) - 1] = '\0';
        check(row, text, FIELD_OTHER, false);
        for (size_t i = 0; i < strlen(row->name); i++) {
            strcpy(text, row->name);
            text[i] = '~';
            check(row, text, FIELD_OTHER, false);
            text[i] = (char)(row->name[i] ^ 0x40);
            check(row, text, FIELD_OTHER, false);
        }
    }
    check(&(struct row){ "nothing", FIELD_OTHER }, "", FIELD_OTHER, false);
}

static void certificates(void **state)
{
    static const struct {
        const char *name;
        bool is_one;
    } names[] = {
        { "X-SSL-Client-Verify", true },
        { "x_ssl_client_verify", true },
        { "X-Ssl-", true },
        { "X-SSL", false },
        { "XX-SSL-Client", false },
        { "", false },
    };

    (void)state;
    for (size_t i = 0; i < COUNT(names); i++) {
        size_t len = strlen(names[i].name);
        struct span name = { guarded_copy(names[i].name, len), len };

        row_assert_int(&names[i], field_is_certificate(name), names[i].is_one);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_field_in_every_spelling),
        cmocka_unit_test(nearly_a_field),
        cmocka_unit_test(certificates),
    };

    return cmocka_run_group_tests_name("field", tests, NULL, NULL);
}
