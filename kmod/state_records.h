/* SPDX-License-Identifier: GPL-2.0 */
/* Records of state, as vCPUs and VMs give and take them: struct husk_state of uapi/husk.h */
#ifndef HUSK_STATE_RECORDS_H
#define HUSK_STATE_RECORDS_H

#include "husk.h"

/* A class's payload; an array of them is indexed by the class */
struct husk_record_type {
	u32 size, version;
};

/* get() is called for each class that is wanted, with a zeroed payload. 0, -EOPNOTSUPP, -EINVAL, -E2BIG, -ENOMEM, -EFAULT */
long husk_records_get(const struct husk_record_type *type, u32 count, struct husk_state *arg,
		      void (*get)(void *object, u32 id, void *payload), void *object);
/*
 * Copy the buffer in and find each class's payload in it; NULL: not given. The
 * caller frees the buffer by kvfree(). 0, -EOPNOTSUPP, -EINVAL, -ENOMEM, -EFAULT
 */
long husk_records_take(const struct husk_record_type *type, u32 count, const struct husk_state *arg,
		       const void **payload, void **buffer);

#endif
