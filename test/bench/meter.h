/* meter.h - what the watched processes and this one use between two moments. */
#ifndef METER_H
#define METER_H

#include <stdint.h>
#include <sys/types.h>

struct meter {
    uint64_t now;    /* all are ns */
    uint64_t used;   /* processor time of the watched processes, all threads, ended ones as well */
    uint64_t waited; /* how long their main threads were ready, and something else ran */
    uint64_t own;    /* processor time of this process */
    uint64_t switches; /* how often the watched processes' main threads went to sleep; no ns */
};

uint64_t clock_now(void);

/* A process to watch; a meter reads all of them. */
void meter_watch(pid_t pid);
uint64_t processor_time_of(pid_t pid);
void meter_read(struct meter *m);

#endif
