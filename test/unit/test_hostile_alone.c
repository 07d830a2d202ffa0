/* test_hostile_alone.c - the same rows, and an llhttp that agrees to everything: our judge has to
 * refuse on its own whatever has to be refused. */
#include "http/agree.h"

bool agree_about_request(const char *bytes, size_t size, const struct head *head,
                         struct span target)
{
    (void)bytes;
    (void)size;
    (void)target;
    return agree_knows_method(head->method);
}

bool agree_about_response(const char *bytes, size_t size, const struct head *head)
{
    (void)bytes;
    (void)size;
    (void)head;
    return true;
}

bool agree_knows_method(struct span method)
{
    return span_is(method, SPAN("GET")) || span_is(method, SPAN("POST")) ||
           span_is(method, SPAN("OPTIONS")) || span_is(method, SPAN("PROPFIND"));
}

#include "test/unit/test_hostile.c"
