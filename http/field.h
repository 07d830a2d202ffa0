/* field.h - the names of header fields that the proxy knows.
 *
 * A name is looked up without regard to case, and with '_' taken for '-':
 * what a backend may take for a field of ours must not slip through in another
 * spelling (CGI and its heirs write both as '_').
 */
#ifndef HTTP_FIELD_H
#define HTTP_FIELD_H

#include "http/span.h"

enum field_id {
    FIELD_OTHER,
#define FIELD(name, text) FIELD_##name,
#include "http/field.def"
#undef FIELD
    FIELD_COUNT
};

struct field {
    struct span name;  /* as it came */
    struct span value; /* without the white space around it */
    enum field_id id;  /* FIELD_OTHER: one that the proxy does not know */
    bool is_alias;     /* spelled with '_': passes for `id` with some backends */
};

/* FIELD_OTHER if it is none of ours. */
enum field_id field_find(struct span name, bool *is_alias);

/* "Content-Length" */
struct span field_name(enum field_id id);

/* X-SSL-...: what a backend is told about a client's certificate, by us alone. */
bool field_is_certificate(struct span name);

#endif
