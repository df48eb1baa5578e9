/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Limits of requests and of bytes a second, for kernel and user space (pvio_port.h).
 *
 * What is taken is paid for by time: a request at once, and then nothing more is taken until what was
 * taken is paid, but for so much as may be taken at once.
 */
#ifndef PVIO_LIMIT_H
#define PVIO_LIMIT_H

#include "pvio_port.h"

#define PVIO_SECOND_NS		1000000000ULL
#define PVIO_LIMIT_BYTES_MIN	4096		/* a second */
#define PVIO_LIMIT_BYTES_MAX	(1ULL << 40)
#define PVIO_LIMIT_REQUESTS_MAX	PVIO_SECOND_NS
#define PVIO_LIMIT_BURST_REQUESTS	(1ULL << 32)
#define PVIO_LIMIT_BURST_BYTES	(1ULL << 40)
#define PVIO_LIMIT_SHIFT	12

/**
 * struct pvio_limit - a limit
 * @request_ns: what a request costs; 0: nothing
 * @sector_ns: what 512 bytes cost, in units of 2^-12 ns
 * @requests_ns, @bytes_ns: may be owed
 * @requests_paid, @bytes_paid: when all that was taken is paid for
 */
struct pvio_limit {
	u64 request_ns, sector_ns;
	u64 requests_ns, bytes_ns;
	u64 requests_paid, bytes_paid;
};

static inline bool pvio_limit_valid(u64 requests, u64 requests_burst, u64 bytes, u64 bytes_burst)
{
	return requests <= PVIO_LIMIT_REQUESTS_MAX && requests_burst <= PVIO_LIMIT_BURST_REQUESTS &&
	       (!bytes || bytes >= PVIO_LIMIT_BYTES_MIN) && bytes <= PVIO_LIMIT_BYTES_MAX && bytes_burst <= PVIO_LIMIT_BURST_BYTES;
}

/*
 * A second, 0: no limit; and at once, 0: as many as in a tenth of a second. The caller has asked pvio_limit_valid().
 */
static inline void pvio_limit_set(struct pvio_limit *l, u64 requests, u64 requests_burst, u64 bytes, u64 bytes_burst)
{
	l->request_ns = requests ? PVIO_SECOND_NS / requests : 0;
	l->sector_ns = bytes ? ((PVIO_SECOND_NS * 512) << PVIO_LIMIT_SHIFT) / bytes : 0;
	l->requests_ns = requests_burst ? requests_burst * l->request_ns : PVIO_SECOND_NS / 10;
	l->bytes_ns = bytes_burst ? bytes_burst / 512 * (l->sector_ns >> PVIO_LIMIT_SHIFT) : PVIO_SECOND_NS / 10;
	l->requests_paid = l->bytes_paid = 0;
}

static inline bool pvio_limit_on(const struct pvio_limit *l)
{
	return l->request_ns || l->sector_ns;
}

static inline u64 pvio_limit_pay(u64 *paid, u64 now, u64 cost, u64 may_owe)
{
	*paid = (*paid > now ? *paid : now) + cost;
	return *paid - now > may_owe ? *paid - may_owe : 0;
}

/* A request with so many bytes (up to 2^30) is taken now. Until when nothing more may be; 0: it may */
static inline u64 pvio_limit_take(struct pvio_limit *l, u64 now, u64 bytes)
{
	u64 requests = 0, more = 0;

	if (l->request_ns)
		requests = pvio_limit_pay(&l->requests_paid, now, l->request_ns, l->requests_ns);
	if (l->sector_ns)
		more = pvio_limit_pay(&l->bytes_paid, now, (bytes / 512 * l->sector_ns) >> PVIO_LIMIT_SHIFT, l->bytes_ns);
	return requests > more ? requests : more;
}

#endif
