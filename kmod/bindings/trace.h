/* SPDX-License-Identifier: GPL-2.0-only */
/* Trace events. */
#include "trace_shim.h"
