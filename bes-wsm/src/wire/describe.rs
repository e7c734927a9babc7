//! What a message says, in one line, for traces.

use super::ap::{BeaconTransmit, FindComplete, MapLink, Start, StartFind, StopFind, UpdateIe};
use super::bluetooth::BluetoothReport;
use super::bss::SetBssParameters;
use super::channel::{ChannelSwitchDone, SwitchChannel};
use super::configuration::{Configuration, ConfigurationConfirm};
use super::edca::{SetEdcaParameters, SetTxQueueParameters};
use super::epta::Epta;
use super::error::WireError;
use super::event::EventIndication;
use super::exception::Exception;
use super::generic::{BareConfirm, GenericConfirm};
use super::header::{Class, Header};
use super::id::MessageId;
use super::join::{Join, JoinConfirm};
use super::key::{AddKey, RemoveKey};
use super::mcu::{McuCommand, McuMessage};
use super::mcu_calibration::SaveCalibration;
use super::mib::{self, ReadMib, ReadMibConfirm, WriteMibRequest};
use super::multicast_forwarding::{ReleaseBuffer, RequestBuffers, RequestBuffersConfirm};
use super::pm::{CpuSleep, SetPowerMode, SetPowerModeResult};
use super::reset::Reset;
use super::rx::ReceiveHeader;
use super::scan::{ScanComplete, StartScan, StopScan};
use super::startup::Startup;
use super::suspend_resume::SuspendResumeTx;
use super::tx::{MultiTransmitConfirm, TransmitConfirm, TransmitHeader};
use super::vendor_rf::{VendorRfCommand, VendorRfResult};
use super::Confirm;
use core::fmt;

/// Which way a message goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Direction {
    /// From the host.
    ToChip,
    /// From the chip.
    FromChip,
}

impl fmt::Display for Direction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::ToChip => "->",
            Self::FromChip => "<-",
        })
    }
}

/// A whole message in one line: direction, interface, sequence number, and what it says. Key material is not shown.
/// Any bytes can be described.
pub fn describe(message: &[u8], direction: Direction) -> impl fmt::Display + '_ {
    Description { message, direction }
}

struct Description<'a> {
    message: &'a [u8],
    direction: Direction,
}

impl fmt::Display for Description<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let header = match Header::parse(self.message) {
            Ok(header) => header,
            Err(error) => {
                let len = self.message.len();
                return write!(f, "{} {error} ({len} bytes)", self.direction);
            }
        };
        write!(f, "{} {} ", self.direction, header.sequence())?;
        match header.interface() {
            Ok(interface) => write!(f, "{interface} ")?,
            Err(error) => write!(f, "({error}) ")?,
        }
        match (self.direction, header.class()) {
            (Direction::ToChip, Class::Request) => request(self.message, header, f),
            (Direction::ToChip, Class::Mcu) => mcu_request(self.message, header, f),
            (Direction::FromChip, Class::Confirm) => confirm(self.message, header, f),
            (Direction::FromChip, Class::Indication) => indication(self.message, header, f),
            (Direction::FromChip, Class::Mcu) => from_mcu(self.message, header, f),
            (Direction::ToChip, Class::Confirm | Class::Indication)
            | (Direction::FromChip, Class::Request) => {
                write!(f, "{} in the wrong direction", header.id())
            }
        }
    }
}

/// The message if it could be read, otherwise its name and why not.
fn show<T: fmt::Display>(
    parsed: Result<T, WireError>,
    header: Header,
    f: &mut fmt::Formatter<'_>,
) -> fmt::Result {
    match parsed {
        Ok(message) => write!(f, "{message}"),
        Err(error) => write!(f, "{}: {error} ({} bytes)", header.id(), header.len),
    }
}

/// A message that nobody knows.
fn unknown(header: Header, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    write!(f, "message {} ({} bytes)", header.id(), header.len)
}

fn request(message: &[u8], header: Header, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    match header.id() {
        MessageId::TRANSMIT => show(TransmitHeader::parse(message), header, f),
        MessageId::READ_MIB => show(ReadMib::parse(message), header, f),
        MessageId::WRITE_MIB => match WriteMibRequest::parse(message) {
            Ok(write) => {
                write!(f, "write MIB {}: ", write.id)?;
                mib::describe(write.id, write.data, f)
            }
            Err(error) => show::<ReadMib>(Err(error), header, f),
        },
        MessageId::START_SCAN => show(StartScan::parse(message), header, f),
        MessageId::STOP_SCAN => show(StopScan::parse(message), header, f),
        MessageId::CONFIGURATION => show(Configuration::parse(message), header, f),
        MessageId::RESET => show(Reset::parse(message), header, f),
        MessageId::JOIN => show(Join::parse(message), header, f),
        MessageId::ADD_KEY => show(AddKey::parse(message), header, f),
        MessageId::REMOVE_KEY => show(RemoveKey::parse(message), header, f),
        MessageId::SET_PM => show(SetPowerMode::parse(message), header, f),
        MessageId::SET_BSS_PARAMETERS => show(SetBssParameters::parse(message), header, f),
        MessageId::SET_TX_QUEUE_PARAMETERS => show(SetTxQueueParameters::parse(message), header, f),
        MessageId::SET_EDCA_PARAMETERS => show(SetEdcaParameters::parse(message), header, f),
        MessageId::SWITCH_CHANNEL => show(SwitchChannel::parse(message), header, f),
        MessageId::START => show(Start::parse(message), header, f),
        MessageId::BEACON_TRANSMIT => show(BeaconTransmit::parse(message), header, f),
        MessageId::START_FIND => show(StartFind::parse(message), header, f),
        MessageId::STOP_FIND => show(StopFind::parse(message), header, f),
        MessageId::UPDATE_IE => show(UpdateIe::parse(message), header, f),
        MessageId::MAP_LINK => show(MapLink::parse(message), header, f),
        MessageId::RELEASE_BUFFER => show(ReleaseBuffer::parse(message), header, f),
        MessageId::REQUEST_BUFFERS => show(RequestBuffers::parse(message), header, f),
        MessageId::CPU_SLEEP => show(CpuSleep::parse(message), header, f),
        MessageId::EPTA => show(Epta::parse(message), header, f),
        _ => unknown(header, f),
    }
}

fn mcu_request(message: &[u8], header: Header, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    match header.id() {
        MessageId::DRIVER_TO_MCU => match SaveCalibration::parse(message) {
            Ok(calibration) => write!(f, "{calibration}"),
            Err(_) => show(McuCommand::parse(message), header, f),
        },
        MessageId::VENDOR_RF => show(VendorRfCommand::parse(message), header, f),
        _ => unknown(header, f),
    }
}

fn confirm(message: &[u8], header: Header, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    match header.id().request() {
        MessageId::TRANSMIT => show(TransmitConfirm::parse(message), header, f),
        MessageId::READ_MIB => match ReadMibConfirm::parse(message) {
            Ok(read) => {
                write!(f, "read MIB confirm {}: {}, ", read.id, read.status)?;
                mib::describe(read.id, read.data, f)
            }
            Err(error) => show::<ReadMib>(Err(error), header, f),
        },
        MessageId::CONFIGURATION => show(ConfigurationConfirm::parse(message), header, f),
        MessageId::JOIN => show(JoinConfirm::parse(message), header, f),
        MessageId::RELEASE_BUFFER | MessageId::CPU_SLEEP => {
            show(BareConfirm::parse(message), header, f)
        }
        MessageId::REQUEST_BUFFERS => show(RequestBuffersConfirm::parse(message), header, f),
        _ if header.id() == MessageId::MULTI_TRANSMIT_CONFIRM => {
            show(MultiTransmitConfirm::parse(message), header, f)
        }
        _ => show(GenericConfirm::parse(message), header, f),
    }
}

fn indication(message: &[u8], header: Header, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    match header.id() {
        MessageId::EXCEPTION => show(Exception::parse(message), header, f),
        MessageId::STARTUP => show(Startup::parse(message), header, f),
        MessageId::RECEIVE => show(ReceiveHeader::parse(message), header, f),
        MessageId::EVENT => show(EventIndication::parse(message), header, f),
        MessageId::SCAN_COMPLETE => show(ScanComplete::parse(message), header, f),
        MessageId::SET_PM_RESULT => show(SetPowerModeResult::parse(message), header, f),
        MessageId::CHANNEL_SWITCH_DONE => show(ChannelSwitchDone::parse(message), header, f),
        MessageId::FIND_COMPLETE => show(FindComplete::parse(message), header, f),
        MessageId::SUSPEND_RESUME_TX => show(SuspendResumeTx::parse(message), header, f),
        _ => unknown(header, f),
    }
}

fn from_mcu(message: &[u8], header: Header, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    match McuMessage::parse(message) {
        Ok(McuMessage::Indication(indication)) => match indication.id {
            MessageId::BLUETOOTH_ACTIVITY => show(BluetoothReport::parse(message), header, f),
            MessageId::VENDOR_RF => show(VendorRfResult::parse(message), header, f),
            _ => write!(f, "{indication}"),
        },
        parsed => show(parsed, header, f),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::check;
    use crate::wire::mib::MibId;
    use proptest::prelude::*;

    fn to_chip(message: &[u8]) -> String {
        describe(message, Direction::ToChip).to_string()
    }

    fn from_chip(message: &[u8]) -> String {
        describe(message, Direction::FromChip).to_string()
    }

    #[test]
    fn a_line_says_who_what_and_where() {
        assert_eq!(
            to_chip(&[0x08, 0x00, 0x16, 0x00, 0xb0, 0x00, 0x24, 0x00]),
            "-> seq 0 if0 switch channel: channel 36 HT40+"
        );
        assert_eq!(to_chip(&[0x04, 0x00, 0x48, 0x00]), "-> seq 0 if1 stop scan");
        assert_eq!(
            to_chip(&[0x0c, 0x00, 0x06, 0x80, 0x06, 0x10, 0x04, 0x00, 0x12, 0, 0, 0]),
            "-> seq 4 if0 write MIB operational power mode: quiescent"
        );
        assert_eq!(
            from_chip(&[0x08, 0x00, 0x06, 0xa4, 0, 0, 0, 0]),
            "<- seq 5 if0 write MIB confirm: success"
        );
        assert_eq!(
            from_chip(&[0x0c, 0x00, 0x05, 0x88, 1, 0, 0, 0, 0, 0, 0, 0]),
            "<- seq 4 if0 event: BSS lost"
        );
        assert_eq!(
            from_chip(&[0x10, 0x00, 0x27, 0x0c, 0, 0, 0, 0, 0x0f, 0, 0, 0, 3, 0, 0, 0]),
            "<- seq 0 if0 driver to MCU confirm, type 3"
        );
        assert_eq!(
            to_chip(&[0x0c, 0x00, 0x27, 0x0c, 3, 0, 0, 0, 5, 0, 0, 0]),
            "-> seq 0 if0 MCU command: Wi-Fi connected"
        );
    }

    #[test]
    fn what_is_wrong_is_said() {
        assert_eq!(from_chip(&[]), "<- truncated (0 bytes)");
        assert_eq!(
            from_chip(&[3, 0, 0, 8]),
            "<- length 3 is shorter than a header (4 bytes)"
        );
        assert_eq!(
            from_chip(&[4, 0, 5, 8]),
            "<- seq 0 if0 event: truncated (4 bytes)"
        );
        assert_eq!(
            from_chip(&[4, 0, 0x3f, 8]),
            "<- seq 0 if0 message 0x083f (4 bytes)"
        );
        assert_eq!(
            from_chip(&[4, 0, 0xc8, 8]),
            "<- seq 0 (interface 3 does not exist) message 0x0808 (4 bytes)"
        );
        assert_eq!(
            from_chip(&[4, 0, 8, 0]),
            "<- seq 0 if0 stop scan in the wrong direction"
        );
    }

    #[test]
    fn every_message_of_the_catalogue_is_described_by_its_type() {
        // An empty body is either complete or named as too short: "message 0x..." would mean that no type was found.
        for id in MessageId::CATALOGUE {
            for (direction, id) in [
                (Direction::ToChip, *id),
                (Direction::FromChip, id.confirm()),
                (Direction::FromChip, *id),
            ] {
                if id == MessageId::BLUETOOTH_WAKE_UP || id == MessageId::BLUETOOTH_ACTIVITY {
                    continue;
                }
                let line = describe(&check::message(id, &[]), direction).to_string();
                let fits = match id.class() {
                    Class::Request => direction == Direction::ToChip,
                    Class::Confirm | Class::Indication => direction == Direction::FromChip,
                    Class::Mcu => true,
                };
                assert_eq!(line.contains("wrong direction"), !fits, "{line}");
                assert!(!line.contains("message 0x"), "{line}");
            }
        }
    }

    #[test]
    fn every_object_with_a_layout_is_described_by_its_type() {
        let unknown_layout = [
            MibId::MAX_TX_MSDU_LIFETIME,
            MibId::MAX_RX_LIFETIME,
            MibId::STATISTICS_TABLE,
            MibId::IBSS_PS_CONFIG,
            MibId::BLOCK_ACK_INFO,
            MibId::EPTA_CONFIG,
            MibId::CCA_METHOD,
            MibId::HOST_MESSAGE_TYPE_FILTER,
            MibId::P2P_FIND_INFO,
            MibId::RF_ENABLE,
        ];
        for id in MibId::CATALOGUE {
            let write = WriteMibRequest { id: *id, data: &[] };
            let mut out = [0; 16];
            let len = crate::wire::Request::emit(&write, crate::wire::InterfaceId::Zero, &mut out);
            let line = to_chip(&out[..len.unwrap()]);
            assert_eq!(
                line.ends_with(": truncated"),
                !unknown_layout.contains(id),
                "{line}"
            );
        }
    }

    fn any_id() -> impl Strategy<Value = MessageId> {
        let known: Vec<MessageId> = MessageId::CATALOGUE
            .iter()
            .flat_map(|id| [*id, id.confirm()])
            .chain([MessageId::MULTI_TRANSMIT_CONFIRM])
            .collect();
        prop_oneof![
            4 => proptest::sample::select(known),
            1 => any::<u16>().prop_map(MessageId::from_raw),
        ]
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2000))]

        #[test]
        fn any_bytes_can_be_described(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            prop_assert!(!to_chip(&bytes).is_empty());
            prop_assert!(!from_chip(&bytes).is_empty());
        }

        #[test]
        fn any_body_under_any_id_can_be_described(id in any_id(), body in check::body(200)) {
            let message = check::message(id, &body);
            prop_assert!(!to_chip(&message).is_empty());
            prop_assert!(!from_chip(&message).is_empty());
        }

        #[test]
        fn any_data_of_any_object_can_be_described(
            id in proptest::sample::select(MibId::CATALOGUE),
            data in check::body(200),
        ) {
            let mut body = id.raw().to_le_bytes().to_vec();
            body.extend_from_slice(&u16::try_from(data.len()).unwrap().to_le_bytes());
            body.extend_from_slice(&data);
            prop_assert!(!to_chip(&check::message(MessageId::WRITE_MIB, &body)).is_empty());
            let read = [&[0; 4][..], &body].concat();
            let message = check::message(MessageId::READ_MIB.confirm(), &read);
            prop_assert!(!from_chip(&message).is_empty());
        }
    }
}
