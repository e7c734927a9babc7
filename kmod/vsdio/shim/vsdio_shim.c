// SPDX-License-Identifier: GPL-2.0-only
/*
 * Inline functions and macros that the virtual SDIO host needs, as functions.
 */
#include <linux/mmc/host.h>
#include <linux/sched.h>
#include <linux/vmalloc.h>

#include "vsdio_shim.h"

void *vsdio_mmc_priv(struct mmc_host *host)
{
	return mmc_priv(host);
}

int vsdio_mmc_index(struct mmc_host *host)
{
	return host->index;
}

void *vsdio_vmalloc_user(unsigned long size)
{
	return vmalloc_user(size);
}

void vsdio_stay_awake(void)
{
	current->flags |= PF_NOFREEZE;
}
