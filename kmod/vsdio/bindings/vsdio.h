/* SPDX-License-Identifier: GPL-2.0-only */
/* What the abstractions of the virtual SDIO host need. */
#include <linux/mm.h>
#include <linux/mmc/core.h>
#include <linux/mmc/host.h>
#include <linux/mmc/pm.h>
#include <linux/scatterlist.h>
#include <linux/vmalloc.h>

#include "vsdio_shim.h"

/* bindgen does not evaluate BIT(). */
static const unsigned int VSDIO_MMC_DATA_WRITE = MMC_DATA_WRITE;
