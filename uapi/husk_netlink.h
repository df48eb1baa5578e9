/* SPDX-License-Identifier: GPL-2.0 WITH Linux-syscall-note */
/*
 * husk's generic-netlink family: commands on live VMs, and lifecycle events.
 * husk.yaml is its specification; a test compares the two.
 *
 * Requests
 *
 *	vm-get		do: id or name; answers the VM
 *			dump: nothing; answers each VM the caller may see
 *	vcpu-get	dump: id or name; answers each vCPU of that VM
 *	times-get	dump: id or name; answers each reason that a vCPU had exits for
 *	exits-get	dump: id or name; answers the last exits of each vCPU, oldest first
 *	vm-pause	id or name
 *	vm-resume	id or name
 *	vm-stop		id or name, timeout-ms (30000 if absent)
 *	vm-kill		id or name
 *	vm-button	id or name
 *	vm-reset	id or name
 *	vm-nmi		id or name, vcpu-id (all if absent)
 *	vm-set		id or name, and what to change: cpu-limit exit-limit stats-ms
 *	daemon		nothing: the sender answers requests to start VMs from now on,
 *			until its socket is closed
 *	vm-start	name, timeout-ms (30000 if absent): have the daemon start a VM
 *			that it knows. There is an answer or an error; ask for no
 *			acknowledgement
 *	start-answer	token error message vm-id: the daemon's, to start-request
 *	policy-attach	prog-fd: a BPF program of type syscall, of the sender's (husk_bpf.h);
 *			vm-id or vm-name (all VMs if absent), reasons (all if absent), id
 *			of the attached program whose place it takes. Answers id
 *	policy-detach	id
 *	policy-get	dump: vm-id or vm-name, or nothing; answers each attached program of
 *			that VM, or all
 *	caps-get	nothing; answers the host's limits and mode table
 *
 * A VM is listed for and commanded by its owner (the same effective uid, also
 * of whoever opened the socket) and whoever has CAP_SYS_ADMIN in the VM's user
 * namespace. The daemon needs CAP_SYS_ADMIN; there is one at a time. Who may have it
 * start what is its own decision: it is told the asker's uid. At most 16 requests wait
 * for it, 4 of one user.
 *
 * Programs are attached and detached with CAP_SYS_ADMIN in the initial user namespace,
 * 8 for a VM and 8 for all; a VM's go with it.
 *
 * Errors, each with a message and the attribute in the extended
 * acknowledgement: EINVAL bad or missing attribute, ERANGE number out of range,
 * EOPNOTSUPP no such command, ENOENT no such VM, EPERM not yours, EBUSY wrong
 * state, EIO the VM is dead, ESRCH no daemon, EAGAIN too many wait, ETIMEDOUT the
 * daemon did not answer, ECONNRESET it ended, EBADF E2BIG ENOSPC of policy-attach.
 *
 * Answers and events
 *
 *	vm-get	id name uuid owner-uid owner-pid control state vcpus memory
 *		created-ns mapped-pages table-pages cpu-limit exit-limit stats-ms
 *		run-ns held-ns
 *	vcpu-get id vcpu { id cpu mp-state entries user-returns injections
 *		halted-ns poll-hits poll-misses yields
 *		exits { reason level count }... }
 *	times-get id vcpu-id tsc-khz times { reason ticks buckets }
 *	exits-get id vcpu-id tsc-khz last { as in fault }
 *	policy-get id vm-id vm-name (absent: of all VMs) reasons prog-id prog-name counts
 *	caps-get abi-version max-vms max-vcpus max-slots event-seq fault-seq
 *		daemon-pid mode { id name present usable }...
 *	vm-start name error message vm-id: what came of it, from the daemon
 *	start-request token name uid timeout-ms, to the daemon
 *	event	seq kind vm-id vm-name vm-uuid detail
 *	fault	seq vm-id vm-name vm-uuid vcpu-id exit reason rip hw-reason info0
 *		info1 last { number reason level rip info0 info1 tsc ticks hw-reason event
 *		vector }...
 *	stats	seq vm-id vm-name vm-uuid time-ns run-ns held-ns halted-ns entries
 *		user-returns injections exits { reason level count }...
 *
 * Events go to the group "lifecycle", faults to "faults", statistics of VMs that
 * have an interval (vm-set stats-ms) to "stats"; each is to be joined with
 * CAP_NET_ADMIN, faults with CAP_SYS_ADMIN. In each group the sequence numbers have no gaps: who sees one has
 * lost messages, and finds the present state by a dump of vm-get. Of statistics
 * the next ones say all that was lost: they count from the VM's beginning, but run-ns,
 * which is of the threads that ran its vCPUs last.
 *
 * Limits that were set with CAP_SYS_ADMIN in the initial user namespace are changed with
 * that only, until they are lifted.
 */
#ifndef _UAPI_HUSK_NETLINK_H
#define _UAPI_HUSK_NETLINK_H

#define HUSK_FAMILY_NAME	"husk"
#define HUSK_FAMILY_VERSION	1
#define HUSK_MCGRP_LIFECYCLE	"lifecycle"
#define HUSK_MCGRP_FAULTS	"faults"
#define HUSK_MCGRP_STATS	"stats"

#define HUSK_STOP_TIMEOUT_MS		30000	/* what vm-stop gives a guest unless told */
#define HUSK_STOP_TIMEOUT_MAX_MS	86400000	/* at most: a day */
#define HUSK_CPU_LIMIT_MAX	6400		/* percent: 64 CPUs */
#define HUSK_EXIT_LIMIT_MAX	1000000000	/* a second */
#define HUSK_STATS_MIN_MS	100		/* shortest interval of statistics */
#define HUSK_STATS_MAX_MS	3600000
#define HUSK_START_TIMEOUT_MS		30000	/* what vm-start gives the daemon unless told */
#define HUSK_START_TIMEOUT_MAX_MS	600000
#define HUSK_START_PENDING		16	/* requests that wait for the daemon, at most */
#define HUSK_START_PENDING_USER		4	/* of one user */
#define HUSK_START_MESSAGE_LEN		256	/* of its words, with the NUL */
#define HUSK_START_ERROR_MAX		4095
#define HUSK_FAULT_EXITS	16		/* last exits in a fault message, at most */

/*
 * Kinds of lifecycle events. Append only.
 * X(constant, "name", what happened and what "detail" is)
 */
#define HUSK_EVENTS(X) \
	X(CREATED,	"created",	"the VM exists") \
	X(VCPU_CREATED,	"vcpu-created",	"detail: the vCPU's id") \
	X(RUNNING,	"running",	"its first vCPU entered the guest for the first time") \
	X(PAUSED,	"paused",	"no vCPU runs") \
	X(RESUMED,	"resumed",	"vCPUs run again") \
	X(STOP_REQUESTED, "stop-requested", "the guest is asked to power off; detail: timeout in ms") \
	X(KILLED,	"killed",	"it will not run again") \
	X(CRASHED,	"crashed",	"the guest can't go on; detail: HUSK_REASON_x of the last exit") \
	X(DESTROYED,	"destroyed",	"the last reference is gone; detail: the signal that its process died of, or 0") \
	X(RESET,	"reset",	"its vCPUs and interrupt hardware are as at power-on") \
	X(BUTTON,	"button",	"someone asked for its power button to be pressed") \
	X(RESET_REQUESTED, "reset-requested", "someone asked for a reset") \
	X(NMI,		"nmi",		"someone sent an NMI; detail: the vCPU's id, or 4294967295 for all") \
	X(SET,		"set",		"its limits or its statistics' interval were changed") \
	X(HELD,		"held",		"its vCPUs wait, since they are over a limit; once a second at most; detail: 1 CPU time, 2 exits, 3 both")

enum husk_life {
#define X(id, name, what) HUSK_LIFE_##id,
	HUSK_EVENTS(X)
#undef X
	HUSK_LIFE_COUNT
};

/* X(constant, "name", what) */
#define HUSK_VM_STATES(X) \
	X(RUNNING,	"running",	"vCPUs run when their threads call HUSK_VCPU_RUN") \
	X(PAUSED,	"paused",	"vCPUs wait") \
	X(DEAD,		"dead",		"killed or crashed; its process still holds it")

enum husk_vm_state {
#define X(id, name, what) HUSK_VM_STATE_##id,
	HUSK_VM_STATES(X)
#undef X
	HUSK_VM_STATE_COUNT
};

enum husk_cmd {
	HUSK_CMD_VM_GET = 1,
	HUSK_CMD_VCPU_GET,
	HUSK_CMD_VM_PAUSE,
	HUSK_CMD_VM_RESUME,
	HUSK_CMD_VM_STOP,
	HUSK_CMD_VM_KILL,
	HUSK_CMD_CAPS_GET,
	HUSK_CMD_EVENT,
	HUSK_CMD_VM_BUTTON,
	HUSK_CMD_VM_RESET,
	HUSK_CMD_VM_NMI,
	HUSK_CMD_VM_SET,
	HUSK_CMD_FAULT,
	HUSK_CMD_STATS,
	HUSK_CMD_DAEMON,
	HUSK_CMD_VM_START,
	HUSK_CMD_START_REQUEST,
	HUSK_CMD_START_ANSWER,
	HUSK_CMD_TIMES_GET,
	HUSK_CMD_EXITS_GET,
	HUSK_CMD_POLICY_ATTACH,
	HUSK_CMD_POLICY_DETACH,
	HUSK_CMD_POLICY_GET,

	__HUSK_CMD_MAX,
	HUSK_CMD_MAX = __HUSK_CMD_MAX - 1
};

enum husk_a_vm {
	HUSK_A_VM_PAD = 1,
	HUSK_A_VM_ID,			/* u32, from 1 */
	HUSK_A_VM_NAME,			/* string, 1..63 bytes */
	HUSK_A_VM_TIMEOUT_MS,		/* u32, only in the request vm-stop */
	HUSK_A_VM_UUID,			/* 16 bytes, RFC 4122 order */
	HUSK_A_VM_OWNER_UID,		/* u32, in the caller's user namespace */
	HUSK_A_VM_OWNER_PID,		/* u32, in the caller's pid namespace; 0: ended or not in it */
	HUSK_A_VM_CONTROL,		/* string, path of the control socket; may be absent */
	HUSK_A_VM_STATE,		/* u32, enum husk_vm_state */
	HUSK_A_VM_VCPUS,		/* u32 */
	HUSK_A_VM_MEMORY,		/* u64, bytes in all slots */
	HUSK_A_VM_CREATED_NS,		/* u64, CLOCK_BOOTTIME */
	HUSK_A_VM_MAPPED_PAGES,		/* u64, 4 KiB units in the second-level tables */
	HUSK_A_VM_TABLE_PAGES,		/* u64, pages that the tables take */
	HUSK_A_VM_VCPU,			/* nest enum husk_a_vcpu, in answers to vcpu-get */
	HUSK_A_VM_VCPU_ID,		/* u32, in the request vm-nmi, and in answers to times-get and exits-get */
	HUSK_A_VM_CPU_LIMIT,		/* u32, percent of one CPU that its vCPUs' threads may use together; 0: no limit */
	HUSK_A_VM_EXIT_LIMIT,		/* u32, exits a second of all its vCPUs; 0: no limit */
	HUSK_A_VM_STATS_MS,		/* u32, interval of its statistics; 0: none are sent */
	HUSK_A_VM_RUN_NS,		/* u64, CPU time of the threads that ran its vCPUs last, all of it */
	HUSK_A_VM_HELD_NS,		/* u64, time for which it was held back by its limits */
	HUSK_A_VM_TSC_KHZ,		/* u32, of the host; with the next two */
	HUSK_A_VM_TIMES,		/* nest enum husk_a_times, in answers to times-get */
	HUSK_A_VM_LAST,			/* nest enum husk_a_last, in answers to exits-get */

	__HUSK_A_VM_MAX,
	HUSK_A_VM_MAX = __HUSK_A_VM_MAX - 1
};

enum husk_a_vcpu {
	HUSK_A_VCPU_PAD = 1,
	HUSK_A_VCPU_ID,			/* u32 */
	HUSK_A_VCPU_CPU,		/* s32, host CPU of its last stay in the guest, -1: none yet */
	HUSK_A_VCPU_MP_STATE,		/* u32, HUSK_MP_x */
	HUSK_A_VCPU_ENTRIES,		/* u64 */
	HUSK_A_VCPU_USER_RETURNS,	/* u64 */
	HUSK_A_VCPU_INJECTIONS,		/* u64 */
	HUSK_A_VCPU_HALTED_NS,		/* u64 */
	HUSK_A_VCPU_EXITS,		/* nest enum husk_a_exits, repeated, count > 0 only */
	HUSK_A_VCPU_POLL_HITS,		/* u64, HLTs that ended while the thread polled */
	HUSK_A_VCPU_POLL_MISSES,	/* u64, HLTs where it polled in vain */
	HUSK_A_VCPU_YIELDS,		/* u64, times that its CPU was given to another vCPU */

	__HUSK_A_VCPU_MAX,
	HUSK_A_VCPU_MAX = __HUSK_A_VCPU_MAX - 1
};

enum husk_a_exits {
	HUSK_A_EXITS_PAD = 1,
	HUSK_A_EXITS_REASON,		/* u32, HUSK_REASON_x */
	HUSK_A_EXITS_LEVEL,		/* u32, HUSK_LEVEL_x */
	HUSK_A_EXITS_COUNT,		/* u64 */

	__HUSK_A_EXITS_MAX,
	HUSK_A_EXITS_MAX = __HUSK_A_EXITS_MAX - 1
};

enum husk_a_times {
	HUSK_A_TIMES_PAD = 1,
	HUSK_A_TIMES_REASON,		/* u32, HUSK_REASON_x */
	HUSK_A_TIMES_TICKS,		/* u64, of the host's TSC, for all exits together */
	HUSK_A_TIMES_BUCKETS,		/* array of 32 u64, see struct husk_exit_stats */

	__HUSK_A_TIMES_MAX,
	HUSK_A_TIMES_MAX = __HUSK_A_TIMES_MAX - 1
};

enum husk_a_caps {
	HUSK_A_CAPS_PAD = 1,
	HUSK_A_CAPS_ABI_VERSION,	/* u32, HUSK_ABI_VERSION */
	HUSK_A_CAPS_MAX_VMS,		/* u32 */
	HUSK_A_CAPS_MAX_VCPUS,		/* u32, of a VM */
	HUSK_A_CAPS_MAX_SLOTS,		/* u32, of a VM */
	HUSK_A_CAPS_EVENT_SEQ,		/* u64, of the last event sent; 0: none yet */
	HUSK_A_CAPS_MODE,		/* nest enum husk_a_mode, repeated */
	HUSK_A_CAPS_FAULT_SEQ,		/* u64, of the last fault sent; 0: none yet */
	HUSK_A_CAPS_DAEMON_PID,		/* u32, in the caller's pid namespace; 0: none, or not in it */

	__HUSK_A_CAPS_MAX,
	HUSK_A_CAPS_MAX = __HUSK_A_CAPS_MAX - 1
};

enum husk_a_mode {
	HUSK_A_MODE_ID = 1,		/* u32, HUSK_MODE_x */
	HUSK_A_MODE_NAME,		/* string */
	HUSK_A_MODE_PRESENT,		/* flag: the CPU has it */
	HUSK_A_MODE_USABLE,		/* flag: and the module may use it */

	__HUSK_A_MODE_MAX,
	HUSK_A_MODE_MAX = __HUSK_A_MODE_MAX - 1
};

enum husk_a_event {
	HUSK_A_EVENT_PAD = 1,
	HUSK_A_EVENT_SEQ,		/* u64, from 1 */
	HUSK_A_EVENT_KIND,		/* u32, enum husk_life */
	HUSK_A_EVENT_VM_ID,		/* u32 */
	HUSK_A_EVENT_VM_NAME,		/* string */
	HUSK_A_EVENT_VM_UUID,		/* 16 bytes */
	HUSK_A_EVENT_DETAIL,		/* u64, by kind */

	__HUSK_A_EVENT_MAX,
	HUSK_A_EVENT_MAX = __HUSK_A_EVENT_MAX - 1
};

enum husk_a_fault {
	HUSK_A_FAULT_PAD = 1,
	HUSK_A_FAULT_SEQ,		/* u64, from 1 */
	HUSK_A_FAULT_VM_ID,		/* u32 */
	HUSK_A_FAULT_VM_NAME,		/* string */
	HUSK_A_FAULT_VM_UUID,		/* 16 bytes */
	HUSK_A_FAULT_VCPU_ID,		/* u32 */
	HUSK_A_FAULT_EXIT,		/* u32, HUSK_EXIT_x: what the worker is told */
	HUSK_A_FAULT_REASON,		/* u32, HUSK_REASON_x behind it */
	HUSK_A_FAULT_RIP,		/* u64 */
	HUSK_A_FAULT_HW_REASON,		/* u64, the hardware's exit code */
	HUSK_A_FAULT_INFO0,		/* u64, and what it says of it */
	HUSK_A_FAULT_INFO1,		/* u64 */
	HUSK_A_FAULT_LAST,		/* nest enum husk_a_last, repeated: the last exits, oldest first */
	HUSK_A_FAULT_SIGNAL,		/* u32: the VM ended because its process died of this signal; not sent else */

	__HUSK_A_FAULT_MAX,
	HUSK_A_FAULT_MAX = __HUSK_A_FAULT_MAX - 1
};

enum husk_a_last {
	HUSK_A_LAST_PAD = 1,
	HUSK_A_LAST_NUMBER,		/* u32, low bits of the exit's number */
	HUSK_A_LAST_REASON,		/* u32, HUSK_REASON_x */
	HUSK_A_LAST_LEVEL,		/* u32, HUSK_LEVEL_x */
	HUSK_A_LAST_RIP,		/* u64 */
	HUSK_A_LAST_INFO0,		/* u64 */
	HUSK_A_LAST_INFO1,		/* u64 */
	HUSK_A_LAST_TSC,		/* u64, the host's, at the exit */
	HUSK_A_LAST_TICKS,		/* u32, of it until the exit was served; 0 for level FAST */
	HUSK_A_LAST_HW_REASON,		/* u32, low 16 bits of the hardware's exit code */
	HUSK_A_LAST_EVENT,		/* u32, type of what went into the guest with the entry before; may be absent */
	HUSK_A_LAST_VECTOR,		/* u32, of it */

	__HUSK_A_LAST_MAX,
	HUSK_A_LAST_MAX = __HUSK_A_LAST_MAX - 1
};

enum husk_a_stats {
	HUSK_A_STATS_PAD = 1,
	HUSK_A_STATS_SEQ,		/* u64, from 1 */
	HUSK_A_STATS_VM_ID,		/* u32 */
	HUSK_A_STATS_VM_NAME,		/* string */
	HUSK_A_STATS_VM_UUID,		/* 16 bytes */
	HUSK_A_STATS_TIME_NS,		/* u64, CLOCK_BOOTTIME */
	HUSK_A_STATS_RUN_NS,		/* u64, as HUSK_A_VM_RUN_NS; this and what follows is the sum of the vCPUs */
	HUSK_A_STATS_HELD_NS,		/* u64 */
	HUSK_A_STATS_HALTED_NS,		/* u64 */
	HUSK_A_STATS_ENTRIES,		/* u64 */
	HUSK_A_STATS_USER_RETURNS,	/* u64 */
	HUSK_A_STATS_INJECTIONS,	/* u64 */
	HUSK_A_STATS_EXITS,		/* nest enum husk_a_exits, repeated, count > 0 only */

	__HUSK_A_STATS_MAX,
	HUSK_A_STATS_MAX = __HUSK_A_STATS_MAX - 1
};

enum husk_a_start {
	HUSK_A_START_PAD = 1,
	HUSK_A_START_NAME,		/* string, 1..63 bytes: of a VM that the daemon knows */
	HUSK_A_START_TIMEOUT_MS,	/* u32 */
	HUSK_A_START_TOKEN,		/* u64, which request it is about */
	HUSK_A_START_UID,		/* u32, who asks, in the initial user namespace */
	HUSK_A_START_ERROR,		/* u32, 0 or an errno */
	HUSK_A_START_MESSAGE,		/* string, up to 255 bytes: why */
	HUSK_A_START_VM_ID,		/* u32, if it runs */

	__HUSK_A_START_MAX,
	HUSK_A_START_MAX = __HUSK_A_START_MAX - 1
};

enum husk_a_policy {
	HUSK_A_POLICY_PAD = 1,
	HUSK_A_POLICY_VM_ID,		/* u32 */
	HUSK_A_POLICY_VM_NAME,		/* string, 1..63 bytes */
	HUSK_A_POLICY_ID,		/* u32, from 1, of no other program that is attached */
	HUSK_A_POLICY_PROG_FD,		/* u32 */
	HUSK_A_POLICY_REASONS,		/* u64, bit HUSK_REASON_x: what it is asked about, of HUSK_POLICY_REASONS */
	HUSK_A_POLICY_PROG_ID,		/* u32, BPF's; absent: it is a struct_ops */
	HUSK_A_POLICY_PROG_NAME,	/* string, of the program or the struct_ops */
	HUSK_A_POLICY_COUNTS,		/* array of u64: its answers by HUSK_POLICY_x, at the end those that are none */

	__HUSK_A_POLICY_MAX,
	HUSK_A_POLICY_MAX = __HUSK_A_POLICY_MAX - 1
};

#endif
