/* SPDX-License-Identifier: GPL-2.0 */
/* Nothing: irqchip_shim.h has what is used of it. */
