/* SPDX-License-Identifier: GPL-2.0 */
/* What exits.bpf.c counts, as its maps and "husk trace" see it. Include <linux/types.h> before. */
#ifndef HUSK_BPF_EXITS_H
#define HUSK_BPF_EXITS_H

/* What becomes of an exit that the filter lets through */
enum exits_mode {
	EXITS_COUNT,		/* counted in map exits: by VM, reason and level */
	EXITS_LIVE,		/* put into the live buffer */
	EXITS_RIPS,		/* counted in map exits_rips: also by vCPU and rip */
};

/* What "husk trace" sets before it loads the program; map .rodata.config. All 0: count all exits */
struct exits_config {
	__u32 mode;		/* enum exits_mode */
	__u32 vm;		/* VM id, 0: all */
	__u32 one_vcpu;		/* 1: only vcpu, 0: all */
	__u32 vcpu;
	__u64 reasons;		/* bit HUSK_REASON_x, 0: all */
	__u64 levels;		/* bit HUSK_LEVEL_x, 0: all */
	__u64 rip_from;		/* rip_from <= rip < rip_end; rip_end 0: all */
	__u64 rip_end;
	__u64 slower_ns;	/* took longer than that, 0: all */
};

/* Slot n counts times of 2^n .. 2^(n+1)-1 ns, slot 0 also 0 ns, the last all longer ones. */
#define EXITS_SLOTS	36

struct exits_key {
	__u32 vm;		/* VM id */
	__u32 reason;		/* HUSK_REASON_x */
	__u32 level;		/* HUSK_LEVEL_x */
};

struct exits_value {
	__u64 count;
	__u64 total_ns;
	__u64 max_ns;
	__u64 slots[EXITS_SLOTS];
};

struct exits_rip_key {
	__u32 vm;
	__u32 vcpu;
	__u32 reason;
	__u32 level;
	__u64 rip;
};

struct exits_rip_value {
	__u64 count;
	__u64 total_ns;
};

/* Exits that are missing in the maps */
struct exits_lost {
	__u64 no_entry;		/* the table of (vm, reason, level), or of rips, was full */
	__u64 no_room;		/* the live buffer was full */
};

/* One exit in the live buffer */
struct exits_record {
	__u64 time_ns;		/* CLOCK_MONOTONIC, when the exit had been served */
	__u32 vm;
	__u32 vcpu;
	__u32 reason;
	__u32 level;
	__u64 rip;
	__u64 info0;
	__u64 info1;
	__u64 ns;
};

#endif
