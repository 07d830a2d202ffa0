/* master.h - the process that is started: it reads proxy.ini, opens sockets,
 * loads keys, starts workers and watches them. It never reads a byte from the
 * network.
 *
 *    TERM        accept no more, end with the last session or at stop_timeout
 *    INT, TERM   while that goes on, INT at any time: end all sessions now
 */
#ifndef PROXY_MASTER_H
#define PROXY_MASTER_H

#include "proxy/exit.h"

/* Serve until told to end. */
enum exit_code master_run(const char *config_path);

/* Read and load everything, print the set-up that is in effect, serve nothing. */
enum exit_code master_check(const char *config_path);

#endif
