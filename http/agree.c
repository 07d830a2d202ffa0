#include "http/agree.h"

#include "http/chars.h"

#include <llhttp.h>

#define TEXT_OF(number) #number
#define TEXT(number)    TEXT_OF(number)

const char *agree_library_version(void)
{
    return "llhttp " TEXT(LLHTTP_VERSION_MAJOR) "." TEXT(LLHTTP_VERSION_MINOR) "." TEXT(
        LLHTTP_VERSION_PATCH);
}

/* What llhttp has still to agree to. */
struct opinion {
    const struct head *head;
    struct span line; /* what it has not told of the target or the reason */
    size_t names;     /* fields whose name it has told */
    size_t values;
    bool is_agreed;
};

/* llhttp 9 takes no target with bytes above ASCII, which old browsers send and 8 takes:
 * it is shown this in place of each. */
static const char stand_in[] = "x";

static int on_line(llhttp_t *parser, const char *at, size_t len)
{
    struct opinion *opinion = parser->data;
    struct span *line = &opinion->line;

    if (len > line->len || (at != line->at && at != stand_in))
        return -1;
    *line = (struct span){ line->at + len, line->len - len };
    return 0;
}

/* Where it is empty llhttp may point anywhere. */
static int compare(struct span ours, const char *at, size_t len)
{
    return ours.len == len && (len == 0 || ours.at == at) ? 0 : -1;
}

static int on_name(llhttp_t *parser, const char *at, size_t len)
{
    struct opinion *opinion = parser->data;

    if (opinion->names == opinion->head->field_count || opinion->names != opinion->values)
        return -1;
    return compare(opinion->head->fields[opinion->names++].name, at, len);
}

static int on_value(llhttp_t *parser, const char *at, size_t len)
{
    struct opinion *opinion = parser->data;

    if (opinion->names != opinion->values + 1)
        return -1;
    while (len > 0 && char_is_blank(at[len - 1]))
        len--; /* llhttp leaves them in */
    return compare(opinion->head->fields[opinion->values++].value, at, len);
}

static int on_head(llhttp_t *parser)
{
    struct opinion *opinion = parser->data;
    const struct head *head = opinion->head;
    const unsigned framing = F_CONTENT_LENGTH | F_TRANSFER_ENCODING | F_CHUNKED;
    unsigned due = 0;

    if (head->has_content_length)
        due = F_CONTENT_LENGTH;
    else if (head->body == BODY_CHUNKED)
        due = F_TRANSFER_ENCODING | F_CHUNKED;
    opinion->is_agreed =
        opinion->line.len == 0 && opinion->values == head->field_count && parser->http_major == 1 &&
        parser->http_minor == head->minor && (parser->flags & framing) == due &&
        (!head->has_content_length || parser->content_length == head->content_length);
    return HPE_PAUSED;
}

static const llhttp_settings_t settings = {
    .on_url = on_line,
    .on_status = on_line,
    .on_header_field = on_name,
    .on_header_value = on_value,
    .on_headers_complete = on_head,
};

static bool ends_at(const llhttp_t *parser, llhttp_errno_t status, const char *end)
{
    const struct opinion *opinion = parser->data;

    return status == HPE_PAUSED && opinion->is_agreed && llhttp_get_error_pos(parser) == end;
}

bool agree_about_request(const char *bytes, size_t size, const struct head *head,
                         struct span target)
{
    struct opinion opinion = { .head = head, .line = target };
    const char *at = bytes, *end = bytes + size;
    llhttp_errno_t status = HPE_OK;
    llhttp_t parser;

    llhttp_init(&parser, HTTP_REQUEST, &settings);
    parser.data = &opinion;
    for (const char *c = target.at; c < target.at + target.len && status == HPE_OK; c++) {
        if ((unsigned char)*c < 0x80)
            continue;
        status = llhttp_execute(&parser, at, (size_t)(c - at));
        if (status == HPE_OK)
            status = llhttp_execute(&parser, stand_in, 1);
        at = c + 1;
    }
    if (status == HPE_OK)
        status = llhttp_execute(&parser, at, (size_t)(end - at));
    return ends_at(&parser, status, end) &&
           span_is(head->method, span_of(llhttp_method_name((llhttp_method_t)parser.method)));
}

bool agree_about_response(const char *bytes, size_t size, const struct head *head)
{
    struct opinion opinion = { .head = head, .line = head->reason };
    llhttp_t parser;

    llhttp_init(&parser, HTTP_RESPONSE, &settings);
    parser.data = &opinion;
    return ends_at(&parser, llhttp_execute(&parser, bytes, size), bytes + size) &&
           parser.status_code == head->status;
}

bool agree_knows_method(struct span method)
{
#define METHOD(number, name, text)                                                                 \
    if (span_is(method, SPAN(#text)))                                                              \
        return (number) != HTTP_CONNECT;
    HTTP_METHOD_MAP(METHOD)
#undef METHOD
    return false;
}
