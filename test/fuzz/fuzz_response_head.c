/* fuzz_response_head.c - a response head: cut anywhere the same, and what is accepted is sound. */
#include "test/fuzz/head_checks.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    static struct head head;
    const char *bytes = (const char *)data;
    size_t size = 0;
    enum head_verdict verdict = check_scan(HEAD_RESPONSE, bytes, len, &size);

    must(verdict != HEAD_VERSION || size > 0);
    check_pieces(HEAD_RESPONSE, bytes, len, verdict, size);
    if (verdict != HEAD_OK)
        return 0;
    verdict = head_parse_response(bytes, size, &head);
    must((verdict == HEAD_OK) == (head.fault == NULL));
    must(verdict == HEAD_OK || verdict == HEAD_BAD || verdict == HEAD_TOO_LARGE);
    if (verdict != HEAD_OK)
        return 0;
    check_span(head.reason, bytes, size);
    check_span(head.upgrade, bytes, size);
    must(head.status >= 100 && head.status <= 999 && head.minor <= 1);
    must(head_response_body(&head, true) == BODY_NONE);
    must(head.status != 204 || head_response_body(&head, false) == BODY_NONE);
    check_fields(&head, bytes, size);
    check_again(HEAD_RESPONSE, &head);
    return 0;
}
