/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A SCSI disk (SPC-4, SBC-3): what a command asks for. Pure logic, for the kernel and for user
 * space. What needs no look at the disk's bytes is answered here.
 */
#ifndef PVIO_SCSI_H
#define PVIO_SCSI_H

#include "pvio_port.h"

#define SCSI_CDB	16
#define SCSI_SENSE	18	/* bytes, in the fixed format */
#define SCSI_DATA	96	/* the longest answer */
#define SCSI_SERIAL	20

enum { SCSI_GOOD = 0, SCSI_CHECK_CONDITION = 2 };

/* Sense key, additional code, its qualifier (SPC-4 4.5.6, annex F) */
#define SCSI_SENSE_CODE(key, code, qualifier)	((key) << 16 | (code) << 8 | (qualifier))
/* What a driver is told that asks what there is: no such command, or not in this way */
#define SCSI_SENSE_OPCODE	SCSI_SENSE_CODE(5, 0x20, 0)
#define SCSI_SENSE_FIELD	SCSI_SENSE_CODE(5, 0x24, 0)

/**
 * struct scsi_unit - the disk
 * @blocks: not 0
 * @block: bytes of one; a power of two, 512 or more
 * @physical: bytes that are written at once; @block times a power of two
 * @transfer_max, @discard_max, @zeroes_max: bytes of a command, at most
 * @serial: padded with 0; all 0: none
 */
struct scsi_unit {
	u64 blocks;
	u32 block, physical;
	u32 transfer_max, discard_max, zeroes_max;
	bool readonly;
	char serial[SCSI_SERIAL];
};

/* What is to be done for a command */
enum scsi_what {
	SCSI_DONE,		/* nothing */
	SCSI_ANSWER,		/* @answer goes to the driver */
	SCSI_FAILED,		/* @sense tells why */
	SCSI_READ, SCSI_WRITE, SCSI_FLUSH, SCSI_DISCARD, SCSI_ZERO,	/* @offset, @length */
};

/**
 * struct scsi_command - a command, and what it asks for
 * @unit: of
 * @cdb: its bytes; 0 behind the last one
 * @iov, @iovs, @bytes: the driver's memory, for what commands bring along
 *
 * These are the caller's; the rest is filled in.
 *
 * @offset, @length: bytes of the disk, inside of it, never none
 * @through: stable when it is done
 * @unmap: zeroes may become a hole
 * @answered: bytes of @answer, and no more than the driver wants
 */
struct scsi_command {
	const struct scsi_unit *unit;
	const u8 *cdb;
	const struct iovec *iov;
	unsigned int iovs;
	u64 bytes;

	u64 offset, length;
	bool through, unmap;
	u32 sense;
	u32 answered;
	u8 answer[SCSI_DATA];
};

enum scsi_what scsi_parse(struct scsi_command *command);
/* For an errno of the disk's file */
u32 scsi_sense_of(int error, bool write);
void scsi_fill_sense(u8 *sense, u32 code);

#endif
