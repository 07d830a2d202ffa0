/* log.h - one line for each event, to standard error.
 *
 *    2026-11-23T08:12:13.123Z info ready: 2 workers
 *
 * Each line is one write(2), so lines of several processes do not mix. Under
 * systemd's journal, which has its own clock, the time is left out. A reader
 * that stops reading never stops the program: while standard error takes
 * nothing, lines are dropped and counted, and the count is logged later.
 *
 * Bytes that came from the network go through log_escape() first.
 */
#ifndef BASE_LOG_H
#define BASE_LOG_H

#include <stdbool.h>
#include <stddef.h>

enum log_level { LOG_ERROR, LOG_WARN, LOG_INFO, LOG_DEBUG };

/* For a program that must never wait for whoever reads its log: write to a
 * descriptor of its own, which does not block, on the file, pipe or terminal
 * that is standard error now. Inherited by forked processes. Where that cannot
 * be had, lines go to standard error when it polls writable. */
void log_open(void);

/* Lines above `level` are not written. Until then: LOG_INFO. */
void log_set_level(enum log_level level);
bool log_is_on(enum log_level level);

void log_line(enum log_level level, const char *format, ...) __attribute__((format(printf, 2, 3)));

#define log_error(...) log_line(LOG_ERROR, __VA_ARGS__)
#define log_warn(...)  log_line(LOG_WARN, __VA_ARGS__)
#define log_info(...)  log_line(LOG_INFO, __VA_ARGS__)
#define log_debug(...) log_line(LOG_DEBUG, __VA_ARGS__)

/* Write `text` to `out` so that it is one word on one line: anything but
 * printable ASCII, and space, quote, backslash and equals sign, becomes \xHH.
 * Always terminated; cut at `size`. Returns `out`. */
const char *log_escape(const char *text, char *out, size_t size);

#endif
