#include "test/unit/guarded.h"
#include "test/unit/unit.h"

#include "http/config_xml.h"

/* The document, and the value of <key> in it; NULL: there is none. */
static const struct row {
    const char *name;
    const char *xml;
    const char *value;
} rows[] = {
    { "an element", "<config><key>yes</key></config>", "yes" },
    { "white space around it", "<config>\r\n <key>\t 8443 \n</key></config>", "8443" },
    { "attributes", "<config a=\"b\"><key c='d' >yes</key></config>", "yes" },
    { "an empty one", "<config><key></key></config>", "" },
    { "an empty one in short", "<config><key /></config>", "" },
    { "the first of two", "<config><key>1</key><key>2</key></config>", "1" },
    { "one in a comment", "<config><!-- <key>no</key> --><key>yes</key></config>", "yes" },
    { "one in a comment alone", "<config><!-- <key>no</key> --></config>", NULL },
    { "one in a section", "<config><![CDATA[<key>no</key>]]><key>yes</key></config>", "yes" },
    { "behind a declaration",
      "\xEF\xBB\xBF<?xml version=\"1.0\"?><!DOCTYPE config><config><key>yes"
      "</key></config>",
      "yes" },
    { "a name that begins alike", "<config><keys>no</keys><key>yes</key></config>", "yes" },
    { "a name that ends alike", "<config><akey>no</akey></config>", NULL },
    { "an end tag alone", "<config></key></config>", NULL },
    { "another case", "<config><KEY>no</KEY></config>", NULL },
    { "a tag without an end", "<config><key", NULL },
    { "a tag without an end, open", "<config><key a", NULL },
    { "an element without an end", "<config><key>yes", NULL },
    { "a comment without an end", "<config><!-- <key>no</key>", NULL },
    { "nothing", "", NULL },
    { "no XML", "404 Not Found", NULL },
    { "less-than signs", "<<<<key>yes</key>", "yes" },
};

static void values(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        size_t n = strlen(rows[i].xml);
        struct span value = { NULL, 0 };
        bool is_there =
            config_xml_find((struct span){ guarded_copy(rows[i].xml, n), n }, SPAN("key"), &value);

        row_assert_int(&rows[i], is_there, rows[i].value != NULL);
        if (is_there)
            row_assert(&rows[i], span_is(value, span_of(rows[i].value)));
    }
}

/* Whatever is missing of it, nothing behind what is there is read. */
static void cut_at_every_byte(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++)
        for (size_t n = 0; n < strlen(rows[i].xml); n++) {
            struct span bytes = { guarded_copy(rows[i].xml, n), n };
            struct span value = { NULL, 0 };

            (void)config_xml_is(bytes);
            if (config_xml_find(bytes, SPAN("key"), &value))
                row_assert(&rows[i], value.len == 0 || (value.at >= bytes.at &&
                                                        value.at + value.len <= bytes.at + n));
        }
}

static void documents(void **state)
{
    (void)state;
    assert_true(config_xml_is(SPAN("<config><key>yes</key></config>")));
    assert_true(config_xml_is(SPAN("<!-- a licence -->\n<config \n xmlns:a=\"b\">\n</config>")));
    assert_false(config_xml_is(SPAN("<html><body>configuration</body></html>")));
    assert_false(config_xml_is(SPAN("<!-- <config> -->")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(values),
        cmocka_unit_test(cut_at_every_byte),
        cmocka_unit_test(documents),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
