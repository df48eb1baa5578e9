/* SPDX-License-Identifier: GPL-2.0 */
/* Exits that users' BPF programs decide: uapi/husk_bpf.h. */
#ifndef HUSK_POLICY_H
#define HUSK_POLICY_H

#include "husk.h"
#include "policy_trace.h"

/*
 * Ask the programs about vcpu->exit. Fast loop. HUSK_DISPATCH: nothing is decided, go on
 * with it; HUSK_RETIRE, HUSK_RESUME: done
 */
enum husk_verdict husk_policy_ask(struct husk_vcpu *vcpu);

void husk_policy_init(struct husk_vm *vm);

#endif
