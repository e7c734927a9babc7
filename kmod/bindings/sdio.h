/* SPDX-License-Identifier: GPL-2.0-only */
/* What the abstractions of the SDIO bus, of its thread and of the platform need. */
#include <linux/completion.h>
#include <linux/errno.h>
#include <linux/firmware.h>
#include <linux/hrtimer.h>
#include <linux/kthread.h>
#include <linux/ktime.h>
#include <linux/mmc/card.h>
#include <linux/mmc/core.h>
#include <linux/mmc/host.h>
#include <linux/mmc/sdio.h>
#include <linux/mmc/sdio_func.h>
#include <linux/pm.h>
#include <linux/random.h>
#include <linux/scatterlist.h>
#include <linux/sched.h>
#include <linux/timekeeping.h>

#include "platform_shim.h"
#include "sdio_shim.h"

/* Macros that bindgen cannot evaluate. */
static const u32 BES_MMC_DATA_READ = MMC_DATA_READ;
static const u32 BES_MMC_DATA_WRITE = MMC_DATA_WRITE;
static const u32 BES_PM_KEEP_POWER = MMC_PM_KEEP_POWER;
static const u32 BES_PM_WAKE_SDIO_IRQ = MMC_PM_WAKE_SDIO_IRQ;
