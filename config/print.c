/* print.c - a configuration as the ini file that would make it. */
#include "config/options.h"

#include <string.h>

enum { WORDS_LINE_BYTES = 100 }; /* longer lists are broken */

/* A long list goes on in indented lines, so that what is printed can be read. */
static void print_words(const char *text, FILE *out)
{
    const char *gap = strlen(text) > WORDS_LINE_BYTES ? "\n    " : " ";

    while (*(text += strspn(text, " \t")) != '\0') {
        int n = (int)strcspn(text, " \t");

        (void)fprintf(out, "%s%.*s", gap, n, text);
        text += n;
    }
    (void)fputc('\n', out);
}

static void print_section(const char *kind, const struct section *section, unsigned offers,
                          FILE *out)
{
    (void)fprintf(out, "[%s]\n", section->name[0] != '\0' ? section->name : kind);
    for (size_t i = 0; i < option_count; i++) {
        const char *text = option_text(section, i);
        bool is_useless = options[i].serves != 0 && (options[i].serves & offers) == 0;

        if (strcmp(options[i].section, kind) != 0 || text == NULL || is_useless)
            continue;
        (void)fprintf(out, "%s =", options[i].key);
        if (options[i].type == OPT_WORDS)
            print_words(text, out);
        else
            (void)fprintf(out, " %s\n", text);
    }
}

void config_print(const struct config *config, FILE *out)
{
    print_section("proxy", &config->proxy.section, 0, out);
    for (size_t i = 0; i < config->certificate_count; i++) {
        (void)fputc('\n', out);
        print_section("certificate", &config->certificates[i].section, 0, out);
    }
    for (size_t i = 0; i < config->listener_count; i++) {
        (void)fputc('\n', out);
        print_section("listener", &config->listeners[i].section, config->listeners[i].offers, out);
    }
}
