/* SPDX-License-Identifier: GPL-2.0 */
#ifndef LAB_ASLEEP_H
#define LAB_ASLEEP_H

/* Wait until all other threads of the process sleep: those that were told to wait in the kernel are there then. */
void others_asleep(void);

#endif
