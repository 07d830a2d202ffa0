#include "http/openmeetings.h"

#include "http/authority.h"
#include "http/chars.h"

/* ---- Origin and Referer ---- */

/* Java's URI.getHost(), which Wicket asks, passes over user info. */
static struct span without_user(struct span authority)
{
    const char *at = authority.len > 0 ? memrchr(authority.at, '@', authority.len) : NULL;
    size_t skipped = at != NULL ? (size_t)(at - authority.at) + 1 : 0;

    return (struct span){ authority.at + skipped, authority.len - skipped };
}

enum origin_fate openmeetings_judge_origin(struct span value, struct span host)
{
    struct span https = authority_of_url(value, SPAN("https://"));
    struct span http = authority_of_url(value, SPAN("http://"));
    struct authority ours;
    struct authority a;

    if (!authority_parse(host, &ours))
        return ORIGIN_KEPT;
    if (https.len > 0 && authority_parse(https, &a) && authority_is_same(&a, &ours, PORT_HTTPS))
        return ORIGIN_OURS;
    if (http.len > 0 && authority_parse(without_user(http), &a) &&
        authority_is_same(&a, &ours, PORT_HTTP))
        return ORIGIN_FORGED;
    return ORIGIN_KEPT;
}

/* ---- which messages carry a JNLP document ---- */

static bool is_plain(struct span encoding)
{
    return encoding.len == 0 || span_is_nocase(encoding, SPAN("identity"));
}

static bool is_jnlp_type(struct span type)
{
    type = span_before(type, ';');
    while (type.len > 0 && char_is_blank(type.at[type.len - 1]))
        type.len--;
    return span_is_nocase(type, SPAN("application/x-java-jnlp-file"));
}

bool openmeetings_is_jnlp(const struct head *response)
{
    bool is_jnlp = false;

    if (response->status != 200) /* of a 206 there is no whole */
        return false;
    for (size_t i = 0; i < response->field_count; i++) {
        const struct field *f = &response->fields[i];

        if (f->id == FIELD_CONTENT_ENCODING && !is_plain(f->value))
            return false;
        if (f->id == FIELD_CONTENT_TYPE && !f->is_alias)
            is_jnlp = is_jnlp_type(f->value);
    }
    return is_jnlp;
}

/* 1.9, 2.0: /openmeetings/ScreenRequestHandler?...; 2.1 to 3.0: /openmeetings/screen.upload */
bool openmeetings_may_be_jnlp(const struct head *request)
{
    static const struct span endings[] = {
        { ".jnlp", 5 },
        { "/ScreenRequestHandler", 21 },
        { "/screen.upload", 14 },
    };
    struct span path = span_before(span_before(request->path, '?'), ';');

    for (size_t i = 0; i < sizeof(endings) / sizeof(endings[0]); i++) {
        size_t n = endings[i].len;

        if (path.len >= n && strncasecmp(path.at + path.len - n, endings[i].at, n) == 0)
            return true;
    }
    return false;
}

/* ---- the codebase of a JNLP document ----
 *
 *    BOM? (white space | <?...?> | <!--...--> | <!DOCTYPE...>)* <jnlp (name = "value")*
 *
 * What is not of this form is left as it is.
 */

struct xml {
    const char *at;
    const char *end;
};

static bool is_space(char c)
{
    return span_has(SPAN(" \t\r\n"), c);
}

static void skip_space(struct xml *x)
{
    while (x->at < x->end && is_space(*x->at))
        x->at++;
}

static bool skip(struct xml *x, struct span text)
{
    if ((size_t)(x->end - x->at) < text.len || memcmp(x->at, text.at, text.len) != 0)
        return false;
    x->at += text.len;
    return true;
}

/* Behind the next `text`; false if there is none. */
static bool skip_past(struct xml *x, struct span text)
{
    const char *found = memmem(x->at, (size_t)(x->end - x->at), text.at, text.len);

    if (found == NULL)
        return false;
    x->at = found + text.len;
    return true;
}

/* Behind what opens with `start`, where it does; false if it has no end. */
static bool skip_whole(struct xml *x, struct span start, struct span end)
{
    return !skip(x, start) || skip_past(x, end);
}

/* Behind "<!DOCTYPE": to its '>', which may stand in quotes, comments and the
 * brackets of an internal subset as well. */
static bool skip_doctype(struct xml *x)
{
    bool is_in_subset = false;

    while (x->at < x->end) {
        const char *before = x->at;

        if (!skip_whole(x, SPAN("<!--"), SPAN("-->")) || !skip_whole(x, SPAN("<?"), SPAN("?>")) ||
            !skip_whole(x, SPAN("\""), SPAN("\"")) || !skip_whole(x, SPAN("'"), SPAN("'")))
            return false;
        if (x->at != before)
            continue;
        if (*x->at == '>' && !is_in_subset)
            return skip(x, SPAN(">"));
        if (*x->at == '[' || *x->at == ']')
            is_in_subset = *x->at == '[';
        x->at++;
    }
    return false;
}

/* To the name of the root element. */
static bool skip_prolog(struct xml *x)
{
    const char *before;

    (void)skip(x, SPAN("\xef\xbb\xbf"));
    do {
        before = x->at;
        skip_space(x);
        if (!skip_whole(x, SPAN("<!--"), SPAN("-->")) || !skip_whole(x, SPAN("<?"), SPAN("?>")) ||
            (skip(x, SPAN("<!DOCTYPE")) && !skip_doctype(x)))
            return false;
    } while (x->at != before);
    return skip(x, SPAN("<"));
}

/* name = "value"; false at the end of the tag, or where there is none. */
static bool next_attribute(struct xml *x, struct span *name, struct span *value)
{
    const char *start = x->at;
    char quote;

    skip_space(x);
    if (x->at == start) /* XML wants white space between attributes */
        return false;
    name->at = x->at;
    while (x->at < x->end && !is_space(*x->at) && !span_has(SPAN("=/><\"'"), *x->at))
        x->at++;
    name->len = (size_t)(x->at - name->at);
    skip_space(x);
    if (name->len == 0 || !skip(x, SPAN("=")))
        return false;
    skip_space(x);
    if (x->at == x->end || (*x->at != '"' && *x->at != '\''))
        return false;
    quote = *x->at++;
    value->at = x->at;
    if (!skip_past(x, (struct span){ &quote, 1 }))
        return false;
    value->len = (size_t)(x->at - 1 - value->at);
    return value->len == 0 || memchr(value->at, '<', value->len) == NULL;
}

static bool find_codebase(const char *bytes, size_t len, struct span *codebase)
{
    struct xml x = { bytes, bytes + len };
    struct span name;

    if (!skip_prolog(&x) || !skip(&x, SPAN("jnlp")))
        return false;
    while (next_attribute(&x, &name, codebase))
        if (span_is(name, SPAN("codebase")))
            return true;
    return false;
}

size_t openmeetings_rewrite_jnlp(char *bytes, size_t len, struct span host)
{
    struct span codebase, text;
    struct authority a, ours;
    char *scheme_end, *rest;
    size_t kept;

    if (!find_codebase(bytes, len, &codebase) || !authority_parse(host, &ours))
        return len;
    text = authority_of_url(codebase, SPAN("http://"));
    if (text.len == 0 || !authority_parse(text, &a) || !authority_is_ours(&a, &ours))
        return len;
    if (a.port == 0 && ours.port == PORT_HTTP) /* https on port 80: it would need its port */
        return len;

    /* "http" gains an s; the name stays; a port that the Host does without goes. */
    scheme_end = bytes + (codebase.at - bytes) + 4;
    kept = 3 + (ours.port == 0 ? a.name.len : text.len);
    rest = bytes + (text.at - bytes) + text.len;
    memmove(scheme_end + 1 + kept, rest, (size_t)(bytes + len - rest));
    memmove(scheme_end + 1, scheme_end, kept);
    *scheme_end = 's';
    return len + 1 + kept - (size_t)(rest - scheme_end);
}
