#include "http/body.h"

#include "http/chars.h"
#include "http/field.h"

/* A chunked body (RFC 9112, 7.1), as far as it is parsed byte by byte:
 *
 *    1a;name=value CRLF  26 bytes CRLF  0 CRLF  Name: value CRLF  CRLF
 */
enum state {
    SIZE_START,
    SIZE,
    EXTENSION_NAME_START,
    EXTENSION_NAME,
    EXTENSION_VALUE_START,
    EXTENSION_TOKEN,
    EXTENSION_QUOTED,
    EXTENSION_QUOTED_END,
    SIZE_LF,
    DATA,
    DATA_CR,
    DATA_LF,
    TRAILER_START,
    TRAILER_NAME,
    TRAILER_VALUE,
    TRAILER_LF,
    LAST_LF,
    DONE,
    BAD,
};

/* Java's servers keep the size of a chunk in an int, and old ones do not see it
 * overflow (CVE-2014-0075). */
static const uint64_t CHUNK_MAX = INT32_MAX;

void body_init(struct body *b, enum body_kind kind, uint64_t length)
{
    *b = (struct body){ .kind = kind, .state = SIZE_START };
    if (kind == BODY_LENGTH)
        b->left = length;
    b->is_done = kind == BODY_NONE || (kind == BODY_LENGTH && length == 0);
}

static uint64_t digit_of(char c)
{
    return c <= '9' ? (uint64_t)(c - '0') : (uint64_t)((c | 0x20) - 'a' + 10);
}

static enum state add_digit(struct body *b, char c)
{
    b->left = b->left * 16 + digit_of(c);
    return b->left <= CHUNK_MAX ? SIZE : BAD;
}

/* What may follow a whole element of the line. */
static enum state end_element(char c)
{
    if (c == ';')
        return EXTENSION_NAME_START;
    return c == '\r' ? SIZE_LF : BAD;
}

static enum state step_extension(struct body *b, char c)
{
    switch ((enum state)b->state) {
    case EXTENSION_NAME_START:
        return char_is(c, CHAR_TOKEN) ? EXTENSION_NAME : BAD;
    case EXTENSION_NAME:
        if (char_is(c, CHAR_TOKEN))
            return EXTENSION_NAME;
        return c == '=' ? EXTENSION_VALUE_START : end_element(c);
    case EXTENSION_VALUE_START:
        if (c == '"')
            return EXTENSION_QUOTED;
        return char_is(c, CHAR_TOKEN) ? EXTENSION_TOKEN : BAD;
    case EXTENSION_TOKEN:
        return char_is(c, CHAR_TOKEN) ? EXTENSION_TOKEN : end_element(c);
    case EXTENSION_QUOTED: /* without quoted pairs, which parsers disagree about */
        if (c == '"')
            return EXTENSION_QUOTED_END;
        return c != '\\' && char_is(c, CHAR_TEXT) ? EXTENSION_QUOTED : BAD;
    default:
        return end_element(c);
    }
}

static enum state step_size(struct body *b, char c)
{
    if (++b->line_bytes > BODY_CHUNK_LINE_MAX)
        return BAD;
    switch ((enum state)b->state) {
    case SIZE_START:
        b->left = 0;
        return char_is(c, CHAR_HEX) ? add_digit(b, c) : BAD;
    case SIZE:
        return char_is(c, CHAR_HEX) ? add_digit(b, c) : end_element(c);
    case SIZE_LF:
        b->line_bytes = 0;
        if (c != '\n')
            return BAD;
        return b->left > 0 ? DATA : TRAILER_START;
    default:
        return step_extension(b, c);
    }
}

/* After a name: only one that nobody reads for framing, routing or rights. One that
 * was not kept whole is longer than any of those. */
static bool is_harmless(const struct body *b)
{
    size_t kept = b->name_bytes < BODY_NAME_MAX ? b->name_bytes : BODY_NAME_MAX;
    struct span name = { b->name, kept };
    bool is_alias;

    return field_find(name, &is_alias) == FIELD_OTHER && !field_is_certificate(name);
}

static enum state step_name(struct body *b, char c)
{
    if (char_is(c, CHAR_TOKEN)) {
        if (b->name_bytes < BODY_NAME_MAX)
            b->name[b->name_bytes] = c;
        b->name_bytes++;
        return TRAILER_NAME;
    }
    return c == ':' && b->name_bytes > 0 && is_harmless(b) ? TRAILER_VALUE : BAD;
}

static enum state step_trailer(struct body *b, char c)
{
    if (++b->line_bytes > BODY_TRAILERS_MAX)
        return BAD;
    switch ((enum state)b->state) {
    case TRAILER_START:
        if (c == '\r')
            return LAST_LF;
        b->name_bytes = 0;
        return step_name(b, c);
    case TRAILER_NAME:
        return step_name(b, c);
    case TRAILER_VALUE:
        if (c == '\r')
            return TRAILER_LF;
        return char_is(c, CHAR_TEXT) ? TRAILER_VALUE : BAD;
    case TRAILER_LF:
        return c == '\n' ? TRAILER_START : BAD;
    default:
        return c == '\n' ? DONE : BAD;
    }
}

static enum state step(struct body *b, char c)
{
    if (b->state < DATA)
        return step_size(b, c);
    if (b->state >= TRAILER_START)
        return step_trailer(b, c);
    if (b->state == DATA_CR)
        return c == '\r' ? DATA_LF : BAD;
    return c == '\n' ? SIZE_START : BAD;
}

/* At most `len` of what is left. */
static size_t take(struct body *b, size_t len)
{
    size_t n = b->left < len ? (size_t)b->left : len;

    b->left -= n;
    return n;
}

static size_t scan_chunks(struct body *b, const char *bytes, size_t len)
{
    size_t n = 0;

    while (n < len && !b->is_done && !b->is_bad) {
        if (b->state == DATA) {
            n += take(b, len - n);
            if (b->left == 0)
                b->state = DATA_CR;
            continue;
        }
        b->state = step(b, bytes[n]);
        b->is_done = b->state == DONE;
        b->is_bad = b->state == BAD;
        n += !b->is_bad;
    }
    return n;
}

size_t body_scan(struct body *b, const char *bytes, size_t len)
{
    size_t n;

    switch (b->kind) {
    case BODY_LENGTH:
        n = take(b, len);
        b->is_done = b->left == 0;
        return n;
    case BODY_CHUNKED:
        return scan_chunks(b, bytes, len);
    case BODY_CLOSE:
        return len;
    default:
        return 0;
    }
}

size_t body_unchunk(char *bytes, size_t len)
{
    size_t from = 0, to = 0;

    while (from < len) {
        uint64_t size = 0;
        const char *lf;

        while (from < len && char_is(bytes[from], CHAR_HEX))
            size = size * 16 + digit_of(bytes[from++]);
        lf = memchr(bytes + from, '\n', len - from);
        if (size == 0 || lf == NULL)
            break;
        from = (size_t)(lf - bytes) + 1;
        if (size > len - from)
            break;
        memmove(bytes + to, bytes + from, (size_t)size);
        to += (size_t)size;
        from += (size_t)size + 2;
    }
    return to;
}
