/* fuzz_jnlp.c - the host, a line feed, and a document whose codebase may become https.
 *
 * Whatever the document: it grows by one byte at most, only the start of one URL in it
 * changes, and a second time nothing does.
 */
#include "test/fuzz/fuzz.h"

#include "http/openmeetings.h"

static size_t common_bytes(struct span a, struct span b)
{
    size_t n = 0;

    while (n < a.len && n < b.len && a.at[n] == b.at[n])
        n++;
    return n;
}

static struct span without(struct span text, size_t n)
{
    return (struct span){ text.at + n, text.len - n };
}

/* "http" gained an s, and behind that a port went, or nothing did. */
static void check_change(struct span old, struct span new)
{
    size_t n = common_bytes(old, new);

    must(n >= 4 && strncasecmp(new.at + n - 4, "https://", 8) == 0);
    old = without(old, n);
    new = without(new, n + 1);
    n = common_bytes(old, new);
    old = without(old, n);
    new = without(new, n);
    while (old.len > new.len) {
        must(span_has(SPAN(":0123456789"), old.at[0]));
        old = without(old, 1);
    }
    must(span_is(old, new));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct span input = { (const char *)data, size };
    struct span host = span_before(input, '\n');
    struct span old = { input.at + host.len + 1, size - host.len - 1 };
    char *bytes;
    size_t n;

    if (host.len == size)
        return 0;
    bytes = malloc(old.len + 1);
    must(bytes != NULL);
    memcpy(bytes, old.at, old.len);
    n = openmeetings_rewrite_jnlp(bytes, old.len, host);
    must(n <= old.len + 1);
    if (!span_is((struct span){ bytes, n }, old)) {
        check_change(old, (struct span){ bytes, n });
        must(openmeetings_rewrite_jnlp(bytes, n, host) == n);
    }
    free(bytes);
    return 0;
}
