//! What the first bytes of an 802.11 frame say. Every question has an answer for every byte string: a frame that is
//! too short for a field does not have it.

use crate::types::{MacAddress, Tid};

/// Length of a management header, and of a data header without extras, in bytes.
pub const HEADER_LEN: usize = 24;

/// Category of block-ack action frames.
const CATEGORY_BLOCK_ACK: u8 = 3;

/// The frame control field.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct FrameControl(pub u16);

impl FrameControl {
    /// Association request.
    pub const ASSOCIATION_REQUEST: u16 = 0x00;
    /// Reassociation request.
    pub const REASSOCIATION_REQUEST: u16 = 0x20;
    /// Probe request.
    pub const PROBE_REQUEST: u16 = 0x40;
    /// Probe response.
    pub const PROBE_RESPONSE: u16 = 0x50;
    /// Beacon.
    pub const BEACON: u16 = 0x80;
    /// Disassociation.
    pub const DISASSOCIATION: u16 = 0xA0;
    /// Authentication.
    pub const AUTHENTICATION: u16 = 0xB0;
    /// Deauthentication.
    pub const DEAUTHENTICATION: u16 = 0xC0;
    /// Action.
    pub const ACTION: u16 = 0xD0;
    /// PS-poll.
    pub const PS_POLL: u16 = 0xA4;
    /// Null function, without QoS.
    pub const NULL: u16 = 0x48;
    /// QoS null function.
    pub const QOS_NULL: u16 = 0xC8;

    /// The field of a frame; 0 for a frame without one.
    #[inline]
    pub fn of(frame: &[u8]) -> Self {
        Self(frame.first_chunk().copied().map_or(0, u16::from_le_bytes))
    }

    /// Type and subtype, to be compared with the constants.
    pub const fn kind(self) -> u16 {
        self.0 & 0xFC
    }

    /// Whether it is a management frame.
    pub const fn is_management(self) -> bool {
        self.0 & 0x0C == 0
    }

    /// Whether it is a control frame.
    pub const fn is_control(self) -> bool {
        self.0 & 0x0C == 0x04
    }

    /// Whether it is a data frame, with or without content.
    pub const fn is_data(self) -> bool {
        self.0 & 0x0C == 0x08
    }

    /// Whether an earlier attempt to send the frame was lost.
    pub const fn is_retry(self) -> bool {
        self.0 & 0x0800 != 0
    }

    /// Whether it is a data frame with a QoS control field.
    pub const fn is_qos_data(self) -> bool {
        self.0 & 0x8C == 0x88
    }

    /// Whether it is a data frame with content.
    pub const fn is_data_present(self) -> bool {
        self.0 & 0x4C == 0x08
    }

    /// Whether its body is encrypted, or to be encrypted.
    pub const fn is_protected(self) -> bool {
        self.0 & 0x4000 != 0
    }

    /// Whether the HT control field is there (or, without QoS, strict ordering).
    pub const fn has_order(self) -> bool {
        self.0 & 0x8000 != 0
    }

    /// Whether there is a fourth address.
    pub const fn has_four_addresses(self) -> bool {
        self.is_data() && self.0 & 0x0300 == 0x0300
    }

    /// Length of the header, in bytes. Linux: `ieee80211_hdrlen`.
    #[inline(always)]
    pub const fn header_len(self) -> usize {
        if self.is_data() {
            let mut len = HEADER_LEN;
            if self.has_four_addresses() {
                len = len.wrapping_add(6);
            }
            if self.is_qos_data() {
                // QoS control, and HT control if there is one.
                len = len.wrapping_add(if self.has_order() { 6 } else { 2 });
            }
            len
        } else if self.is_control() {
            // Clear to send and acknowledgement have one address.
            if self.0 & 0xE0 == 0xC0 {
                10
            } else {
                16
            }
        } else if self.is_management() && self.has_order() {
            28
        } else {
            HEADER_LEN
        }
    }
}

/// Address 1, the receiver.
#[inline]
pub fn receiver(frame: &[u8]) -> Option<MacAddress> {
    address(frame, 4)
}

/// Address 2, the transmitter.
#[inline]
pub fn transmitter(frame: &[u8]) -> Option<MacAddress> {
    address(frame, 10)
}

/// Address 3: the BSSID of a management frame.
pub fn third_address(frame: &[u8]) -> Option<MacAddress> {
    address(frame, 16)
}

#[inline]
fn address(frame: &[u8], at: usize) -> Option<MacAddress> {
    crate::address::from_bytes(frame.get(at..)?)
}

/// The traffic identifier of a QoS data frame.
pub fn tid(frame: &[u8]) -> Option<Tid> {
    let control = FrameControl::of(frame);
    if !control.is_qos_data() {
        return None;
    }
    let at = if control.has_four_addresses() { 30 } else { 24 };
    frame.get(at).copied().map(Tid::from_qos_control)
}

/// Whether it is a block-ack action frame. The chip negotiates block ack itself (file 30, section 6.1). `iv` is the
/// room for a cipher header behind the frame's own. What a protected frame without such room holds is encrypted
/// already, and its category cannot be seen.
#[inline]
pub fn is_block_ack_action(frame: &[u8], iv: usize) -> bool {
    let control = FrameControl::of(frame);
    control.kind() == FrameControl::ACTION
        && (iv > 0 || !control.is_protected())
        && frame.get(control.header_len().saturating_add(iv)) == Some(&CATEGORY_BLOCK_ACK)
}

/// Whether it carries an EAPOL packet. `body` is where its body starts, behind the room for a cipher header.
#[inline(always)]
pub fn is_eapol(frame: &[u8], body: usize) -> bool {
    FrameControl::of(frame).is_data_present()
        && frame.get(body..).and_then(<[u8]>::first_chunk)
            == Some(&[0xAA, 0xAA, 0x03, 0, 0, 0, 0x88, 0x8E])
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn header_lengths_are_those_of_802_11() {
        for (control, len) in [
            (0x0080, 24),
            (0x80D0, 28),
            (0x0008, 24),
            (0x0088, 26),
            (0x8088, 30),
            (0x0308, 30),
            (0x0388, 32),
            (0x8388, 36),
            (0x00D4, 10),
            (0x00C4, 10),
            (0x00B4, 16),
            (0x00A4, 16),
            (0x0094, 16),
        ] {
            assert_eq!(FrameControl(control).header_len(), len, "{control:#06x}");
        }
    }

    #[test]
    fn null_frames_are_data_without_content() {
        for kind in [FrameControl::NULL, FrameControl::QOS_NULL] {
            let control = FrameControl(kind);
            assert!(control.is_data() && !control.is_data_present());
        }
        assert!(FrameControl(0x88).is_data_present());
        assert!(FrameControl(0x88).is_qos_data() && !FrameControl(0x08).is_qos_data());
    }

    #[test]
    fn block_ack_actions_are_found_behind_room_for_a_cipher_header() {
        let mut frame = [0; 40];
        frame[0] = 0xD0;
        frame[24] = 3;
        assert!(is_block_ack_action(&frame, 0));
        assert!(!is_block_ack_action(&frame, 8));
        frame[32] = 3;
        frame[24] = 0;
        assert!(is_block_ack_action(&frame, 8));
        frame[0] = 0x88;
        assert!(!is_block_ack_action(&frame, 8));
    }

    #[test]
    fn the_tid_stands_behind_the_last_address() {
        let mut frame = [0; 40];
        frame[..2].copy_from_slice(&[0x88, 0x01]);
        frame[24] = 0xF6;
        assert_eq!(tid(&frame).map(Tid::number), Some(6));
        frame[1] = 0x03;
        frame[30] = 1;
        assert_eq!(tid(&frame).map(Tid::number), Some(1));
        assert_eq!(tid(&frame[..30]), None);
    }

    proptest! {
        #[test]
        fn every_question_has_an_answer(frame in proptest::collection::vec(any::<u8>(), 0..64), iv in 0_usize..20) {
            let len = FrameControl::of(&frame).header_len();
            prop_assert!((10..=36).contains(&len));
            let _ = (receiver(&frame), transmitter(&frame), third_address(&frame), tid(&frame));
            let _ = (is_block_ack_action(&frame, iv), is_eapol(&frame, iv));
        }
    }
}
