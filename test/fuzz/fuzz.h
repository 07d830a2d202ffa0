/* fuzz.h - what the fuzzers share.
 *
 * Each is one file, test/fuzz/fuzz_<name>.c, with its seeds in test/fuzz/seeds/<name>/. It is
 * built with libFuzzer, AddressSanitizer and UBSan, and linked with base/, config/, http/, tls/ and
 * llhttp. `make fuzz` runs all of them; what they find lies in build/fuzz/found-<name>-*, and
 * `build/fuzz/fuzz_<name> FILE` tries it again.
 */
#ifndef FUZZ_H
#define FUZZ_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define must(condition)                                                                            \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            (void)fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__, #condition);          \
            abort();                                                                               \
        }                                                                                          \
    } while (0)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Sizes of pieces, 1 to 64, that depend on nothing but the input. */
static inline size_t fuzz_piece(uint32_t *state)
{
    *state = *state * 1664525U + 1013904223U;
    return (*state >> 26) + 1;
}

#endif
