/* llhttp_body.h - a chunked body as llhttp reads it, to compare ours with. */
#ifndef UNIT_LLHTTP_BODY_H
#define UNIT_LLHTTP_BODY_H

#include <llhttp.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>

struct llhttp_body {
    bool is_done; /* else it ended too early, or was refused: see is_bad */
    bool is_bad;
    size_t taken; /* bytes up to the end of the body, where it is done */
    char *data;
    size_t data_bytes;
};

static inline int keep_data(llhttp_t *parser, const char *at, size_t len)
{
    struct llhttp_body *body = parser->data;

    memcpy(body->data + body->data_bytes, at, len);
    body->data_bytes += len;
    return 0;
}

static inline int note_end(llhttp_t *parser)
{
    struct llhttp_body *body = parser->data;

    body->is_done = true;
    return HPE_PAUSED;
}

/* `data` has room for `len` bytes. */
static inline struct llhttp_body llhttp_read_body(const char *bytes, size_t len, char *data)
{
    static const char head[] = "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n";
    static const llhttp_settings_t settings = { .on_body = keep_data,
                                                .on_message_complete = note_end };
    struct llhttp_body body = { .data = data };
    llhttp_t parser;
    llhttp_errno_t status;

    llhttp_init(&parser, HTTP_REQUEST, &settings);
    parser.data = &body;
    (void)llhttp_execute(&parser, head, sizeof(head) - 1);
    status = llhttp_execute(&parser, bytes, len);
    if (body.is_done)
        body.taken = (size_t)(llhttp_get_error_pos(&parser) - bytes);
    else
        body.is_bad = status != HPE_OK;
    return body;
}

#endif
