// SPDX-License-Identifier: GPL-2.0-only
/*
 * Inline functions and macros that the virtual SDIO host needs, as functions.
 */
#include <linux/device.h>
#include <linux/mmc/host.h>
#include <linux/of.h>
#include <linux/property.h>
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

void vsdio_describe(struct device *dev)
{
	char path[16];

	snprintf(path, sizeof(path), "/%s", dev_name(dev));
	device_set_node(dev, of_fwnode_handle(of_find_node_by_path(path)));
}

void vsdio_forget(struct device *dev)
{
	struct fwnode_handle *node = dev_fwnode(dev);

	device_set_node(dev, NULL);
	fwnode_handle_put(node);
}

void vsdio_stay_awake(void)
{
	current->flags |= PF_NOFREEZE;
}
