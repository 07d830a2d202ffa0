/* request.h - the half of an exchange that comes from the client.
 *
 *    head whole? --> well-formed, wanted? --> written anew --> credit for it and its body
 *                         \ no: an error        \ ours to answer: a redirect, a file
 */
#ifndef PROXY_REQUEST_H
#define PROXY_REQUEST_H

struct channel;

/* The judge (channel.h) of the channel from the client; `user` is its exchange.
 * What follows a request waits for its turn, and is read no further. */
void request_judge(struct channel *in, void *user);

#endif
