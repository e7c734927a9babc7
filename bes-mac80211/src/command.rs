//! The commands of the control plane, from this crate's terms to the messages of the chip. One function per command;
//! where a value comes from is said where it is sent from.

use crate::aggregation::{BlockAckPolicy, Situation};
use crate::coex::CoexMessage;
use crate::edca::{EdcaParameters, EdcaSet, RX_LIFETIME};
use crate::filter::{BeaconControl, GroupFilter};
use crate::key::{KeyParameters, KeySlot};
use crate::request::{AssociationParameters, BssDescription, CqmThreshold, Ssid, COUNTERS};
use crate::scan_policy::{Batch, MAX_CHANNELS_PER_REQUEST};
use crate::types::{AccessCategory, Band, Channel, ChannelType, Cipher, Dbm, MacAddress};
use bes_pm::psm::{Mode, PmRequest};
use bes_wsm::wire::bss::SetBssParameters;
use bes_wsm::wire::channel::{ChannelType as WireChannelType, SwitchChannel};
use bes_wsm::wire::configuration::{Configuration, ConfigurationConfirm};
use bes_wsm::wire::edca::{EdcaParameters as WireEdca, SetEdcaParameters, SetTxQueueParameters};
use bes_wsm::wire::epta::{Epta, EptaMode};
use bes_wsm::wire::join::{Join, JoinFlags, JoinMode, Preamble};
use bes_wsm::wire::key::{AddKey, Key, KeyIndex, RemoveKey, WepKey};
use bes_wsm::wire::mcu::{McuCommand, WifiState};
use bes_wsm::wire::mib::{MibId, ReadMib, ReadMibConfirm, WriteMibRequest};
use bes_wsm::wire::pm::{HalfMillis, PsmMode, SetPowerMode};
use bes_wsm::wire::reset::Reset;
use bes_wsm::wire::scan::{ScanChannel, ScanFlags, ScanType, StartScan, StopScan};
use bes_wsm::wire::ssid::Ssid as WireSsid;
use bes_wsm::wire::{Confirm, InterfaceId, RateId, RateMask, Request, Tu, WireError};

/// Length of the message that was written, or why it cannot be.
type Emitted = Result<usize, WireError>;

/// Beacons that may be lost before the chip reports it (file 20, section 9.3).
const BEACON_LOST_COUNT: u8 = 50;
fn write(out: &mut [u8], interface: InterfaceId, id: MibId, data: &[u8]) -> Emitted {
    WriteMibRequest { id, data }.emit(interface, out)
}

fn write_word(out: &mut [u8], interface: InterfaceId, id: MibId, word: u32) -> Emitted {
    write(out, interface, id, &word.to_le_bytes())
}

/// MIB 0x1024: several transmit confirms in one message.
pub(crate) fn collect_confirms(out: &mut [u8], interface: InterfaceId) -> Emitted {
    write_word(out, interface, MibId::MULTI_TX_CONFIRM, 1)
}

/// CONFIGURATION.
pub(crate) fn configuration(
    out: &mut [u8],
    interface: InterfaceId,
    address: MacAddress,
    parameters: &[u8],
) -> Emitted {
    Configuration::new(address, parameters).emit(interface, out)
}

/// The address that the chip has after a CONFIGURATION.
pub(crate) fn configured_address(message: &[u8]) -> Option<MacAddress> {
    Some(ConfigurationConfirm::parse(message).ok()?.details?.station)
}

/// MIB 0x0000: another address than the permanent one.
pub(crate) fn station_address(
    out: &mut [u8],
    interface: InterfaceId,
    address: MacAddress,
) -> Emitted {
    write(out, interface, MibId::STATION_ID, &address.0)
}

/// SET_EDCA_PARAMETERS.
pub(crate) fn edca(out: &mut [u8], interface: InterfaceId, set: &EdcaSet) -> Emitted {
    let wire = |category| {
        let parameters: EdcaParameters = set.category(category);
        WireEdca {
            cw_min: parameters.cw_min,
            cw_max: parameters.cw_max,
            aifs: parameters.aifs_number,
            txop_us: parameters.txop_micros(),
            max_rx_lifetime: RX_LIFETIME,
        }
    };
    SetEdcaParameters {
        voice: wire(AccessCategory::Voice),
        video: wire(AccessCategory::Video),
        best_effort: wire(AccessCategory::BestEffort),
        background: wire(AccessCategory::Background),
    }
    .emit(interface, out)
}

/// SET_TX_QUEUE_PARAMETERS.
pub(crate) fn queue(out: &mut [u8], interface: InterfaceId, category: AccessCategory) -> Emitted {
    SetTxQueueParameters::new(category.queue()).emit(interface, out)
}

/// MIB 0x1013.
pub(crate) fn uapsd(out: &mut [u8], interface: InterfaceId, flags: u16) -> Emitted {
    let [a, b] = flags.to_le_bytes();
    let data = [a, b, 0, 0, 0, 0, 0, 0];
    write(out, interface, MibId::UAPSD_INFORMATION, &data)
}

/// MIB 0x1009 without a threshold, for interface 0 as the chip expects it.
pub(crate) fn no_signal_threshold(out: &mut [u8]) -> Emitted {
    let data = [0x0D, 0, 0, 16];
    write(out, InterfaceId::Zero, MibId::RCPI_RSSI_THRESHOLD, &data)
}

/// RCPI of a signal: half decibels above -110 dBm.
fn rcpi(dbm: i16) -> u8 {
    let halves = dbm.saturating_add(110).saturating_mul(2);
    u8::try_from(halves.clamp(0, 255)).unwrap_or(0)
}

/// MIB 0x1009 of an association.
pub(crate) fn signal_threshold(
    out: &mut [u8],
    interface: InterfaceId,
    threshold: Option<CqmThreshold>,
) -> Emitted {
    let data = match threshold {
        None => [0x0D, 0, 0, 8],
        Some(cqm) => {
            let lower = i16::from(cqm.threshold.0);
            let upper = lower.saturating_add(i16::from(cqm.hysteresis));
            [0x01, rcpi(lower), rcpi(upper), 8]
        }
    };
    write(out, interface, MibId::RCPI_RSSI_THRESHOLD, &data)
}

/// MIB 0x1003.
pub(crate) fn receive_filter(out: &mut [u8], interface: InterfaceId, word: u32) -> Emitted {
    write_word(out, interface, MibId::RX_FILTER, word)
}

/// MIB 0x1004: elements whose change lets a beacon through. A station watches the vendor element of P2P, others ERP and
/// HT operation as well (file 21, section 2.10).
pub(crate) fn beacon_table(out: &mut [u8], interface: InterfaceId, station: bool) -> Emitted {
    const ALL: [u8; 28] = [
        3, 0, 0, 0, 221, 7, 0x50, 0x6F, 0x9A, 0, 0, 0, 42, 7, 0, 0, 0, 0, 0, 0, 61, 7, 0, 0, 0, 0,
        0, 0,
    ];
    const STATION: [u8; 12] = [1, 0, 0, 0, 221, 7, 0x50, 0x6F, 0x9A, 0, 0, 0];
    let data: &[u8] = if station { &STATION } else { &ALL };
    write(out, interface, MibId::BEACON_FILTER_TABLE, data)
}

/// MIB 0x1005.
pub(crate) fn beacon_control(
    out: &mut [u8],
    interface: InterfaceId,
    control: BeaconControl,
) -> Emitted {
    let [a, b, c, d] = control.enable.to_le_bytes();
    let [e, f, g, h] = control.count.to_le_bytes();
    let data = [a, b, c, d, e, f, g, h];
    write(out, interface, MibId::BEACON_FILTER_CONTROL, &data)
}

/// MIB 0x1026.
pub(crate) fn bssid_filter_off(out: &mut [u8], interface: InterfaceId, off: bool) -> Emitted {
    let data = [u8::from(off), 0, 0, 0];
    write(out, interface, MibId::DISABLE_BSSID_FILTER, &data)
}

/// MIB 0x0004.
pub(crate) fn groups(out: &mut [u8], interface: InterfaceId, filter: &GroupFilter) -> Emitted {
    let mut data = [0; 56];
    let addresses = filter.addresses();
    let [enable, _, _, _, count, _, _, _, table @ ..] = &mut data;
    *enable = u8::from(!addresses.is_empty());
    *count = u8::try_from(addresses.len()).unwrap_or(0);
    for (slot, address) in table.chunks_exact_mut(6).zip(addresses) {
        slot.copy_from_slice(&address.0);
    }
    write(out, interface, MibId::GROUP_ADDRESS_TABLE, &data)
}

/// MIB 0x100E.
pub(crate) fn block_ack(out: &mut [u8], interface: InterfaceId, situation: Situation) -> Emitted {
    let policy = BlockAckPolicy::of(situation);
    let data = [policy.tx.0, 0, policy.rx.0, 0];
    write(out, interface, MibId::BLOCK_ACK_POLICY, &data)
}

/// MIB 0x1020.
pub(crate) fn management_policy(out: &mut [u8], interface: InterfaceId, bits: u32) -> Emitted {
    write_word(out, interface, MibId::PROTECTED_MANAGEMENT_POLICY, bits)
}

/// SWITCH_CHANNEL.
pub(crate) fn switch_channel(
    out: &mut [u8],
    interface: InterfaceId,
    channel: Channel,
    channel_type: ChannelType,
) -> Emitted {
    let channel_type = match channel_type {
        ChannelType::NoHt => WireChannelType::NoHt,
        ChannelType::Ht20 => WireChannelType::Ht20,
        ChannelType::Ht40Minus => WireChannelType::Ht40Minus,
        ChannelType::Ht40Plus => WireChannelType::Ht40Plus,
    };
    SwitchChannel::new(channel.wire(), channel_type).emit(interface, out)
}

/// MIB 0x1002: `kind` and rate in front of the frame.
fn template(out: &mut [u8], interface: InterfaceId, kind: u8, rate: u8, frame: &[u8]) -> Emitted {
    let mut data = [0; 1620];
    let len = u16::try_from(frame.len()).map_err(|_error| WireError::TooLong)?;
    let [low, high] = len.to_le_bytes();
    let end = frame.len().saturating_add(4);
    let used = data.get_mut(..end).ok_or(WireError::TooLong)?;
    if let [k, r, l, h, content @ ..] = used {
        (*k, *r, *l, *h) = (kind, rate, low, high);
        content.copy_from_slice(frame);
    }
    write(out, interface, MibId::TEMPLATE_FRAME, used)
}

/// The chip chooses the rate.
const ANY_RATE: u8 = 0xFF;

/// Probe request template, on interface 0 whoever scans. At the lowest rate of the band: CCK does not exist on 5 GHz
/// (file 31, C4).
pub(crate) fn probe_request(out: &mut [u8], band: Band, frame: &[u8]) -> Emitted {
    let rate = match band {
        Band::TwoPointFourGhz => RateId::DSSS_1,
        Band::FiveGhz => RateId::OFDM_6,
    };
    template(out, InterfaceId::Zero, 0, rate.raw(), frame)
}

/// Null frame template.
pub(crate) fn null_template(out: &mut [u8], interface: InterfaceId, frame: &[u8]) -> Emitted {
    template(out, interface, 2, ANY_RATE, frame)
}

/// QoS null frame template.
pub(crate) fn qos_null_template(out: &mut [u8], interface: InterfaceId, frame: &[u8]) -> Emitted {
    template(out, interface, 3, ANY_RATE, frame)
}

/// ARP reply template.
pub(crate) fn arp_template(out: &mut [u8], interface: InterfaceId, frame: &[u8]) -> Emitted {
    template(out, interface, 6, ANY_RATE, frame)
}

/// JOIN.
pub(crate) fn join(
    out: &mut [u8],
    interface: InterfaceId,
    bss: &BssDescription,
    p2p: bool,
) -> Emitted {
    let basic_rates = match (p2p, bss.channel.band()) {
        (true, _) => RateMask::LEGACY_5G,
        (false, Band::TwoPointFourGhz) => RateMask(7),
        (false, Band::FiveGhz) => RateMask(64),
    };
    Join {
        mode: JoinMode::Bss,
        band: bss.channel.band(),
        channel: bss.channel.wire(),
        bssid: bss.bssid,
        atim_window: 0,
        preamble: Preamble::Short,
        probe: true,
        dtim_period: bss.dtim_period.max(1),
        flags: JoinFlags::new()
            .with_second_mac(interface != InterfaceId::Zero)
            .with_p2p_group_owner(p2p)
            .with_p2p(p2p),
        ssid: ssid(&bss.ssid)?,
        beacon_interval: Tu(u32::from(bss.beacon_interval)),
        basic_rates,
    }
    .emit(interface, out)
}

fn ssid(ssid: &Ssid) -> Result<WireSsid, WireError> {
    WireSsid::new(ssid.as_bytes())
}

/// RESET.
pub(crate) fn reset(out: &mut [u8], interface: InterfaceId) -> Emitted {
    Reset {
        keep_statistics: false,
    }
    .emit(interface, out)
}

/// MIB 0x0006, in tenths of a dBm.
pub(crate) fn power(out: &mut [u8], interface: InterfaceId, power: Dbm) -> Emitted {
    let tenths = i32::from(power.0).saturating_mul(10);
    write(out, interface, MibId::TX_POWER, &tenths.to_le_bytes())
}

/// MIB 0x1045: standard power.
pub(crate) fn power_table(out: &mut [u8], interface: InterfaceId) -> Emitted {
    write(out, interface, MibId::POWER_TABLE, &[1])
}

/// MIB 0x1044 of an association: RTS on first transmissions and on retries, for 3 ms.
pub(crate) fn protection_associated(out: &mut [u8], interface: InterfaceId) -> Emitted {
    let data = [2, 5, 0xB8, 0x0B];
    write(out, interface, MibId::TX_RX_OPTIMISATION, &data)
}

/// MIB 0x1044 without an association.
pub(crate) fn protection_unjoined(out: &mut [u8], interface: InterfaceId) -> Emitted {
    let data = [1, 0, 0xD2, 0x07];
    write(out, interface, MibId::TX_RX_OPTIMISATION, &data)
}

/// MIB 0x1025.
pub(crate) fn keep_alive(out: &mut [u8], interface: InterfaceId, seconds: u16) -> Emitted {
    let [a, b] = seconds.to_le_bytes();
    write(out, interface, MibId::KEEP_ALIVE_PERIOD, &[a, b, 0, 0])
}

/// MIB 0x0007; 0 is off.
pub(crate) fn rts_threshold(out: &mut [u8], threshold: u32) -> Emitted {
    write_word(out, InterfaceId::Zero, MibId::RTS_THRESHOLD, threshold)
}

/// MIB 0x1043.
pub(crate) fn short_gi(out: &mut [u8], interface: InterfaceId, on: bool) -> Emitted {
    write(out, interface, MibId::TX_SHORT_GI, &[u8::from(on)])
}

/// MIB 0x1021.
pub(crate) fn ht_protection(
    out: &mut [u8],
    interface: InterfaceId,
    non_greenfield_present: bool,
) -> Emitted {
    let word = if non_greenfield_present { 2 } else { 0 };
    write_word(out, interface, MibId::HT_PROTECTION, word)
}

/// MIB 0x1010.
pub(crate) fn association_mode(
    out: &mut [u8],
    interface: InterfaceId,
    parameters: &AssociationParameters,
) -> Emitted {
    let (greenfield, density) = parameters
        .ht
        .map_or((false, 0), |ht| (ht.greenfield, ht.ampdu_density.min(7)));
    let [a, b, c, d] = parameters.basic_rates.0.to_le_bytes();
    let data = [
        0x1F,
        u8::from(parameters.short_preamble),
        u8::from(greenfield),
        density,
        a,
        b,
        c,
        d,
    ];
    write(out, interface, MibId::ASSOCIATION_MODE, &data)
}

/// SET_BSS_PARAMETERS.
pub(crate) fn bss_parameters(
    out: &mut [u8],
    interface: InterfaceId,
    parameters: &AssociationParameters,
) -> Emitted {
    let mcs = parameters.ht.map_or(0, |ht| ht.mcs);
    SetBssParameters {
        beacon_lost_count: BEACON_LOST_COUNT,
        aid: parameters.aid,
        operational_rates: parameters.rates,
        ht_rates: RateMask(u32::from(mcs).wrapping_shl(14)),
    }
    .emit(interface, out)
}

/// MIB 0x1007.
pub(crate) fn wake_period(
    out: &mut [u8],
    interface: InterfaceId,
    periods: u8,
    listen: u16,
) -> Emitted {
    let [a, b] = listen.to_le_bytes();
    let data = [periods, 0, a, b];
    write(out, interface, MibId::BEACON_WAKEUP_PERIOD, &data)
}

/// MIB 0x1019, without any absence.
pub(crate) fn p2p_power_save(out: &mut [u8], interface: InterfaceId) -> Emitted {
    write(out, interface, MibId::P2P_PS_MODE, &[0; 16])
}

/// MIB 0x0003.
pub(crate) fn slot_time(out: &mut [u8], interface: InterfaceId, short: bool) -> Emitted {
    write_word(out, interface, MibId::SLOT_TIME, if short { 9 } else { 20 })
}

/// MIB 0x0005.
pub(crate) fn wep_key(out: &mut [u8], interface: InterfaceId, index: u8) -> Emitted {
    write_word(out, interface, MibId::DEFAULT_WEP_KEY_ID, u32::from(index))
}

/// ADD_KEY.
pub(crate) fn add_key(
    out: &mut [u8],
    interface: InterfaceId,
    slot: KeySlot,
    key: &KeyParameters,
) -> Emitted {
    let index = KeyIndex::new(slot.number()).ok_or(WireError::Value)?;
    let (key_id, counter) = (key.index(), key.receive_counter);
    let material = match (key.cipher(), key.peer()) {
        (Cipher::Wep, Some(peer)) => Key::WepPairwise {
            peer,
            key: WepKey::new(key.material())?,
        },
        (Cipher::Wep, None) => Key::WepDefault {
            key_id,
            key: WepKey::new(key.material())?,
        },
        (Cipher::Tkip, Some(peer)) => Key::TkipPairwise {
            peer,
            key: key.part(0),
            tx_mic: key.part(16),
            rx_mic: key.part(24),
        },
        (Cipher::Tkip, None) => Key::TkipGroup {
            key: key.part(0),
            rx_mic: key.part(24),
            key_id,
            rx_counter: counter,
        },
        (Cipher::Ccmp, Some(peer)) => Key::AesPairwise {
            peer,
            key: key.part(0),
        },
        (Cipher::Ccmp, None) => Key::AesGroup {
            key: key.part(0),
            key_id,
            rx_counter: counter,
        },
        (Cipher::Wapi, Some(peer)) => Key::WapiPairwise {
            peer,
            key_id,
            key: key.part(0),
            mic: key.part(16),
        },
        (Cipher::Wapi, None) => Key::WapiGroup {
            key: key.part(0),
            mic: key.part(16),
            key_id,
        },
        (Cipher::AesCmac, _) => Key::Igtk {
            key: key.part(0),
            key_id,
            ipn: counter,
        },
    };
    AddKey {
        index,
        key: material,
    }
    .emit(interface, out)
}

/// REMOVE_KEY.
pub(crate) fn remove_key(out: &mut [u8], interface: InterfaceId, slot: KeySlot) -> Emitted {
    let index = KeyIndex::new(slot.number()).ok_or(WireError::Value)?;
    RemoveKey { index }.emit(interface, out)
}

/// READ_MIB of the counters.
pub(crate) fn read_counters(out: &mut [u8]) -> Emitted {
    ReadMib(MibId::COUNTERS_TABLE).emit(InterfaceId::Zero, out)
}

/// The counters in the confirm.
pub(crate) fn counters(message: &[u8]) -> Option<[u32; COUNTERS]> {
    let confirm = ReadMibConfirm::parse(message).ok()?;
    if confirm.id != MibId::COUNTERS_TABLE {
        return None;
    }
    let mut counters = [0; COUNTERS];
    let mut words = confirm.data.chunks_exact(4);
    for counter in &mut counters {
        *counter = u32::from_le_bytes(*words.next()?.first_chunk()?);
    }
    Some(counters)
}

/// What START_SCAN needs beside channels and SSIDs.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ScanParameters {
    pub(crate) batch: Batch,
    pub(crate) background: bool,
    pub(crate) force_background: bool,
    pub(crate) second_mac: bool,
    pub(crate) no_cck: bool,
    pub(crate) probes: u8,
    pub(crate) probe_delay: u8,
}

/// START_SCAN, on interface 0 whoever scans.
pub(crate) fn start_scan(
    out: &mut [u8],
    parameters: &ScanParameters,
    channels: impl Iterator<Item = Channel>,
    ssids: &[Ssid],
) -> Emitted {
    let ScanParameters { batch, .. } = *parameters;
    let mut records = [ScanChannel::default(); MAX_CHANNELS_PER_REQUEST];
    let mut count = 0usize;
    for (record, channel) in records.iter_mut().zip(channels) {
        *record = ScanChannel::new(channel.wire(), Tu(batch.dwell.min), Tu(batch.dwell.max));
        count = count.saturating_add(1);
    }
    let mut names = [WireSsid::default(); crate::request::MAX_SCAN_SSIDS];
    for (name, own) in names.iter_mut().zip(ssids) {
        *name = ssid(own)?;
    }
    // CCK does not exist on 5 GHz (file 31, C4).
    let max_rate = if parameters.no_cck || batch.band == Band::FiveGhz {
        RateId::OFDM_6
    } else {
        RateId::DSSS_1
    };
    StartScan {
        band: batch.band,
        scan_type: if parameters.background {
            ScanType::Background
        } else {
            ScanType::Foreground
        },
        flags: ScanFlags::new()
            .with_force_background(parameters.force_background)
            .with_second_mac(parameters.second_mac),
        max_rate,
        interval: Tu(0),
        probes: parameters.probes,
        probe_delay_us: parameters.probe_delay,
        channels: records.get(..count).ok_or(WireError::Count)?,
        ssids: names.get(..ssids.len()).ok_or(WireError::Count)?,
    }
    .emit(InterfaceId::Zero, out)
}

/// STOP_SCAN, on interface 0, where scans run.
pub(crate) fn stop_scan(out: &mut [u8]) -> Emitted {
    StopScan.emit(InterfaceId::Zero, out)
}

/// EPTA, or Wi-Fi status to the MCU.
pub(crate) fn coexistence(out: &mut [u8], message: CoexMessage) -> Emitted {
    match message {
        CoexMessage::Shares {
            wifi,
            bluetooth,
            mode,
        } => Epta {
            wlan_us: wifi,
            bt_us: bluetooth,
            mode: EptaMode::from_bits(mode),
        }
        .emit(InterfaceId::Zero, out),
        CoexMessage::WifiStatus(status) => {
            McuCommand::WifiState(WifiState::from_raw(status)).emit(InterfaceId::Zero, out)
        }
    }
}

/// MIB 0x1006.
pub(crate) fn operating_mode(out: &mut [u8], mode: u32) -> Emitted {
    write_word(out, InterfaceId::Zero, MibId::OPERATIONAL_POWER_MODE, mode)
}

/// MIB 0x1001: filter and answer, or off.
pub(crate) fn arp_table(
    out: &mut [u8],
    interface: InterfaceId,
    on: bool,
    address: [u8; 4],
) -> Emitted {
    let [a, b, c, d] = address;
    let enable = if on { 3 } else { 0 };
    let data = [enable, 0, 0, 0, a, b, c, d];
    write(out, interface, MibId::ARP_IPV4_TABLE, &data)
}

/// MIB 0x1030: broadcasts are dropped, or not.
pub(crate) fn broadcast_filter(out: &mut [u8], interface: InterfaceId, on: bool) -> Emitted {
    let action = u8::from(on);
    // File 21, section 2.28: the entry says "filter out" in both cases, the action decides.
    let data = [1, action, 0, 0, 1, 1, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF];
    write(out, interface, MibId::MAC_ADDRESS_FILTER, &data)
}

/// SET_PM.
pub(crate) fn set_pm(out: &mut [u8], interface: InterfaceId, request: PmRequest) -> Emitted {
    let mode = match request.mode {
        Mode::Active => PsmMode::Active,
        Mode::PowerSave => PsmMode::PowerSave,
        Mode::FastPowerSave => PsmMode::FastPowerSave,
    };
    let idle = request.idle.as_micros() / 500;
    let idle = HalfMillis(u8::try_from(idle).unwrap_or(u8::MAX));
    SetPowerMode::new(mode, idle).emit(interface, out)
}

/// MIB 0x1016: rate policies, on interface 0.
pub(crate) fn rate_policies(out: &mut [u8], upload: &crate::rate_policy::Upload) -> Emitted {
    /// Flags: stop when the policy is exhausted; the first transmission counts as a try (file 21, section 2.19).
    const FLAGS: u8 = 0x0C;
    const ENTRY: usize = 20;
    let mut data = [0; 4 + ENTRY * crate::rate_policy::POLICIES];
    let mut count = 0u8;
    let mut end = 4usize;
    if let Some(entries) = data.get_mut(4..) {
        for (slot, (index, attempts)) in entries.chunks_exact_mut(ENTRY).zip(upload.entries()) {
            if let [i, short, long, flags, _, _, _, _, nibbles @ ..] = slot {
                (*i, *short, *long) = (index.raw(), upload.limits.short, upload.limits.long);
                *flags = FLAGS;
                nibbles.copy_from_slice(&attempts.bytes());
            }
            count = count.saturating_add(1);
            end = end.saturating_add(ENTRY);
        }
    }
    let [first, ..] = &mut data;
    *first = count;
    let data = data.get(..end).ok_or(WireError::Count)?;
    write(out, InterfaceId::Zero, MibId::TX_RATE_RETRY_POLICY, data)
}
