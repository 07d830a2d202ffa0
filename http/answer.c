#include "http/answer.h"

#include "http/writer.h"

#include <assert.h>

static const struct answer {
    unsigned status;
    const char *reason;
    const char *text; /* for the person before the browser */
} answers[] = {
    { 301, "Moved Permanently", "This page is served over https." },
    { 308, "Permanent Redirect", "This page is served over https." },
    { 400, "Bad Request", "The request is not well-formed." },
    { 408, "Request Timeout", "The request took too long to arrive." },
    { 413, "Content Too Large", "The body of the request is larger than this server takes." },
    { 417, "Expectation Failed", "The request expects what this server does not know." },
    { 431, "Request Header Fields Too Large", "The head of the request is too large." },
    { 501, "Not Implemented", "The request uses what this server does not implement." },
    { 502, "Bad Gateway", "The server behind this one did not answer properly." },
    { 504, "Gateway Timeout", "The server behind this one did not answer in time." },
    { 505, "HTTP Version Not Supported", "This server speaks HTTP/1.1 and HTTP/1.0." },
};

static const struct answer *find(unsigned status)
{
    const struct answer *a = answers;

    while (a->status != status) {
        a++;
        assert(a < answers + sizeof(answers) / sizeof(answers[0]));
    }
    return a;
}

static void start(struct writer *w, const struct answer *a)
{
    writer_put(w, SPAN("HTTP/1.1 "));
    writer_put_number(w, a->status);
    writer_put(w, SPAN(" "));
    writer_put(w, span_of(a->reason));
    writer_put(w, SPAN("\r\n"));
}

static void put_length(struct writer *w, size_t length)
{
    writer_put(w, SPAN("Content-Length: "));
    writer_put_number(w, length);
    writer_put(w, SPAN("\r\n"));
}

/* A line of plain text: nothing of the request is in it, so nothing needs escaping. */
static void finish(struct writer *w, const struct answer *a, bool to_head)
{
    struct span text = span_of(a->text);

    writer_put_field(w, SPAN("Content-Type"), SPAN("text/plain; charset=utf-8"));
    put_length(w, text.len + 1);
    writer_put(w, SPAN("Connection: close\r\n\r\n"));
    if (to_head)
        return;
    writer_put(w, text);
    writer_put(w, SPAN("\n"));
}

int answer_error(unsigned status, bool to_head, char *out, size_t size)
{
    struct writer w = writer_on(out, size);
    const struct answer *a = find(status);

    start(&w, a);
    writer_put_field(&w, SPAN("Cache-Control"), SPAN("no-store"));
    finish(&w, a, to_head);
    return writer_length(&w);
}

int answer_redirect(struct span base, struct span path, bool is_get, bool to_head, char *out,
                    size_t size)
{
    struct writer w = writer_on(out, size);
    const struct answer *a = find(is_get ? 301 : 308);

    start(&w, a);
    writer_put(&w, SPAN("Location: "));
    writer_put(&w, base);
    writer_put(&w, span_is(path, SPAN("*")) ? SPAN("/") : path);
    writer_put(&w, SPAN("\r\n"));
    finish(&w, a, to_head);
    return writer_length(&w);
}

static const struct type {
    const char *ending;
    const char *type;
} types[] = {
    { ".css", "text/css; charset=utf-8" },
    { ".gif", "image/gif" },
    { ".htm", "text/html; charset=utf-8" },
    { ".html", "text/html; charset=utf-8" },
    { ".ico", "image/x-icon" },
    { ".jar", "application/java-archive" },
    { ".jnlp", "application/x-java-jnlp-file" },
    { ".jpg", "image/jpeg" },
    { ".js", "text/javascript; charset=utf-8" },
    { ".json", "application/json" },
    { ".png", "image/png" },
    { ".svg", "image/svg+xml" },
    { ".swf", "application/x-shockwave-flash" },
    { ".txt", "text/plain; charset=utf-8" },
    { ".xml", "application/xml" },
};

static struct span type_of(const char *file_name)
{
    const char *dot = strrchr(file_name, '.');

    for (size_t i = 0; dot != NULL && i < sizeof(types) / sizeof(types[0]); i++)
        if (strcasecmp(dot, types[i].ending) == 0)
            return span_of(types[i].type);
    return SPAN("application/octet-stream");
}

int answer_file(const char *file_name, size_t length, bool is_last, char *out, size_t size)
{
    struct writer w = writer_on(out, size);

    writer_put(&w, SPAN("HTTP/1.1 200 OK\r\n"));
    writer_put_field(&w, SPAN("Content-Type"), type_of(file_name));
    put_length(&w, length);
    writer_put_field(&w, SPAN("Cache-Control"), SPAN("no-cache"));
    if (is_last)
        writer_put(&w, SPAN("Connection: close\r\n"));
    writer_put(&w, SPAN("\r\n"));
    return writer_length(&w);
}
