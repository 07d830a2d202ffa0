/* openmeetings.h - what only OpenMeetings needs, and one can tell from no RFC.
 *
 *    Origin, Referer   Wicket up to 8.x compares them with the scheme and the Host that
 *                      its servlet container tells (CsrfPreventionRequestCycleListener)
 *    JNLP              1.9 and 2.0 write the scheme they were asked by into codebase=
 *    CSP               4.0 lists ws://<Host> in connect-src
 *
 * Pure functions.
 */
#ifndef HTTP_OPENMEETINGS_H
#define HTTP_OPENMEETINGS_H

#include "http/head.h"

/* What becomes of an Origin, or of the origin part of a Referer. */
enum origin_fate {
    ORIGIN_KEPT,   /* foreign: as it came */
    ORIGIN_OURS,   /* https://<host>: becomes http://<host> */
    ORIGIN_FORGED, /* http://<host>: must not pass for our own */
};

/* `value`: a URL; what follows its authority does not count. */
enum origin_fate openmeetings_judge_origin(struct span value, struct span host);

/* Whether this response is a JNLP document whose codebase may need https. */
bool openmeetings_is_jnlp(const struct head *response);

/* Whether the answer to this request may be one. */
bool openmeetings_may_be_jnlp(const struct head *request);

/* Make codebase="http://<host>..." of a JNLP's root element https, in place. `bytes`
 * has room for `len` + 1. Returns the new length, `len` too if nothing is to be changed.
 * A port that <host> does without (":80" of a backend that wrote its default) goes.
 * Nothing else is touched: arguments hold URLs that must stay. */
size_t openmeetings_rewrite_jnlp(char *bytes, size_t len, struct span host);

#endif
