#include "http/config_xml.h"

static bool is_space(char c)
{
    return span_has(SPAN(" \t\r\n"), c);
}

static bool starts_with(struct span text, struct span start)
{
    return text.len >= start.len && memcmp(text.at, start.at, start.len) == 0;
}

static struct span behind(struct span text, size_t n)
{
    return (struct span){ text.at + n, text.len - n };
}

/* What follows the next `mark`; empty if there is none. */
static struct span past(struct span text, struct span mark)
{
    const char *found = text.len >= mark.len ? memmem(text.at, text.len, mark.at, mark.len) : NULL;

    return found != NULL ? behind(text, (size_t)(found - text.at) + mark.len)
                         : (struct span){ text.at + text.len, 0 };
}

/* `text` starts with '<': what follows a comment, a section or a declaration; else `text`. */
static struct span skip_others(struct span text)
{
    static const struct {
        struct span start, end;
    } rows[] = {
        { { "<!--", 4 }, { "-->", 3 } },
        { { "<![CDATA[", 9 }, { "]]>", 3 } },
        { { "<?", 2 }, { "?>", 2 } },
        { { "<!", 2 }, { ">", 1 } },
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        if (starts_with(text, rows[i].start))
            return past(behind(text, rows[i].start.len), rows[i].end);
    return text;
}

/* What follows the next start tag `name`, its '>' or "/>" first; empty if there is none. */
static struct span find_tag(struct span text, struct span name)
{
    while (text.len > 0) {
        struct span rest = behind(text, span_before(text, '<').len);
        struct span other = skip_others(rest);

        if (other.at != rest.at) {
            text = other;
            continue;
        }
        if (rest.len > name.len + 1 && starts_with(behind(rest, 1), name)) {
            char next = rest.at[name.len + 1];

            if (is_space(next) || next == '>' || next == '/')
                return behind(rest, name.len + 1);
        }
        text = rest.len > 0 ? behind(rest, 1) : rest;
    }
    return text;
}

static struct span trim(struct span text)
{
    while (text.len > 0 && is_space(*text.at))
        text = behind(text, 1);
    while (text.len > 0 && is_space(text.at[text.len - 1]))
        text.len--;
    return text;
}

bool config_xml_is(struct span bytes)
{
    return find_tag(bytes, SPAN("config")).len > 0;
}

bool config_xml_find(struct span bytes, struct span name, struct span *value)
{
    struct span rest = find_tag(bytes, name);
    size_t attributes = span_before(rest, '>').len;

    if (attributes == rest.len)
        return false;
    *value = (struct span){ "", 0 };
    if (attributes > 0 && rest.at[attributes - 1] == '/')
        return true;
    rest = behind(rest, attributes + 1);
    *value = trim(span_before(rest, '<'));
    return span_before(rest, '<').len < rest.len;
}
