#include "proxy/probe_rtmpt.h"

#include "http/chars.h"
#include <stdio.h>

enum { SESSION_BYTES = 64 };

/* The session's name: letters and digits before a newline. */
static bool take_session(const struct probe_response *response, char out[SESSION_BYTES])
{
    struct span name = span_before(response->body, '\n');

    if (response->head.status != 200 || name.len == 0 || name.len >= SESSION_BYTES ||
        name.len == response->body.len)
        return false;
    for (size_t i = 0; i < name.len; i++)
        if (!char_is(name.at[i], CHAR_HOST))
            return false;
    (void)snprintf(out, SESSION_BYTES, "%.*s", (int)name.len, name.at);
    return true;
}

int probe_rtmpt(struct probe *p, const char *host, struct probe_response *response)
{
    struct probe_request request = {
        .path = "/open/1", .host = host, .body = "", .body_len = 1, .is_kept = true
    };
    char session[SESSION_BYTES];
    char path[SESSION_BYTES + 16];

    if (probe_http(p, &request, response) < 0)
        return -1;
    if (!take_session(response, session))
        return error_set(&p->fault, "POST /open/1 is answered with %u and no session",
                         response->head.status);
    (void)snprintf(path, sizeof(path), "/close/%s/1", session);
    request.path = path;
    request.is_kept = false;
    (void)probe_http(p, &request, response); /* it would end by itself */
    return 0;
}
