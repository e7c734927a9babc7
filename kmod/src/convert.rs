// SPDX-License-Identifier: GPL-2.0-only

//! Between the words of mac80211 and those of the driver's 802.11 layer.

use crate::abstractions::mac80211::batch::{RxDescription, RxRate};
use crate::abstractions::mac80211::key::{Key, Suite};
use crate::abstractions::mac80211::scan;
use crate::abstractions::mac80211::transmit::{Rate, TxDescription};
use crate::abstractions::mac80211::vif::{Configuration, Name, PeerHt, VifKind, Width};
use crate::errno;
use bes_mac80211::error::RequestError;
use bes_mac80211::key::KeyParameters;
use bes_mac80211::registration::rate_mask;
use bes_mac80211::request::{
    AssociationParameters, BssDescription, HtParameters, InterfaceKind, Request, ScanChannel, Ssid,
};
use bes_mac80211::rx::{self, RxStatus};
use bes_mac80211::types::{
    AccessCategory, Band, Bandwidth, Channel, ChannelType, Cipher, Dbm, HardwareKey, MacAddress,
    RateIndex, RateSeries, TxInfo, TxRate,
};
use bes_wsm::wire::{InterfaceId, RateMask};
use kernel::prelude::*;

/// Greenfield in the HT capability field.
const HT_CAP_GREENFIELD: u16 = 1 << 4;
/// Short guard interval at 20 MHz.
const HT_CAP_SHORT_GI_20: u16 = 1 << 5;
/// Short guard interval at 40 MHz.
const HT_CAP_SHORT_GI_40: u16 = 1 << 6;
/// Stations that cannot do greenfield, in the HT operation mode.
const HT_OPERATION_NON_GREENFIELD: u16 = 1 << 2;

/// The number that stands for an interface in mac80211's structures.
pub(crate) const fn number(interface: InterfaceId) -> u8 {
    match interface {
        InterfaceId::Zero => 0,
        InterfaceId::One => 1,
        InterfaceId::Two => 2,
    }
}

/// The interface of a number.
pub(crate) const fn interface(number: u8) -> Option<InterfaceId> {
    match number {
        0 => Some(InterfaceId::Zero),
        1 => Some(InterfaceId::One),
        2 => Some(InterfaceId::Two),
        _ => None,
    }
}

/// Kind of an interface, if the device has such interfaces.
pub(crate) const fn kind(kind: VifKind) -> Option<InterfaceKind> {
    match kind {
        VifKind::Station => Some(InterfaceKind::Station),
        VifKind::P2pClient => Some(InterfaceKind::P2pClient),
        VifKind::P2pDevice => Some(InterfaceKind::P2pDevice),
        VifKind::Other => None,
    }
}

const fn band(number: u8) -> Band {
    match number {
        0 => Band::TwoPointFourGhz,
        _ => Band::FiveGhz,
    }
}

const fn band_number(band: Band) -> u8 {
    match band {
        Band::TwoPointFourGhz => 0,
        Band::FiveGhz => 1,
    }
}

const fn cipher(suite: Suite) -> Option<Cipher> {
    match suite {
        Suite::Wep => Some(Cipher::Wep),
        Suite::Tkip => Some(Cipher::Tkip),
        Suite::Ccmp => Some(Cipher::Ccmp),
        Suite::AesCmac => Some(Cipher::AesCmac),
        Suite::Wapi => Some(Cipher::Wapi),
        Suite::Other(_) => None,
    }
}

/// A key.
///
/// # Errors
///
/// `EOPNOTSUPP` for a cipher or a kind of key that the chip does not know: it is left to software.
pub(crate) fn key(key: &Key<'_>) -> Result<KeyParameters> {
    let unsupported = || errno::of_request(RequestError::Unsupported);
    let cipher = cipher(key.suite()).ok_or_else(unsupported)?;
    let peer = key.peer().map(MacAddress);
    let parameters =
        KeyParameters::new(cipher, peer, key.index(), key.material()).ok_or_else(unsupported)?;
    Ok(if peer.is_none() {
        parameters.with_receive_counter(key.receive_counter())
    } else {
        parameters
    })
}

/// How a frame is sent, and on which interface; `None` for a frame of no interface of the device.
pub(crate) fn transmit(what: &TxDescription) -> Option<(TxInfo, InterfaceId)> {
    let interface = interface(what.interface?)?;
    let category = AccessCategory::from_index(what.category)?;
    let mut info = TxInfo::new(category, band(what.band));
    let mut rates = [TxRate {
        index: RateIndex::Legacy(0),
        count: 0,
    }; 4];
    for (to, from) in rates.iter_mut().zip(what.rates) {
        let Ok(index) = u8::try_from(from.index) else {
            break;
        };
        *to = TxRate {
            index: if from.mcs {
                RateIndex::Mcs(index)
            } else {
                RateIndex::Legacy(index)
            },
            count: from.count,
        };
    }
    info.rates = RateSeries::new(&rates);
    info.key = what.key.and_then(|(suite, index)| {
        Some(HardwareKey {
            cipher: cipher(suite)?,
            index,
        })
    });
    Some((info, interface))
}

/// Rates of a status.
pub(crate) fn rates(series: RateSeries) -> impl Iterator<Item = Rate> {
    series.iter().map(|rate| {
        let (index, mcs) = match rate.index {
            RateIndex::Legacy(index) => (index, false),
            RateIndex::Mcs(index) => (index, true),
        };
        Rate {
            index: i8::try_from(index).unwrap_or(0),
            count: rate.count,
            mcs,
        }
    })
}

/// How a frame was received. `reference` numbers its A-MPDU.
pub(crate) fn receive(status: &RxStatus, reference: u32) -> RxDescription {
    RxDescription {
        frequency: status.channel.frequency(),
        band: band_number(status.channel.band()),
        rate: match status.rate {
            rx::RxRate::Legacy { index } => RxRate::Legacy(index),
            rx::RxRate::Ht { mcs } => RxRate::Ht(mcs),
        },
        wide: status.bandwidth == Some(Bandwidth::Mhz40),
        short_gi: status.short_gi == Some(true),
        signal: status.signal.map(|signal| signal.0),
        decrypted: status.protection.decrypted,
        iv_stripped: status.protection.iv_stripped,
        mic_stripped: status.protection.mic_stripped,
        mmic_stripped: status.protection.mmic_stripped,
        mmic_error: status.protection.mmic_error,
        ampdu: status.aggregate.part.then_some(status.aggregate.last),
        ampdu_reference: reference,
    }
}

/// Power in dBm, as far as it can be written.
pub(crate) fn dbm(value: i32) -> Dbm {
    Dbm(i8::try_from(value.clamp(i32::from(i8::MIN), i32::from(i8::MAX))).unwrap_or(0))
}

/// A channel of a scan; `None` for one that the chip does not know.
pub(crate) fn scan_channel(channel: scan::ScanChannel) -> Option<ScanChannel> {
    Some(ScanChannel {
        channel: Channel::from_frequency(channel.frequency)?,
        passive: channel.passive,
        max_power: dbm(channel.max_power),
    })
}

/// An SSID.
pub(crate) fn ssid(name: &Name) -> Option<Ssid> {
    Ssid::new(name.as_bytes())
}

fn channel_type(width: Width, ht: bool) -> ChannelType {
    match (width, ht) {
        (Width::NoHt, _) | (_, false) => ChannelType::NoHt,
        (Width::Mhz20, true) => ChannelType::Ht20,
        (Width::Mhz40Above, true) => ChannelType::Ht40Plus,
        (Width::Mhz40Below, true) => ChannelType::Ht40Minus,
    }
}

/// The channel of the device; `None` for one that the chip does not know.
pub(crate) fn channel(frequency: u16, width: Width) -> Option<Request<'static>> {
    let channel = Channel::from_frequency(frequency)?;
    Some(Request::SwitchChannel(
        channel,
        channel_type(width, width != Width::NoHt),
    ))
}

/// What is known of the BSS that an interface is about to join; `None` if it names none, or one on no channel of the
/// chip.
pub(crate) fn bss(configuration: &Configuration<'_>) -> Option<BssDescription> {
    let (frequency, ..) = configuration.channel()?;
    let (name, dtim_period) = configuration.bss().unwrap_or_default();
    Some(BssDescription {
        bssid: MacAddress(configuration.bssid()?),
        ssid: ssid(&name)?,
        channel: Channel::from_frequency(frequency)?,
        beacon_interval: configuration.beacon_interval(),
        dtim_period,
    })
}

/// Width of the channel of an association.
pub(crate) fn width(configuration: &Configuration<'_>) -> Option<ChannelType> {
    let (_, _, width) = configuration.channel()?;
    let ht = configuration.peer()?.ht.is_some();
    Some(channel_type(width, ht))
}

/// What was agreed with the access point; `None` if there is none.
pub(crate) fn association(configuration: &Configuration<'_>) -> Option<AssociationParameters> {
    let (_, band_number, width) = configuration.channel()?;
    let band = band(u8::try_from(band_number).ok()?);
    let peer = configuration.peer()?;
    let supported = peer.rates[usize::from(band == Band::FiveGhz)];
    let rates = rate_mask(supported, band);
    let non_greenfield = configuration.ht_operation_mode() & HT_OPERATION_NON_GREENFIELD != 0;
    let channel_type = channel_type(width, peer.ht.is_some());
    let short_gi = if channel_type.is_40_mhz() {
        HT_CAP_SHORT_GI_40
    } else {
        HT_CAP_SHORT_GI_20
    };
    Some(AssociationParameters {
        aid: configuration.aid(),
        beacon_interval: configuration.beacon_interval(),
        dtim_period: configuration.dtim_period(),
        rates: if rates == RateMask::NONE {
            RateMask::ANY
        } else {
            rates
        },
        basic_rates: rate_mask(configuration.basic_rates(), band),
        ht: peer.ht.map(|ht: PeerHt| HtParameters {
            mcs: ht.mcs,
            ampdu_density: ht.density,
            greenfield: ht.capabilities & HT_CAP_GREENFIELD != 0 && !non_greenfield,
            short_gi: ht.capabilities & short_gi != 0,
            non_greenfield_present: non_greenfield,
        }),
        channel_type,
        short_preamble: configuration.short_preamble(),
        short_slot: configuration.short_slot(),
        qos: configuration.qos(),
        protected_management: peer.protected_management,
    })
}
