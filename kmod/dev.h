/* SPDX-License-Identifier: GPL-2.0 */
#ifndef HUSK_DEV_H
#define HUSK_DEV_H

int husk_dev_init(void);
void husk_dev_exit(void);

#endif
