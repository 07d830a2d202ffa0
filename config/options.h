/* options.h - the table of keys, and how a row's text becomes a field. */
#ifndef CONFIG_OPTIONS_H
#define CONFIG_OPTIONS_H

#include "config/config.h"

enum option_type {
    OPT_NUMBER,   /* unsigned; `word`, where a row has one, stands for 0 */
    OPT_DURATION, /* uint64_t of milliseconds; text with ms, s, m or h */
    OPT_DELAY,    /* uint64_t of microseconds; text with us or ms */
    OPT_SIZE,     /* uint64_t of bytes; text with k, m, g or nothing; `word` stands for 0 */
    OPT_FLAG,     /* bool; on or off */
    OPT_CHOICE,   /* unsigned; index into `choices` */
    OPT_TEXT,     /* char * */
    OPT_PATH,     /* char *; relative to the file's directory */
    OPT_WORDS,    /* struct words; separated by spaces, may go on in indented lines */
};

struct option {
    const char *section; /* kind: "proxy", "certificate", "listener" */
    const char *key;
    enum option_type type;
    size_t offset; /* of the field in the kind's struct */
    uint64_t
        min; /* OPT_NUMBER; OPT_SIZE; OPT_DURATION in milliseconds; OPT_DELAY in microseconds */
    uint64_t max;
    const char *word;           /* OPT_NUMBER, OPT_SIZE: written instead of 0 */
    const char *const *choices; /* OPT_CHOICE: ends with NULL */
    const char *fallback;       /* text; NULL: the field stays zero */
    bool may_be_uri;            /* OPT_PATH: "pkcs11:..." is left as it is */
    unsigned serves;            /* listener: mask of OFFERS_* it does something for; 0: all */
    const char *help;
};

extern const struct option options[];
extern const size_t option_count;

/* The row of `key` in a section of `kind`, or -1. */
int option_find(const char *kind, const char *key);

/* Fill the fields of the struct that starts with `section` from its texts and
 * the rows' fallbacks; complain of what does not parse. */
void options_apply(const char *kind, struct section *section, const char *directory,
                   struct complaints *c);

/* Free what options_apply() and the loader put into the section's struct. */
void options_free(const char *kind, struct section *section);

/* The text in effect for row `i`; NULL if the key is not set and has no default. */
const char *option_text(const struct section *section, size_t i);

#endif
