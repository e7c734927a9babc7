/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What recovery needs of the kernel, as functions.
 */
#ifndef BES_RECOVERY_SHIM_H
#define BES_RECOVERY_SHIM_H

#include <linux/types.h>

struct device;
struct ieee80211_hw;
struct mmc_host;
struct sdio_func;

/* Hands a copy of @data to user space as a device core dump of @dev, if the kernel has those. May sleep. */
void bes_core_dump(struct device *dev, const void *data, size_t len);

/* IO abort of @func, whose host is claimed: an error number, or 0. */
int bes_sdio_abort(struct sdio_func *func);

/* Has the bus of @host tuned before its next command: -EOPNOTSUPP if the host cannot. */
int bes_mmc_retune(struct mmc_host *host);

/*
 * Closes every interface of an ieee80211_hw, as if the user had, from a work item: whoever asks for it is the one that
 * answers the callbacks. bes_closer_free() waits for a closing that is under way.
 */
struct bes_closer;
struct bes_closer *bes_closer_new(struct ieee80211_hw *hw);
void bes_closer_close(struct bes_closer *closer);
void bes_closer_free(struct bes_closer *closer);

#endif
