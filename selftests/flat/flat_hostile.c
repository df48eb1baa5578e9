// SPDX-License-Identifier: GPL-2.0
#include "flat.h"
const struct flat_test flat_hostile_tests[] = { FLAT_END };
