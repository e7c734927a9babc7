//! Confirmations (file 20, sections 5, 6.3, 7.2, 9.2, 12.5, 12.6 and 14.3).

use super::header::{begin, finish, number, Class};
use super::transmit::TxConfirm;

/// Generic confirmation: a status and nothing else.
pub(crate) fn generic(request: u8, interface: u8, status: u32) -> Vec<u8> {
    let mut message = begin(Class::Confirm, request, interface, 8);
    message.extend_from_slice(&status.to_le_bytes());
    finish(message)
}

/// Configuration confirmation: echoes the address, 44 bytes.
pub(crate) fn configuration(interface: u8, status: u32, address: [u8; 6]) -> Vec<u8> {
    let mut message = begin(Class::Confirm, number::CONFIGURATION, interface, 44);
    message.extend_from_slice(&status.to_le_bytes());
    message.extend_from_slice(&address);
    // Both bands, one reserved byte, every defined rate.
    message.extend_from_slice(&[3, 0]);
    message.extend_from_slice(&0x003F_FFCF_u32.to_le_bytes());
    for _band in 0..2 {
        // Least and most transmit power and its step, in 0.1 dBm.
        for word in [0_u32, 200, 10] {
            message.extend_from_slice(&word.to_le_bytes());
        }
    }
    finish(message)
}

/// Join confirmation; the power range follows only a success.
pub(crate) fn join(interface: u8, status: u32) -> Vec<u8> {
    let mut message = begin(Class::Confirm, number::JOIN, interface, 16);
    message.extend_from_slice(&status.to_le_bytes());
    if status == 0 {
        message.extend_from_slice(&0_u32.to_le_bytes());
        message.extend_from_slice(&200_u32.to_le_bytes());
    }
    finish(message)
}

/// Read-MIB confirmation: repeats id and length.
pub(crate) fn read_mib(interface: u8, status: u32, mib: u16, data: &[u8]) -> Vec<u8> {
    let mut message = begin(Class::Confirm, number::READ_MIB, interface, 12 + data.len());
    message.extend_from_slice(&status.to_le_bytes());
    message.extend_from_slice(&mib.to_le_bytes());
    let len = u16::try_from(data.len()).unwrap_or(u16::MAX);
    message.extend_from_slice(&len.to_le_bytes());
    message.extend_from_slice(data);
    finish(message)
}

/// Confirmation of one frame.
pub(crate) fn transmit(interface: u8, record: &TxConfirm) -> Vec<u8> {
    let mut message = begin(Class::Confirm, number::TRANSMIT, interface, 24);
    record.emit(&mut message);
    finish(message)
}

/// Most records in one multi-transmit confirmation that a slot of 1632 bytes holds.
pub(crate) const MAX_RECORDS: usize = (1628 - 8) / TxConfirm::SIZE;

/// Confirmation of several frames.
pub(crate) fn multi_transmit(interface: u8, records: &[TxConfirm]) -> Vec<u8> {
    let room = 8 + TxConfirm::SIZE * records.len();
    let mut message = begin(Class::Confirm, number::MULTI_TRANSMIT, interface, room);
    let count = u32::try_from(records.len()).unwrap_or(u32::MAX);
    message.extend_from_slice(&count.to_le_bytes());
    for record in records {
        record.emit(&mut message);
    }
    finish(message)
}

/// Answer to 0x0023: which stations sleep, and how many buffers the host gets back. It has no status.
pub(crate) fn request_buffers(interface: u8, sleeping: u32, count: u8) -> Vec<u8> {
    let mut message = begin(Class::Confirm, number::REQUEST_BUFFERS, interface, 9);
    message.extend_from_slice(&sleeping.to_le_bytes());
    message.push(count);
    finish(message)
}

/// Label of an MCU confirmation.
const MCU_CONFIRM: u32 = 0x0F;

/// MCU confirmation: 16-byte header, then what belongs to the sub-command.
pub(crate) fn mcu(request: u8, command: u32, payload: &[u8]) -> Vec<u8> {
    let mut message = begin(Class::Mcu, request, 0, 16 + payload.len());
    message.extend_from_slice(&0_u32.to_le_bytes());
    message.extend_from_slice(&MCU_CONFIRM.to_le_bytes());
    message.extend_from_slice(&command.to_le_bytes());
    message.extend_from_slice(payload);
    finish(message)
}

#[cfg(test)]
mod tests {
    use super::super::header::stamp;
    use super::super::hex;
    use super::*;

    fn sealed(mut message: Vec<u8>, sequence: u8) -> Vec<u8> {
        stamp(&mut message, sequence);
        message
    }

    #[test]
    fn configuration_matches_the_worked_example() {
        assert_eq!(
            sealed(configuration(0, 0, [2, 0x11, 0x22, 0x33, 0x44, 0x55]), 3),
            hex("2c000964000000000211223344550300
                 cfff3f0000000000c80000000a000000
                 00000000c80000000a000000")
        );
    }

    #[test]
    fn short_confirmations_match_the_worked_examples() {
        assert_eq!(
            sealed(generic(number::WRITE_MIB, 0, 0), 5),
            hex("080006a400000000")
        );
        assert_eq!(
            sealed(join(0, 0), 6),
            hex("10000bc40000000000000000c8000000")
        );
        assert_eq!(
            sealed(mcu(number::MCU_COMMAND, 3, &[]), 0),
            hex("1000270c000000000f00000003000000")
        );
        assert_eq!(join(1, 1).len(), 8);
    }

    #[test]
    fn transmit_confirmations_match_the_worked_examples() {
        let good = TxConfirm {
            packet_id: 0x0002_0005,
            status: 0,
            rate: 21,
            ack_failures: 0,
            flags: 1,
            media_delay: 0x352,
            queue_delay: 0x190,
        };
        let bad = TxConfirm {
            packet_id: 0x0002_0006,
            status: 6,
            rate: 14,
            ack_failures: 7,
            flags: 0,
            media_delay: 0x2EE0,
            queue_delay: 0x1F4,
        };
        assert_eq!(
            sealed(transmit(0, &good), 7),
            hex("180004e4050002000000000015000100 5203000090010000")
        );
        assert_eq!(
            multi_transmit(0, &[good, bad]),
            hex(
                "30001e0402000000050002000000000015000100520300009001000006000200
                 060000000e070000e02e0000f4010000"
            )
        );
        assert_eq!(MAX_RECORDS, 81);
    }

    #[test]
    fn a_read_confirmation_repeats_id_and_length() {
        assert_eq!(
            read_mib(0, 0, 0x0000, &[1, 2, 3, 4, 5, 6]),
            hex("12000504 00000000 0000 0600 010203040506")
        );
        assert_eq!(request_buffers(0, 5, 2), hex("09002304 05000000 02"));
    }
}
