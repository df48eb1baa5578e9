// SPDX-License-Identifier: GPL-2.0
/* Reads and changes the guest's code: its OUT of al to port 80h becomes one to port 84h. */
#define HUSK_POLICY_STRUCT_OPS
#include <husk/policy.bpf.h>

#define CODE	0xfffffff0

__u64 decide_wrong;

HUSK_POLICY(memory)
{
	__u8 code[6] = {}, to = 0x84;

	if (x->reason != HUSK_REASON_CPUID)
		return HUSK_POLICY_PASS;
	if (husk_record_read(x, CODE, code, sizeof(code)))
		return HUSK_POLICY_PASS;	/* not there yet */
	if (code[0] != 0x0f || code[1] != 0xa2 || code[2] != 0xe6)
		decide_wrong++;
	if (code[3] == 0x80 && husk_record_write(x, CODE + 3, &to, 1))
		decide_wrong++;
	/* no memory there */
	if (husk_record_read(x, 0x10000000, code, sizeof(code)) != -14 || husk_record_write(x, 0x10000000, code, 1) != -14)
		decide_wrong++;
	return HUSK_POLICY_PASS;
}

char LICENSE[] SEC("license") = "GPL";
