// SPDX-License-Identifier: GPL-2.0
/* Has reads of a disk fail when they are done; in the fast loop's door it also takes back the first byte that was read. */
#include <husk/policy.bpf.h>

#define DATA	0x100000	/* of disk_try */

HUSK_POLICY(disk)
{
	if (x->reason != HUSK_REASON_VIRTIO || x->access != HUSK_POLICY_READ)
		return HUSK_POLICY_PASS;
	if (!x->after)
		return HUSK_POLICY_AFTER;
	if (!x->data || x->gpr[2])
		return HUSK_POLICY_KILL;
#ifdef HUSK_POLICY_STRUCT_OPS
	__u8 untouched = 0xaa;

	if (husk_record_write(x, DATA, &untouched, 1))
		return HUSK_POLICY_KILL;
#endif
	return HUSK_POLICY_FAULT;
}

char LICENSE[] SEC("license") = "GPL";
