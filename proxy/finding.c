#include "proxy/finding.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

static const char *const severity_names[SEVERITY_COUNT] = {
    [SEVERITY_OK] = "ok",
    [SEVERITY_WARNING] = "warning",
    [SEVERITY_FAULT] = "fault",
};

static void print(const struct finding *finding, FILE *out)
{
    (void)fprintf(out, "%-8s %s: %s%s%s\n", severity_names[finding->severity], finding->subject,
                  finding->message, *finding->advice != '\0' ? "; " : "", finding->advice);
    (void)fflush(out);
}

static void free_finding(struct finding *finding)
{
    free(finding->subject);
    free(finding->message);
    free(finding->advice);
}

static bool is_known(const struct findings *f, const struct finding *finding)
{
    for (size_t i = 0; i < f->count; i++)
        if (strcmp(f->items[i].check, finding->check) == 0 &&
            strcmp(f->items[i].subject, finding->subject) == 0 &&
            strcmp(f->items[i].message, finding->message) == 0)
            return true;
    return false;
}

static bool append(struct findings *f, struct finding *finding)
{
    struct finding *grown;

    if (finding->subject == NULL || finding->message == NULL || finding->advice == NULL)
        return false;
    if (is_known(f, finding)) {
        free_finding(finding);
        return true;
    }
    grown = realloc(f->items, (f->count + 1) * sizeof(*grown));
    if (grown == NULL)
        return false;
    f->items = grown;
    f->items[f->count++] = *finding;
    f->counts[finding->severity]++;
    if (f->out != NULL)
        print(finding, f->out);
    return true;
}

void findings_add(struct findings *f, const struct remark *remark, const char *format, ...)
{
    struct finding finding = {
        .severity = remark->severity,
        .check = remark->check,
        .subject = strdup(remark->subject),
        .advice = strdup(remark->advice != NULL ? remark->advice : ""),
    };
    va_list args;

    va_start(args, format);
    if (vasprintf(&finding.message, format, args) < 0)
        finding.message = NULL;
    va_end(args);
    if (append(f, &finding))
        return;
    free_finding(&finding);
    f->is_incomplete = true;
}

void findings_print_count(const struct findings *f, FILE *out)
{
    unsigned faults = f->counts[SEVERITY_FAULT];
    unsigned warnings = f->counts[SEVERITY_WARNING];

    (void)fprintf(out, "%u fault%s, %u warning%s\n", faults, faults == 1 ? "" : "s", warnings,
                  warnings == 1 ? "" : "s");
}

void findings_free(struct findings *f)
{
    for (size_t i = 0; i < f->count; i++)
        free_finding(&f->items[i]);
    free(f->items);
}

/* ---- JSON ---- */

/* The length of the character that starts here, 1 to 4; 0 if it is none (RFC 3629, 4). */
static size_t utf8_length(const unsigned char *p)
{
    static const struct {
        unsigned char from, to;    /* of the first byte */
        unsigned char least, most; /* of the second */
        size_t length;
    } rows[] = {
        { 0x00, 0x7f, 0, 0, 1 },       { 0xc2, 0xdf, 0x80, 0xbf, 2 }, { 0xe0, 0xe0, 0xa0, 0xbf, 3 },
        { 0xe1, 0xec, 0x80, 0xbf, 3 }, { 0xed, 0xed, 0x80, 0x9f, 3 }, { 0xee, 0xef, 0x80, 0xbf, 3 },
        { 0xf0, 0xf0, 0x90, 0xbf, 4 }, { 0xf1, 0xf3, 0x80, 0xbf, 4 }, { 0xf4, 0xf4, 0x80, 0x8f, 4 },
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        size_t n = 1;

        if (p[0] < rows[i].from || p[0] > rows[i].to)
            continue;
        if (rows[i].length > 1 && (p[1] < rows[i].least || p[1] > rows[i].most))
            return 0;
        for (n = 2; n < rows[i].length; n++)
            if (p[n] < 0x80 || p[n] > 0xbf)
                return 0;
        return rows[i].length;
    }
    return 0;
}

void json_print_string(const char *text, FILE *out)
{
    const unsigned char *p = (const unsigned char *)text;

    (void)fputc('"', out);
    while (*p != '\0') {
        size_t n = utf8_length(p);

        if (n == 0)
            (void)fputs("\\ufffd", out);
        else if (*p < 0x20 || *p == 0x7f)
            (void)fprintf(out, "\\u%04x", *p);
        else
            (void)fprintf(out, "%s%.*s", *p == '"' || *p == '\\' ? "\\" : "", (int)n,
                          (const char *)p);
        p += n > 0 ? n : 1;
    }
    (void)fputc('"', out);
}

static void print_member(const char *name, const char *text, FILE *out)
{
    (void)fprintf(out, ", \"%s\": ", name);
    json_print_string(text, out);
}

void findings_print_json(const struct findings *f, FILE *out)
{
    (void)fprintf(out, "{\"faults\": %u, \"warnings\": %u, \"checks\": [",
                  f->counts[SEVERITY_FAULT], f->counts[SEVERITY_WARNING]);
    for (size_t i = 0; i < f->count; i++) {
        const struct finding *finding = &f->items[i];

        (void)fprintf(out, "%s\n  {\"name\": ", i > 0 ? "," : "");
        json_print_string(finding->check, out);
        print_member("subject", finding->subject, out);
        print_member("severity", severity_names[finding->severity], out);
        print_member("message", finding->message, out);
        print_member("advice", finding->advice, out);
        (void)fputc('}', out);
    }
    (void)fputs("\n]}\n", out);
}
