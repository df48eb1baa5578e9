/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The device's side of the rings of VMware's paravirtual SCSI adapter, as Linux's
 * drivers/scsi/vmw_pvscsi.h describes them: requests, completions, and a page with the
 * indices of both. Rings are pages from anywhere in guest memory. Written for the kernel and
 * for user space, as ring.h is, and as careful of the driver: each of its words is read once, and bounded.
 *
 * No lock: the caller lets one thread at a time in.
 */
#ifndef PVIO_PVSCSI_H
#define PVIO_PVSCSI_H

#include "pvio/ring.h"
#include "pvio/scsi.h"

#define PVSCSI_PAGE		4096
#define PVSCSI_RING_PAGES	32	/* at most, of a ring */
#define PVSCSI_REQUEST_BYTES	128
#define PVSCSI_CDB		16

/* Flags of a request */
#define PVSCSI_SG_LIST		1	/* its memory is a list of segments */
#define PVSCSI_LONG_CDB		2
#define PVSCSI_TO_DEVICE	16	/* its memory is read only */

/* How the adapter fared. What the disk has to say is in the SCSI status then */
enum pvscsi_host {
	PVSCSI_HOST_OK = 0,
	PVSCSI_HOST_NO_TARGET = 0x11,
	PVSCSI_HOST_OVERRUN = 0x12,	/* more data than memory for it */
	PVSCSI_HOST_BAD_PARAMETER = 0x1a,
	PVSCSI_HOST_BAD_MESSAGE = 0x1d,	/* data go the other way */
};

/* struct PVSCSIRingReqDesc, but for what nobody looks at */
struct pvscsi_request {
	u64 context;
	u64 data;
	u64 bytes;
	u64 sense;
	u32 sense_bytes;
	u32 flags;
	u8 cdb[PVSCSI_CDB];
	u8 cdb_bytes;
	u8 lun[8];
	u8 tag, bus, target;
} __attribute__((packed));

/* struct PVSCSIRingCmpDesc */
struct pvscsi_completion {
	u64 context;
	u64 bytes;
	u32 sense_bytes;
	u16 host, scsi;
	u32 reserved[2];
};

/**
 * struct pvscsi_ring - both rings of an adapter
 * @requests, @completions: entries of each, powers of two
 * @taken: number of requests taken
 * @given: number of completions
 * @told: @given when the driver was last considered for an interrupt
 */
struct pvscsi_ring {
	const struct pvio_memory *memory;
	u8 __guest *state;
	u8 __guest *request[PVSCSI_RING_PAGES];
	u8 __guest *completion[PVSCSI_RING_PAGES];
	u32 requests, completions;
	u32 taken, given, told;
	bool broken;
};

/*
 * Page numbers: of the indices, of so many pages of requests, and of completions; so many are powers of two.
 * -1: they are not all guest memory. Goes on where the indices are.
 */
int pvscsi_ring_start(struct pvscsi_ring *ring, const struct pvio_memory *memory, const u64 *pages, u32 requests,
		      u32 completions);
/* Take the next request */
enum pvio_next pvscsi_ring_next(struct pvscsi_ring *ring, struct pvscsi_request *request);
/* Put back the one taken last */
void pvscsi_ring_unget(struct pvscsi_ring *ring);
/* Where it was written to */
void __guest *pvscsi_ring_put(struct pvscsi_ring *ring, const struct pvscsi_completion *completion);
bool pvscsi_ring_should_notify(struct pvscsi_ring *ring);
/* Is there a request to take? */
bool pvscsi_ring_waits(const struct pvscsi_ring *ring);
/* The request's memory: segments, at most PVIO_RING_MAX. -1: not all of it is guest memory, or can be written to */
int pvscsi_ring_data(const struct pvscsi_ring *ring, const struct pvscsi_request *request, struct iovec *iov);

/*
 * pvscsi_request.c: what the unit is asked for, with the request's memory in iov. HOST_OK: command and what are filled in;
 * of a READ or WRITE there is enough memory, and what a READ or ANSWER writes to can be written. Else the adapter's word
 */
enum pvscsi_host pvscsi_parse(const struct pvscsi_ring *ring, struct pvscsi_request *request, const struct scsi_unit *unit,
			      struct iovec *iov, struct scsi_command *command, enum scsi_what *what);
/* Memory for its sense, of so many bytes; NULL, and none: there is no such memory */
u8 __guest *pvscsi_sense(const struct pvscsi_ring *ring, const struct pvscsi_request *request, u32 *bytes);

#endif
