#include "proxy/end.h"

const struct end ends[END_COUNT] = {
    [END_NONE] = { "-", LOG_INFO, END_CLEAN, 0 },
#define END(name, word, level, manner, status) [END_##name] = { word, level, manner, status },
#include "proxy/end.def"
#undef END
};
