/* complaint.h - where everything that is wrong with a configuration goes.
 *
 *    proxy.ini:14: [listener rtmps] listen: port 70000 is out of range
 *
 * Complaints are collected by a sink, so that one run names every fault of a
 * file. An error makes the configuration unusable, a warning does not.
 */
#ifndef CONFIG_COMPLAINT_H
#define CONFIG_COMPLAINT_H

struct complaints {
    const char *file; /* borrowed; as the user named it */
    void (*report)(const char *line);
    unsigned errors;
    unsigned warnings;
};

/* `line` 0: the file as a whole. `section` ("listener rtmps") and `key` may be NULL. */
void complain(struct complaints *c, int line, const char *section, const char *key,
              const char *format, ...) __attribute__((format(printf, 5, 6)));

/* The same as a warning. */
void complain_mildly(struct complaints *c, int line, const char *section, const char *key,
                     const char *format, ...) __attribute__((format(printf, 5, 6)));

#endif
