/* backend_numbers.h - a number for each backend, so that its counters in stats
 * are the same for all listeners, workers and generations. For the master. */
#ifndef PROXY_BACKEND_NUMBERS_H
#define PROXY_BACKEND_NUMBERS_H

#include "proxy/stats.h"

struct backend_numbers {
    struct {
        char *text;     /* owned; NULL: the number is free */
        unsigned users; /* fronts of living generations */
    } rows[STATS_BACKENDS];
};

/* The number of the backend with this text, from 0; -1 when all are taken. */
int backend_numbers_take(struct backend_numbers *numbers, const char *text);

/* For each that was taken. */
void backend_numbers_give(struct backend_numbers *numbers, int number);

#endif
