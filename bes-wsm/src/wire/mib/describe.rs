//! What the data of an object says, for traces.

use super::address::{ArpIpv4Table, NdpTable, StationId};
use super::association::{
    AssociationMode, BlockAckPolicy, HtProtection, InternalTxRate, ProtectedManagementPolicy,
    UapsdInformation,
};
use super::beacon::{BeaconFilterControl, BeaconFilterTable, BeaconWakeupPeriod, SignalThreshold};
use super::counters::Counters;
use super::data_filter::{
    EtherTypeFilter, Ipv4AddressFilter, Ipv6AddressFilter, MacAddressFilter, MagicDataFilter,
    UdpPortFilter,
};
use super::filter::{DisableBssidFilter, GroupAddressTable, RxFilter};
use super::keep_alive::{Inactivity, IpKeepAliveFrame, IpKeepAlivePeriod, KeepAlivePeriod};
use super::p2p::{P2pDeviceInfo, P2pPsMode};
use super::power::{OperationalPowerMode, PowerTable, TxPower, TxRxOptimisation};
use super::rate_policy::TxRateRetryPolicy;
use super::seldom::{ForwardingOffload, GpioCommand, GroupTxSequenceCounter, WcdmaBand};
use super::template::TemplateFrame;
use super::word::{
    AutoCalibrationMode, DefaultWepKeyId, MultiTxConfirm, NonErpProtection, RtsThreshold, SlotTime,
    TsfCounter, TxShortGi,
};
use super::MibId;
use crate::wire::error::WireError;
use core::fmt;

/// The data if it could be read, otherwise why not.
fn show<T: fmt::Display>(parsed: Result<T, WireError>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    match parsed {
        Ok(object) => write!(f, "{object}"),
        Err(error) => write!(f, "{error}"),
    }
}

/// Shows the data of any object.
pub(in crate::wire) fn describe(id: MibId, data: &[u8], f: &mut fmt::Formatter<'_>) -> fmt::Result {
    match id {
        MibId::STATION_ID => show(StationId::parse_data(data), f),
        MibId::SLOT_TIME => show(SlotTime::parse_data(data), f),
        MibId::GROUP_ADDRESS_TABLE => show(GroupAddressTable::parse_data(data), f),
        MibId::DEFAULT_WEP_KEY_ID => show(DefaultWepKeyId::parse_data(data), f),
        MibId::TX_POWER => show(TxPower::parse_data(data), f),
        MibId::RTS_THRESHOLD => show(RtsThreshold::parse_data(data), f),
        MibId::NON_ERP_PROTECTION => show(NonErpProtection::parse_data(data), f),
        MibId::ARP_IPV4_TABLE => show(ArpIpv4Table::parse_data(data), f),
        MibId::TEMPLATE_FRAME => show(TemplateFrame::parse_data(data), f),
        MibId::RX_FILTER => show(RxFilter::parse_data(data), f),
        MibId::BEACON_FILTER_TABLE => show(BeaconFilterTable::parse_data(data), f),
        MibId::BEACON_FILTER_CONTROL => show(BeaconFilterControl::parse_data(data), f),
        MibId::OPERATIONAL_POWER_MODE => show(OperationalPowerMode::parse_data(data), f),
        MibId::BEACON_WAKEUP_PERIOD => show(BeaconWakeupPeriod::parse_data(data), f),
        MibId::RCPI_RSSI_THRESHOLD => show(SignalThreshold::parse_data(data), f),
        MibId::COUNTERS_TABLE => show(Counters::parse_data(data), f),
        MibId::BLOCK_ACK_POLICY => show(BlockAckPolicy::parse_data(data), f),
        MibId::OVERRIDE_INTERNAL_TX_RATE => show(InternalTxRate::parse_data(data), f),
        MibId::ASSOCIATION_MODE => show(AssociationMode::parse_data(data), f),
        MibId::UAPSD_INFORMATION => show(UapsdInformation::parse_data(data), f),
        MibId::AUTO_CALIBRATION_MODE => show(AutoCalibrationMode::parse_data(data), f),
        MibId::TX_RATE_RETRY_POLICY => show(TxRateRetryPolicy::parse_data(data), f),
        MibId::P2P_PS_MODE => show(P2pPsMode::parse_data(data), f),
        MibId::ETHER_TYPE_FILTER => show(EtherTypeFilter::parse_data(data), f),
        MibId::UDP_PORT_FILTER => show(UdpPortFilter::parse_data(data), f),
        MibId::MAGIC_DATA_FILTER => show(MagicDataFilter::parse_data(data), f),
        MibId::P2P_DEVICE_INFO => show(P2pDeviceInfo::parse_data(data), f),
        MibId::WCDMA_BAND => show(WcdmaBand::parse_data(data), f),
        MibId::GROUP_TX_SEQUENCE_COUNTER => show(GroupTxSequenceCounter::parse_data(data), f),
        MibId::PROTECTED_MANAGEMENT_POLICY => show(ProtectedManagementPolicy::parse_data(data), f),
        MibId::HT_PROTECTION => show(HtProtection::parse_data(data), f),
        MibId::GPIO_COMMAND => show(GpioCommand::parse_data(data), f),
        MibId::TSF_COUNTER => show(TsfCounter::parse_data(data), f),
        MibId::MULTI_TX_CONFIRM => show(MultiTxConfirm::parse_data(data), f),
        MibId::KEEP_ALIVE_PERIOD => show(KeepAlivePeriod::parse_data(data), f),
        MibId::DISABLE_BSSID_FILTER => show(DisableBssidFilter::parse_data(data), f),
        MibId::MAC_ADDRESS_FILTER => show(MacAddressFilter::parse_data(data), f),
        MibId::IPV4_ADDRESS_FILTER => show(Ipv4AddressFilter::parse_data(data), f),
        MibId::IPV6_ADDRESS_FILTER => show(Ipv6AddressFilter::parse_data(data), f),
        MibId::FORWARDING_OFFLOAD => show(ForwardingOffload::parse_data(data), f),
        MibId::NDP_TABLE => show(NdpTable::parse_data(data), f),
        MibId::INACTIVITY => show(Inactivity::parse_data(data), f),
        MibId::IP_KEEP_ALIVE_FRAME => show(IpKeepAliveFrame::parse_data(data), f),
        MibId::IP_KEEP_ALIVE_PERIOD => show(IpKeepAlivePeriod::parse_data(data), f),
        MibId::TX_SHORT_GI => show(TxShortGi::parse_data(data), f),
        MibId::TX_RX_OPTIMISATION => show(TxRxOptimisation::parse_data(data), f),
        MibId::POWER_TABLE => show(PowerTable::parse_data(data), f),
        _ => write!(f, "{} bytes", data.len()),
    }
}
