#include "test/unit/unit.h"

#include "proxy/end.h"

#include <regex.h>

/* Words are for grep: each names one reason, and nothing but that. */
static void words_are_words_and_unique(void **state)
{
    regex_t word;

    (void)state;
    assert_int_equal(regcomp(&word, "^[a-z_]+$", REG_EXTENDED | REG_NOSUB), 0);
    for (int i = END_NONE + 1; i < END_COUNT; i++) {
        assert_non_null(ends[i].word);
        if (regexec(&word, ends[i].word, 0, NULL, 0) != 0)
            fail_msg("\"%s\" is no word of [a-z_]", ends[i].word);
        for (int k = END_NONE; k < i; k++)
            assert_string_not_equal(ends[i].word, ends[k].word);
    }
    regfree(&word);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(words_are_words_and_unique) };

    return cmocka_run_group_tests_name("end", tests, NULL, NULL);
}
