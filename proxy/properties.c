#include "proxy/properties.h"

#include <string.h>

static const char blanks[] = " \t\f";

/* Append the rest of a line to `out`; returns the start of the next. */
static const char *take_line(const char *p, char *out, size_t size, bool *goes_on)
{
    size_t used = strlen(out);
    size_t n = strcspn(p, "\r\n");
    size_t backslashes = 0;

    while (backslashes < n && p[n - 1 - backslashes] == '\\')
        backslashes++;
    *goes_on = backslashes % 2 == 1;
    for (size_t i = 0; i < n - *goes_on && used + 1 < size; i++)
        out[used++] = p[i];
    out[used] = '\0';
    p += n;
    if (*p == '\r')
        p++;
    return *p == '\n' ? p + 1 : p;
}

/* One that goes on in the next is one line; leading blanks do not count. */
static const char *take_logical_line(const char *p, char *out, size_t size)
{
    bool is_comment;
    bool goes_on;

    out[0] = '\0';
    p += strspn(p, blanks);
    is_comment = *p == '#' || *p == '!';
    p = take_line(p, out, size, &goes_on);
    while (goes_on && !is_comment && *p != '\0') {
        p += strspn(p, blanks);
        p = take_line(p, out, size, &goes_on);
    }
    if (is_comment)
        out[0] = '\0';
    return p;
}

static void trim_end(char *text)
{
    size_t n = strlen(text);

    while (n > 0 && strchr(blanks, text[n - 1]) != NULL)
        text[--n] = '\0';
}

bool properties_find(const char *text, const char *key, char *out, size_t size)
{
    size_t n = strlen(key);
    bool is_found = false;
    char line[512];

    while (*text != '\0') {
        const char *value = line + n;

        text = take_logical_line(text, line, sizeof(line));
        if (strncmp(line, key, n) != 0 || strchr(" \t\f=:", *value) == NULL)
            continue;
        value += strspn(value, blanks);
        if (*value == '=' || *value == ':')
            value += 1 + strspn(value + 1, blanks);
        is_found = true;
        out[0] = '\0';
        (void)strncat(out, value, size - 1);
        trim_end(out);
    }
    return is_found;
}
