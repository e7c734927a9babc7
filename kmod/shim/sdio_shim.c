// SPDX-License-Identifier: GPL-2.0-only
/*
 * Inline functions and macros around the SDIO bus and its thread, as functions.
 */
#include <linux/completion.h>
#include <linux/device.h>
#include <linux/jiffies.h>
#include <linux/mm.h>
#include <linux/sched.h>
#include <linux/sched/task.h>
#include <linux/scatterlist.h>

#include "sdio_shim.h"

bool bes_virt_addr_valid(const void *address)
{
	return virt_addr_valid(address);
}

void bes_sg_set_buf(struct scatterlist *sg, const void *buffer, unsigned int len)
{
	sg_set_buf(sg, buffer, len);
}

void bes_set_current_state(unsigned int state)
{
	set_current_state(state);
}

void bes_get_task_struct(struct task_struct *task)
{
	get_task_struct(task);
}

void bes_put_task_struct(struct task_struct *task)
{
	put_task_struct(task);
}

void bes_init_completion(struct completion *completion)
{
	init_completion(completion);
}

void bes_reinit_completion(struct completion *completion)
{
	reinit_completion(completion);
}

unsigned long bes_msecs_to_jiffies_sdio(unsigned int msecs)
{
	return msecs_to_jiffies(msecs);
}

void bes_cond_resched(void)
{
	cond_resched();
}

void bes_device_set_wakeup_capable(struct device *device, bool capable)
{
	device_set_wakeup_capable(device, capable);
}

bool bes_device_may_wakeup(struct device *device)
{
	return device_may_wakeup(device);
}
