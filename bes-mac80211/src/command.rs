//! The commands of the control plane, from this crate's terms to the messages of the chip. One function per command;
//! where a value comes from is said where it is sent from.

use crate::address::BROADCAST;
use crate::aggregation::{BlockAckPolicy, Situation};
use crate::coex::CoexMessage;
use crate::edca::{EdcaParameters, EdcaSet, RX_LIFETIME};
use crate::filter::{BeaconControl, GroupFilter};
use crate::key::{KeyParameters, KeySlot};
use crate::request::{AssociationParameters, BssDescription, CqmThreshold, Ssid};
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
use bes_wsm::wire::mib::address::{ArpEnable, ArpIpv4Table, NdpTable, StationId};
use bes_wsm::wire::mib::association::{
    AssociationFields, AssociationMode, BlockAckPolicy as WireBlockAckPolicy, HtProtection,
    ProtectedManagementPolicy, UapsdInformation, UapsdQueues,
};
use bes_wsm::wire::mib::beacon::{
    BeaconFilterControl, BeaconFilterEnable, BeaconFilterEntry, BeaconFilterTable,
    BeaconWakeupPeriod, SignalThreshold,
};
use bes_wsm::wire::mib::counters::Counters;
use bes_wsm::wire::mib::data_filter::{
    EtherTypeEntry, EtherTypeFilter, FilterAction, IpField, Ipv6AddressFilter, Ipv6Entry,
    MacAddressFilter, MacEntry, MacField, MagicDataFilter, PortField, UdpPortEntry, UdpPortFilter,
};
use bes_wsm::wire::mib::filter::{
    DisableBssidFilter, GroupAddressTable, GroupFilter as WireGroupFilter, RxFilter,
};
use bes_wsm::wire::mib::keep_alive::KeepAlivePeriod;
use bes_wsm::wire::mib::p2p::P2pPsMode;
use bes_wsm::wire::mib::power::{OperationalPowerMode, PowerTable, TxPower, TxRxOptimisation};
use bes_wsm::wire::mib::template::{TemplateFrame, TemplateKind};
use bes_wsm::wire::mib::word::{
    DefaultWepKeyId, MultiTxConfirm, RtsThreshold, SlotTime, TxShortGi,
};
use bes_wsm::wire::mib::{Mib, MibId, ReadMib, ReadMibConfirm, WriteMib};
use bes_wsm::wire::pm::{HalfMillis, PsmMode, SetPowerMode};
use bes_wsm::wire::reset::Reset;
use bes_wsm::wire::scan::{ScanChannel, ScanFlags, ScanType, StartScan, StopScan};
use bes_wsm::wire::ssid::Ssid as WireSsid;
use bes_wsm::wire::{Confirm, DeciDbm, InterfaceId, RateId, RateMask, Request, Tu, WireError};

/// Length of the message that was written, or why it cannot be.
type Emitted = Result<usize, WireError>;

/// Beacons that may be lost before the chip reports it (file 20, section 9.3).
const BEACON_LOST_COUNT: u8 = 50;
fn write<M: Mib>(out: &mut [u8], interface: InterfaceId, object: &M) -> Emitted {
    WriteMib(object).emit(interface, out)
}

/// MIB 0x1024: several transmit confirms in one message.
pub(crate) fn collect_confirms(out: &mut [u8], interface: InterfaceId) -> Emitted {
    write(out, interface, &MultiTxConfirm(true))
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
    write(out, interface, &StationId(address))
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
    let information = UapsdInformation {
        queues: UapsdQueues::from_bits(flags),
        min_interval: 0,
        max_interval: 0,
        step: 0,
    };
    write(out, interface, &information)
}

/// MIB 0x1009 without a threshold, for interface 0 as the chip expects it.
pub(crate) fn no_signal_threshold(out: &mut [u8]) -> Emitted {
    write(out, InterfaceId::Zero, &SignalThreshold::unused(16))
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
    let object = match threshold {
        None => SignalThreshold::unused(8),
        Some(cqm) => {
            let lower = i16::from(cqm.threshold.0);
            let upper = lower.saturating_add(i16::from(cqm.hysteresis));
            SignalThreshold::rcpi(rcpi(lower), rcpi(upper), 8)
        }
    };
    write(out, interface, &object)
}

/// MIB 0x1003.
pub(crate) fn receive_filter(out: &mut [u8], interface: InterfaceId, word: u32) -> Emitted {
    write(out, interface, &RxFilter::from_bits(word))
}

/// MIB 0x1004: elements whose change lets a beacon through. A station watches the vendor element of P2P, others ERP and
/// HT operation as well, which for a station the firmware does (file 21, section 2.10). Announcements of a channel switch
/// pass for both: who does not hear them is alone on the old channel.
pub(crate) fn beacon_table(out: &mut [u8], interface: InterfaceId, station: bool) -> Emitted {
    use BeaconFilterEntry as Entry;
    const OTHERS: [Entry; 5] = [
        Entry::P2P,
        Entry::ERP,
        Entry::HT_OPERATION,
        Entry::CHANNEL_SWITCH,
        Entry::EXTENDED_CHANNEL_SWITCH,
    ];
    const STATION: [Entry; 3] = [
        Entry::P2P,
        Entry::CHANNEL_SWITCH,
        Entry::EXTENDED_CHANNEL_SWITCH,
    ];
    let entries: &[Entry] = if station { &STATION } else { &OTHERS };
    write(out, interface, &BeaconFilterTable(entries))
}

/// MIB 0x1005.
pub(crate) fn beacon_control(
    out: &mut [u8],
    interface: InterfaceId,
    control: BeaconControl,
) -> Emitted {
    let object = BeaconFilterControl {
        enable: BeaconFilterEnable::from_bits(control.enable),
        beacon_count: control.count,
    };
    write(out, interface, &object)
}

/// MIB 0x1026.
pub(crate) fn bssid_filter_off(out: &mut [u8], interface: InterfaceId, off: bool) -> Emitted {
    write(out, interface, &DisableBssidFilter(off))
}

/// MIB 0x0004.
pub(crate) fn groups(out: &mut [u8], interface: InterfaceId, filter: &GroupFilter) -> Emitted {
    let addresses = filter.addresses();
    let table = if addresses.is_empty() {
        GroupAddressTable::OFF
    } else {
        GroupAddressTable::new(WireGroupFilter::On, addresses)?
    };
    write(out, interface, &table)
}

/// MIB 0x100E.
pub(crate) fn block_ack(out: &mut [u8], interface: InterfaceId, situation: Situation) -> Emitted {
    let policy = BlockAckPolicy::of(situation);
    let object = WireBlockAckPolicy::new(policy.tx.0, policy.rx.0);
    write(out, interface, &object)
}

/// MIB 0x1020.
pub(crate) fn management_policy(out: &mut [u8], interface: InterfaceId, bits: u32) -> Emitted {
    write(out, interface, &ProtectedManagementPolicy::from_bits(bits))
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

/// Probe request template, on interface 0 whoever scans. At the lowest rate of the band: CCK does not exist on 5 GHz
/// (file 31, C4).
pub(crate) fn probe_request(out: &mut [u8], band: Band, frame: &[u8]) -> Emitted {
    let rate = match band {
        Band::TwoPointFourGhz => RateId::DSSS_1,
        Band::FiveGhz => RateId::OFDM_6,
    };
    let template = TemplateFrame::new(TemplateKind::ProbeRequest, Some(rate), frame);
    write(out, InterfaceId::Zero, &template)
}

/// Null frame template.
pub(crate) fn null_template(out: &mut [u8], interface: InterfaceId, frame: &[u8]) -> Emitted {
    let template = TemplateFrame::new(TemplateKind::Null, None, frame);
    write(out, interface, &template)
}

/// QoS null frame template.
pub(crate) fn qos_null_template(out: &mut [u8], interface: InterfaceId, frame: &[u8]) -> Emitted {
    let template = TemplateFrame::new(TemplateKind::QosNull, None, frame);
    write(out, interface, &template)
}

/// ARP reply template.
pub(crate) fn arp_template(out: &mut [u8], interface: InterfaceId, frame: &[u8]) -> Emitted {
    let template = TemplateFrame::new(TemplateKind::ArpReply, None, frame);
    write(out, interface, &template)
}

/// Neighbour advertisement template.
pub(crate) fn neighbour_template(out: &mut [u8], interface: InterfaceId, frame: &[u8]) -> Emitted {
    let template = TemplateFrame::new(TemplateKind::NeighbourAdvertisement, None, frame);
    write(out, interface, &template)
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
    write(out, interface, &TxPower(DeciDbm(tenths)))
}

/// MIB 0x1045: standard power.
pub(crate) fn power_table(out: &mut [u8], interface: InterfaceId) -> Emitted {
    write(out, interface, &PowerTable::Standard)
}

/// MIB 0x1044 of an association: RTS on first transmissions and on retries, for 3 ms.
pub(crate) fn protection_associated(out: &mut [u8], interface: InterfaceId) -> Emitted {
    write(out, interface, &TxRxOptimisation::ASSOCIATED)
}

/// MIB 0x1044 without an association.
pub(crate) fn protection_unjoined(out: &mut [u8], interface: InterfaceId) -> Emitted {
    write(out, interface, &TxRxOptimisation::IDLE)
}

/// MIB 0x1025.
pub(crate) fn keep_alive(out: &mut [u8], interface: InterfaceId, seconds: u16) -> Emitted {
    write(out, interface, &KeepAlivePeriod { seconds })
}

/// MIB 0x0007; 0 is off.
pub(crate) fn rts_threshold(out: &mut [u8], threshold: u32) -> Emitted {
    write(out, InterfaceId::Zero, &RtsThreshold(threshold))
}

/// MIB 0x1043.
pub(crate) fn short_gi(out: &mut [u8], interface: InterfaceId, on: bool) -> Emitted {
    write(out, interface, &TxShortGi(on))
}

/// MIB 0x1021.
pub(crate) fn ht_protection(
    out: &mut [u8],
    interface: InterfaceId,
    non_greenfield_present: bool,
) -> Emitted {
    let object = HtProtection::new().with_non_greenfield(non_greenfield_present);
    write(out, interface, &object)
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
    let mode = AssociationMode {
        fields: AssociationFields::ALL,
        short_preamble: parameters.short_preamble,
        greenfield,
        mpdu_spacing: density,
        basic_rates: parameters.basic_rates,
    };
    write(out, interface, &mode)
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
    let period = BeaconWakeupPeriod {
        periods,
        listen_interval: listen,
    };
    write(out, interface, &period)
}

/// MIB 0x1019, without any absence.
pub(crate) fn p2p_power_save(out: &mut [u8], interface: InterfaceId) -> Emitted {
    write(out, interface, &P2pPsMode::default())
}

/// MIB 0x0003.
pub(crate) fn slot_time(out: &mut [u8], interface: InterfaceId, short: bool) -> Emitted {
    let time = if short {
        SlotTime::SHORT
    } else {
        SlotTime::LONG
    };
    write(out, interface, &time)
}

/// MIB 0x0005.
pub(crate) fn wep_key(out: &mut [u8], interface: InterfaceId, index: u8) -> Emitted {
    write(out, interface, &DefaultWepKeyId(u32::from(index)))
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
pub(crate) fn counters(message: &[u8]) -> Option<Counters> {
    let confirm = ReadMibConfirm::parse(message).ok()?;
    if confirm.id != MibId::COUNTERS_TABLE {
        return None;
    }
    Counters::parse_data(confirm.data).ok()
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
pub(crate) fn operating_mode(out: &mut [u8], mode: OperationalPowerMode) -> Emitted {
    write(out, InterfaceId::Zero, &mode)
}

/// MIB 0x1001: filter and answer, or off.
pub(crate) fn arp_table(
    out: &mut [u8],
    interface: InterfaceId,
    on: bool,
    address: [u8; 4],
) -> Emitted {
    let table = ArpIpv4Table {
        enable: if on {
            ArpEnable::STATION
        } else {
            ArpEnable::OFF
        },
        address: address.into(),
    };
    write(out, interface, &table)
}

/// MIB 0x1034: filter and answer, or off. The bits are those of MIB 0x1001: the specification has none of its own (file
/// 21, section 3.3).
pub(crate) fn neighbour_table(
    out: &mut [u8],
    interface: InterfaceId,
    on: bool,
    address: [u8; 16],
) -> Emitted {
    let enable = if on {
        ArpEnable::STATION
    } else {
        ArpEnable::OFF
    };
    let table = NdpTable {
        enable: enable.into_bits(),
        address: address.into(),
    };
    write(out, interface, &table)
}

/// MIB 0x1030: broadcasts are dropped, or not.
pub(crate) fn broadcast_filter(out: &mut [u8], interface: InterfaceId, on: bool) -> Emitted {
    // File 21, section 2.28: the entry says "drop" in both cases, the action of the table decides.
    let entries = [MacEntry::new(FilterAction::Drop, MacField::A1, BROADCAST)];
    let filter = MacAddressFilter {
        action: if on {
            FilterAction::Drop
        } else {
            FilterAction::Ignore
        },
        entries: &entries,
    };
    write(out, interface, &filter)
}

/// MIB 0x0004 while the host is suspended.
pub(crate) fn suspended_groups(
    out: &mut [u8],
    interface: InterfaceId,
    filter: &GroupFilter,
) -> Emitted {
    let table = GroupAddressTable::new(WireGroupFilter::WhileSuspended, filter.addresses())?;
    write(out, interface, &table)
}

/// MIB 0x101B while the host is suspended: DHCP servers, SSDP and mDNS are not heard (file 21, section 2.22).
pub(crate) fn wake_ports(out: &mut [u8], interface: InterfaceId, armed: bool) -> Emitted {
    let entries = [67, 1900, 5353]
        .map(|port| UdpPortEntry::new(FilterAction::Drop, PortField::Destination, port));
    write(
        out,
        interface,
        &UdpPortFilter(if armed { &entries } else { &[] }),
    )
}

/// MIB 0x101A while the host is suspended: EAPOL and WAI pass (file 21, section 2.21).
pub(crate) fn wake_ether_types(out: &mut [u8], interface: InterfaceId, armed: bool) -> Emitted {
    let entries = [
        EtherTypeEntry::new(FilterAction::Pass, 0x888E),
        EtherTypeEntry::new(FilterAction::Pass, 0x88B4),
        EtherTypeEntry::new(FilterAction::Drop, 0xFFFF),
    ];
    let filter = EtherTypeFilter {
        skip_ipv6: armed,
        entries: if armed { &entries } else { &[] },
    };
    write(out, interface, &filter)
}

/// MIB 0x1032 while the host is suspended: only packets to an address that nobody has pass, so that no IPv6 does (file
/// 21, section 2.30).
pub(crate) fn wake_ipv6(out: &mut [u8], interface: InterfaceId, armed: bool) -> Emitted {
    const NOBODY: [u8; 16] = [
        0x01, 0x28, 0x35, 0xDE, 0xBF, 0x34, 0x9D, 0x8A, 0x47, 0x62, 0x85, 0x69, 0x7E, 0x8C, 0x29,
        0x38,
    ];
    let entries = [Ipv6Entry::new(
        FilterAction::Pass,
        IpField::Destination,
        NOBODY,
    )];
    let filter = if armed {
        Ipv6AddressFilter {
            action: FilterAction::Pass,
            entries: &entries,
        }
    } else {
        Ipv6AddressFilter {
            action: FilterAction::Ignore,
            entries: &[],
        }
    };
    write(out, interface, &filter)
}

/// MIB 0x101C: only data frames with these bytes at this place, from LLC/SNAP, pass; or the filter is off.
pub(crate) fn wake_pattern(
    out: &mut [u8],
    interface: InterfaceId,
    pattern: Option<(u8, &[u8])>,
) -> Emitted {
    let filter = pattern.map_or(MagicDataFilter::OFF, |(offset, pattern)| MagicDataFilter {
        action: FilterAction::Pass,
        offset,
        pattern,
    });
    write(out, interface, &filter)
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
