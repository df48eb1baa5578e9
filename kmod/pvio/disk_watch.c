// SPDX-License-Identifier: GPL-2.0
/*
 * What is told of a disk's requests: tracepoints, and users' BPF programs, which decide them
 * (HUSK_REASON_VIRTIO in uapi/husk_bpf.h). disk->lock is held.
 */
#include "policy.h"
#include "pvio/disk.h"
#include "trace.h"

#define DISK_HOLD_MAX_NS	10000000000ULL	/* at a program's word */

static void disk_fill_record(struct husk_exit_record *x, const struct disk_request *r)
{
	const struct disk_queue *q = r->queue;

	memset(x, 0, sizeof(*x));
	x->vcpu = q->disk->number;
	x->gpr[0] = r->type;
	x->gpr[1] = q - q->disk->queue;
	x->address = r->offset;
	x->width = min_t(u64, r->length, U32_MAX);
	if (r->type == VIRTIO_BLK_T_IN)
		x->access = HUSK_POLICY_READ;
	else if (r->type != VIRTIO_BLK_T_FLUSH)
		x->access = HUSK_POLICY_WRITE;
}

bool disk_ask(struct disk_request *r, int *error)
{
	struct husk_asked *asked = &r->queue->disk->asked;
	u32 verdict;

	disk_fill_record(&asked->record, r);
	verdict = husk_policy_request(asked);
	if (asked->record.data)
		r->queue->held_until = max(r->queue->held_until, r->start + min(asked->record.data, DISK_HOLD_MAX_NS));
	r->ask_again = verdict == HUSK_POLICY_AFTER;
	*error = verdict == HUSK_POLICY_FAULT ? EIO : 0;
	return verdict == HUSK_POLICY_PASS || verdict == HUSK_POLICY_AFTER;
}

int disk_ask_again(struct disk_request *r, int error, u64 ns)
{
	struct husk_asked *asked = &r->queue->disk->asked;

	disk_fill_record(&asked->record, r);
	asked->record.gpr[2] = error;
	asked->record.data = ns;
	asked->record.after = 1;
	return husk_policy_request(asked) == HUSK_POLICY_FAULT ? EIO : error;
}

void disk_trace_begin(const struct disk_request *r)
{
	const struct disk_queue *q = r->queue;

	trace_husk_virtio_begin(q->disk->vm->id, q->disk->number, q - q->disk->queue, r->type, r->head, r->offset, r->length);
}

void disk_trace_end(const struct disk_request *r, int error, u64 ns)
{
	const struct disk_queue *q = r->queue;

	trace_husk_virtio_end(q->disk->vm->id, q->disk->number, q - q->disk->queue, r->type, r->head, r->offset, r->length,
			      error, ns);
}
