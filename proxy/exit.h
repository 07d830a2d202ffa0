/* exit.h - what the process' exit code says. */
#ifndef PROXY_EXIT_H
#define PROXY_EXIT_H

enum exit_code {
    EXIT_DONE = 0,
    EXIT_CONFIGURATION = 1, /* proxy.ini, or what it names, has faults */
    EXIT_USAGE = 2,         /* the command line has */
    EXIT_CANNOT_START = 3,  /* a port is taken, a right is missing */
};

#endif
