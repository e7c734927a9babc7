//! Indications (file 20, sections 6.1, 8.5, 9.7, 9.9, 12.7, 13, 14.2 and 15.8).

use super::header::{begin, begin_in, finish, Class};

/// Numbers of the indications (file 20, section 3.2).
mod number {
    pub(super) const EXCEPTION: u8 = 0x00;
    pub(super) const STARTUP: u8 = 0x01;
    pub(super) const RECEIVE: u8 = 0x04;
    pub(super) const EVENT: u8 = 0x05;
    pub(super) const SCAN_COMPLETE: u8 = 0x06;
    pub(super) const SET_PM: u8 = 0x09;
    pub(super) const CHANNEL_SWITCH: u8 = 0x0A;
    pub(super) const FIND_COMPLETE: u8 = 0x0B;
    pub(super) const SUSPEND_RESUME: u8 = 0x0C;
    /// MCU class.
    pub(super) const BLUETOOTH: u8 = 0x30;
}

/// Identity of the exception indication, which carries no sequence number.
pub(crate) const EXCEPTION: u16 = 0x0800;
/// Identity of the receive indication.
pub(crate) const RECEIVE: u16 = 0x0804;
/// Identity of the event indication.
pub(crate) const EVENT: u16 = 0x0805;
/// Identity of the scan-complete indication.
pub(crate) const SCAN_COMPLETE: u16 = 0x0806;
/// Identity of the channel-switch indication.
pub(crate) const CHANNEL_SWITCH: u16 = 0x080A;
/// Identity of the set-PM indication.
pub(crate) const SET_PM: u16 = 0x0809;

/// Event ids (file 20, section 13.1).
pub(crate) mod event {
    pub(crate) const BSS_LOST: u32 = 1;
    pub(crate) const BSS_REGAINED: u32 = 2;
    pub(crate) const RCPI: u32 = 4;
    pub(crate) const PS_MODE_ERROR: u32 = 7;
    pub(crate) const INACTIVITY: u32 = 9;
}

/// What the startup indication tells.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Startup<'a> {
    pub(crate) buffers: u16,
    pub(crate) buffer_size: u16,
    pub(crate) hardware: u16,
    pub(crate) status: u16,
    pub(crate) firmware_type: u16,
    pub(crate) api: u16,
    pub(crate) build: u16,
    pub(crate) version: u16,
    pub(crate) label: &'a str,
}

/// Startup indication, 152 bytes.
pub(crate) fn startup(startup: &Startup<'_>) -> Vec<u8> {
    let mut message = begin(Class::Indication, number::STARTUP, 0, 152);
    for word in [
        startup.buffers,
        startup.buffer_size,
        startup.hardware,
        0,
        startup.status,
        0,
        startup.firmware_type,
        startup.api,
        startup.build,
        startup.version,
    ] {
        message.extend_from_slice(&word.to_le_bytes());
    }
    let label = startup.label.as_bytes();
    message.extend_from_slice(&label[..label.len().min(127)]);
    message.resize(152, 0);
    finish(message)
}

/// How a frame was received (file 20, section 12.7).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct RxDescriptor {
    pub(crate) status: u32,
    pub(crate) channel: u16,
    pub(crate) rate: u8,
    /// Half dB steps above -110 dBm.
    pub(crate) rcpi: u8,
    pub(crate) flags: u32,
}

/// RX flags (file 20, section 12.10).
pub(crate) mod rx_flags {
    pub(crate) const WEP: u32 = 1;
    pub(crate) const TKIP: u32 = 2;
    pub(crate) const AES: u32 = 3;
    pub(crate) const STRIPPED: u32 = 7;
    pub(crate) const AMPDU: u32 = 1 << 3;
    pub(crate) const FIRST_OF_AMPDU: u32 = 1 << 4;
    pub(crate) const LAST_OF_AMPDU: u32 = 1 << 5;
    pub(crate) const BEACON: u32 = 1 << 7;
    pub(crate) const TIM_UNICAST: u32 = 1 << 8;
    pub(crate) const TIM_MULTICAST: u32 = 1 << 9;
    pub(crate) const SSID_MATCH: u32 = 1 << 10;
    pub(crate) const BSSID_MATCH: u32 = 1 << 11;
    pub(crate) const MORE_DATA: u32 = 1 << 12;
    pub(crate) const HT: u32 = 1 << 14;
    pub(crate) const OWN_ADDRESS: u32 = 1 << 16;
    pub(crate) const GROUP_ADDRESS: u32 = 1 << 17;
    pub(crate) const BROADCAST: u32 = 1 << 18;
    pub(crate) const GROUP_KEY: u32 = 1 << 19;
    pub(crate) const KEY_INDEX: u32 = 20;
    pub(crate) const LINK: u32 = 25;
}

/// Receive indication: 28 bytes of descriptor, then the frame, which may come in two parts.
/// `memory` is used again.
pub(crate) fn receive_into(
    memory: Vec<u8>,
    interface: u8,
    rx: &RxDescriptor,
    head: &[u8],
    tail: &[u8],
) -> Vec<u8> {
    let room = 32 + head.len() + tail.len();
    let mut message = begin_in(memory, Class::Indication, number::RECEIVE, interface, room);
    message.extend_from_slice(&rx.status.to_le_bytes());
    message.extend_from_slice(&rx.channel.to_le_bytes());
    message.extend_from_slice(&[rx.rate, rx.rcpi]);
    message.extend_from_slice(&rx.flags.to_le_bytes());
    message.extend_from_slice(&[0; 16]);
    message.extend_from_slice(head);
    message.extend_from_slice(tail);
    finish(message)
}

/// Event indication.
pub(crate) fn event(interface: u8, id: u32, data: u32) -> Vec<u8> {
    let mut message = begin(Class::Indication, number::EVENT, interface, 12);
    message.extend_from_slice(&id.to_le_bytes());
    message.extend_from_slice(&data.to_le_bytes());
    finish(message)
}

/// Scan-complete indication.
pub(crate) fn scan_complete(status: u32, psm: u8, channels: u8) -> Vec<u8> {
    let mut message = begin(Class::Indication, number::SCAN_COMPLETE, 0, 12);
    message.extend_from_slice(&status.to_le_bytes());
    message.extend_from_slice(&[psm, channels, 0, 0]);
    finish(message)
}

/// Set-PM indication.
pub(crate) fn set_pm(interface: u8, status: u32, psm: u8) -> Vec<u8> {
    let mut message = begin(Class::Indication, number::SET_PM, interface, 12);
    message.extend_from_slice(&status.to_le_bytes());
    message.extend_from_slice(&[psm, 0, 0, 0]);
    finish(message)
}

/// Channel-switch indication.
pub(crate) fn channel_switch(interface: u8, status: u32) -> Vec<u8> {
    let mut message = begin(Class::Indication, number::CHANNEL_SWITCH, interface, 8);
    message.extend_from_slice(&status.to_le_bytes());
    finish(message)
}

/// Find-complete indication.
pub(crate) fn find_complete(interface: u8, status: u32) -> Vec<u8> {
    let mut message = begin(Class::Indication, number::FIND_COMPLETE, interface, 8);
    message.extend_from_slice(&status.to_le_bytes());
    finish(message)
}

/// Suspend/resume indication for multicast.
pub(crate) fn suspend_resume(interface: u8, resume: bool) -> Vec<u8> {
    let mut message = begin(Class::Indication, number::SUSPEND_RESUME, interface, 8);
    let flags = 1_u32 << 3 | u32::from(resume);
    message.extend_from_slice(&flags.to_le_bytes());
    finish(message)
}

/// Exception indication, 128 bytes: reason, 18 registers, text.
pub(crate) fn exception(reason: u32, registers: &[u32; 18], text: &str) -> Vec<u8> {
    let mut message = begin(Class::Indication, number::EXCEPTION, 0, 128);
    message.extend_from_slice(&reason.to_le_bytes());
    for register in registers {
        message.extend_from_slice(&register.to_le_bytes());
    }
    let text = text.as_bytes();
    message.extend_from_slice(&text[..text.len().min(47)]);
    message.resize(128, 0);
    finish(message)
}

/// MCU indication; the payload word is the sub-command of 0x0C25 or the bit field of 0x0C30.
pub(crate) fn mcu(number: u8, word: u32, payload: &[u8]) -> Vec<u8> {
    let mut message = begin(Class::Mcu, number, 0, 16 + payload.len());
    message.extend_from_slice(&0_u32.to_le_bytes());
    message.extend_from_slice(&0xF0_u32.to_le_bytes());
    message.extend_from_slice(&word.to_le_bytes());
    message.extend_from_slice(payload);
    finish(message)
}

/// Bluetooth activity indication 0x0C30.
pub(crate) fn bluetooth_activity(state: u32) -> Vec<u8> {
    mcu(number::BLUETOOTH, state, &[])
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
    fn startup_matches_the_worked_example() {
        let message = startup(&Startup {
            buffers: 30,
            buffer_size: 1632,
            hardware: 0x0600,
            status: 0,
            firmware_type: 2,
            api: 1,
            build: 7,
            version: 0x0102,
            label: "emu-fw",
        });
        assert_eq!(message.len(), 152);
        assert_eq!(
            message[..32],
            hex("980001081e00600600060000000000000200010007000201656d752d66770000")
        );
        assert!(message[32..].iter().all(|byte| *byte == 0));
    }

    #[test]
    fn receive_matches_the_worked_example() {
        let rx = RxDescriptor {
            status: 0,
            channel: 6,
            rate: 21,
            rcpi: 0x78,
            flags: rx_flags::OWN_ADDRESS | rx_flags::HT | rx_flags::STRIPPED,
        };
        let frame = hex(
            "880200000211223344 55001a2b3c4d5e001a2b3c4d5f20000000aaaa03000000080600000000 0000",
        );
        assert_eq!(
            sealed(
                receive_into(Vec::new(), 0, &rx, &frame[..26], &frame[26..]),
                1
            ),
            hex("48000428000000000600157807400100
                 00000000000000000000000000000000
                 8802000002112233445500 1a2b3c4d5e
                 001a2b3c4d5f20000000aaaa03000000
                 0806000000000000")
        );
    }

    #[test]
    fn short_indications_match_the_worked_examples() {
        assert_eq!(
            sealed(scan_complete(0, 0, 3), 5),
            hex("0c0006a80000000000030000")
        );
        assert_eq!(sealed(set_pm(0, 0, 1), 2), hex("0c0009480000000001000000"));
        assert_eq!(sealed(channel_switch(0, 0), 3), hex("08000a6800000000"));
        assert_eq!(
            sealed(event(0, event::BSS_LOST, 0), 4),
            hex("0c0005880100000000000000")
        );
    }

    #[test]
    fn exception_and_mcu_indications_have_their_lengths_and_labels() {
        let message = exception(4, &[0; 18], "lmac.c");
        assert_eq!(message.len(), 128);
        assert_eq!(message[4], 4);
        assert_eq!(&message[80..86], b"lmac.c");
        assert_eq!(
            bluetooth_activity(0x0002_0003),
            hex("1000300c00000000f000000003000200")
        );
        assert_eq!(suspend_resume(0, true), hex("08000c0809000000"));
        assert_eq!(suspend_resume(0, false), hex("08000c0808000000"));
    }
}
