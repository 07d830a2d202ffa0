#include "http/field.h"

static const struct span names[FIELD_COUNT] = {
#define FIELD(name, text) [FIELD_##name] = { text, sizeof(text) - 1 },
#include "http/field.def"
#undef FIELD
};

static int lower(char c)
{
    return c >= 'A' && c <= 'Z' ? c | 0x20 : c;
}

/* Case and '_' aside, whether the `known.len` bytes at `text` are `known`. */
static bool is_same(const char *text, struct span known, bool *is_alias)
{
    *is_alias = false;
    if (memcmp(text, known.at, known.len) == 0) /* as nearly everybody spells it */
        return true;
    for (size_t i = 0; i < known.len; i++) {
        if (text[i] == '_' && known.at[i] == '-')
            *is_alias = true;
        else if (lower(text[i]) != lower(known.at[i]))
            return false;
    }
    return true;
}

/* A row for each length that a name of ours has; zero (FIELD_OTHER) ends it. */
static const unsigned char of_length[][6] = {
    [2] = { FIELD_TE },
    [4] = { FIELD_HOST },
    [6] = { FIELD_EXPECT, FIELD_ORIGIN },
    [7] = { FIELD_REFERER, FIELD_REFRESH, FIELD_TRAILER, FIELD_UPGRADE },
    [8] = { FIELD_LOCATION },
    [9] = { FIELD_FORWARDED, FIELD_X_REAL_IP },
    [10] = { FIELD_CONNECTION, FIELD_KEEP_ALIVE, FIELD_SET_COOKIE },
    [12] = { FIELD_CONTENT_TYPE },
    [14] = { FIELD_CONTENT_LENGTH, FIELD_HTTP2_SETTINGS },
    [15] = { FIELD_ACCEPT_ENCODING, FIELD_X_FORWARDED_FOR },
    [16] = { FIELD_CONTENT_ENCODING, FIELD_CONTENT_LOCATION, FIELD_PROXY_CONNECTION,
             FIELD_X_FORWARDED_HOST, FIELD_X_FORWARDED_PORT },
    [17] = { FIELD_TRANSFER_ENCODING, FIELD_X_FORWARDED_PROTO },
    [23] = { FIELD_CONTENT_SECURITY_POLICY },
    [25] = { FIELD_STRICT_TRANSPORT_SECURITY },
    [35] = { FIELD_CONTENT_SECURITY_POLICY_REPORT_ONLY },
};

enum field_id field_find(struct span name, bool *is_alias)
{
    *is_alias = false;
    if (name.len >= sizeof(of_length) / sizeof(of_length[0]))
        return FIELD_OTHER;
    for (const unsigned char *id = of_length[name.len]; *id != FIELD_OTHER; id++) {
        if (lower(name.at[0]) == lower(names[*id].at[0]) && is_same(name.at, names[*id], is_alias))
            return (enum field_id) * id;
    }
    *is_alias = false;
    return FIELD_OTHER;
}

struct span field_name(enum field_id id)
{
    return names[id];
}

bool field_is_certificate(struct span name)
{
    bool is_alias;

    return name.len >= 6 && is_same(name.at, SPAN("X-SSL-"), &is_alias);
}
