/* finding.h - what a run of doctor has found out, a line for each.
 *
 *    fault    [listener https] 127.0.0.1:5443: nothing listens there; start the proxy
 *
 * As text a line is written when it is found, as JSON all are when the run is over.
 */
#ifndef PROXY_FINDING_H
#define PROXY_FINDING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

enum severity { SEVERITY_OK, SEVERITY_WARNING, SEVERITY_FAULT, SEVERITY_COUNT };

struct finding {
    enum severity severity;
    const char *check; /* constant text: one of the words in red5-tls-proxy(8) */
    char *subject;
    char *message;
    char *advice; /* "": there is nothing to do */
};

struct findings {
    FILE *out; /* where each goes at once; NULL: nowhere */
    struct finding *items;
    size_t count;
    unsigned counts[SEVERITY_COUNT];
    bool is_incomplete; /* memory has run out */
};

/* What is found wrong. The same one a second time is left out. */
struct remark {
    enum severity severity;
    const char *check;
    const char *subject;
    const char *advice; /* NULL: none */
};

void findings_add(struct findings *f, const struct remark *remark, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* How many there are, in words: "2 faults, 1 warning". */
void findings_print_count(const struct findings *f, FILE *out);

/* {"faults": 0, "warnings": 1, "checks": [{"name": ...}, ...]} */
void findings_print_json(const struct findings *f, FILE *out);

void findings_free(struct findings *f);

/* Text in quotes for JSON (RFC 8259): what is no UTF-8 becomes U+FFFD. */
void json_print_string(const char *text, FILE *out);

#endif
