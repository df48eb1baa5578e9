/* SPDX-License-Identifier: GPL-2.0 */
/* The help of 'husk run', whose options other commands have, too */
#ifndef HUSK_CLI_RUN_HELP_H
#define HUSK_CLI_RUN_HELP_H

/* One option; text may be several lines */
void help_option(const char *name, const char *argument, const char *text);
/* All of lib/run_options.h, by section */
void help_run_options(void);

#endif
