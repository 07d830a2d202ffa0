#include "config/complaint.h"

#include <stdarg.h>
#include <stdio.h>

enum { SENTENCE_BYTES = 1024, POSITION_BYTES = 512 };

static void report(struct complaints *c, const char *severity, int line, const char *section,
                   const char *key, const char *sentence)
{
    char position[POSITION_BYTES];
    char text[POSITION_BYTES + SENTENCE_BYTES];
    int n = 0;

    if (line > 0)
        n = snprintf(position, sizeof(position), ":%d", line);
    position[n] = '\0';
    (void)snprintf(text, sizeof(text), "%s%s: %s%s%s%s%s%s%s", c->file, position, severity,
                   section != NULL ? "[" : "", section != NULL ? section : "",
                   section != NULL ? "] " : "", key != NULL ? key : "", key != NULL ? ": " : "",
                   sentence);
    c->report(text);
}

void complain(struct complaints *c, int line, const char *section, const char *key,
              const char *format, ...)
{
    char sentence[SENTENCE_BYTES];
    va_list args;

    va_start(args, format);
    (void)vsnprintf(sentence, sizeof(sentence), format, args);
    va_end(args);
    c->errors++;
    report(c, "", line, section, key, sentence);
}

void complain_mildly(struct complaints *c, int line, const char *section, const char *key,
                     const char *format, ...)
{
    char sentence[SENTENCE_BYTES];
    va_list args;

    va_start(args, format);
    (void)vsnprintf(sentence, sizeof(sentence), format, args);
    va_end(args);
    c->warnings++;
    report(c, "warning: ", line, section, key, sentence);
}
