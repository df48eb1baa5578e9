// SPDX-License-Identifier: GPL-2.0
#include "flat.h"
const struct flat_test flat_mem_tests[] = { FLAT_END };
