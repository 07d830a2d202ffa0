#include "test/unit/unit.h"

#include "config/options.h"

static const char *const kinds[] = { "proxy", "certificate", "listener" };

static void every_row_is_whole(void **state)
{
    (void)state;
    for (size_t i = 0; i < option_count; i++) {
        const struct option *o = &options[i];
        bool is_known = false;

        for (size_t k = 0; k < COUNT(kinds); k++)
            is_known |= strcmp(o->section, kinds[k]) == 0;
        if (!is_known)
            fail_msg("[%s] %s is in no known section", o->section, o->key);
        if (o->help == NULL || o->help[0] == '\0' || o->help[strlen(o->help) - 1] != '.')
            fail_msg("[%s] %s has no sentence of help", o->section, o->key);
        if (option_find(o->section, o->key) != (int)i)
            fail_msg("[%s] %s is there twice", o->section, o->key);
        if ((o->type == OPT_NUMBER || o->type == OPT_DURATION) && o->min >= o->max)
            fail_msg("[%s] %s has no range", o->section, o->key);
        if ((o->type == OPT_CHOICE) != (o->choices != NULL))
            fail_msg("[%s] %s has choices, or none, against its type", o->section, o->key);
    }
}

static void refuse(const char *line)
{
    fail_msg("%s", line);
}

static void every_fallback_parses(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(kinds); i++) {
        union {
            struct section section;
            struct proxy_config proxy;
            struct certificate_config certificate;
            struct listener_config listener;
        } any;
        struct complaints c = { .file = "table", .report = refuse };

        memset(&any, 0, sizeof(any));
        options_apply(kinds[i], &any.section, "", &c);
        options_free(kinds[i], &any.section);
    }
}

/* A key of the example's text, "key = value ; help", behind a semicolon or
 * not; false if the line is none. */
static bool read_setting(const char *line, char key[64], char value[128])
{
    const char *text = *line == ';' ? line + 1 : line;
    char *end;

    if (sscanf(text, "%63[a-z_] = %127[^;\n]", key, value) != 2)
        return false;
    end = value + strlen(value);
    while (end > value && end[-1] == ' ')
        *--end = '\0';
    return true;
}

static void the_example_has_every_key_and_default(void **state)
{
    char *text = read_file("proxy.ini");
    bool is_documented[CONFIG_OPTIONS_MAX] = { false };
    char kind[16] = "", key[64], value[128];

    (void)state;
    for (char *rest = text, *line; (line = strsep(&rest, "\n")) != NULL;) {
        int row;

        if (sscanf(*line == ';' ? line + 1 : line, "[%15[a-z]", kind) == 1 ||
            !read_setting(line, key, value))
            continue;
        row = option_find(kind, key);
        if (row < 0)
            fail_msg("proxy.ini has \"%s\" in [%s], the table has not", key, kind);
        if (!is_documented[row] && *line == ';' && options[row].fallback != NULL &&
            strcmp(value, options[row].fallback) != 0)
            fail_msg("proxy.ini says that %s is %s, the table %s", key, value,
                     options[row].fallback);
        is_documented[row] = true; /* where it is named again it may be set otherwise */
    }
    for (size_t i = 0; i < option_count; i++)
        if (!is_documented[i])
            fail_msg("proxy.ini does not have %s of [%s]", options[i].key, options[i].section);
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_row_is_whole),
        cmocka_unit_test(every_fallback_parses),
        cmocka_unit_test(the_example_has_every_key_and_default),
    };

    return cmocka_run_group_tests_name("options", tests, NULL, NULL);
}
