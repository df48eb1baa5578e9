// SPDX-License-Identifier: GPL-2.0
/* --pin: which CPU of the host a vCPU's thread runs on. */
#include <ctype.h>
#include <errno.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>

#include "worker/config.h"
#include "worker/pin.h"

/* A number that ends at one of the characters in ends; *text goes there. -1: no number, or above most */
static long number(const char **text, const char *ends, long most)
{
	char *end;
	long value;

	if (!isdigit((unsigned char)**text))
		return -1;
	errno = 0;
	value = strtol(*text, &end, 10);
	if (errno || value > most || !strchr(ends, *end))
		return -1;
	*text = end;
	return value;
}

enum husk_status option_pin(struct config *c, const char *text)
{
	const char *at = text;

	for (;;) {
		long cpu, vcpu = number(&at, "=", MACHINE_CPUS - 1);

		if (vcpu < 0 || *at++ != '=')
			break;
		cpu = number(&at, ",", CPU_SETSIZE - 1);
		if (cpu < 0)
			break;
		if (c->pin[vcpu])
			return fail(HUSK_STATUS_USAGE, "--pin %s: vCPU %ld is given twice", text, vcpu);
		c->pin[vcpu] = cpu + 1;
		if (!*at++)
			return HUSK_STATUS_OK;
	}
	return fail(HUSK_STATUS_USAGE, "--pin %s: give vCPU=CPU, such as 0=2 or 0=2,1=3", text);
}

enum husk_status pin_check(const struct config *c)
{
	cpu_set_t allowed;

	if (sched_getaffinity(0, sizeof(allowed), &allowed) < 0)
		CPU_ZERO(&allowed);
	for (unsigned int i = 0; i < MACHINE_CPUS; i++) {
		if (!c->pin[i])
			continue;
		if (i >= c->cpus)
			return fail(HUSK_STATUS_USAGE, "--pin %u=%u: there is no such vCPU, --cpus is %u", i, c->pin[i] - 1,
				    c->cpus);
		if (!CPU_ISSET(c->pin[i] - 1, &allowed))
			return fail(HUSK_STATUS_INPUT, "--pin %u=%u: this host has no such CPU, or it is not for this process (taskset, cpuset)",
				    i, c->pin[i] - 1);
	}
	return HUSK_STATUS_OK;
}

int pin_apply(const struct config *c, unsigned int vcpu, pthread_attr_t *attr)
{
	cpu_set_t set;

	if (!c->pin[vcpu])
		return 0;
	CPU_ZERO(&set);
	CPU_SET(c->pin[vcpu] - 1, &set);
	return pthread_attr_setaffinity_np(attr, sizeof(set), &set);
}
