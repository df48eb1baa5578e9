// SPDX-License-Identifier: GPL-2.0
#include "flat.h"
const struct flat_test flat_fpu_tests[] = { FLAT_END };
