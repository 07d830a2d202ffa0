/* outgoing.h - a head while it is written: what rewrite_request.c and rewrite_response.c share.
 *
 *    fields that came --nominated by Connection, spelled with '_'?--> rule of its id --> text
 *
 * A rule says what becomes of a field; a field without one is kept. What is hop-by-hop is gone
 * before ours is added.
 */
#ifndef HTTP_OUTGOING_H
#define HTTP_OUTGOING_H

#include "http/rewrite.h"
#include "http/writer.h"

struct outgoing {
    struct writer text;
    const struct head *head;
    const struct rewrite_options *options;
    const struct rewrite_client *client; /* of a request */
    const struct rewrite_asked *asked;   /* of a response */
    int64_t length;                      /* of a response: see rewrite_response() */
    bool believes;                       /* of a request: what the client says of others */
    bool wants_whole;                    /* of a request: the answer may have to be changed */
    uint64_t seen;                       /* a bit per field_id: kept */
    bool nominated[HEAD_FIELDS_MAX];     /* by Connection: hop-by-hop */
};

_Static_assert(FIELD_COUNT <= 64, "struct outgoing has a bit per field");

typedef void outgoing_rule(struct outgoing *o, const struct field *f);

outgoing_rule outgoing_keep;

/* Hop-by-hop, or written from what was parsed, or by us. */
outgoing_rule outgoing_drop;

/* All that came, each by its rule; NULL keeps it. */
void outgoing_pass_fields(struct outgoing *o, outgoing_rule *const rules[FIELD_COUNT]);

bool outgoing_has_kept(const struct outgoing *o, enum field_id id);

void outgoing_put_length(struct outgoing *o, uint64_t length);
void outgoing_put_chunked(struct outgoing *o);

static inline void outgoing_put(struct outgoing *o, struct span text)
{
    writer_put(&o->text, text);
}

static inline void outgoing_put_crlf(struct outgoing *o)
{
    outgoing_put(o, SPAN("\r\n"));
}

static inline void outgoing_put_field(struct outgoing *o, struct span name, struct span value)
{
    writer_put_field(&o->text, name, value);
}

#endif
