/* SPDX-License-Identifier: GPL-2.0 */
/* What netlink.c (commands) and events.c (lifecycle events) share. */
#ifndef HUSK_NETLINK_H
#define HUSK_NETLINK_H

#include <net/genetlink.h>

#include "uapi/husk_netlink.h"

enum { HUSK_NL_GROUP_LIFECYCLE };	/* index in husk_nl_groups */

extern struct genl_family husk_nl_family;

/* Number of the last event sent, 0 if none was. */
u64 husk_event_last_seq(void);

#endif
