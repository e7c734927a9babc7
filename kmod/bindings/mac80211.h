/* SPDX-License-Identifier: GPL-2.0-only */
/* What the abstractions of mac80211 and of socket buffers need. */
#include <linux/completion.h>
#include <linux/etherdevice.h>
#include <linux/ethtool.h>
#include <linux/ieee80211.h>
#include <linux/netdevice.h>
#include <linux/skbuff.h>
#include <net/cfg80211.h>
#include <net/mac80211.h>

#include "mac80211_shim.h"
