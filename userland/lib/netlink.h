/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Client of the generic-netlink family "husk": list, show and control live VMs,
 * hear lifecycle events. Functions answer 0 or a negative errno;
 * husk_nl_error() then tells a person why. A connection is for one thread at a time.
 *
 * Errors of all requests: those that husk_netlink.h lists at its top, -ENOMEM, -EIO
 * what libnl reports. Times are in the unit that a name ends in, memory is in bytes.
 * To link it takes libnl: pkg-config --static --libs libhusk.
 */
#ifndef HUSK_LIB_NETLINK_H
#define HUSK_LIB_NETLINK_H

#include <stdbool.h>
#include <stdint.h>

#include <husk/husk_netlink.h>
#include <husk/libhusk.h>

struct husk_nl;
struct nl_msg;	/* libnl's */
struct nlattr;

struct husk_nl_vm {
	uint32_t id, owner_uid, owner_pid, state, vcpus;
	uint8_t uuid[16];
	char name[HUSK_NAME_LEN];
	char control[HUSK_CONTROL_LEN];	/* empty: none */
	uint64_t memory, created_ns, mapped_pages, table_pages;
	uint32_t cpu_limit, exit_limit, stats_ms;	/* 0: none */
	uint64_t run_ns, held_ns;
};

struct husk_nl_vcpu {
	uint32_t id, mp_state;
	int32_t cpu;
	uint64_t entries, user_returns, injections, halted_ns, poll_hits, poll_misses, yields;
	/* Reasons and levels of a newer kernel module count as OTHER and WORKER. */
	uint64_t exits[HUSK_REASON_COUNT][HUSK_LEVEL_COUNT];
};

struct husk_nl_caps {
	uint32_t abi_version, max_vms, max_vcpus, max_slots;
	uint64_t event_seq, fault_seq;
	uint32_t daemon_pid;	/* 0: none */
	uint32_t modes;
	struct {
		char name[HUSK_MODES_LEN];
		bool present, usable;
	} mode[64];
};

/* Groups of messages that VMs send by themselves, each with numbers of its own */
enum husk_nl_group { HUSK_NL_LIFECYCLE, HUSK_NL_FAULTS, HUSK_NL_STATS, HUSK_NL_GROUPS };

/* An exit in the flight recorder, see struct husk_flight */
struct husk_nl_last {
	uint32_t number, reason, level, ticks, hw_reason, vector;
	int event;		/* -1: none */
	uint64_t rip, info0, info1, tsc;
	uint32_t vcpu, tsc_khz;	/* from husk_nl_exits() only */
};

/* The time that a vCPU's exits for one reason took, see struct husk_exit_stats */
struct husk_nl_times {
	uint32_t vcpu, tsc_khz, reason;
	uint64_t ticks, times[HUSK_TIME_BUCKETS];
};

/* One of them; after the first line by group */
struct husk_nl_event {
	enum husk_nl_group group;
	uint64_t seq;
	uint32_t vm_id;
	uint8_t uuid[16];
	char name[HUSK_NAME_LEN];
	union {
		struct {
			uint32_t kind;
			uint64_t detail;
		} life;
		struct {
			uint32_t vcpu, exit, reason, lasts;
			uint32_t signal;	/* its process died of; 0: the guest can't go on */
			uint64_t rip, hw_reason, info0, info1;
			struct husk_nl_last last[HUSK_FAULT_EXITS];
		} fault;
		struct {
			uint64_t time_ns, run_ns, held_ns, halted_ns, entries, user_returns, injections;
			uint64_t exits[HUSK_REASON_COUNT][HUSK_LEVEL_COUNT];	/* as in husk_nl_vcpu */
		} stats;
	};
};

/**
 * husk_life_name - name of a kind of lifecycle event
 * @kind: HUSK_LIFE_x
 *
 * Return: the name; "?" for a value that this build does not know.
 */
const char *husk_life_name(uint32_t kind);

/**
 * husk_vm_state_name - name of a VM's state
 * @state: HUSK_VM_STATE_x
 *
 * Return: the name; "?" for a value that this build does not know.
 */
const char *husk_vm_state_name(uint32_t state);

/**
 * husk_mp_state_name - name of what a vCPU is about
 * @mp_state: HUSK_MP_x
 *
 * Return: the name; "?" for a value that this build does not know.
 */
const char *husk_mp_state_name(uint32_t mp_state);

/* ---- connection --------------------------------------------------------- */

/**
 * husk_nl_open - connect to the kernel module
 * @nl: out, the connection; also set on failure (for husk_nl_error()), unless
 *	memory is short. To be closed with husk_nl_close() in any case
 *
 * Return: 0, -ENODEV if the module is not loaded, or another negative errno.
 */
int husk_nl_open(struct husk_nl **nl);

/**
 * husk_nl_close - end a connection
 * @nl: it; NULL is fine
 */
void husk_nl_close(struct husk_nl *nl);

/**
 * husk_nl_error - why the last function failed
 * @nl: connection; NULL is fine
 *
 * Return: one line for a person, good until the next call with @nl.
 */
const char *husk_nl_error(const struct husk_nl *nl);

/* ---- VMs ---------------------------------------------------------------- */

/**
 * husk_nl_show - find a VM
 * @nl: connection
 * @vm: its name, or its id in decimal digits if no VM has that as its name
 * @out: out
 *
 * Return: 0, -ENOENT no such VM, -EPERM it is another user's, or another negative errno.
 */
int husk_nl_show(struct husk_nl *nl, const char *vm, struct husk_nl_vm *out);

/**
 * husk_nl_show_id - find a VM by its id
 * @nl: connection
 * @id: from 1
 * @out: out
 *
 * Return: 0, -ENOENT, -EPERM, or another negative errno.
 */
int husk_nl_show_id(struct husk_nl *nl, uint32_t id, struct husk_nl_vm *out);

/**
 * husk_nl_list - all VMs that the caller may see
 * @nl: connection, not to be used by @fn
 * @fn: called for each; what it answers other than 0 ends the list and is returned
 * @arg: for @fn
 *
 * Return: 0, what @fn answered, or a negative errno.
 */
int husk_nl_list(struct husk_nl *nl, int (*fn)(const struct husk_nl_vm *vm, void *arg), void *arg);

/**
 * husk_nl_vcpus - all vCPUs of a VM
 * @nl: connection, not to be used by @fn
 * @id: of the VM
 * @fn: called for each; what it answers other than 0 ends the list and is returned
 * @arg: for @fn
 *
 * Return: 0, what @fn answered, -ENOENT, -EPERM, or another negative errno.
 */
int husk_nl_vcpus(struct husk_nl *nl, uint32_t id,
		  int (*fn)(const struct husk_nl_vcpu *vcpu, void *arg), void *arg);

/**
 * husk_nl_times - the time that a VM's exits took
 * @nl: connection
 * @id: of the VM
 * @fn: called for each vCPU and reason with exits; what it answers if not 0 ends the list
 * @arg: for @fn
 *
 * Return: 0, what @fn answered, or a negative errno as husk_nl_vcpus().
 */
int husk_nl_times(struct husk_nl *nl, uint32_t id, int (*fn)(const struct husk_nl_times *times, void *arg), void *arg);

/**
 * husk_nl_exits - the last exits of a VM's vCPUs
 * @nl: connection
 * @id: of the VM
 * @fn: called for each, vCPU by vCPU, oldest first; what it answers if not 0 ends the list
 * @arg: for @fn
 *
 * Return: 0, what @fn answered, or a negative errno as husk_nl_vcpus().
 */
int husk_nl_exits(struct husk_nl *nl, uint32_t id, int (*fn)(const struct husk_nl_last *last, void *arg), void *arg);

/**
 * husk_nl_pause - stop all vCPUs; answers when none runs
 * @nl: connection
 * @id: of the VM
 *
 * Return: 0, -ENOENT, -EPERM not yours, -EBUSY it is paused, -EIO it is dead, or another negative errno.
 */
int husk_nl_pause(struct husk_nl *nl, uint32_t id);

/**
 * husk_nl_resume - let a paused VM run on
 * @nl: connection
 * @id: of the VM
 *
 * Return: 0, -ENOENT, -EPERM, -EBUSY it is not paused, -EIO, or another negative errno.
 */
int husk_nl_resume(struct husk_nl *nl, uint32_t id);

/**
 * husk_nl_stop - have the guest asked to power off; does not wait for that
 * @nl: connection
 * @id: of the VM
 * @timeout_ms: after which its worker ends it, up to HUSK_STOP_TIMEOUT_MAX_MS
 *
 * Return: 0, -ENOENT, -EPERM, -ERANGE, -EBUSY it has no vCPU, -EIO, or another negative errno.
 */
int husk_nl_stop(struct husk_nl *nl, uint32_t id, uint32_t timeout_ms);

/**
 * husk_nl_kill - end a VM for good
 * @nl: connection
 * @id: of the VM
 *
 * Return: 0, also if it is dead already; -ENOENT, -EPERM, or another negative errno.
 */
int husk_nl_kill(struct husk_nl *nl, uint32_t id);

/**
 * husk_nl_button - press the power button
 * @nl: connection
 * @id: of the VM
 *
 * Return: 0, -ENOENT, -EPERM, -EBUSY it has no vCPU, -EIO, or another negative errno.
 */
int husk_nl_button(struct husk_nl *nl, uint32_t id);

/**
 * husk_nl_reset - have the VM reset by its worker
 * @nl: connection
 * @id: of the VM
 *
 * Return: 0, -ENOENT, -EPERM, -EBUSY it has no vCPU, -EIO, or another negative errno.
 */
int husk_nl_reset(struct husk_nl *nl, uint32_t id);

/**
 * husk_nl_nmi - inject an NMI
 * @nl: connection
 * @id: of the VM
 * @vcpu: id of the vCPU; -1: all
 *
 * Return: 0, -ENOENT no such VM or vCPU, -EPERM, -EIO, or another negative errno.
 */
int husk_nl_nmi(struct husk_nl *nl, uint32_t id, int vcpu);

/* What husk_nl_set() changes: what is not asked for stays */
struct husk_nl_set {
	bool has_cpu_limit, has_exit_limit, has_stats_ms;
	uint32_t cpu_limit, exit_limit, stats_ms;
};

/**
 * husk_nl_set - change a VM's limits and the interval of its statistics
 * @nl: connection
 * @id: of the VM
 * @set: cpu_limit in percent of one CPU, up to HUSK_CPU_LIMIT_MAX; exit_limit in exits a second, up to
 *	HUSK_EXIT_LIMIT_MAX; stats_ms, HUSK_STATS_MIN_MS .. HUSK_STATS_MAX_MS. 0 lifts each
 *
 * Return: 0, -ENOENT, -EPERM, also for a limit that only root may change; -ERANGE, or another negative errno.
 */
int husk_nl_set(struct husk_nl *nl, uint32_t id, const struct husk_nl_set *set);

/* An attached program that decides exits */
struct husk_nl_policy {
	uint32_t id, prog_id, vm_id;		/* vm_id 0: of all VMs */
	char vm_name[HUSK_NAME_LEN], prog_name[16];
	uint64_t reasons;			/* bit HUSK_REASON_x */
	uint64_t counts[HUSK_POLICY_VERDICT_COUNT + 1];	/* at the end answers that are none */
};

/**
 * husk_nl_policy_attach - have a BPF program decide exits
 * @nl: connection
 * @vm_id: 0: of all VMs
 * @fd: of a loaded program of type syscall, see husk_bpf.h
 * @reasons: bits HUSK_REASON_x of HUSK_POLICY_REASONS; 0: all
 * @replace: id of the attached program whose place it takes; 0: none
 * @id: out
 *
 * Return: 0, -EPERM, -ENOENT no such VM or nothing to replace, -EIO the VM is dead, -ENOSPC 8 are attached,
 * -EBADF or -EINVAL no such program, -E2BIG it looks beyond the record, or another negative errno.
 */
int husk_nl_policy_attach(struct husk_nl *nl, uint32_t vm_id, int fd, uint64_t reasons, uint32_t replace, uint32_t *id);

/**
 * husk_nl_policy_detach - ask a program no more
 * @nl: connection
 * @id: of the attached program
 *
 * Return: 0, -EPERM, -ENOENT, or another negative errno.
 */
int husk_nl_policy_detach(struct husk_nl *nl, uint32_t id);

/**
 * husk_nl_policies - programs that are attached
 * @nl: connection, not to be used by @fn
 * @vm_id: of which VM; 0: all that the caller may see
 * @fn: called for each; what it answers other than 0 ends the list and is returned
 * @arg: for @fn
 *
 * Return: 0, what @fn answered, -ENOENT, -EPERM, or another negative errno.
 */
int husk_nl_policies(struct husk_nl *nl, uint32_t vm_id,
		     int (*fn)(const struct husk_nl_policy *policy, void *arg), void *arg);

/**
 * husk_nl_caps - limits and modes of this host, and the last numbers of events
 * @nl: connection
 * @out: out
 *
 * Return: 0 or a negative errno.
 */
int husk_nl_caps(struct husk_nl *nl, struct husk_nl_caps *out);

/**
 * husk_nl_start - have the daemon start a VM that it knows, and wait for its answer
 * @nl: connection
 * @name: of the VM
 * @timeout_ms: how long the daemon has, up to HUSK_START_TIMEOUT_MAX_MS
 * @vm_id: out, its id; 0 if the daemon does not say
 *
 * Return: 0, -ESRCH no daemon, -EAGAIN too many wait, -ETIMEDOUT, -ECONNRESET the daemon ended, its own error, or
 * another negative errno.
 */
int husk_nl_start(struct husk_nl *nl, const char *name, uint32_t timeout_ms, uint32_t *vm_id);

/* ---- the daemon's side -------------------------------------------------- */

struct husk_nl_request {
	uint64_t token;
	uint32_t uid, timeout_ms;	/* whose it is, in the initial user namespace */
	char name[HUSK_NAME_LEN];
};
struct husk_nl_start {
	uint32_t error;			/* 0, or an errno */
	uint32_t vm_id;			/* 0: none */
	char message[HUSK_START_MESSAGE_LEN];
};

/**
 * husk_nl_daemon - be the daemon that is asked to start VMs, as long as @nl is open
 * @nl: connection, for nothing else from now on; husk_nl_fd() is readable when
 *	husk_nl_read_requests() has something
 *
 * Return: 0, -EPERM, -EBUSY there is one, or another negative errno.
 */
int husk_nl_daemon(struct husk_nl *nl);

/**
 * husk_nl_read_requests - read the requests that are there
 * @nl: the daemon's connection
 * @fn: called for each
 * @arg: for @fn
 *
 * Return: 0, -EAGAIN none is there, -ENOBUFS some were lost (they time out), or another negative errno.
 */
int husk_nl_read_requests(struct husk_nl *nl, void (*fn)(const struct husk_nl_request *request, void *arg), void *arg);

/**
 * husk_nl_answer - answer a request to start a VM
 * @nl: the daemon's connection
 * @token: the request's
 * @start: what came of it
 *
 * Return: 0, also if nobody waits for it any more; a negative errno.
 */
int husk_nl_answer(struct husk_nl *nl, uint64_t token, const struct husk_nl_start *start);

/* ---- events ------------------------------------------------------------- */

/**
 * husk_nl_subscribe - hear a group from now on
 * @nl: connection, for nothing else from now on; several groups may share it
 * @group: HUSK_NL_x; needs CAP_NET_ADMIN, faults CAP_SYS_ADMIN
 *
 * Return: 0, -EPERM, or another negative errno.
 */
int husk_nl_subscribe(struct husk_nl *nl, enum husk_nl_group group);

/**
 * husk_nl_fd - what to poll
 * @nl: connection
 *
 * Return: its socket: readable when there is something to read.
 */
int husk_nl_fd(const struct husk_nl *nl);

/**
 * husk_nl_read_events - read the events that are there
 * @nl: connection that has subscribed
 * @fn: called for each
 * @arg: for @fn
 *
 * Return: 0, -EAGAIN none is there, -ENOBUFS the kernel dropped some, or another negative errno.
 */
int husk_nl_read_events(struct husk_nl *nl, void (*fn)(const struct husk_nl_event *event, void *arg), void *arg);

/* ---- requests of one's own ---------------------------------------------- */

/* What is called for an answer, with its attributes: 0, or what ends the request */
typedef int husk_nl_fn(struct nlattr *attrs, int len, void *arg);

/**
 * husk_nl_request - begin a request, to which libnl's nla_put() adds attributes
 * @nl: connection
 * @cmd: HUSK_CMD_x
 * @flags: NLM_F_DUMP or 0
 *
 * Return: libnl's message, for husk_nl_exchange(); NULL: no memory.
 */
struct nl_msg *husk_nl_request(struct husk_nl *nl, int cmd, int flags);

/**
 * husk_nl_exchange - send a request, free it, and wait for its end
 * @nl: connection
 * @msg: the request; NULL is -ENOMEM
 * @fn: called for each answer, if not NULL
 * @arg: for @fn
 *
 * Return: 0, what @fn answered other than 0, or a negative errno.
 */
int husk_nl_exchange(struct husk_nl *nl, struct nl_msg *msg, husk_nl_fn *fn, void *arg);

#endif
