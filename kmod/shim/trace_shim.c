// SPDX-License-Identifier: GPL-2.0-only
/*
 * Trace events, as functions: see bes_trace.h.
 */
#include "trace_shim.h"

#define CREATE_TRACE_POINTS
#include "bes_trace.h"

void bes_trace_transfer(const struct device *device, bool write, u32 address, u32 bytes, bool failed)
{
	trace_bes2600_transfer(device, write, address, bytes, failed);
}

void bes_trace_burst(const struct device *device, bool down, u32 messages, u32 bytes)
{
	trace_bes2600_burst(device, down, messages, bytes);
}

void bes_trace_message_up(const struct device *device, u16 header, u32 len)
{
	trace_bes2600_message_up(device, header, len);
}

void bes_trace_message_down(const struct device *device, u16 header, u32 len)
{
	trace_bes2600_message_down(device, header, len);
}

void bes_trace_credit(const struct device *device, u32 capacity, u32 outstanding, u32 waiting)
{
	trace_bes2600_credit(device, capacity, outstanding, waiting);
}

void bes_trace_state(const struct device *device, u32 state)
{
	trace_bes2600_state(device, state);
}
