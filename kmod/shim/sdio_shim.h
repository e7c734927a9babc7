/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Inline functions and macros around the SDIO bus and its thread, as functions.
 */
#ifndef BES_SDIO_SHIM_H
#define BES_SDIO_SHIM_H

#include <linux/types.h>

struct page;
struct scatterlist;
struct task_struct;

/* Whether @address lies in the linear map, so that it has a struct page and may be part of a scatter list. */
bool bes_virt_addr_valid(const void *address);

/* sg_set_page() with the page of an address of the linear map. */
void bes_sg_set_buf(struct scatterlist *sg, const void *buffer, unsigned int len);

/* set_current_state(): with a full barrier behind it. */
void bes_set_current_state(unsigned int state);

void bes_get_task_struct(struct task_struct *task);
void bes_put_task_struct(struct task_struct *task);

/* reinit_completion() and init_completion(), which are inline. */
struct completion;
void bes_init_completion(struct completion *completion);
void bes_reinit_completion(struct completion *completion);

unsigned long bes_msecs_to_jiffies_sdio(unsigned int msecs);

/* device_set_wakeup_capable() and device_may_wakeup(). */
struct device;
void bes_device_set_wakeup_capable(struct device *device, bool capable);
bool bes_device_may_wakeup(struct device *device);

/* cond_resched(). */
void bes_cond_resched(void);

#endif
