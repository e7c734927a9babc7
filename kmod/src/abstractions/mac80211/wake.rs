// SPDX-License-Identifier: GPL-2.0-only

//! What may wake a sleeping system, as the stack asks for it, and what did.
//!
//! C header: [`include/net/cfg80211.h`](srctree/include/net/cfg80211.h)

use super::super::bindings;
use core::marker::PhantomData;

/// What the hardware can be woken by.
#[derive(Clone, Copy, Debug)]
pub(crate) struct WakeSupport {
    /// Patterns at a time.
    pub(crate) patterns: u8,
    /// Most bytes of one.
    pub(crate) pattern_len: u8,
    /// Most bytes in front of one.
    pub(crate) pattern_offset: u16,
}

impl WakeSupport {
    pub(super) fn table(self) -> bindings::wiphy_wowlan_support {
        use bindings::{
            wiphy_wowlan_support_flags_WIPHY_WOWLAN_ANY as ANY,
            wiphy_wowlan_support_flags_WIPHY_WOWLAN_DISCONNECT as DISCONNECT,
            wiphy_wowlan_support_flags_WIPHY_WOWLAN_MAGIC_PKT as MAGIC_PACKET,
        };
        bindings::wiphy_wowlan_support {
            flags: ANY | DISCONNECT | MAGIC_PACKET,
            n_patterns: self.patterns.into(),
            pattern_max_len: self.pattern_len.into(),
            pattern_min_len: 1,
            max_pkt_offset: self.pattern_offset.into(),
            ..Default::default()
        }
    }
}

/// A pattern of a frame that wakes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct WakePattern<'a> {
    /// Where it begins, in bytes from the start of the Ethernet header.
    pub(crate) offset: u16,
    /// Its bytes.
    pub(crate) bytes: &'a [u8],
    /// Which of them count: bit n of byte n / 8 for byte n.
    pub(crate) mask: &'a [u8],
}

/// What the system wants to be woken by.
///
/// # Invariants
///
/// The structure is valid for `'a`, with its patterns.
#[derive(Clone, Copy)]
pub(crate) struct WakeTriggers<'a>(
    *const bindings::cfg80211_wowlan,
    PhantomData<&'a bindings::cfg80211_wowlan>,
);

impl<'a> WakeTriggers<'a> {
    /// # Safety
    ///
    /// `wowlan` is valid for `'a`, with its patterns.
    pub(super) unsafe fn new(wowlan: *const bindings::cfg80211_wowlan) -> Self {
        // INVARIANT: By the safety requirements.
        Self(wowlan, PhantomData)
    }

    fn get(&self) -> &'a bindings::cfg80211_wowlan {
        // SAFETY: Valid by the type invariants.
        unsafe { &*self.0 }
    }

    /// Whatever arrives.
    pub(crate) fn any(&self) -> bool {
        self.get().any
    }

    /// The end of the connection.
    pub(crate) fn disconnect(&self) -> bool {
        self.get().disconnect
    }

    /// A magic packet.
    pub(crate) fn magic_packet(&self) -> bool {
        self.get().magic_pkt
    }

    /// Patterns.
    pub(crate) fn patterns(&self) -> impl Iterator<Item = WakePattern<'a>> {
        let wowlan = self.get();
        let count = usize::try_from(wowlan.n_patterns).unwrap_or(0);
        (0..count).map(move |index| {
            // SAFETY: There are so many patterns, with so many bytes each, by the type invariants.
            unsafe {
                let pattern = &*wowlan.patterns.add(index);
                let len = usize::try_from(pattern.pattern_len).unwrap_or(0);
                WakePattern {
                    offset: u16::try_from(pattern.pkt_offset).unwrap_or(u16::MAX),
                    bytes: core::slice::from_raw_parts(pattern.pattern, len),
                    mask: core::slice::from_raw_parts(pattern.mask, len.div_ceil(8)),
                }
            }
        })
    }
}

/// What woke the system.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum WakeReason {
    /// The end of the connection.
    Disconnect,
    /// A magic packet.
    MagicPacket,
    /// The pattern with this number.
    Pattern(i32),
    /// Something else that arrived.
    Other,
}

impl WakeReason {
    pub(super) fn report(self) -> bindings::cfg80211_wowlan_wakeup {
        bindings::cfg80211_wowlan_wakeup {
            disconnect: self == Self::Disconnect,
            magic_pkt: self == Self::MagicPacket,
            pattern_idx: match self {
                Self::Pattern(index) => index,
                _ => -1,
            },
            ..Default::default()
        }
    }
}

/// What the hardware was found to be when the system came back.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Woken {
    /// It goes on as before. If not, the stack sets it up anew.
    pub(crate) as_before: bool,
    /// It woke the system: the number of the interface, and why.
    pub(crate) by: Option<(u8, WakeReason)>,
}
