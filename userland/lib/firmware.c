// SPDX-License-Identifier: GPL-2.0
/* Firmware that Debian has packages of, and where these have it. */
#include <stddef.h>
#include <unistd.h>

#include "lib/tools.h"

const struct husk_firmware husk_firmware[HUSK_FIRMWARE] = {
	{ "seabios", { "/usr/share/seabios/bios-256k.bin", "/usr/share/qemu/bios-256k.bin" } },
	{ "ovmf", { "/usr/share/ovmf/OVMF.fd", "/usr/share/OVMF/OVMF.fd" } },
};

const char *husk_firmware_path(const struct husk_firmware *firmware)
{
	for (const char *const *p = firmware->path; *p; p++)
		if (!access(*p, R_OK))
			return *p;
	return NULL;
}
