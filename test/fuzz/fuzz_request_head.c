/* fuzz_request_head.c - a request head: cut anywhere the same, and what is accepted is sound. */
#include "test/fuzz/head_checks.h"

static void check_request(const struct head *head, const char *bytes, size_t size)
{
    check_span(head->method, bytes, size);
    check_span(head->host, bytes, size);
    check_span(head->upgrade, bytes, size);
    must(head->path.len > 0 && (head->path.at[0] == '/' || span_is(head->path, SPAN("*"))));
    must(memchr(head->path.at, ' ', head->path.len) == NULL);
    must(memchr(head->path.at, '#', head->path.len) == NULL);
    must(head->minor <= 1 && (head->minor == 0 || head->host.len > 0));
    must(head->body != BODY_CLOSE && (head->body != BODY_LENGTH || head->has_content_length));
    must(head->content_length <= INT64_MAX);
    must(head->upgrade.len == 0 || head->body == BODY_NONE || head->content_length == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    static struct head head;
    const char *bytes = (const char *)data;
    size_t size = 0;
    enum head_verdict verdict = check_scan(HEAD_REQUEST, bytes, len, &size);

    check_pieces(HEAD_REQUEST, bytes, len, verdict, size);
    if (verdict != HEAD_OK)
        return 0;
    verdict = head_parse_request(bytes, size, &head);
    must(verdict != HEAD_PARTIAL && (verdict == HEAD_OK) == (head.fault == NULL));
    if (verdict != HEAD_OK)
        return 0;
    check_request(&head, bytes, size);
    check_fields(&head, bytes, size);
    check_again(HEAD_REQUEST, &head);
    return 0;
}
