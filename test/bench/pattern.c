#include "pattern.h"

#include <string.h>

static unsigned char sequence[2 * PATTERN_SPAN];

void pattern_init(void)
{
    uint32_t random = 2463534242;
    size_t n;

    for (n = 0; n < PATTERN_SPAN; n++) {
        random ^= random << 13;
        random ^= random >> 17;
        random ^= random << 5;
        sequence[n] = sequence[n + PATTERN_SPAN] = (unsigned char)random;
    }
}

const unsigned char *pattern_at(uint64_t position)
{
    return sequence + position % PATTERN_SPAN;
}

bool pattern_matches(uint64_t position, const void *bytes, size_t length)
{
    return length <= PATTERN_SPAN && memcmp(pattern_at(position), bytes, length) == 0;
}
