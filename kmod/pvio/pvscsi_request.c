// SPDX-License-Identifier: GPL-2.0
/* A request of a pvSCSI adapter, whose one target 0 with its one unit 0 is the disk: what that is asked for. */
#include "pvio/pvscsi.h"

/* Bytes of the command that the driver did not give are 0. */
static enum pvscsi_host pvscsi_check(struct pvscsi_request *r)
{
	static const u8 unit[sizeof(r->lun)];

	if (r->bus || r->target || memcmp(r->lun, unit, sizeof(unit)))
		return PVSCSI_HOST_NO_TARGET;
	if (r->flags & PVSCSI_LONG_CDB || r->cdb_bytes > sizeof(r->cdb))
		return PVSCSI_HOST_BAD_PARAMETER;
	memset(r->cdb + r->cdb_bytes, 0, sizeof(r->cdb) - r->cdb_bytes);
	return PVSCSI_HOST_OK;
}

/* Its memory is there for what the command is */
static enum pvscsi_host pvscsi_check_memory(const struct pvscsi_request *r, const struct scsi_command *c, enum scsi_what what)
{
	if (r->flags & PVSCSI_TO_DEVICE && (what == SCSI_READ || (what == SCSI_ANSWER && c->answered)))
		return PVSCSI_HOST_BAD_MESSAGE;
	if ((what == SCSI_READ || what == SCSI_WRITE) && c->bytes < c->length)
		return PVSCSI_HOST_OVERRUN;
	return PVSCSI_HOST_OK;
}

enum pvscsi_host pvscsi_parse(const struct pvscsi_ring *ring, struct pvscsi_request *request, const struct scsi_unit *unit,
			      struct iovec *iov, struct scsi_command *c, enum scsi_what *what)
{
	enum pvscsi_host why = pvscsi_check(request);
	int count = why ? 0 : pvscsi_ring_data(ring, request, iov);

	if (why)
		return why;
	if (count < 0)
		return PVSCSI_HOST_BAD_PARAMETER;
	*c = (struct scsi_command){ .unit = unit, .cdb = request->cdb, .iov = iov, .iovs = count, .bytes = request->bytes };
	*what = scsi_parse(c);
	return pvscsi_check_memory(request, c, *what);
}

u8 __guest *pvscsi_sense(const struct pvscsi_ring *ring, const struct pvscsi_request *request, u32 *bytes)
{
	u8 __guest *to;

	*bytes = request->sense_bytes < SCSI_SENSE ? request->sense_bytes : SCSI_SENSE;
	to = *bytes ? pvio_map(ring->memory, request->sense, *bytes, true) : NULL;
	if (!to)
		*bytes = 0;
	return to;
}
