/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Trace events of the driver, below events/bes2600/. Documentation: docs/kernel.md.
 */
#undef TRACE_SYSTEM
#define TRACE_SYSTEM bes2600

#if !defined(BES_TRACE_H) || defined(TRACE_HEADER_MULTI_READ)
#define BES_TRACE_H

#include <linux/device.h>
#include <linux/tracepoint.h>

/* A CMD53, when it has ended. */
TRACE_EVENT(bes2600_transfer,
	TP_PROTO(const struct device *device, bool write, u32 address, u32 bytes, bool failed),
	TP_ARGS(device, write, address, bytes, failed),
	TP_STRUCT__entry(
		__string(device, dev_name(device))
		__field(bool, write)
		__field(u32, address)
		__field(u32, bytes)
		__field(bool, failed)
	),
	TP_fast_assign(
		__assign_str(device);
		__entry->write = write;
		__entry->address = address;
		__entry->bytes = bytes;
		__entry->failed = failed;
	),
	TP_printk("%s %s address %#07x, %u bytes%s", __get_str(device), __entry->write ? "write" : "read",
		  __entry->address, __entry->bytes, __entry->failed ? ", failed" : "")
);

/* Messages that travelled in one transfer. */
TRACE_EVENT(bes2600_burst,
	TP_PROTO(const struct device *device, bool down, u32 messages, u32 bytes),
	TP_ARGS(device, down, messages, bytes),
	TP_STRUCT__entry(
		__string(device, dev_name(device))
		__field(bool, down)
		__field(u32, messages)
		__field(u32, bytes)
	),
	TP_fast_assign(
		__assign_str(device);
		__entry->down = down;
		__entry->messages = messages;
		__entry->bytes = bytes;
	),
	TP_printk("%s %s %u messages, %u bytes", __get_str(device), __entry->down ? "down" : "up",
		  __entry->messages, __entry->bytes)
);

DECLARE_EVENT_CLASS(bes2600_message,
	TP_PROTO(const struct device *device, u16 header, u32 len),
	TP_ARGS(device, header, len),
	TP_STRUCT__entry(
		__string(device, dev_name(device))
		__field(u16, header)
		__field(u32, len)
	),
	TP_fast_assign(
		__assign_str(device);
		__entry->header = header;
		__entry->len = len;
	),
	/* Bits of the header: id 0xfc3f, interface 0x03c0 of LMAC messages, sequence number 0xe000. */
	TP_printk("%s header %#06x, %u bytes", __get_str(device), __entry->header, __entry->len)
);

DEFINE_EVENT(bes2600_message, bes2600_message_up,
	TP_PROTO(const struct device *device, u16 header, u32 len),
	TP_ARGS(device, header, len)
);

DEFINE_EVENT(bes2600_message, bes2600_message_down,
	TP_PROTO(const struct device *device, u16 header, u32 len),
	TP_ARGS(device, header, len)
);

/* Buffers of the chip. */
TRACE_EVENT(bes2600_credit,
	TP_PROTO(const struct device *device, u32 capacity, u32 outstanding, u32 waiting),
	TP_ARGS(device, capacity, outstanding, waiting),
	TP_STRUCT__entry(
		__string(device, dev_name(device))
		__field(u32, capacity)
		__field(u32, outstanding)
		__field(u32, waiting)
	),
	TP_fast_assign(
		__assign_str(device);
		__entry->capacity = capacity;
		__entry->outstanding = outstanding;
		__entry->waiting = waiting;
	),
	TP_printk("%s %u of %u buffers in use, %u frames wait", __get_str(device), __entry->outstanding,
		  __entry->capacity, __entry->waiting)
);

/* The life of the device. */
TRACE_EVENT(bes2600_state,
	TP_PROTO(const struct device *device, u32 state),
	TP_ARGS(device, state),
	TP_STRUCT__entry(
		__string(device, dev_name(device))
		__field(u32, state)
	),
	TP_fast_assign(
		__assign_str(device);
		__entry->state = state;
	),
	TP_printk("%s %s", __get_str(device),
		  __print_symbolic(__entry->state, { 0, "off" }, { 1, "booting" }, { 2, "ready" }, { 3, "starting" },
				   { 4, "running" }, { 5, "asleep" }, { 6, "stopping" }, { 7, "needs recovery" }))
);

#endif

#undef TRACE_INCLUDE_PATH
#define TRACE_INCLUDE_PATH .
#undef TRACE_INCLUDE_FILE
#define TRACE_INCLUDE_FILE bes_trace
#include <trace/define_trace.h>
