#include "proxy/end.h"

const struct end ends[END_COUNT] = {
    [END_NONE] = { "-", LOG_INFO, END_CLEAN },
#define END(name, word, level, manner) [END_##name] = { word, level, manner },
#include "proxy/end.def"
#undef END
};
