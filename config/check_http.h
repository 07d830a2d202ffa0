/* check_http.h - the keys of a listener that only HTTP has. */
#ifndef CONFIG_CHECK_HTTP_H
#define CONFIG_CHECK_HTTP_H

#include "config/config.h"

/* Complain of what no single line can know, and fill in trusted. */
void config_check_http(struct listener_config *l, struct complaints *c);

#endif
