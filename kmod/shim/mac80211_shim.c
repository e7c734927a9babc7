// SPDX-License-Identifier: GPL-2.0-only
/*
 * Inline functions and macros around mac80211, socket buffers and pages, as functions.
 */
#include <linux/bottom_half.h>
#include <linux/completion.h>
#include <linux/device.h>
#include <linux/gfp.h>
#include <linux/jiffies.h>
#include <linux/mm.h>
#include <linux/rcupdate.h>
#include <linux/skbuff.h>
#include <net/cfg80211.h>
#include <net/if_inet6.h>
#include <net/mac80211.h>

#include "mac80211_shim.h"

void bes_hw_set_flag(struct ieee80211_hw *hw, unsigned int flag)
{
	_ieee80211_hw_set(hw, flag);
}

void bes_hw_set_device(struct ieee80211_hw *hw, struct device *device)
{
	SET_IEEE80211_DEV(hw, device);
}

void bes_hw_set_address(struct ieee80211_hw *hw, const u8 *address)
{
	SET_IEEE80211_PERM_ADDR(hw, address);
}

void bes_hw_set_wakeup(struct ieee80211_hw *hw, bool enabled)
{
	device_set_wakeup_enable(wiphy_dev(hw->wiphy), enabled);
}

const char *bes_hw_name(const struct ieee80211_hw *hw)
{
	return wiphy_name(hw->wiphy);
}

void bes_hw_can_replace_keys(struct ieee80211_hw *hw)
{
	wiphy_ext_feature_set(hw->wiphy, NL80211_EXT_FEATURE_CAN_REPLACE_PTK0);
}

void bes_random_address(u8 *address, const u8 *base, const u8 *mask)
{
	get_random_mask_addr(address, base, mask);
}

unsigned int bes_ipv6_addresses(struct inet6_dev *idev, u8 (*addresses)[16], unsigned int room)
{
	unsigned int count = 0;
#if IS_ENABLED(CONFIG_IPV6)
	struct inet6_ifaddr *address;

	read_lock_bh(&idev->lock);
	list_for_each_entry(address, &idev->addr_list, if_list) {
		if (count < room)
			memcpy(addresses[count], &address->addr, sizeof(*addresses));
		count++;
	}
	read_unlock_bh(&idev->lock);
#endif
	return count;
}

void bes_return_txq(struct ieee80211_hw *hw, struct ieee80211_txq *txq)
{
	ieee80211_return_txq(hw, txq, false);
}

void bes_txq_schedule_end(struct ieee80211_hw *hw, u8 ac)
{
	ieee80211_txq_schedule_end(hw, ac);
}

void bes_tx_info_clear_status(struct ieee80211_tx_info *info)
{
	ieee80211_tx_info_clear_status(info);
}

void bes_local_bh_disable(void)
{
	local_bh_disable();
}

void bes_local_bh_enable(void)
{
	local_bh_enable();
}

void bes_rcu_read_lock(void)
{
	rcu_read_lock();
}

void bes_rcu_read_unlock(void)
{
	rcu_read_unlock();
}

unsigned int bes_skb_headroom(const struct sk_buff *skb)
{
	return skb_headroom(skb);
}

unsigned int bes_skb_tailroom(const struct sk_buff *skb)
{
	return skb_tailroom(skb);
}

bool bes_skb_is_nonlinear(const struct sk_buff *skb)
{
	return skb_is_nonlinear(skb);
}

bool bes_skb_is_shared(const struct sk_buff *skb)
{
	return skb_shared(skb) || skb_cloned(skb);
}

u16 bes_skb_queue_mapping(const struct sk_buff *skb)
{
	return skb_get_queue_mapping(skb);
}

int bes_skb_linearize(struct sk_buff *skb)
{
	return skb_linearize(skb);
}

void bes_kfree_skb(struct sk_buff *skb)
{
	kfree_skb(skb);
}

void bes_consume_skb(struct sk_buff *skb)
{
	consume_skb(skb);
}

void bes_skb_reserve(struct sk_buff *skb, unsigned int len)
{
	skb_reserve(skb, len);
}

void bes_skb_add_rx_frag(struct sk_buff *skb, struct page *page, unsigned int offset, unsigned int size,
			 unsigned int truesize)
{
	skb_add_rx_frag(skb, skb_shinfo(skb)->nr_frags, page, offset, size, truesize);
}

void bes_skb_queue_init(struct sk_buff_head *queue)
{
	skb_queue_head_init(queue);
}

unsigned int bes_skb_queue_len(const struct sk_buff_head *queue)
{
	return skb_queue_len_lockless(queue);
}

struct page *bes_alloc_pages(unsigned int order)
{
	return alloc_pages(BES_GFP_KERNEL | __GFP_COMP | __GFP_ZERO, order);
}

void *bes_page_address(const struct page *page)
{
	return page_address(page);
}

void bes_get_page(struct page *page)
{
	get_page(page);
}

void bes_put_page(struct page *page)
{
	put_page(page);
}

unsigned long bes_msecs_to_jiffies(unsigned int msecs)
{
	return msecs_to_jiffies(msecs);
}

void bes_completion_init(struct completion *completion)
{
	init_completion(completion);
}
