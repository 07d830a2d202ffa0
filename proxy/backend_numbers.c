#include "proxy/backend_numbers.h"

#include <stdlib.h>
#include <string.h>

int backend_numbers_take(struct backend_numbers *numbers, const char *text)
{
    int number = -1;

    for (int i = STATS_BACKENDS - 1; i >= 0; i--) {
        const char *other = numbers->rows[i].text;

        if (other != NULL && strcmp(other, text) == 0) {
            numbers->rows[i].users++;
            return i;
        }
        if (other == NULL)
            number = i;
    }
    if (number < 0 || (numbers->rows[number].text = strdup(text)) == NULL)
        return -1;
    numbers->rows[number].users = 1;
    return number;
}

void backend_numbers_give(struct backend_numbers *numbers, int number)
{
    if (--numbers->rows[number].users > 0)
        return;
    free(numbers->rows[number].text);
    numbers->rows[number].text = NULL;
}
