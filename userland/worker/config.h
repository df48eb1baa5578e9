/* SPDX-License-Identifier: GPL-2.0 */
/* From a command line to a checked struct config. */
#ifndef HUSK_WORKER_CONFIG_H
#define HUSK_WORKER_CONFIG_H

#include "lib/run_options.h"
#include "worker/machine.h"

/* Parse and check; on failure one line is printed. Files stay open for config_fini(). */
enum husk_status config_init(struct config *config, int argc, char **argv);
/* What only the device knows: does the memory fit into guest addresses? */
enum husk_status config_check_host(struct config *config, int dev);
void config_fini(struct config *config);
/* A device, for machine_create() to make; for the functions option_ID(). options live as long as the process. */
enum husk_status config_add_device(struct config *config, enum husk_status (*create)(struct machine *m, void *options),
				   void *options);

/*
 * One function for each option, in the file of its subject: takes the option's argument
 * (NULL if it has none), which lives as long as the process. Called in the order of the
 * command line; what depends on other options is checked when all are known.
 */
#define SECTION(title)
#define OPTION(id, name, argument, text) enum husk_status option_##id(struct config *config, const char *text_);
HUSK_RUN_OPTIONS(SECTION, OPTION)
#undef OPTION
#undef SECTION

#endif
