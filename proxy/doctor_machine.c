/* doctor_machine.c - the clock, and how many descriptors there are. */
#include "proxy/crew.h"
#include "proxy/doctor.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

/* ---- the clock ---- */

/* Certificates hold from and to a time. A clock that is behind what was written here before
 * stands still, or was never set. */
void doctor_check_clock(struct doctor *d)
{
    time_t now = time(NULL);
    char text[32] = "";
    struct stat st;
    struct tm tm;

    (void)strftime(text, sizeof(text), "%F %H:%M UTC", gmtime_r(&now, &tm));
    if (stat(d->path, &st) == 0 && st.st_mtime > now + 60)
        doctor_fault(d, "clock", "this machine", "set the clock, and keep it right (NTP)",
                     "the clock says %s, which is before %s was written", text, d->path);
    else
        doctor_ok(d, "clock", "this machine", "the clock says %s", text);
}

/* ---- descriptors ---- */

enum { FEW_SESSIONS = 1000 };

/* Whether process `pid` is a red5-tls-proxy that serves our file. */
static bool is_ours(const struct doctor *d, const char *pid)
{
    char path[64];
    char words[4096];
    const char *slash;
    bool is_found = false;
    FILE *file;
    size_t n;

    (void)snprintf(path, sizeof(path), "/proc/%.16s/cmdline", pid);
    file = fopen(path, "re");
    n = file != NULL ? fread(words, 1, sizeof(words) - 1, file) : 0;
    if (file != NULL)
        (void)fclose(file);
    words[n] = '\0';
    slash = strrchr(words, '/'); /* in the first word alone: a NUL ends it */
    if (strcmp(slash != NULL ? slash + 1 : words, "red5-tls-proxy") != 0)
        return false;
    for (size_t i = strlen(words) + 1; i < n; i += strlen(words + i) + 1) {
        if (strcmp(words + i, "doctor") == 0)
            return false;
        is_found |= strcmp(words + i, d->path) == 0;
    }
    return is_found;
}

/* The limit of a running process; 0: not known. */
static unsigned long long limit_of(const char *pid)
{
    unsigned long long hard = 0;
    char path[64];
    char line[256];
    FILE *file;

    (void)snprintf(path, sizeof(path), "/proc/%.16s/limits", pid);
    file = fopen(path, "re");
    while (file != NULL && fgets(line, sizeof(line), file) != NULL)
        if (sscanf(line, "Max open files %*s %llu", &hard) == 1)
            break;
    if (file != NULL)
        (void)fclose(file);
    return hard;
}

/* Of the proxy that runs with this file, else of ourselves, who were started elsewhere. */
static unsigned long long find_limit(const struct doctor *d, bool *is_running)
{
    DIR *proc = opendir("/proc");
    unsigned long long found = 0;
    struct rlimit own = { .rlim_max = 0 };
    const struct dirent *entry;

    while (proc != NULL && found == 0 && (entry = readdir(proc)) != NULL)
        if (entry->d_name[0] >= '1' && entry->d_name[0] <= '9' && is_ours(d, entry->d_name))
            found = limit_of(entry->d_name);
    if (proc != NULL)
        (void)closedir(proc);
    *is_running = found > 0;
    if (found == 0 && getrlimit(RLIMIT_NOFILE, &own) == 0)
        found = own.rlim_max;
    return found;
}

void doctor_check_descriptors(struct doctor *d)
{
    static const char advice[] = "raise LimitNOFILE in the unit file (or ulimit -Hn)";
    const struct proxy_config *proxy = &d->config->proxy;
    bool is_running;
    unsigned long long limit = find_limit(d, &is_running);
    unsigned long long room = crew_room(limit) * crew_workers(proxy->workers);
    const char *subject = is_running ? "the running proxy" : "this user";

    if (proxy->max_sessions > room)
        doctor_warning(d, "descriptors", subject, advice,
                       "may open %llu files, enough for %llu sessions, and max_sessions = %u",
                       limit, room, proxy->max_sessions);
    else if (room < FEW_SESSIONS && proxy->max_sessions == 0)
        doctor_warning(d, "descriptors", subject, advice,
                       "may open %llu files, enough for only %llu sessions", limit, room);
    else
        doctor_ok(d, "descriptors", subject, "may open %llu files, enough for %llu sessions", limit,
                  room);
}
