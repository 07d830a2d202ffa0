#include "http/outgoing.h"

#include "http/chars.h"

void outgoing_keep(struct outgoing *o, const struct field *f)
{
    o->seen |= UINT64_C(1) << f->id;
    outgoing_put_field(o, f->name, f->value);
}

void outgoing_drop(struct outgoing *o, const struct field *f)
{
    (void)o;
    (void)f;
}

static void nominate(struct outgoing *o, struct span name)
{
    for (size_t i = 0; i < o->head->field_count; i++)
        if (span_is_nocase(o->head->fields[i].name, name))
            o->nominated[i] = true;
}

/* Of "a, b" the next name; *list is what is left. */
static struct span next_name(struct span *list)
{
    size_t start = 0;
    size_t end;
    struct span name;

    while (start < list->len && span_has(SPAN(" \t,"), list->at[start]))
        start++;
    end = start;
    while (end < list->len && list->at[end] != ',')
        end++;
    name = (struct span){ list->at + start, end - start };
    while (name.len > 0 && char_is_blank(name.at[name.len - 1]))
        name.len--;
    *list = (struct span){ list->at + end, list->len - end };
    return name;
}

static void nominate_all(struct outgoing *o)
{
    for (size_t i = 0; i < o->head->field_count; i++) {
        struct span list = o->head->fields[i].value;
        struct span name;

        if (o->head->fields[i].id != FIELD_CONNECTION)
            continue;
        while ((name = next_name(&list)).len > 0)
            if (!span_is_nocase(name, SPAN("close")) && !span_is_nocase(name, SPAN("keep-alive")))
                nominate(o, name);
    }
}

void outgoing_pass_fields(struct outgoing *o, outgoing_rule *const rules[FIELD_COUNT])
{
    nominate_all(o);
    for (size_t i = 0; i < o->head->field_count; i++) {
        const struct field *f = &o->head->fields[i];

        if (f->is_alias || o->nominated[i])
            continue;
        if (rules[f->id] != NULL)
            rules[f->id](o, f);
        else
            outgoing_keep(o, f);
    }
}

bool outgoing_has_kept(const struct outgoing *o, enum field_id id)
{
    return (o->seen & (UINT64_C(1) << id)) != 0;
}

void outgoing_put_length(struct outgoing *o, uint64_t length)
{
    outgoing_put(o, SPAN("Content-Length: "));
    writer_put_number(&o->text, length);
    outgoing_put_crlf(o);
}

void outgoing_put_chunked(struct outgoing *o)
{
    outgoing_put(o, SPAN("Transfer-Encoding: chunked\r\n"));
}
