/* SPDX-License-Identifier: GPL-2.0 */
/* --pin: which CPU of the host a vCPU's thread runs on. */
#ifndef HUSK_WORKER_PIN_H
#define HUSK_WORKER_PIN_H

#include <pthread.h>

#include "worker/machine.h"

/* Once all options are known */
enum husk_status pin_check(const struct config *config);
/* For the thread of a vCPU. 0 or an errno */
int pin_apply(const struct config *config, unsigned int vcpu, pthread_attr_t *attr);

#endif
