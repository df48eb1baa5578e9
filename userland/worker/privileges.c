// SPDX-License-Identifier: GPL-2.0
/* Capabilities, by libcap. */
#include <stdbool.h>

#include "worker/privileges.h"

static bool is_kept(const cap_value_t *keep, int count, cap_value_t cap)
{
	while (count--)
		if (keep[count] == cap)
			return true;
	return false;
}

static bool has_setpcap(void)
{
	cap_flag_value_t value = CAP_CLEAR;
	cap_t caps = cap_get_proc();

	if (caps) {
		cap_get_flag(caps, CAP_SETPCAP, CAP_EFFECTIVE, &value);
		cap_free(caps);
	}
	return value == CAP_SET;
}

/* Without CAP_SETPCAP it can't be made smaller, and there is nothing to get. */
int privileges_bound(const cap_value_t *keep, int count)
{
	if (!has_setpcap())
		return 0;
	for (cap_value_t cap = 0; cap_get_bound(cap) >= 0; cap++)
		if (!is_kept(keep, count, cap) && cap_drop_bound(cap) < 0)
			return -1;
	return 0;
}

int privileges_set(const cap_value_t *keep, int count)
{
	cap_t caps = cap_init();
	int ret = -1;

	if (!caps)
		return -1;
	if (!cap_reset_ambient() && (!count || (!cap_set_flag(caps, CAP_PERMITTED, count, keep, CAP_SET) &&
						!cap_set_flag(caps, CAP_EFFECTIVE, count, keep, CAP_SET))))
		ret = cap_set_proc(caps);
	cap_free(caps);
	return ret;
}
