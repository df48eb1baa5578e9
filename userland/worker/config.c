// SPDX-License-Identifier: GPL-2.0
/* From a command line to a checked struct config. */
#include <ctype.h>
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/sysinfo.h>
#include <unistd.h>

#include "lib/definition.h"
#include "worker/config.h"
#include "worker/pin.h"

#define MIB		(1ULL << 20)
#define MEMORY_DEFAULT	(256 * MIB)
#define MEMORY_MIN	(16 * MIB)
#define CMDLINE_DEFAULT	"console=ttyS0"

enum husk_status option_memory(struct config *c, const char *text)
{
	struct sysinfo host;
	uint64_t most;

	c->memory = husk_parse_size(text);
	if (!c->memory)
		return fail(HUSK_STATUS_USAGE, "--memory %s: not a size; say for example 256M or 2G", text);
	if (c->memory & 0xfff)
		return fail(HUSK_STATUS_INPUT, "--memory %s: not a multiple of 4K", text);
	if (c->memory < MEMORY_MIN)
		return fail(HUSK_STATUS_INPUT, "--memory %s: too little for any kernel; give 256M", text);
	sysinfo(&host);
	most = ((uint64_t)host.totalram + host.totalswap) * host.mem_unit;
	if (c->memory > most)
		return fail(HUSK_STATUS_INPUT, "--memory %s: this host has %llu MiB, swap included", text,
			    (unsigned long long)most / MIB);
	return HUSK_STATUS_OK;
}

enum husk_status option_cpus(struct config *c, const char *text)
{
	unsigned long value;
	char *end;

	errno = 0;
	value = strtoul(text, &end, 10);
	if (!isdigit((unsigned char)*text) || *end || errno || !value || value > MACHINE_CPUS)
		return fail(HUSK_STATUS_USAGE, "--cpus %s: give a number from 1 to %d", text, MACHINE_CPUS);
	c->cpus = value;
	return HUSK_STATUS_OK;
}

/* The modules behind the kernel: of a format that takes some, the initrd is the first */
static enum husk_status check_modules(struct config *c)
{
	if (!c->loader->takes_modules && c->modules)
		return fail(HUSK_STATUS_USAGE, "--module: a %s takes none; --initrd may be meant", c->loader->name);
	if (c->loader->takes_modules && c->boot.initrd) {
		if (c->modules == BOOT_MODULES)
			return fail(HUSK_STATUS_USAGE, "--module: at most %d, the initrd included", BOOT_MODULES);
		memmove(c->module + 1, c->module, c->modules++ * sizeof(c->module[0]));
		c->module[0] = (struct boot_module){ c->initrd, "" };
		c->boot.initrd = NULL;
		c->initrd.fd = -1;
	}
	c->boot.modules = c->modules;
	return HUSK_STATUS_OK;
}

enum husk_status config_add_device(struct config *c, enum husk_status (*create)(struct machine *m, void *options),
				   void *options)
{
	if (c->devices == MACHINE_VIRTIO)
		return fail(HUSK_STATUS_USAGE, "more than %d devices", MACHINE_VIRTIO);
	c->device[c->devices++] = (struct device_config){ create, options };
	return HUSK_STATUS_OK;
}

static enum husk_status check_kernel(struct config *c)
{
	size_t n = c->kernel.size < BOOT_HEAD ? c->kernel.size : BOOT_HEAD;
	const char *why;

	if (!c->kernel.path)
		return fail(HUSK_STATUS_USAGE, "--kernel FILE, or a disk, is missing: 'husk run --help' tells more");
	if (c->firmware_files || c->firmware_log >= 0)
		return fail(HUSK_STATUS_USAGE, "--fw-cfg and --firmware-log belong to a --firmware: here a kernel is booted");
	why = image_read(&c->kernel, 0, c->head, n);
	c->boot = (struct boot_request){
		.kernel = &c->kernel, .head = c->head, .head_len = n, .module = c->module,
		.initrd = c->initrd.path ? &c->initrd : NULL,
	};
	if (!why)
		c->loader = boot_loader(&c->boot, &why);
	if (!why)
		why = c->loader->check(&c->boot, &c->kernel_info);
	if (why)
		return fail(HUSK_STATUS_INPUT, "--kernel %s: %s", c->kernel.path, why);
	if (!c->cmdline)
		c->cmdline = c->kernel_info.is_linux ? CMDLINE_DEFAULT : "";
	if (strlen(c->cmdline) > c->kernel_info.cmdline_max)
		return fail(HUSK_STATUS_INPUT, "--cmdline: %zu characters; this kernel takes %u",
			    strlen(c->cmdline), c->kernel_info.cmdline_max);
	c->boot.cmdline = c->cmdline;
	return check_modules(c);
}

/* A firmware or a kernel */
static enum husk_status check_boot(struct config *c)
{
	if (c->cpuid.show)
		return HUSK_STATUS_OK;
	if (!c->kernel.path && !c->firmware.path && c->disks)
		c->firmware.path = husk_firmware[0].name;
	if (!c->firmware.path)
		return check_kernel(c);
	if (c->kernel.path)
		return fail(HUSK_STATUS_USAGE, "--kernel and --firmware: give one of them; a firmware boots a disk");
	if (c->initrd.path || c->modules || c->cmdline)
		return fail(HUSK_STATUS_USAGE, "--initrd, --module and --cmdline belong to a --kernel: a firmware boots a disk");
	return firmware_check(c);
}

static enum husk_status check_name(struct config *c)
{
	static char own[HUSK_NAME_LEN];

	if (!c->name) {
		snprintf(own, sizeof(own), "vm-%d", getpid());
		c->name = own;
	}
	if (!husk_name_valid(c->name))
		return fail(HUSK_STATUS_USAGE,
			    "--name %s: give 1 to 63 of A-Z a-z 0-9 . _ -, not beginning with . or -", c->name);
	/* the daemon's have a folder of their own */
	if (c->last_word >= 0) {
		snprintf(c->control, sizeof(c->control), "%s/%s.sock", HUSK_RUN, c->name);
		return HUSK_STATUS_OK;
	}
	if (!husk_control_path(c->control, c->name))
		return HUSK_STATUS_OK;
	if (errno == ENAMETOOLONG)
		return fail(HUSK_STATUS_USAGE, "--name %s: too long for the path of its control socket", c->name);
	return fail(HUSK_STATUS_FAIL, "no folder for the control socket: %s", strerror(errno));
}

enum husk_status option_kernel(struct config *c, const char *text)
{
	return image_open(&c->kernel, "kernel", text);
}

enum husk_status option_initrd(struct config *c, const char *text)
{
	return image_open(&c->initrd, "initrd", text);
}

enum husk_status option_module(struct config *c, const char *text)
{
	struct boot_module *module;
	const char *comma = strchr(text, ',');
	char *path = comma ? strndup(text, comma - text) : strdup(text);

	if (!path)
		return fail(HUSK_STATUS_FAIL, "out of memory");
	if (c->modules == BOOT_MODULES)
		return fail(HUSK_STATUS_USAGE, "--module: at most %d", BOOT_MODULES);
	module = &c->module[c->modules++];
	module->args = comma ? comma + 1 : "";
	return image_open(&module->image, "module", path);
}

enum husk_status option_cmdline(struct config *c, const char *text)
{
	c->cmdline = text;
	return HUSK_STATUS_OK;
}

enum husk_status option_name(struct config *c, const char *text)
{
	c->name = text;
	return HUSK_STATUS_OK;
}

static bool has_uuid(const struct config *c)
{
	static const uint8_t none[sizeof(c->uuid)];

	return memcmp(c->uuid, none, sizeof(none));
}

enum husk_status option_uuid(struct config *c, const char *text)
{
	static const char form[] = "xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx";
	uint8_t *to = c->uuid;
	size_t i;

	for (i = 0; form[i] && (form[i] == 'x' ? isxdigit((unsigned char)text[i]) : text[i] == '-'); i++)
		;
	if (form[i] || text[i])
		return fail(HUSK_STATUS_USAGE, "--uuid %s: give it like 12345678-9abc-4def-8012-3456789abcde", text);
	for (i = 0; form[i]; i += form[i] == 'x' ? 2 : 1)
		if (form[i] == 'x')
			sscanf(text + i, "%2hhx", to++);
	if (!has_uuid(c))
		return fail(HUSK_STATUS_USAGE, "--uuid: all zero stands for none; leave the option away for a random one");
	return HUSK_STATUS_OK;
}

enum husk_status option_serial_number(struct config *c, const char *text)
{
	c->serial = text;
	for (; *text; text++)
		if (!isprint((unsigned char)*text))
			break;
	if (*text || text - c->serial > SMBIOS_SERIAL_MAX)
		return fail(HUSK_STATUS_USAGE, "--serial-number: give at most %d printable characters", SMBIOS_SERIAL_MAX);
	return HUSK_STATUS_OK;
}

enum husk_status option_no_reboot(struct config *c, const char *text)
{
	(void)text;
	c->no_reboot = true;
	return HUSK_STATUS_OK;
}

enum husk_status option_kvm_anchor(struct config *c, const char *text)
{
	(void)text;
	c->kvm_anchor = true;
	return HUSK_STATUS_OK;
}

/* The terminal of 'husk run', a descriptor: that command's own option */
static enum husk_status option_lifeline(struct config *c, const char *text)
{
	c->lifeline = atoi(text);
	return HUSK_STATUS_OK;
}

/* The options that huskd gives, as root */
static enum husk_status option_last_word(struct config *c, const char *text)
{
	c->last_word = atoi(text);
	return HUSK_STATUS_OK;
}

static enum husk_status option_last_console(struct config *c, const char *text)
{
	c->last_console = atoi(text);
	return HUSK_STATUS_OK;
}

static enum husk_status option_jail_uid(struct config *c, const char *text)
{
	c->jail_uid = strtoul(text, NULL, 10);
	return HUSK_STATUS_OK;
}

static enum husk_status option_owner(struct config *c, const char *text)
{
	c->owner = strtoul(text, NULL, 10);
	return HUSK_STATUS_OK;
}

/* Of 'husk create' and its like: are the other options right? Nothing is booted. */
static enum husk_status option_check(struct config *c, const char *text)
{
	(void)text;
	c->check = true;
	return HUSK_STATUS_OK;
}

static const struct {
	const char *name;
	bool argument;
	enum husk_status (*set)(struct config *c, const char *text);
} options[] = {
#define SECTION(title)
#define OPTION(id, name, argument, text) { name, argument ? 1 : 0, option_##id },
	HUSK_RUN_OPTIONS(SECTION, OPTION)
#undef OPTION
#undef SECTION
	{ "lifeline", true, option_lifeline },
	{ "last-word", true, option_last_word },
	{ "last-console", true, option_last_console },
	{ "jail-uid", true, option_jail_uid },
	{ "owner", true, option_owner },
	{ "check", false, option_check },
};
#define OPTIONS	(sizeof(options) / sizeof(options[0]))

/* husk has looked at the options: they are known, and their errors are one line each */
static enum husk_status parse(struct config *c, int argc, char **argv)
{
	struct option table[OPTIONS + 1] = {};
	enum husk_status status = HUSK_STATUS_OK;
	int index;

	for (unsigned int i = 0; i < OPTIONS; i++)
		table[i] = (struct option){ options[i].name, options[i].argument, NULL, 'o' };
	opterr = 0;
	while (!status && (index = -1, getopt_long(argc, argv, "", table, &index)) != -1) {
		if (index < 0)
			return fail(HUSK_STATUS_USAGE, "husk-vm is started by 'husk run'");
		status = options[index].set(c, optarg);
	}
	if (!status && optind < argc)
		return fail(HUSK_STATUS_USAGE, "husk-vm is started by 'husk run'");
	return status;
}

/* Of version 4, RFC 4122 4.4: the guest sees the same as the host's tools */
static enum husk_status make_uuid(struct config *c)
{
	if (has_uuid(c))
		return HUSK_STATUS_OK;
	if (getrandom(c->uuid, sizeof(c->uuid), 0) != sizeof(c->uuid))
		return fail(HUSK_STATUS_FAIL, "no random numbers for the VM's UUID: %s", strerror(errno));
	c->uuid[6] = (c->uuid[6] & 0xf) | 0x40;
	c->uuid[8] = (c->uuid[8] & 0x3f) | 0x80;
	return HUSK_STATUS_OK;
}

enum husk_status config_init(struct config *c, int argc, char **argv)
{
	enum husk_status status;

	memset(c, 0, sizeof(*c));
	c->kernel.fd = c->initrd.fd = c->firmware.fd = c->firmware_log = c->lifeline = c->last_word = c->last_console = -1;
	c->owner = geteuid();
	c->serial = "";
	for (int i = 0; i < BOOT_MODULES; i++)
		c->module[i].image.fd = -1;
	c->memory = MEMORY_DEFAULT;
	c->cpus = 1;
	status = parse(c, argc, argv);
	if (!status)
		status = pin_check(c);
	if (!status)
		status = check_boot(c);
	if (!status)
		status = make_uuid(c);
	return status ? status : check_name(c);
}

enum husk_status config_check_host(struct config *c, int dev)
{
	const uint64_t low = machine_low_max(c);
	struct husk_caps caps;

	if (husk_get_caps(dev, &caps) < 0)
		return fail(HUSK_STATUS_HOST, "husk.ko and this program do not fit together: %s", strerror(errno));
	if (caps.abi_version != HUSK_ABI_VERSION)
		return fail(HUSK_STATUS_HOST, "husk.ko speaks ABI %u, this program %u: build both from one source",
			    caps.abi_version, HUSK_ABI_VERSION);
	if (c->cpus > caps.max_vcpus)
		return fail(HUSK_STATUS_INPUT, "--cpus %u: this husk.ko allows %u", c->cpus, caps.max_vcpus);
	if (c->memory > low && c->memory - low > (1ULL << caps.guest_phys_bits) - RAM_HIGH_BASE)
		return fail(HUSK_STATUS_INPUT, "--memory: this CPU addresses %u bits only", caps.guest_phys_bits);
	if (c->kvm_anchor && !(caps.modes >> HUSK_MODE_VMX & 1))
		return fail(HUSK_STATUS_HOST, "--kvm-anchor: of use with VT-x only, leave it away");
	return HUSK_STATUS_OK;
}

void config_fini(struct config *c)
{
	image_close(&c->kernel);
	image_close(&c->initrd);
	image_close(&c->firmware);
	for (unsigned int i = 0; i < c->modules; i++)
		image_close(&c->module[i].image);
}
