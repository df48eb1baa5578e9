/* SPDX-License-Identifier: GPL-2.0 */
/* Nothing: guest_cpu_shim.h has what is used of it. */
