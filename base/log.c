#include "base/log.h"

#include <fcntl.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { LINE_BYTES = 2048 };

static const char *const level_names[] = {
    [LOG_ERROR] = "error",
    [LOG_WARN] = "warn",
    [LOG_INFO] = "info",
    [LOG_DEBUG] = "debug",
};

static enum log_level highest = LOG_INFO;
static unsigned long dropped;
static bool is_torn;    /* the last of these went out in part */
static int output = -1; /* log_open's */
static bool is_socket;

void log_set_level(enum log_level level)
{
    highest = level;
}

bool log_is_on(enum log_level level)
{
    return level <= highest;
}

/* systemd names the journal's stream as device:inode; a program that was given
 * another standard error may have inherited the name (systemd.exec(5)). */
static bool is_journal(void)
{
    const char *name = getenv("JOURNAL_STREAM");
    unsigned long long device;
    unsigned long long inode;
    struct stat st;
    char rest;

    return name != NULL && sscanf(name, "%llu:%llu%c", &device, &inode, &rest) == 2 &&
           fstat(STDERR_FILENO, &st) == 0 && st.st_dev == device && st.st_ino == inode;
}

/* The time to the millisecond, in UTC, and a space; nothing in the journal. */
static size_t put_time(char *out, size_t size)
{
    struct timespec now;
    struct tm utc;
    size_t n;

    if (is_journal())
        return 0;
    (void)clock_gettime(CLOCK_REALTIME, &now);
    (void)gmtime_r(&now.tv_sec, &utc);
    n = strftime(out, size, "%Y-%m-%dT%H:%M:%S", &utc);
    n += (size_t)snprintf(out + n, size - n, ".%03dZ ", (int)(now.tv_nsec / 1000000));
    return n;
}

/* Of a file, whoever shares the description writes at its end from now on, as we do: a
 * shell that says what became of us must not write over our lines. */
static bool is_shared_file(mode_t mode)
{
    int flags = fcntl(STDERR_FILENO, F_GETFL);

    return S_ISREG(mode) && flags >= 0 && fcntl(STDERR_FILENO, F_SETFL, flags | O_APPEND) == 0;
}

void log_open(void)
{
    struct stat st;
    bool is_known = fstat(STDERR_FILENO, &st) == 0;

    is_socket = is_known && S_ISSOCK(st.st_mode);
    if (is_socket || (is_known && is_shared_file(st.st_mode)))
        output = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
    else /* a new description: O_NONBLOCK on the old one would meet its other users */
        output = open("/proc/self/fd/2", O_WRONLY | O_APPEND | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
}

/* False while the reader takes nothing, or is gone. A line that went out in
 * part counts as lost. */
static bool put_line(const char *line, size_t n)
{
    struct pollfd standard_error = { .fd = STDERR_FILENO, .events = POLLOUT };

    if (output >= 0 && is_socket)
        return send(output, line, n, MSG_DONTWAIT | MSG_NOSIGNAL) == (ssize_t)n;
    if (output >= 0) {
        ssize_t put = write(output, line, n);

        is_torn |= put > 0 && put < (ssize_t)n; /* a full disk */
        return put == (ssize_t)n;
    }

    /* A pipe that polls writable takes PIPE_BUF (4096) bytes, more than a line has. */
    return poll(&standard_error, 1, 0) == 1 && (standard_error.revents & POLLOUT) != 0 &&
           write(STDERR_FILENO, line, n) == (ssize_t)n;
}

static void report_dropped(void)
{
    char line[128];
    size_t n;

    if (dropped == 0)
        return;
    line[0] = '\n'; /* behind what is there of a line */
    n = is_torn;
    n += put_time(line + n, sizeof(line) - n);
    n += (size_t)snprintf(line + n, sizeof(line) - n,
                          "warn %lu log lines were lost: standard error was full\n", dropped);
    if (!put_line(line, n))
        return;
    dropped = 0;
    is_torn = false;
}

void log_line(enum log_level level, const char *format, ...)
{
    char line[LINE_BYTES];
    size_t n;
    va_list args;
    int printed;

    if (!log_is_on(level))
        return;

    n = put_time(line, sizeof(line));
    n += (size_t)snprintf(line + n, sizeof(line) - n, "%s ", level_names[level]);
    va_start(args, format);
    printed = vsnprintf(line + n, sizeof(line) - n - 1, format, args);
    va_end(args);
    n += printed < 0 ? 0 : strlen(line + n);
    line[n++] = '\n';

    report_dropped();
    if (!put_line(line, n))
        dropped++;
}

const char *log_escape(const char *text, char *out, size_t size)
{
    size_t n = 0;

    for (const unsigned char *p = (const unsigned char *)text; *p != '\0'; p++) {
        bool is_plain = *p > 0x20 && *p < 0x7f && strchr("\"\\=", *p) == NULL;

        if (n + (is_plain ? 1 : 4) >= size)
            break;
        if (is_plain)
            out[n++] = (char)*p;
        else
            n += (size_t)snprintf(out + n, size - n, "\\x%02x", *p);
    }
    out[n] = '\0';
    return out;
}
