/* SPDX-License-Identifier: GPL-2.0-only */
/* What the abstractions of the SDIO bus, of its thread and of the platform need. */
#include <linux/completion.h>
#include <linux/delay.h>
#include <linux/dmi.h>
#include <linux/etherdevice.h>
#include <linux/gpio/consumer.h>
#include <linux/hrtimer.h>
#include <linux/kthread.h>
#include <linux/ktime.h>
#include <linux/mm.h>
#include <linux/mmc/card.h>
#include <linux/mmc/core.h>
#include <linux/mmc/host.h>
#include <linux/mmc/sdio.h>
#include <linux/mmc/sdio_func.h>
#include <linux/of_net.h>
#include <linux/property.h>
#include <linux/scatterlist.h>
#include <linux/sched.h>

#include "sdio_shim.h"
