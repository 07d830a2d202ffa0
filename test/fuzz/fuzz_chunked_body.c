/* fuzz_chunked_body.c - a chunked body: cut anywhere the same, and read by llhttp as by us. */
#include "test/fuzz/fuzz.h"
#include "test/unit/llhttp_body.h"

#include "http/body.h"

/* In pieces, each in memory of its own. */
static size_t scan_pieces(struct body *body, const char *bytes, size_t len)
{
    uint32_t state = (uint32_t)len;
    size_t done = 0;

    while (done < len && !body->is_done && !body->is_bad) {
        size_t piece = fuzz_piece(&state), taken;
        char *copy;

        if (piece > len - done)
            piece = len - done;
        copy = malloc(piece);
        must(copy != NULL);
        memcpy(copy, bytes + done, piece);
        taken = body_scan(body, copy, piece);
        free(copy);
        must(taken == piece || body->is_done || body->is_bad);
        done += taken;
    }
    return done;
}

/* llhttp 8.1 takes no extension behind one with a value: not ours to copy. */
static bool has_two_extensions(const char *bytes, size_t len)
{
    const char *first = memchr(bytes, '=', len);

    return first != NULL && memchr(first, ';', len - (size_t)(first - bytes)) != NULL;
}

static void compare_with_llhttp(const char *bytes, size_t len, const struct body *body,
                                size_t taken)
{
    char *data = malloc(len + 1), *copy = malloc(len + 1);
    struct llhttp_body theirs = llhttp_read_body(bytes, len, data);

    must(data != NULL && copy != NULL);
    must(!theirs.is_bad && theirs.is_done == body->is_done);
    if (body->is_done) {
        must(theirs.taken == taken);
        memcpy(copy, bytes, taken);
        must(body_unchunk(copy, taken) == theirs.data_bytes);
        must(memcmp(copy, data, theirs.data_bytes) == 0);
    }
    free(copy);
    free(data);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    const char *bytes = (const char *)data;
    struct body whole, pieces;
    size_t taken;

    body_init(&whole, BODY_CHUNKED, 0);
    body_init(&pieces, BODY_CHUNKED, 0);
    taken = body_scan(&whole, bytes, len);
    must(taken <= len && !(whole.is_done && whole.is_bad));
    must(taken == len || whole.is_done || whole.is_bad);
    must(scan_pieces(&pieces, bytes, len) == taken);
    must(pieces.is_done == whole.is_done && pieces.is_bad == whole.is_bad);
    if (!whole.is_bad && !has_two_extensions(bytes, len))
        compare_with_llhttp(bytes, len, &whole, taken);
    return 0;
}
