/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Inline functions and macros around mac80211, socket buffers and pages, as functions.
 */
#ifndef BES_MAC80211_SHIM_H
#define BES_MAC80211_SHIM_H

#include <linux/gfp_types.h>
#include <linux/types.h>

struct completion;
struct device;
struct ieee80211_hw;
struct ieee80211_tx_info;
struct ieee80211_txq;
struct inet6_dev;
struct page;
struct sk_buff;
struct sk_buff_head;

/* ieee80211_hw_set(), SET_IEEE80211_DEV() and SET_IEEE80211_PERM_ADDR(). */
void bes_hw_set_flag(struct ieee80211_hw *hw, unsigned int flag);
void bes_hw_set_device(struct ieee80211_hw *hw, struct device *device);
void bes_hw_set_address(struct ieee80211_hw *hw, const u8 *address);
/* device_set_wakeup_enable() for the device of the hardware. */
void bes_hw_set_wakeup(struct ieee80211_hw *hw, bool enabled);
const char *bes_hw_name(const struct ieee80211_hw *hw);

/* wiphy_ext_feature_set() of NL80211_EXT_FEATURE_CAN_REPLACE_PTK0. */
void bes_hw_can_replace_keys(struct ieee80211_hw *hw);

/* get_random_mask_addr(): @mask says which bits of @base stay. */
void bes_random_address(u8 *address, const u8 *base, const u8 *mask);

/*
 * The IPv6 addresses of an interface, as many as there is @room for; how many there are. 0 without CONFIG_IPV6. Any context.
 */
unsigned int bes_ipv6_addresses(struct inet6_dev *idev, u8 (*addresses)[16], unsigned int room);

/* ieee80211_return_txq() without force, and ieee80211_txq_schedule_end(). */
void bes_return_txq(struct ieee80211_hw *hw, struct ieee80211_txq *txq);
void bes_txq_schedule_end(struct ieee80211_hw *hw, u8 ac);

void bes_tx_info_clear_status(struct ieee80211_tx_info *info);

void bes_local_bh_disable(void);
void bes_local_bh_enable(void);
void bes_rcu_read_lock(void);
void bes_rcu_read_unlock(void);

unsigned int bes_skb_headroom(const struct sk_buff *skb);
unsigned int bes_skb_tailroom(const struct sk_buff *skb);
bool bes_skb_is_nonlinear(const struct sk_buff *skb);
bool bes_skb_is_shared(const struct sk_buff *skb);
u16 bes_skb_queue_mapping(const struct sk_buff *skb);
int bes_skb_linearize(struct sk_buff *skb);
void bes_kfree_skb(struct sk_buff *skb);
void bes_consume_skb(struct sk_buff *skb);
void bes_skb_reserve(struct sk_buff *skb, unsigned int len);
void bes_skb_add_rx_frag(struct sk_buff *skb, struct page *page, unsigned int offset, unsigned int size,
			 unsigned int truesize);
void bes_skb_queue_init(struct sk_buff_head *queue);
unsigned int bes_skb_queue_len(const struct sk_buff_head *queue);

/* Flags of allocation, which are macros. */
static const gfp_t BES_GFP_KERNEL = GFP_KERNEL | __GFP_NOWARN;
static const gfp_t BES_GFP_ATOMIC = GFP_ATOMIC | __GFP_NOWARN;

/* A zeroed compound page without complaint when there is none; its first byte; its users. */
struct page *bes_alloc_pages(unsigned int order);
void *bes_page_address(const struct page *page);
void bes_get_page(struct page *page);
void bes_put_page(struct page *page);

unsigned long bes_msecs_to_jiffies(unsigned int msecs);
void bes_completion_init(struct completion *completion);

#endif
