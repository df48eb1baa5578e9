// SPDX-License-Identifier: GPL-2.0
#include "flat.h"
const struct flat_test flat_control_tests[] = { FLAT_END };
