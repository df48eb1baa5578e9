// SPDX-License-Identifier: GPL-2.0
#include <linux/mm.h>
#include <linux/nospec.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/uaccess.h>

#include "state_records.h"

#define RECORDS_MAX	SZ_64K	/* bytes taken from a user */

static u32 record_payload(const struct husk_record_type *type)
{
	return ALIGN(type->size, 8);
}

static u32 record_size(const struct husk_record_type *type)
{
	return sizeof(struct husk_state_record) + record_payload(type);
}

long husk_records_get(const struct husk_record_type *type, u32 count, struct husk_state *arg,
		      void (*get)(void *object, u32 id, void *payload), void *object)
{
	u32 id, need = 0, room = arg->length;
	void *buffer, *at;
	long ret = 0;

	if (arg->reserved)
		return -EINVAL;
	if (arg->classes >> count)
		return -EOPNOTSUPP;
	for (id = 0; id < count; id++)
		if (arg->classes & BIT_ULL(id))
			need += record_size(&type[id]);
	arg->length = need;
	if (room < need)
		return -E2BIG;
	at = buffer = kvzalloc(need, GFP_KERNEL_ACCOUNT);
	if (!buffer)
		return -ENOMEM;

	for (id = 0; id < count; id++) {
		struct husk_state_record *record = at;

		if (!(arg->classes & BIT_ULL(id)))
			continue;
		record->class_id = id;
		record->version = type[id].version;
		record->length = record_payload(&type[id]);
		get(object, id, record + 1);
		at += record_size(&type[id]);
	}
	if (copy_to_user(u64_to_user_ptr(arg->buffer), buffer, need))
		ret = -EFAULT;
	kvfree(buffer);
	return ret;
}

/* Find the records in the buffer: each class that is wanted once, and nothing else. */
static int records_parse(const struct husk_record_type *type, u32 count, const struct husk_state *arg,
			 const void *buffer, const void **payload)
{
	const void *end = buffer + arg->length;
	u64 seen = 0;

	while (buffer < end) {
		const struct husk_state_record *record = buffer;
		u32 id;

		if (end - buffer < sizeof(*record) || record->reserved || record->class_id >= count)
			return -EINVAL;
		id = array_index_nospec(record->class_id, count);
		if (record->version != type[id].version)
			return -EOPNOTSUPP;
		if (record->length != record_payload(&type[id]) || end - buffer < record_size(&type[id]) ||
		    (seen & BIT_ULL(id)))
			return -EINVAL;
		seen |= BIT_ULL(id);
		payload[id] = record + 1;
		buffer += record_size(&type[id]);
	}
	return seen == arg->classes ? 0 : -EINVAL;
}

long husk_records_take(const struct husk_record_type *type, u32 count, const struct husk_state *arg,
		       const void **payload, void **buffer)
{
	long ret;

	if (arg->reserved || arg->length > RECORDS_MAX || !arg->length)
		return -EINVAL;
	if (arg->classes >> count)
		return -EOPNOTSUPP;
	memset(payload, 0, count * sizeof(*payload));
	*buffer = vmemdup_user(u64_to_user_ptr(arg->buffer), arg->length);
	if (IS_ERR(*buffer))
		return PTR_ERR(*buffer);
	ret = records_parse(type, count, arg, *buffer, payload);
	if (ret)
		kvfree(*buffer);
	return ret;
}
