/* check.h - the second look at a configuration, when all lines are read. */
#ifndef CONFIG_CHECK_H
#define CONFIG_CHECK_H

#include "config/config.h"

/* Work out the fields that config.h says check.c does; complain of what does
 * not fit together. */
void config_check(struct config *config, struct complaints *c);

#endif
