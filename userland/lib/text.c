// SPDX-License-Identifier: GPL-2.0
/* Names and error texts. */
#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "lib/libhusk.h"

#define NAME_TABLE(fn, LIST) \
	const char *fn(unsigned int n) \
	{ \
		static const char * const names[] = { LIST(NAME_ROW) }; \
		return n < sizeof(names) / sizeof(names[0]) ? names[n] : "?"; \
	}
#define NAME_ROW(id, name, what) name,

NAME_TABLE(husk_reason_name, HUSK_REASONS)
NAME_TABLE(husk_level_name, HUSK_LEVELS)
NAME_TABLE(husk_exit_name, HUSK_EXITS)
NAME_TABLE(husk_mode_name, HUSK_MODES)

const char *husk_open_error(int err)
{
	switch (err) {
	case ENOENT:
	case ENXIO:
	case ENODEV:
		return "husk.ko is not loaded: run 'insmod husk.ko' as root (then 'husk doctor' if that fails)";
	case EACCES:
	case EPERM:
		return "no right to use " HUSK_DEVICE ": run as root, or have root put you into its group (adduser USER husk)";
	default:
		return strerror(err);
	}
}

const char *husk_create_error(int err)
{
	switch (err) {
	case EEXIST:
		return "a VM of that name is running: choose another --name ('husk ls' lists them)";
	case ENOSPC:
		return "too many VMs: stop one, or load husk.ko with a larger max_vms=";
	case EACCES:
	case EPERM:
		return "no right to make a VM: run as root";
	case EINVAL:
		return "the kernel refused the VM's name";
	case ENOMEM:
		return "not enough kernel memory for another VM";
	case ENOTTY:
		return "husk.ko and this program do not fit together: build both from one source";
	default:
		return strerror(err);
	}
}

int husk_name_valid(const char *name)
{
	static const char allowed[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-";
	size_t len = strlen(name);

	return len > 0 && len < HUSK_NAME_LEN && name[0] != '-' && name[0] != '.' &&
	       strspn(name, allowed) == len;
}

__u64 husk_parse_size(const char *text)
{
	static const char units[] = "KMGT";
	__u64 value, shift = 20;
	const char *unit;
	char *end;

	if (!isdigit((unsigned char)*text))
		return 0;
	errno = 0;
	value = strtoull(text, &end, 10);
	if (*end) {
		unit = strchr(units, toupper((unsigned char)*end));
		if (!unit || end[1])
			return 0;
		shift = 10 + 10 * (unit - units);
	}
	if (errno || value > ~0ULL >> shift)
		return 0;
	return value << shift;
}
