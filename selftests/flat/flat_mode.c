// SPDX-License-Identifier: GPL-2.0
#include "flat.h"
const struct flat_test flat_mode_tests[] = { FLAT_END };
