/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Client of the generic-netlink family "husk": list, show and control live VMs,
 * hear lifecycle events. Functions answer 0 or a negative errno;
 * husk_nl_error() then tells a person why. Not for use by two threads at once.
 */
#ifndef HUSK_LIB_NETLINK_H
#define HUSK_LIB_NETLINK_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/libhusk.h"
#include "uapi/husk.h"
#include "uapi/husk_netlink.h"

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

struct husk_nl_last {
	uint32_t number, reason, level;
	uint64_t rip, info0, info1;
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

/* Names of enum values of the uapi; "?" for a value this build does not know */
const char *husk_life_name(uint32_t kind);
const char *husk_vm_state_name(uint32_t state);
const char *husk_mp_state_name(uint32_t mp_state);

/**
 * husk_nl_open - connect to the kernel module
 * @nl: out, the connection; also set on failure (for husk_nl_error()), unless
 *	memory is short. To be closed with husk_nl_close() in any case
 *
 * Return: 0, -ENODEV if the module is not loaded, or another negative errno.
 */
int husk_nl_open(struct husk_nl **nl);
void husk_nl_close(struct husk_nl *nl);	/* NULL is fine */
const char *husk_nl_error(const struct husk_nl *nl);

/* @vm is a name, or an id in decimal digits if no VM has it as its name. */
int husk_nl_show(struct husk_nl *nl, const char *vm, struct husk_nl_vm *out);
int husk_nl_show_id(struct husk_nl *nl, uint32_t id, struct husk_nl_vm *out);

/* @fn is called for each; what it answers other than 0 ends the list and is returned. */
int husk_nl_list(struct husk_nl *nl, int (*fn)(const struct husk_nl_vm *vm, void *arg), void *arg);
int husk_nl_vcpus(struct husk_nl *nl, uint32_t id,
		  int (*fn)(const struct husk_nl_vcpu *vcpu, void *arg), void *arg);

int husk_nl_pause(struct husk_nl *nl, uint32_t id);
int husk_nl_resume(struct husk_nl *nl, uint32_t id);
int husk_nl_stop(struct husk_nl *nl, uint32_t id, uint32_t timeout_ms);
int husk_nl_kill(struct husk_nl *nl, uint32_t id);
int husk_nl_button(struct husk_nl *nl, uint32_t id);
int husk_nl_reset(struct husk_nl *nl, uint32_t id);
int husk_nl_nmi(struct husk_nl *nl, uint32_t id, int vcpu);	/* -1: all vCPUs */

/* What husk_nl_set() changes: what is not asked for stays */
struct husk_nl_set {
	bool has_cpu_limit, has_exit_limit, has_stats_ms;
	uint32_t cpu_limit, exit_limit, stats_ms;
};
int husk_nl_set(struct husk_nl *nl, uint32_t id, const struct husk_nl_set *set);
int husk_nl_caps(struct husk_nl *nl, struct husk_nl_caps *out);

/* Have the daemon start a VM that it knows, and wait for its answer. *vm_id: 0 if it does not say */
int husk_nl_start(struct husk_nl *nl, const char *name, uint32_t timeout_ms, uint32_t *vm_id);

/*
 * For the daemon, on a connection that is for nothing else: from husk_nl_daemon()
 * on, husk_nl_fd() is readable when husk_nl_read_requests() has requests to start
 * a VM. husk_nl_answer() answers one, and does not hear it if that is over.
 * Another daemon may come when the connection is closed.
 */
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
int husk_nl_daemon(struct husk_nl *nl);
/* -EAGAIN: none is there. -ENOBUFS: some were lost; they time out */
int husk_nl_read_requests(struct husk_nl *nl, void (*fn)(const struct husk_nl_request *request, void *arg), void *arg);
int husk_nl_answer(struct husk_nl *nl, uint64_t token, const struct husk_nl_start *start);

/*
 * A request of one's own: husk_nl_request() begins one, libnl's nla_put() adds
 * attributes. husk_nl_exchange() sends and frees it, hands each answer to @fn
 * (if not NULL) and waits for the end; what @fn answers other than 0 is returned.
 * A NULL request is -ENOMEM.
 */
typedef int husk_nl_fn(struct nlattr *attrs, int len, void *arg);
struct nl_msg *husk_nl_request(struct husk_nl *nl, int cmd, int flags);
int husk_nl_exchange(struct husk_nl *nl, struct nl_msg *msg, husk_nl_fn *fn, void *arg);

/* Hear a group from now on; needs CAP_NET_ADMIN. Takes a connection of its own; several groups may share it. */
int husk_nl_subscribe(struct husk_nl *nl, enum husk_nl_group group);
int husk_nl_fd(const struct husk_nl *nl);	/* readable: husk_nl_read_events() has something */
/* Read what is there. -ENOBUFS: the kernel dropped events. -EAGAIN: nothing there. */
int husk_nl_read_events(struct husk_nl *nl, void (*fn)(const struct husk_nl_event *event, void *arg), void *arg);

#endif
