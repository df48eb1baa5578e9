// SPDX-License-Identifier: GPL-2.0
/*
 * A test kernel for the loaders and for --testdev: checks what it was told, says "ok NAME" or
 * "not ok NAME" on COM1, ends by the debug-exit port with the number of failures. With "serve" on the
 * command line it stays: it powers off when its button is pressed, and does what is typed, a letter each.
 */
typedef unsigned char u8;
typedef unsigned short u16;
typedef unsigned int u32;
typedef unsigned long long u64;

#define COM1		0x3f8
#define EXIT_PORT	0xf4
#define SCRATCH		0xe0
#define UNMAP		0xe4
#define LINES		0x2000
#define LINE		5
#define MMIO		0xff000000u
#define PAGE		4096
#define PM_EVENT	0x600
#define PM_CONTROL	0x604
#define PM_BUTTON	0x100
#define PM_OFF		(5 << 10 | 1 << 13)
#define RESET		0xcf9

extern u8 bss_end[];
void irq_entry(void);
void main(u32 eax, u32 ebx);
void irq(void);

static int failures;
static volatile int irqs;

/* A physical address as a pointer */
static void *at(u32 address)
{
	return (void *)(address + BASE);
}

static void outb(u16 port, u8 value) { __asm__ volatile("outb %0, %1" :: "a"(value), "Nd"(port)); }
static void outw(u16 port, u16 value) { __asm__ volatile("outw %0, %1" :: "a"(value), "Nd"(port)); }
static void outl(u16 port, u32 value) { __asm__ volatile("outl %0, %1" :: "a"(value), "Nd"(port)); }
static u8 inb(u16 port) { u8 v; __asm__ volatile("inb %1, %0" : "=a"(v) : "Nd"(port)); return v; }
static u16 inw(u16 port) { u16 v; __asm__ volatile("inw %1, %0" : "=a"(v) : "Nd"(port)); return v; }
static u32 inl(u16 port) { u32 v; __asm__ volatile("inl %1, %0" : "=a"(v) : "Nd"(port)); return v; }

static void print(const char *text)
{
	for (; *text; text++)
		outb(COM1, *text);
}

static void check(const char *name, int good)
{
	print(good ? "ok " : "not ok ");
	print(name);
	print("\n");
	failures += !good;
}

static void say(const char *what, const char *text)
{
	print(what);
	print(": ");
	print(text);
	print("\n");
}

/* Does the text end in that? Loaders put the file's name in front. */
static int ends(const char *text, const char *tail)
{
	u32 n = 0, m = 0;

	while (text[n])
		n++;
	while (tail[m])
		m++;
	if (m > n)
		return 0;
	for (u32 i = 0; i < m; i++)
		if (text[n - m + i] != tail[i])
			return 0;
	return 1;
}

static int has(const char *text, const char *word)
{
	for (; *text; text++) {
		u32 i = 0;

		while (word[i] && text[i] == word[i])
			i++;
		if (!word[i])
			return 1;
	}
	return 0;
}

static void test_bss(void)
{
	extern u8 data_end[];
	int zero = 1;

	/* the stack is at its start, and in use */
	for (u8 *p = data_end + 16384; p < bss_end; p++)
		zero &= !*p;
	check("bss_zero", zero);
}

static u8 large[20000];		/* what test_bss() looks at */

static void test_memory(u64 low_end, int entries)
{
	check("memory_map", entries >= 4 && low_end >= (16u << 20) && low_end <= 0xc0000000u);
}

static void test_module(u32 i, const char *args, const u8 *start, u32 size)
{
	print("module ");
	print((const char[]){ '0' + i, 0 });
	say("", args);
	check("module_pages", !(((u32)start - BASE) & (PAGE - 1)) && (u32)start - BASE >= 0x90000);
	print("content: ");
	for (u32 n = 0; n < size && start[n] != '\n'; n++)
		outb(COM1, start[n]);
	print("\n");
}

#ifdef PVH
static const char *told(u32 eax, u32 ebx)
{
	u32 *info = at(ebx);
	u64 *modlist = at(info[4]), *map = at(info[10]), end = 0;

	(void)eax;
	check("start_info", info[0] == 0x336ec578 && info[1] == 1 && ebx >= 0x90000);
	check("rsdp", *(u64 *)at(info[8]) == 0x2052545020445352ull);	/* "RSD PTR " */
	for (u32 i = 0; i < info[12]; i++)
		if ((u32)map[3 * i + 2] == 1 && map[3 * i] < (1ull << 32))
			end = map[3 * i] + map[3 * i + 1];
	test_memory(end, info[12]);
	for (u32 i = 0; i < info[3]; i++)
		test_module(i, at(modlist[4 * i + 2]), at(modlist[4 * i]), modlist[4 * i + 1]);
	return at(info[6]);
}
#else
static const char *told(u32 eax, u32 ebx)
{
	u32 *info = at(ebx), *module = at(info[6]);
	u8 *map = at(info[12]), *map_end = map + info[11];
	int entries = 0;
	u64 end = 0;

	check("magic", eax == 0x2badb002);
	check("info", ebx >= 0x90000 && (info[0] & 0x4d) == 0x4d && info[4] >= 0x90000 && info[1] >= 600);
	for (; map < map_end; map += *(u32 *)map + 4, entries++)
		if (*(u32 *)(map + 20) == 1 && *(u64 *)(map + 4) < (1ull << 32))
			end = *(u64 *)(map + 4) + *(u64 *)(map + 12);
	test_memory(end, entries);
	check("mem_upper", info[2] == (u32)end / 1024 - 1024);
	for (u32 i = 0; i < info[5]; i++)
		test_module(i, at(module[4 * i + 2]), at(module[4 * i]), module[4 * i + 1] - module[4 * i]);
	return at(info[4]);
}
#endif

static void test_scratch(void)
{
	u8 out[4] = { 0x11, 0x22, 0x33, 0x44 }, in[4] = { };
	u8 *from = out, *to = in;
	u32 count = 4;

	outl(SCRATCH, 0x12345678);
	check("scratch", inl(SCRATCH) == 0x12345678 && inw(SCRATCH + 2) == 0x1234 && inb(SCRATCH + 1) == 0x56);
	__asm__ volatile("rep outsb" : "+S"(from), "+c"(count) : "d"(SCRATCH) : "memory");
	check("scratch_outs", inb(SCRATCH) == 0x44);
	count = 4;
	__asm__ volatile("rep insb" : "+D"(to), "+c"(count) : "d"(SCRATCH) : "memory");
	check("scratch_ins", in[0] == 0x44 && in[3] == 0x44 && to == in + 4);
}

static void test_unmap(void)
{
	volatile u32 *page = (volatile u32 *)(((u32)large + PAGE - 1) & ~(PAGE - 1));

	*page = 0xcafe;
	outl(UNMAP, (u32)page - BASE);
	check("unmap", *page == 0xcafe);
	*page = 0;
}

static void test_mmio(void)
{
	volatile u32 *m = at(MMIO);
	u32 value = 0x89abcdef, old = 5, buffer[4] = { 1, 2, 3, 4 };
	void *from = buffer, *to = (void *)m;

	m[0] = 0x12345678;
	check("mmio_mov", m[0] == 0x12345678 && ((volatile u8 *)m)[1] == 0x56 && ((volatile u16 *)m)[1] == 0x1234);
	__asm__ volatile("orl $0xff, %0; xorl $0xf, %0; addl $0x10, %0" : "+m"(m[0]));
	check("mmio_alu", m[0] == 0x12345700);
	__asm__ volatile("xchgl %0, %1" : "+r"(value), "+m"(m[0]));
	check("mmio_xchg", value == 0x12345700 && m[0] == 0x89abcdef);
	m[1] = 5;
	__asm__ volatile("lock cmpxchgl %2, %0" : "+m"(m[1]), "+a"(old) : "r"(7));
	check("mmio_cmpxchg", m[1] == 7 && old == 5);
	__asm__ volatile("pushl %0; popl %1" : "+m"(m[1]), "+m"(m[2]));
	check("mmio_push_pop", m[2] == 7);
	old = 4;
	__asm__ volatile("rep movsl" : "+S"(from), "+D"(to), "+c"(old) :: "memory");
	check("mmio_movs", m[0] == 1 && m[3] == 4);
	((volatile u32 *)at(MMIO + 0x10000))[-1] = 3;
	check("mmio_end", ((volatile u8 *)at(MMIO))[0xfffc] == 3);
}

void irq(void)
{
	irqs++;
	outb(LINES + LINE, 0);
	outb(0xa0, 0x20);
	outb(0x20, 0x20);
}

/* Through the 8259s: vectors 0x20 and 0x28, all lines but these masked */
static void open_lines(u32 lines)
{
	static u64 idt[0x30];
	struct { u16 limit; u32 base; } __attribute__((packed)) idtr = { sizeof(idt) - 1, (u32)idt - BASE };
	const u8 init[][2] = { { 0x20, 0x11 }, { 0x21, 0x20 }, { 0x21, 4 }, { 0x21, 1 }, { 0x21, ~lines & 0xff },
			       { 0xa0, 0x11 }, { 0xa1, 0x28 }, { 0xa1, 2 }, { 0xa1, 1 }, { 0xa1, ~lines >> 8 & 0xff } };
	u32 entry = (u32)irq_entry;

	for (u32 i = 0; i < sizeof(init) / 2; i++)
		outb(init[i][0], init[i][1]);
	for (u32 i = 0x20; i < 0x30; i++)
		idt[i] = (entry & 0xffff) | 8u << 16 | (u64)((entry & 0xffff0000) | 0x8e00) << 32;
	__asm__ volatile("lidt %0" :: "m"(idtr));
}

static void test_line(void)
{
	open_lines(1 << LINE);
	outb(LINES + LINE, 1);
	__asm__ volatile("sti; nop; nop; cli" ::: "memory");
	check("line", irqs == 1);
}

/* One that ends as a guest does that is broken */
static void crash(void)
{
	static const struct { u16 limit; u32 base; } __attribute__((packed)) none;

	__asm__ volatile("lidt %0; int3" :: "m"(none));
}

static void typed(u8 letter)
{
	switch (letter) {
	case 'p':
		outw(PM_CONTROL, PM_OFF);
		break;
	case 'r':
		outb(RESET, 6);
		break;
	case 's':
		__asm__ volatile("sti");	/* Bochs takes no interrupt of the host's without */
		for (;;)
			;
	case 'c':
		crash();
		break;
	default:
		print((const char[]){ '<', letter, '>', '\n', 0 });
	}
}

/* COM1 and the power button interrupt; nothing else does. */
static void serve(int deaf)
{
	open_lines(1 << 2 | 1 << 4 | 1 << 9);
	outb(COM1 + 1, 1);
	outb(COM1 + 4, 8);
	outw(PM_EVENT + 2, PM_BUTTON);
	print("serving\n");
	for (;;) {
		while (inb(COM1 + 5) & 1)
			typed(inb(COM1));
		if (inw(PM_EVENT) & PM_BUTTON) {
			outw(PM_EVENT, PM_BUTTON);
			print("button\n");
			if (!deaf)
				outw(PM_CONTROL, PM_OFF);
		}
		__asm__ volatile("sti; hlt; cli" ::: "memory");
	}
}

void main(u32 eax, u32 ebx)
{
	const char *cmdline = told(eax, ebx);

	say("cmdline", cmdline);
	test_bss();
	if (has(cmdline, "serve"))
		serve(has(cmdline, "deaf"));
	if (has(cmdline, "testdev")) {
		test_scratch();
		test_unmap();
		test_mmio();
		test_line();
	}
	if (has(cmdline, "devless"))
		check("no_testdev", inl(SCRATCH) == ~0u && *(volatile u32 *)at(MMIO) == ~0u);
	if (ends(cmdline, "exit16"))
		__asm__ volatile("outw %w0, %1" :: "a"(0x15), "Nd"((u16)EXIT_PORT));
	if (ends(cmdline, "exit8"))
		outb(EXIT_PORT, 0x33);
	outl(EXIT_PORT, failures);
	for (;;)
		__asm__ volatile("cli; hlt");
}
