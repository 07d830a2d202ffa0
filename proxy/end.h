/* end.h - the reasons a session can end for; the rows are in end.def. */
#ifndef PROXY_END_H
#define PROXY_END_H

#include "base/log.h"

enum end_reason {
    END_NONE, /* it lives */
#define END(name, word, level, manner, status) END_##name,
#include "proxy/end.def"
#undef END
    END_COUNT
};

enum end_manner { END_CLEAN, END_RESET };

struct end {
    const char *word;
    enum log_level level;
    enum end_manner manner;
    unsigned status;
};

extern const struct end ends[END_COUNT];

#endif
