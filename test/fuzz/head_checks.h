/* head_checks.h - what holds for any head, whatever is in it. */
#ifndef FUZZ_HEAD_CHECKS_H
#define FUZZ_HEAD_CHECKS_H

#include "test/fuzz/fuzz.h"

#include "http/chars.h"
#include "http/head.h"

enum { HEAD_CHECKS_MAX = 8192 };

static inline enum head_verdict check_parse(enum head_type type, const char *bytes, size_t size,
                                            struct head *head)
{
    return type == HEAD_REQUEST ? head_parse_request(bytes, size, head)
                                : head_parse_response(bytes, size, head);
}

/* Inside of the bytes, and nothing that could end a line. */
static inline void check_span(struct span span, const char *bytes, size_t size)
{
    if (span.len == 0)
        return;
    must(span.at >= bytes && span.at + span.len <= bytes + size);
    for (size_t i = 0; i < span.len; i++)
        must(char_is(span.at[i], CHAR_TEXT));
}

static inline void check_fields(const struct head *head, const char *bytes, size_t size)
{
    must(head->field_count <= HEAD_FIELDS_MAX);
    for (size_t i = 0; i < head->field_count; i++) {
        const struct field *field = &head->fields[i];

        check_span(field->name, bytes, size);
        check_span(field->value, bytes, size);
        must(field->name.len > 0);
        for (size_t k = 0; k < field->name.len; k++)
            must(char_is(field->name.at[k], CHAR_TOKEN));
        must(field->value.len == 0 || (!char_is_blank(field->value.at[0]) &&
                                       !char_is_blank(field->value.at[field->value.len - 1])));
    }
}

/* All at once: HEAD_OK with *size, or the verdict. */
static inline enum head_verdict check_scan(enum head_type type, const char *bytes, size_t len,
                                           size_t *size)
{
    struct head_scan scan = { 0 };
    enum head_verdict verdict = head_scan(&scan, type, bytes, len, HEAD_CHECKS_MAX, size);

    must((verdict == HEAD_OK || verdict == HEAD_PARTIAL) == (scan.fault == NULL));
    must(verdict != HEAD_OK || (*size <= len && *size <= HEAD_CHECKS_MAX));
    return verdict;
}

/* In pieces, each in memory of its own: the same verdict, no later than at the same byte. */
static inline void check_pieces(enum head_type type, const char *bytes, size_t len,
                                enum head_verdict verdict, size_t size)
{
    struct head_scan scan = { 0 };
    enum head_verdict found = HEAD_PARTIAL;
    uint32_t state = (uint32_t)len;
    size_t n = 0, found_size = 0;

    while (found == HEAD_PARTIAL && n < len) {
        size_t piece = fuzz_piece(&state);
        char *copy;

        n = len - n < piece ? len : n + piece;
        copy = malloc(n);
        must(copy != NULL);
        memcpy(copy, bytes, n);
        found = head_scan(&scan, type, copy, n, HEAD_CHECKS_MAX, &found_size);
        free(copy);
    }
    must(found == verdict);
    must(verdict != HEAD_OK || found_size == size);
}

/* The same head written anew, from what was understood; its length. */
static inline size_t check_rewrite(enum head_type type, const struct head *head, char *out)
{
    size_t n = 0;

#define PUT(span)      (memcpy(out + n, (span).at, (span).len), n += (span).len)
#define PUT_TEXT(text) PUT(SPAN(text))
    if (type == HEAD_REQUEST) {
        PUT(head->method);
        PUT_TEXT(" ");
        PUT(head->path);
        PUT_TEXT(" HTTP/1.");
        out[n++] = (char)('0' + head->minor);
    } else {
        PUT_TEXT("HTTP/1.");
        out[n++] = (char)('0' + head->minor);
        n += (size_t)sprintf(out + n, " %u ", head->status);
        if (head->reason.len > 0)
            PUT(head->reason);
    }
    for (size_t i = 0; i < head->field_count; i++) {
        PUT_TEXT("\r\n");
        PUT(head->fields[i].name);
        PUT_TEXT(": ");
        if (head->fields[i].value.len > 0)
            PUT(head->fields[i].value);
    }
    PUT_TEXT("\r\n\r\n");
#undef PUT_TEXT
#undef PUT
    return n;
}

/* Means the same once more: nothing was understood that is not there. */
static inline void check_again(enum head_type type, const struct head *head)
{
    static char out[HEAD_CHECKS_MAX + 8 * HEAD_FIELDS_MAX];
    static struct head again;
    struct head_scan scan = { 0 };
    size_t len = check_rewrite(type, head, out), size;

    must(head_scan(&scan, type, out, len, len, &size) == HEAD_OK && size == len);
    must(check_parse(type, out, len, &again) == HEAD_OK);
    must(again.field_count == head->field_count && again.body == head->body);
    must(again.content_length == head->content_length && again.minor == head->minor);
    must(again.status == head->status && again.wants_close == head->wants_close);
    must(again.expects_continue == head->expects_continue && again.is_safe == head->is_safe);
    must(span_is(again.method, head->method) && span_is(again.path, head->path));
    must(span_is(again.upgrade, head->upgrade) && span_is(again.reason, head->reason));
    for (size_t i = 0; i < head->field_count; i++) {
        must(span_is(again.fields[i].name, head->fields[i].name));
        must(span_is(again.fields[i].value, head->fields[i].value));
        must(again.fields[i].id == head->fields[i].id);
    }
}

#endif
