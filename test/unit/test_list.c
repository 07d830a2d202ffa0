#include "test/unit/unit.h"

#include "base/list.h"

struct letter {
    char letter;
    struct list link;
};

/* "abc": the letters on the list, checked in both directions. */
static const char *spell(const struct list *head)
{
    static char word[16];
    size_t n = 0;

    for (const struct list *l = head->next; l != head; l = l->next) {
        assert_ptr_equal(l->next->prev, l);
        assert_ptr_equal(l->prev->next, l);
        assert_true(n + 1 < sizeof(word));
        word[n++] = container_of(l, struct letter, link)->letter;
    }
    word[n] = '\0';
    return word;
}

/* A list of the letters of `word`, in nodes of `letters`. */
static void append_word(struct list *head, struct letter *letters, const char *word)
{
    for (; *word != '\0'; word++, letters++) {
        letters->letter = *word;
        list_init(&letters->link);
        list_append(head, &letters->link);
    }
}

static void remove_and_take(void **state)
{
    static const struct {
        const char *name;
        int remove;       /* index of the letter, or -1: take the first */
        const char *rest; /* of "abcd", row after row */
    } rows[] = {
        { "in the middle", 1, "acd" }, { "once more", 1, "acd" }, { "the first, taken", -1, "cd" },
        { "the last", 3, "c" },        { "the only one", 2, "" }, { "none to take", -1, "" },
    };
    struct letter letters[4];
    struct list head;

    (void)state;
    list_init(&head);
    append_word(&head, letters, "abcd");
    assert_string_equal(spell(&head), "abcd");
    for (size_t i = 0; i < COUNT(rows); i++) {
        bool was_empty = list_is_empty(&head);
        struct list *node = rows[i].remove < 0 ? list_take(&head) : &letters[rows[i].remove].link;

        if (rows[i].remove >= 0)
            list_remove(node);
        row_assert(&rows[i], (node == NULL) == (rows[i].remove < 0 && was_empty));
        row_assert(&rows[i], node == NULL || list_is_empty(node));
        row_assert_string(&rows[i], spell(&head), rows[i].rest);
        row_assert_int(&rows[i], list_is_empty(&head), *rows[i].rest == '\0');
    }
}

static void splice(void **state)
{
    static const struct {
        const char *name;
        const char *to, *from, *result;
    } rows[] = {
        { "both empty", "", "", "" },           { "nothing to move", "ab", "", "ab" },
        { "to an empty list", "", "ab", "ab" }, { "one by one", "a", "b", "ab" },
        { "many", "abc", "def", "abcdef" },
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct letter letters[2][4];
        struct list to, from;

        list_init(&to);
        list_init(&from);
        append_word(&to, letters[0], rows[i].to);
        append_word(&from, letters[1], rows[i].from);
        list_splice(&to, &from);
        row_assert_string(&rows[i], spell(&to), rows[i].result);
        row_assert(&rows[i], list_is_empty(&from));
    }
}

static void a_node_moves_between_lists(void **state)
{
    struct letter a = { .letter = 'a' };
    struct list ready, starved;

    (void)state;
    list_init(&ready);
    list_init(&starved);
    list_init(&a.link);
    assert_true(list_is_empty(&a.link));
    list_append(&ready, &a.link);
    assert_false(list_is_empty(&a.link));
    list_append(&starved, list_take(&ready));
    assert_true(list_is_empty(&ready));
    assert_string_equal(spell(&starved), "a");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(remove_and_take),
        cmocka_unit_test(splice),
        cmocka_unit_test(a_node_moves_between_lists),
    };

    return cmocka_run_group_tests_name("list", tests, NULL, NULL);
}
