/* unit.h - what every unit test includes: cmocka, rows, a directory to write in.
 *
 * Cases stand in tables whose rows have a name; an assertion that fails in a
 * row says which.
 */
#ifndef UNIT_H
#define UNIT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define COUNT(rows) (sizeof(rows) / sizeof((rows)[0]))

#define row_assert(row, condition)                                                                 \
    do {                                                                                           \
        if (!(condition))                                                                          \
            fail_msg("%s: %s", (row)->name, #condition);                                           \
    } while (0)

#define row_assert_int(row, got, expected)                                                         \
    do {                                                                                           \
        long long got_ = (long long)(got), expected_ = (long long)(expected);                      \
        if (got_ != expected_)                                                                     \
            fail_msg("%s: %s is %lld, not %lld", (row)->name, #got, got_, expected_);              \
    } while (0)

#define row_assert_string(row, got, expected)                                                      \
    do {                                                                                           \
        const char *got_ = (got), *expected_ = (expected);                                         \
        if (strcmp(got_, expected_) != 0)                                                          \
            fail_msg("%s: %s is\n%s\nnot\n%s", (row)->name, #got, got_, expected_);                \
    } while (0)

/* A test that hangs fails: SIGALRM ends it. */
enum { PATIENCE_S = 120 };

static __attribute__((constructor)) void limit_time(void)
{
    (void)alarm(PATIENCE_S);
}

static inline void write_file(const char *path, const char *text, size_t n)
{
    FILE *file = fopen(path, "w");

    assert_non_null(file);
    assert_int_equal(fwrite(text, 1, n, file), n);
    assert_int_equal(fclose(file), 0);
}

/* Any bytes; at most 64 KiB. */
static inline char *read_bytes(const char *path, size_t *size)
{
    enum { MOST = 64 * 1024 };
    FILE *file = fopen(path, "r");
    char *bytes = malloc(MOST);

    assert_non_null(file);
    assert_non_null(bytes);
    *size = fread(bytes, 1, MOST, file);
    assert_int_equal(fclose(file), 0);
    return bytes;
}

static inline char *read_file(const char *path)
{
    FILE *file = fopen(path, "r");
    char *text = NULL;
    size_t size = 0;

    assert_non_null(file);
    assert_true(getdelim(&text, &size, '\0', file) >= 0);
    assert_int_equal(fclose(file), 0);
    return text;
}

static char temp_dir[] = "/tmp/red5-tls-proxy-unit.XXXXXX";

/* Group fixtures: work in a fresh directory, so that paths are short and known. */
static inline int enter_temp_dir(void **state)
{
    (void)state;
    return mkdtemp(temp_dir) != NULL ? chdir(temp_dir) : -1;
}

static inline int remove_one(const char *path, const struct stat *st, int kind, struct FTW *where)
{
    (void)st;
    (void)kind;
    (void)where;
    return remove(path);
}

static inline int leave_temp_dir(void **state)
{
    (void)state;
    return chdir("/") == 0 ? nftw(temp_dir, remove_one, 8, FTW_DEPTH | FTW_PHYS) : -1;
}

#endif
