/* control.h - what the master and a worker say to each other, a byte a message,
 * over a socket pair. A worker that reads its end knows that the master is gone
 * and drains. */
#ifndef PROXY_CONTROL_H
#define PROXY_CONTROL_H

enum control {
    CONTROL_READY = 'r', /* worker: it accepts */
    CONTROL_QUIET = 'q', /* worker: it accepts no more */
    CONTROL_DRAIN = 'd', /* master: accept no more, end with the last session */
    CONTROL_STOP = 's',  /* master: end all sessions now */
};

#endif
