/* response.h - the half of an exchange that comes from the backend.
 *
 *    head whole? --> interim: passed on, and the next head is waited for
 *                --> 101 that was asked for: a tunnel from here on
 *                --> final: written anew, credit for it and its body
 *                --> final, and a JNLP file: gathered, changed when it is whole
 *    behind the body nothing may come
 */
#ifndef PROXY_RESPONSE_H
#define PROXY_RESPONSE_H

struct channel;

/* The judge (channel.h) of the channel from the backend; `user` is its exchange. */
void response_judge(struct channel *out, void *user);

#endif
