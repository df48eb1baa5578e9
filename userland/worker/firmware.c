// SPDX-License-Identifier: GPL-2.0
/* Booting by a firmware. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "worker/config.h"
#include "worker/machine.h"

#define KIB		(1ULL << 10)
#define MIB		(1ULL << 20)
#define PAGE		4096ULL
#define ROM_MIN		(64 * KIB)
#define ROM_MAX		(16 * MIB)
#define ROM_END		(1ULL << 32)
#define LOW_COPY	(128 * KIB)	/* the ROM's end is seen below 1 MiB, too */
#define ROM_SLOT	2		/* memory slots 0 and 1 are RAM */
#define LOG_PORT	0x402
#define LOG_MAX		(64 * MIB)	/* bytes, over all resets */
#define LOG_PRESENT	0xe9		/* what SeaBIOS and OVMF look for before they write there */

/* "seabios" and "ovmf" are looked for where packages have them */
static enum husk_status find_known(const struct husk_firmware *known, const char **path)
{
	*path = husk_firmware_path(known);
	if (*path)
		return HUSK_STATUS_OK;
	return fail(HUSK_STATUS_INPUT, "--firmware %s: not found; install the package %s, or give its file",
		    known->name, known->name);
}

enum husk_status firmware_check(struct config *c)
{
	const char *path = c->firmware.path;
	enum husk_status status = HUSK_STATUS_OK;

	for (unsigned int i = 0; i < HUSK_FIRMWARE; i++)
		if (!strcmp(c->firmware.path, husk_firmware[i].name))
			status = find_known(&husk_firmware[i], &path);
	if (!status)
		status = image_open(&c->firmware, "firmware", path);
	if (!status && (c->firmware.size < ROM_MIN || c->firmware.size > ROM_MAX || c->firmware.size % PAGE))
		status = fail(HUSK_STATUS_INPUT, "--firmware %s: a firmware has 64K to 16M, in steps of 4K", path);
	return status;
}

static uint8_t *memory_of(void *ctx, uint64_t gpa, uint64_t length)
{
	return machine_ram(ctx, gpa, length);
}

static void selected(void *ctx, const char *name)
{
	firmware_selected(ctx, name);
}

static const struct fw_cfg_ops fw_ops = { .memory = memory_of, .selected = selected };

static uint64_t log_read(void *ctx, uint64_t offset, unsigned int width)
{
	(void)ctx;
	(void)offset;
	(void)width;
	return LOG_PRESENT;
}

static void log_write(void *ctx, uint64_t offset, unsigned int width, uint64_t value)
{
	struct machine *m = ctx;
	uint8_t byte = value;

	(void)offset;
	(void)width;
	/* What can't be written is lost, and so is what any guest writes there without end. */
	if (m->firmware.logged < LOG_MAX && write(m->config->firmware_log, &byte, 1) == 1)
		m->firmware.logged++;
}

static enum husk_status map_rom(struct machine *m)
{
	struct firmware *f = &m->firmware;
	const struct image *image = &m->config->firmware;
	const char *why;
	void *rom = mmap(NULL, image->size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (rom == MAP_FAILED)
		return fail(HUSK_STATUS_FAIL, "no memory for the firmware: %s", strerror(errno));
	f->rom = rom;
	f->rom_size = image->size;
	why = image_read(image, 0, rom, image->size);
	if (why)
		return fail(HUSK_STATUS_INPUT, "--firmware %s: %s", image->path, why);
	if (husk_vm_set_memory(m->vm, ROM_SLOT, ROM_END - f->rom_size, rom, f->rom_size, HUSK_MEM_READONLY) < 0)
		return fail(HUSK_STATUS_FAIL, "the kernel refused the firmware's memory: %s", strerror(errno));
	return HUSK_STATUS_OK;
}

enum husk_status firmware_create(struct machine *m)
{
	struct firmware *f = &m->firmware;
	enum husk_status status;

	if (m->config->firmware.fd < 0)
		return HUSK_STATUS_OK;
	status = firmware_tell_init(m);
	if (status)
		return status;
	fw_cfg_init(&f->fw_cfg, &fw_ops, m, &m->ports);
	if (m->config->firmware_log >= 0) {
		f->log_port = (struct bus_range){ LOG_PORT, 1, true, log_read, log_write, m, "firmware-log" };
		bus_add(&m->ports, &f->log_port);
	}
	return map_rom(m);
}

void firmware_destroy(struct machine *m)
{
	free(m->firmware.tables);
	if (m->firmware.rom)
		munmap(m->firmware.rom, m->firmware.rom_size);
}

enum husk_status firmware_load(struct machine *m)
{
	const struct firmware *f = &m->firmware;
	uint64_t copy = f->rom_size < LOW_COPY ? f->rom_size : LOW_COPY;

	memcpy(m->ram + MIB - copy, f->rom + f->rom_size - copy, copy);
	return firmware_tell(m);
}

enum husk_status option_firmware(struct config *c, const char *text)
{
	c->firmware.path = text;
	return HUSK_STATUS_OK;
}

enum husk_status option_firmware_log(struct config *c, const char *text)
{
	c->firmware_log = open(text, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (c->firmware_log < 0)
		return fail(HUSK_STATUS_INPUT, "--firmware-log %s: %s", text, strerror(errno));
	return HUSK_STATUS_OK;
}

/* NAME=TEXT or NAME=@FILE */
enum husk_status option_fw_cfg(struct config *c, const char *text)
{
	struct firmware_file *file = &c->firmware_file[c->firmware_files];
	const char *value = strchr(text, '=');
	enum husk_status status;
	struct image image;
	const char *why;
	void *data;

	if (!value || value == text || value - text >= FW_CFG_NAME)
		return fail(HUSK_STATUS_USAGE, "--fw-cfg %s: give NAME=TEXT or NAME=@FILE, a name of at most %d characters",
			    text, FW_CFG_NAME - 1);
	if (c->firmware_files == FIRMWARE_USER_FILES)
		return fail(HUSK_STATUS_USAGE, "--fw-cfg: at most %d", FIRMWARE_USER_FILES);
	c->firmware_files++;
	memcpy(file->name, text, value - text);
	file->data = value + 1;
	file->size = strlen(value + 1);
	if (value[1] != '@')
		return HUSK_STATUS_OK;
	status = image_open(&image, "fw-cfg", value + 2);
	if (status)
		return status;
	data = image.size <= ROM_MAX ? malloc(image.size) : NULL;
	why = data ? image_read(&image, 0, data, image.size) : "more than 16M";
	image_close(&image);
	file->data = data;
	file->size = image.size;
	return why ? fail(HUSK_STATUS_INPUT, "--fw-cfg %s: %s", value + 2, why) : HUSK_STATUS_OK;
}
