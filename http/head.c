#include "http/head.h"

#include "http/agree.h"
#include "http/chars.h"

#include <arpa/inet.h>
#include <assert.h>
#include <stdint.h>

#define DISAGREEMENT "the two parsers disagree about the head"

static const uint64_t LENGTH_MAX = INT64_MAX; /* what a Java long holds */

/* ---- the first line ---- */

struct first_line {
    struct span method;
    struct span target;
    struct span version; /* "HTTP/1.1" */
    unsigned status;
    struct span reason;
};

/* The characters up to `end` or the next space, which is skipped. */
static struct span cut_word(const char **at, const char *end)
{
    const char *space = memchr(*at, ' ', (size_t)(end - *at));
    struct span word = { *at, (size_t)((space ? space : end) - *at) };

    *at = space ? space + 1 : end;
    return word;
}

static bool is_all(struct span text, unsigned sets)
{
    for (size_t i = 0; i < text.len; i++) {
        if (!char_is(text.at[i], sets))
            return false;
    }
    return text.len > 0;
}

static enum head_verdict judge_version(struct span version, const char **fault)
{
    if (version.len != sizeof("HTTP/1.1") - 1 || memcmp(version.at, "HTTP/", 5) != 0 ||
        !char_is(version.at[5], CHAR_DIGIT) || version.at[6] != '.' ||
        !char_is(version.at[7], CHAR_DIGIT)) {
        *fault = "the first line does not say HTTP/1.0 or HTTP/1.1";
        return HEAD_BAD;
    }
    if (version.at[5] != '1' || version.at[7] > '1') {
        *fault = "another version of HTTP than 1.0 and 1.1";
        return HEAD_VERSION;
    }
    return HEAD_OK;
}

/* RFC 9112, 3: method SP target SP version */
static enum head_verdict split_request_line(struct span line, struct first_line *first,
                                            const char **fault)
{
    const char *at = line.at, *end = line.at + line.len;

    first->method = cut_word(&at, end);
    first->target = cut_word(&at, end);
    first->version = (struct span){ at, (size_t)(end - at) };
    if (!is_all(first->method, CHAR_TOKEN)) {
        *fault = "the first line begins with no method";
        return HEAD_BAD;
    }
    if (!is_all(first->target, CHAR_TARGET)) {
        *fault = "no target in the first line, or characters that none may have";
        return HEAD_BAD;
    }
    return judge_version(first->version, fault);
}

/* RFC 9112, 4: version SP status SP [reason]; without a reason many leave out its space. */
static enum head_verdict split_status_line(struct span line, struct first_line *first,
                                           const char **fault)
{
    const char *at = line.at, *end = line.at + line.len;
    struct span status;

    first->version = cut_word(&at, end);
    status = cut_word(&at, end);
    first->reason = (struct span){ at, (size_t)(end - at) };
    if (judge_version(first->version, fault) != HEAD_OK)
        return HEAD_BAD;
    if (status.len != 3 || !is_all(status, CHAR_DIGIT) || status.at[0] == '0') {
        *fault = "no status of three digits in the first line";
        return HEAD_BAD;
    }
    first->status = 0;
    for (size_t i = 0; i < status.len; i++)
        first->status = first->status * 10 + (unsigned)(status.at[i] - '0');
    return HEAD_OK;
}

static enum head_verdict split_first_line(enum head_type type, struct span line,
                                          struct first_line *first, const char **fault)
{
    *first = (struct first_line){ 0 };
    return type == HEAD_REQUEST ? split_request_line(line, first, fault)
                                : split_status_line(line, first, fault);
}

/* ---- the end of a head ---- */

/* Whether one of eight bytes is below 0x20 (HTAB as well) or DEL; those above 0x7f pass. */
static bool has_control(const char *bytes)
{
    const uint64_t ones = UINT64_C(0x0101010101010101), highs = ones << 7;
    uint64_t word, del;

    memcpy(&word, bytes, sizeof(word));
    del = word ^ (ones * 0x7f);
    return (((word - ones * 0x20) & ~word) | ((del - ones) & ~del)) & highs;
}

/* The first byte that no line holds. */
static const char *skip_text(const char *at, const char *end)
{
    while (end - at >= (ptrdiff_t)sizeof(uint64_t) && !has_control(at))
        at += sizeof(uint64_t);
    while (at < end && char_is(*at, CHAR_TEXT))
        at++;
    return at;
}

/* What is wrong with a line of which this much is there; NULL: nothing so far. */
static const char *judge_start(enum head_type type, bool is_first, struct span line)
{
    static const char version[] = "HTTP/1.";

    if (line.len == 0)
        return NULL;
    if (!is_first)
        return char_is_blank(line.at[0]) ? "a folded line" : NULL;
    if (type == HEAD_REQUEST)
        return char_is(line.at[0], CHAR_TOKEN) ? NULL : "no request";
    return memcmp(line.at, version, line.len < 7 ? line.len : 7) == 0 ? NULL : "no HTTP response";
}

/* A whole line. HEAD_PARTIAL: more follow; HEAD_OK: this is the empty one at the end. */
static enum head_verdict judge_line(struct head_scan *scan, enum head_type type, struct span line)
{
    struct first_line first;
    enum head_verdict verdict;

    if (scan->has_first_line)
        return line.len > 0 ? HEAD_PARTIAL : HEAD_OK;
    scan->has_first_line = true;
    verdict = split_first_line(type, line, &first, &scan->fault);
    return verdict == HEAD_OK ? HEAD_PARTIAL : verdict;
}

/* What is wrong with the byte that ends the text of a line; NULL: nothing so far. */
static const char *judge_end(const char *at, const char *end)
{
    if (*at == '\n')
        return "a line that ends with LF alone";
    if (*at != '\r')
        return "a control character";
    return at + 1 < end && at[1] != '\n' ? "a CR without LF" : NULL;
}

enum head_verdict head_scan(struct head_scan *scan, enum head_type type, const char *bytes,
                            size_t len, size_t max, size_t *size)
{
    const char *at = bytes + scan->scanned, *end = bytes + (len < max ? len : max);
    enum head_verdict verdict;
    struct span line;

    for (;;) {
        at = skip_text(at, end);
        line = (struct span){ bytes + scan->line, (size_t)(at - bytes) - scan->line };
        scan->fault = judge_start(type, !scan->has_first_line, line);
        if (scan->fault == NULL && at < end)
            scan->fault = judge_end(at, end);
        if (scan->fault != NULL)
            return HEAD_BAD;
        if (end - at < 2) /* a CR that is the last is looked at again */
            break;
        verdict = judge_line(scan, type, line);
        at += 2;
        *size = (size_t)(at - bytes);
        if (verdict != HEAD_PARTIAL)
            return verdict;
        scan->line = *size;
    }
    scan->scanned = (size_t)(at - bytes);
    if (len < max)
        return HEAD_PARTIAL;
    scan->fault = "the head is too large";
    return HEAD_TOO_LARGE;
}

/* ---- the fields ---- */

/* What the fields say about the message as a whole. */
struct facts {
    struct span host, length, coding, upgrade;
    unsigned hosts, lengths, codings, upgrades; /* how often each was there */
    bool wants_close;
    bool wants_upgrade;
    bool expects_continue;
};

static enum head_verdict refuse(struct head *head, enum head_verdict verdict, const char *fault)
{
    head->fault = fault;
    return verdict;
}

static struct span trim(struct span text)
{
    while (text.len > 0 && char_is_blank(text.at[0])) {
        text.at++;
        text.len--;
    }
    while (text.len > 0 && char_is_blank(text.at[text.len - 1]))
        text.len--;
    return text;
}

/* The next element of a list (RFC 9110, 5.6.1); `list` becomes what follows it. */
static struct span next_element(struct span *list)
{
    const char *comma = memchr(list->at, ',', list->len);
    struct span element = { list->at, comma ? (size_t)(comma - list->at) : list->len };
    size_t used = element.len + (comma != NULL);

    *list = (struct span){ list->at + used, list->len - used };
    return trim(element);
}

static void note_connection(struct facts *facts, struct span list)
{
    while (list.len > 0) {
        struct span option = next_element(&list);

        facts->wants_close |= span_is_nocase(option, SPAN("close"));
        facts->wants_upgrade |= span_is_nocase(option, SPAN("upgrade"));
    }
}

static void note_field(struct facts *facts, const struct field *field)
{
    switch (field->id) {
    case FIELD_HOST:
        facts->host = field->value;
        facts->hosts++;
        break;
    case FIELD_CONTENT_LENGTH:
        facts->length = field->value;
        facts->lengths++;
        break;
    case FIELD_TRANSFER_ENCODING:
        facts->coding = field->value;
        facts->codings++;
        break;
    case FIELD_UPGRADE:
        facts->upgrade = field->value;
        facts->upgrades++;
        break;
    case FIELD_CONNECTION:
        note_connection(facts, field->value);
        break;
    case FIELD_EXPECT:
        facts->expects_continue |= span_is_nocase(field->value, SPAN("100-continue"));
        break;
    default:
        break;
    }
}

static bool split_field(struct span line, struct field *field)
{
    size_t n = 0;

    while (n < line.len && char_is(line.at[n], CHAR_TOKEN))
        n++;
    if (n == 0 || n == line.len || line.at[n] != ':')
        return false;
    field->name = (struct span){ line.at, n };
    field->value = trim((struct span){ line.at + n + 1, line.len - n - 1 });
    field->id = field_find(field->name, &field->is_alias);
    return true;
}

/* The line at `at`, which becomes the start of the next. */
static struct span cut_line(const char **at, const char *end)
{
    const char *start = *at, *cr = memchr(start, '\r', (size_t)(end - start));

    assert(cr != NULL && end - cr >= 2 && cr[1] == '\n'); /* says head_scan() */
    *at = cr + 2;
    return (struct span){ start, (size_t)(cr - start) };
}

static enum head_verdict split_fields(const char *at, const char *end, struct head *head,
                                      struct facts *facts)
{
    struct field *field;
    struct span line;

    while ((line = cut_line(&at, end)).len > 0) {
        if (head->field_count == HEAD_FIELDS_MAX)
            return refuse(head, HEAD_TOO_LARGE, "too many fields");
        field = &head->fields[head->field_count++];
        if (!split_field(line, field))
            return refuse(head, HEAD_BAD, "a field without a proper name");
        if (!field->is_alias)
            note_field(facts, field);
    }
    assert(at == end);
    return HEAD_OK;
}

/* ---- what a head means ---- */

static bool parse_length(struct span text, uint64_t *length)
{
    *length = 0;
    for (size_t i = 0; i < text.len; i++) {
        uint64_t digit = (uint64_t)(text.at[i] - '0');

        if (!char_is(text.at[i], CHAR_DIGIT) || *length > (LENGTH_MAX - digit) / 10)
            return false;
        *length = *length * 10 + digit;
    }
    return text.len > 0;
}

/* Other codings and then one `chunked`: framed well, but not spoken here. */
static bool has_other_codings(struct span list)
{
    struct span coding = { NULL, 0 };
    unsigned codings = 0, chunked = 0;

    for (; list.len > 0; codings++) {
        coding = next_element(&list);
        if (!is_all(coding, CHAR_TOKEN))
            return false;
        chunked += span_is_nocase(coding, SPAN("chunked"));
    }
    return codings > 1 && chunked == 1 && span_is_nocase(coding, SPAN("chunked"));
}

/* Sets the body that the fields describe (RFC 9112, 6.3). */
static enum head_verdict judge_framing(struct head *head, const struct facts *facts)
{
    if (facts->lengths > 1)
        return refuse(head, HEAD_BAD, "Content-Length twice");
    if (facts->lengths == 1) {
        if (facts->codings > 0)
            return refuse(head, HEAD_BAD, "both Content-Length and Transfer-Encoding");
        if (!parse_length(facts->length, &head->content_length))
            return refuse(head, HEAD_BAD, "Content-Length is no number, or too large");
        head->has_content_length = true;
        head->body = BODY_LENGTH;
        return HEAD_OK;
    }
    if (facts->codings == 0)
        return HEAD_OK;
    if (head->minor == 0)
        return refuse(head, HEAD_BAD, "Transfer-Encoding with HTTP/1.0");
    if (facts->codings > 1)
        return refuse(head, HEAD_BAD, "Transfer-Encoding twice");
    if (span_is_nocase(facts->coding, SPAN("chunked"))) {
        head->body = BODY_CHUNKED;
        return HEAD_OK;
    }
    if (has_other_codings(facts->coding))
        return refuse(head, HEAD_UNSUPPORTED, "another Transfer-Encoding than chunked");
    return refuse(head, HEAD_BAD, "a Transfer-Encoding that does not end with one chunked");
}

static bool has_prefix(struct span text, struct span prefix)
{
    return text.len >= prefix.len && span_is_nocase((struct span){ text.at, prefix.len }, prefix);
}

static void judge_upgrade(struct head *head, const struct facts *facts)
{
    struct span protocol = facts->upgrade;

    if (facts->upgrades != 1 || !facts->wants_upgrade || head->minor == 0)
        return;
    for (size_t i = 0; i < protocol.len; i++) { /* name[/version] */
        if (!char_is(protocol.at[i], CHAR_TOKEN) && protocol.at[i] != '/')
            return;
    }
    if (has_prefix(protocol, SPAN("h2")) || has_prefix(protocol, SPAN("HTTP")) ||
        has_prefix(protocol, SPAN("TLS")))
        return;
    head->upgrade = protocol;
}

/* "[::1]" at the start of `host`: its length, or 0. */
static size_t measure_ipv6(struct span host)
{
    const char *bracket = memchr(host.at, ']', host.len);
    char text[INET6_ADDRSTRLEN] = "";
    struct in6_addr address;
    size_t len = bracket ? (size_t)(bracket - host.at) - 1 : 0;

    if (len == 0 || len >= sizeof(text))
        return 0;
    memcpy(text, host.at + 1, len);
    return strlen(text) == len && inet_pton(AF_INET6, text, &address) == 1 ? len + 2 : 0;
}

/* host[:port] */
static bool is_authority(struct span host)
{
    size_t n = 0;
    unsigned port = 0;

    if (host.len > 0 && host.at[0] == '[')
        n = measure_ipv6(host);
    else
        while (n < host.len && char_is(host.at[n], CHAR_HOST))
            n++;
    if (n == 0 || n == host.len)
        return n > 0;
    if (host.at[n++] != ':' || n == host.len || host.len - n > 5)
        return false;
    for (; n < host.len; n++) {
        if (!char_is(host.at[n], CHAR_DIGIT))
            return false;
        port = port * 10 + (unsigned)(host.at[n] - '0');
    }
    return port <= UINT16_MAX;
}

static enum head_verdict judge_host(struct head *head, const struct facts *facts)
{
    if (facts->hosts > 1)
        return refuse(head, HEAD_BAD, "Host twice");
    if (facts->hosts == 0 && head->minor > 0)
        return refuse(head, HEAD_BAD, "no Host");
    if (facts->hosts == 1 && !is_authority(facts->host))
        return refuse(head, HEAD_BAD, "Host is not of the form HOST or HOST:PORT");
    head->host = facts->host;
    return HEAD_OK;
}

/* http://HOST/PATH (RFC 9112, 3.2.2) */
static enum head_verdict judge_absolute(struct head *head, struct span target)
{
    size_t scheme = has_prefix(target, SPAN("https://")) ? 8 : 7;
    struct span rest = { target.at + scheme, target.len - scheme };
    const char *slash = memchr(rest.at, '/', rest.len);
    struct span authority = { rest.at, slash ? (size_t)(slash - rest.at) : rest.len };

    if (!is_authority(authority))
        return refuse(head, HEAD_BAD, "the target names no HOST or HOST:PORT");
    if (head->host.len > 0 && !span_is_nocase(head->host, authority))
        return refuse(head, HEAD_BAD, "the target and Host name different hosts");
    head->host = authority;
    head->path = (struct span){ rest.at + authority.len, rest.len - authority.len };
    if (head->path.len == 0)
        head->path = span_is(head->method, SPAN("OPTIONS")) ? SPAN("*") : SPAN("/");
    return HEAD_OK;
}

static enum head_verdict judge_target(struct head *head, struct span target)
{
    if (target.at[0] == '/' ||
        (span_is(target, SPAN("*")) && span_is(head->method, SPAN("OPTIONS")))) {
        head->path = target;
        return HEAD_OK;
    }
    if (has_prefix(target, SPAN("http://")) || has_prefix(target, SPAN("https://")))
        return judge_absolute(head, target);
    return refuse(head, HEAD_BAD, "the target is neither a path nor a URL of http or https");
}

/* ---- all of it ---- */

static enum head_verdict split_head(enum head_type type, const char *bytes, size_t size,
                                    struct head *head, struct first_line *first,
                                    struct facts *facts)
{
    const char *at = bytes, *end = bytes + size;
    enum head_verdict verdict;

    memset(head, 0, offsetof(struct head, fields));
    *facts = (struct facts){ 0 };
    verdict = split_first_line(type, cut_line(&at, end), first, &head->fault);
    if (verdict != HEAD_OK)
        return verdict;
    head->minor = (unsigned)(first->version.at[7] - '0');
    verdict = split_fields(at, end, head, facts);
    head->wants_close = facts->wants_close || head->minor == 0;
    return verdict;
}

enum head_verdict head_parse_request(const char *bytes, size_t size, struct head *head)
{
    struct first_line first;
    struct facts facts;
    enum head_verdict verdict = split_head(HEAD_REQUEST, bytes, size, head, &first, &facts);

    if (verdict != HEAD_OK)
        return verdict;
    head->method = first.method;
    head->is_head = span_is(first.method, SPAN("HEAD"));
    head->is_safe = head->is_head || span_is(first.method, SPAN("GET")) ||
                    span_is(first.method, SPAN("OPTIONS"));
    if (span_is(first.method, SPAN("CONNECT")))
        return refuse(head, HEAD_UNSUPPORTED, "CONNECT");

    verdict = judge_framing(head, &facts);
    if (verdict == HEAD_OK)
        verdict = judge_host(head, &facts);
    if (verdict == HEAD_OK)
        verdict = judge_target(head, first.target);
    if (verdict != HEAD_OK)
        return verdict;
    if (!agree_about_request(bytes, size, head, first.target))
        return agree_knows_method(first.method)
                   ? refuse(head, HEAD_BAD, DISAGREEMENT)
                   : refuse(head, HEAD_UNSUPPORTED, "an unknown method");

    head->expects_continue = facts.expects_continue && head->minor > 0;
    if (head->body == BODY_NONE || (head->body == BODY_LENGTH && head->content_length == 0))
        judge_upgrade(head, &facts);
    return HEAD_OK;
}

enum head_verdict head_parse_response(const char *bytes, size_t size, struct head *head)
{
    struct first_line first;
    struct facts facts;
    enum head_verdict verdict = split_head(HEAD_RESPONSE, bytes, size, head, &first, &facts);

    if (verdict != HEAD_OK)
        return verdict;
    head->status = first.status;
    head->reason = first.reason;
    verdict = judge_framing(head, &facts);
    if (verdict == HEAD_UNSUPPORTED)
        return HEAD_BAD;
    if (verdict != HEAD_OK)
        return verdict;
    if (!agree_about_response(bytes, size, head))
        return refuse(head, HEAD_BAD, DISAGREEMENT);
    if (head->body == BODY_NONE)
        head->body = BODY_CLOSE;
    judge_upgrade(head, &facts);
    return HEAD_OK;
}

enum body_kind head_response_body(const struct head *head, bool to_head)
{
    if (to_head || head->status < 200 || head->status == 204 || head->status == 304)
        return BODY_NONE;
    return head->body;
}
