/* SPDX-License-Identifier: GPL-2.0 */
#ifndef HUSK_VM_STATE_H
#define HUSK_VM_STATE_H

#include "husk.h"

long husk_vm_state_get(struct husk_vm *vm, struct husk_state *arg);
long husk_vm_state_set(struct husk_vm *vm, const struct husk_state *arg);

#endif
