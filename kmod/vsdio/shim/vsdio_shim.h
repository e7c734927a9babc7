/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Inline functions and macros that the virtual SDIO host needs, as functions.
 */
#ifndef VSDIO_SHIM_H
#define VSDIO_SHIM_H

#include <linux/types.h>

struct device;
struct mmc_host;

/* mmc_priv() */
void *vsdio_mmc_priv(struct mmc_host *host);

/* The N of the host's name, "mmcN". */
int vsdio_mmc_index(struct mmc_host *host);

/* vmalloc_user(): zeroed pages that user space may map. */
void *vsdio_vmalloc_user(unsigned long size);

/* The node "/NAME" of the device tree describes the device of that name from now on, if there is one. */
void vsdio_describe(struct device *dev);

/* Takes that back. */
void vsdio_forget(struct device *dev);

/* The calling thread is not frozen when the system goes to sleep. */
void vsdio_stay_awake(void);

#endif
