/* fail.h - one sentence on stderr, and the end: a figure that is half wrong is worse than none. */
#ifndef FAIL_H
#define FAIL_H

_Noreturn void fail(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif
