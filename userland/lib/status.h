/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Exit statuses of husk and husk-vm, by class. One list: the enum, the help
 * text and the texts expand from it. X(constant, number, "what it is")
 */
#ifndef HUSK_STATUS_H
#define HUSK_STATUS_H

#define HUSK_STATUSES(X) \
	X(OK,		0, "success; of run: the guest powered off") \
	X(FAIL,		1, "the system refused something; the line above says what") \
	X(USAGE,	2, "bad command line") \
	X(INPUT,	3, "an unfit file (kernel, disk...), kernel command line, size or number") \
	X(HOST,		4, "husk.ko is not loaded, no rights, or a CPU without support") \
	X(NAME,		5, "no such VM, or the name is taken") \
	X(CRASH,	6, "the guest crashed: triple fault or unhandled instruction") \
	X(RESET,	7, "the guest asked for a reset, and --no-reboot was given") \
	X(ENDED,	8, "the VM was ended from outside: kill, stop timeout, signal, Ctrl-] q")

enum husk_status {
#define X(id, number, what) HUSK_STATUS_##id = number,
	HUSK_STATUSES(X)
#undef X
};

#endif
