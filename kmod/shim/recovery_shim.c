// SPDX-License-Identifier: GPL-2.0-only
/*
 * What recovery needs of the kernel, as functions.
 */
#include <linux/devcoredump.h>
#include <linux/mmc/card.h>
#include <linux/mmc/host.h>
#include <linux/mmc/sdio.h>
#include <linux/mmc/sdio_func.h>
#include <linux/rtnetlink.h>
#include <linux/slab.h>
#include <linux/vmalloc.h>
#include <linux/workqueue.h>
#include <net/cfg80211.h>
#include <net/mac80211.h>

#include "recovery_shim.h"

void bes_core_dump(struct device *dev, const void *data, size_t len)
{
	void *copy = vmalloc(len);

	if (!copy)
		return;
	memcpy(copy, data, len);
	/* Takes the copy. */
	dev_coredumpv(dev, copy, len, GFP_KERNEL);
}

int bes_sdio_abort(struct sdio_func *func)
{
	unsigned int quirks = func->card->quirks;
	int error = 0;

	/* Otherwise the core keeps drivers of functions away from the register. */
	func->card->quirks |= MMC_QUIRK_LENIENT_FN0;
	sdio_f0_writeb(func, func->num, SDIO_CCCR_ABORT, &error);
	func->card->quirks = quirks;
	return error;
}

int bes_mmc_retune(struct mmc_host *host)
{
	if (!host->can_retune)
		return -EOPNOTSUPP;
	mmc_retune_needed(host);
	return 0;
}

struct bes_closer {
	struct work_struct work;
	struct ieee80211_hw *hw;
};

static void bes_closer_work(struct work_struct *work)
{
	struct bes_closer *closer = container_of(work, struct bes_closer, work);

	rtnl_lock();
	cfg80211_shutdown_all_interfaces(closer->hw->wiphy);
	rtnl_unlock();
}

struct bes_closer *bes_closer_new(struct ieee80211_hw *hw)
{
	struct bes_closer *closer = kzalloc(sizeof(*closer), GFP_KERNEL);

	if (closer) {
		INIT_WORK(&closer->work, bes_closer_work);
		closer->hw = hw;
	}
	return closer;
}

void bes_closer_close(struct bes_closer *closer)
{
	schedule_work(&closer->work);
}

void bes_closer_free(struct bes_closer *closer)
{
	if (closer)
		cancel_work_sync(&closer->work);
	kfree(closer);
}
