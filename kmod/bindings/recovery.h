/* SPDX-License-Identifier: GPL-2.0-only */
/* What recovery needs. */
#include "recovery_shim.h"
