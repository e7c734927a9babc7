/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Trace events, as functions: see bes_trace.h.
 */
#ifndef BES_TRACE_SHIM_H
#define BES_TRACE_SHIM_H

#include <linux/types.h>

struct device;

void bes_trace_transfer(const struct device *device, bool write, u32 address, u32 bytes, bool failed);
void bes_trace_burst(const struct device *device, bool down, u32 messages, u32 bytes);
void bes_trace_message_up(const struct device *device, u16 header, u32 len);
void bes_trace_message_down(const struct device *device, u16 header, u32 len);
void bes_trace_credit(const struct device *device, u32 capacity, u32 outstanding, u32 waiting);
void bes_trace_state(const struct device *device, u32 state);

#endif
