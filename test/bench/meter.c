#include "meter.h"

#include <stdio.h>
#include <time.h>

#include "fail.h"

#define MOST_WATCHED 16

static pid_t watched[MOST_WATCHED];
static unsigned count;

static uint64_t nanoseconds(clockid_t clock)
{
    struct timespec t;

    if (clock_gettime(clock, &t))
        fail("a processor clock cannot be read; has a proxy ended?");
    return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

uint64_t clock_now(void)
{
    return nanoseconds(CLOCK_MONOTONIC);
}

void meter_watch(pid_t pid)
{
    if (count == MOST_WATCHED)
        fail("more than %d processes to watch", MOST_WATCHED);
    watched[count++] = pid;
}

static FILE *process_file(pid_t pid, const char *name)
{
    char path[64];
    FILE *file;

    snprintf(path, sizeof(path), "/proc/%d/%s", (int)pid, name);
    file = fopen(path, "r");
    if (!file)
        fail("%s cannot be read", path);
    return file;
}

static uint64_t waited_by(pid_t pid)
{
    FILE *file = process_file(pid, "schedstat");
    unsigned long long waited = 0;

    if (fscanf(file, "%*u %llu", &waited) != 1)
        fail("schedstat of process %d has another form", (int)pid);
    fclose(file);
    return waited;
}

static uint64_t switches_of(pid_t pid)
{
    FILE *file = process_file(pid, "status");
    unsigned long long switches = 0;
    char line[256];

    while (fgets(line, sizeof(line), file))
        if (sscanf(line, "voluntary_ctxt_switches: %llu", &switches) == 1)
            break;
    fclose(file);
    return switches;
}

uint64_t processor_time_of(pid_t pid)
{
    clockid_t clock;

    if (clock_getcpuclockid(pid, &clock))
        fail("process %d is not there", (int)pid);
    return nanoseconds(clock);
}

void meter_read(struct meter *m)
{
    unsigned n;

    *m = (struct meter){ .now = clock_now(), .own = nanoseconds(CLOCK_PROCESS_CPUTIME_ID) };
    for (n = 0; n < count; n++) {
        m->used += processor_time_of(watched[n]);
        m->waited += waited_by(watched[n]);
        m->switches += switches_of(watched[n]);
    }
}
