//! Whether a received deauthentication or disassociation ends the connection (specification: file 30, section 5.2).
//!
//! | addressed to | does not count if |
//! |---|---|
//! | a group | it has a management MIC although management frames are not protected, or the other way round |
//! | this station | it is protected although management frames are not, or the other way round, or a connection is just being made |
//! | somebody else | always |
//!
//! The frame goes up in every case: the stack decides what it means for the user.

use crate::address::is_group;
use crate::elements::MMIE;
use crate::mpdu::{receiver, third_address, FrameControl, HEADER_LEN};
use crate::types::MacAddress;
use bes_wsm::wire::Status;

/// What the station is a member of, as far as this decision needs it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Membership {
    /// Own address.
    pub address: MacAddress,
    /// BSSID that the chip has joined.
    pub bssid: MacAddress,
    /// Protected management frames are in use.
    pub pmf: bool,
    /// A connection attempt is in progress.
    pub connecting: bool,
}

/// The verdict.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Disconnect {
    /// The frame is none of the two, or not from this BSS.
    None,
    /// It is one, but must not end the connection.
    Ignored,
    /// The connection is over.
    Leave {
        /// Reason code of 802.11; 0 if the frame has none in the clear.
        reason: u16,
    },
}

impl Disconnect {
    /// Judges a received frame.
    pub fn judge(frame: &[u8], status: Status, membership: &Membership) -> Self {
        let control = FrameControl::of(frame);
        let is_one = matches!(
            control.kind(),
            FrameControl::DEAUTHENTICATION | FrameControl::DISASSOCIATION
        );
        if !is_one || !status.is_success() || third_address(frame) != Some(membership.bssid) {
            return Self::None;
        }
        let Some(receiver) = receiver(frame) else {
            return Self::None;
        };
        let counts = if is_group(receiver) {
            has_mmie(frame) == membership.pmf
        } else if receiver == membership.address {
            control.is_protected() == membership.pmf && !membership.connecting
        } else {
            false
        };
        if !counts {
            return Self::Ignored;
        }
        let reason = frame
            .get(control.header_len()..)
            .and_then(|body| body.first_chunk())
            .copied()
            .map_or(0, u16::from_le_bytes);
        Self::Leave { reason }
    }
}

/// Whether the frame ends with a management MIC element: 18 bytes, id 76, length 16.
fn has_mmie(frame: &[u8]) -> bool {
    frame.len() >= HEADER_LEN.saturating_add(18)
        && frame
            .last_chunk::<18>()
            .is_some_and(|element| element.starts_with(&[MMIE, 16]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const OWN: [u8; 6] = [2, 0, 0, 0, 0, 1];
    const BSSID: [u8; 6] = [2, 0, 0, 0, 0, 9];

    fn member(pmf: bool, connecting: bool) -> Membership {
        Membership {
            address: MacAddress(OWN),
            bssid: MacAddress(BSSID),
            pmf,
            connecting,
        }
    }

    fn frame(to: [u8; 6], protected: bool, mmie: bool) -> Vec<u8> {
        let mut frame = vec![0xC0, if protected { 0x40 } else { 0 }, 0, 0];
        frame.extend(to);
        frame.extend(BSSID);
        frame.extend(BSSID);
        frame.extend([0, 0, 3, 0]);
        if mmie {
            frame.extend([76, 16]);
            frame.extend([0; 16]);
        }
        frame
    }

    fn judge(frame: &[u8], membership: Membership) -> Disconnect {
        Disconnect::judge(frame, Status::Success, &membership)
    }

    const LEAVE: Disconnect = Disconnect::Leave { reason: 3 };

    #[test]
    fn a_frame_to_this_station_counts_if_its_protection_is_right() {
        assert_eq!(
            judge(&frame(OWN, false, false), member(false, false)),
            LEAVE
        );
        assert_eq!(
            judge(&frame(OWN, false, false), member(true, false)),
            Disconnect::Ignored
        );
        assert_eq!(judge(&frame(OWN, true, false), member(true, false)), LEAVE);
        assert_eq!(
            judge(&frame(OWN, false, false), member(false, true)),
            Disconnect::Ignored
        );
    }

    #[test]
    fn a_frame_to_a_group_counts_if_its_mic_element_is_right() {
        let group = [0xFF; 6];
        for (mmie, pmf, verdict) in [
            (false, false, LEAVE),
            (true, true, LEAVE),
            (true, false, Disconnect::Ignored),
            (false, true, Disconnect::Ignored),
        ] {
            assert_eq!(
                judge(&frame(group, false, mmie), member(pmf, false)),
                verdict
            );
        }
    }

    #[test]
    fn frames_for_others_or_from_other_networks_do_not_count() {
        let other = [2, 0, 0, 0, 0, 7];
        assert_eq!(
            judge(&frame(other, false, false), member(false, false)),
            Disconnect::Ignored
        );
        let mut foreign = frame(OWN, false, false);
        foreign[21] = 8;
        assert_eq!(judge(&foreign, member(false, false)), Disconnect::None);
        let mut beacon = frame(OWN, false, false);
        beacon[0] = 0x80;
        assert_eq!(judge(&beacon, member(false, false)), Disconnect::None);
        let failed = Disconnect::judge(
            &frame(OWN, false, false),
            Status::Failure,
            &member(false, false),
        );
        assert_eq!(failed, Disconnect::None);
    }

    #[test]
    fn disassociation_counts_as_well() {
        let mut frame = frame(OWN, false, false);
        frame[0] = 0xA0;
        assert_eq!(judge(&frame, member(false, false)), LEAVE);
    }

    proptest! {
        #[test]
        fn every_frame_gets_a_verdict(bytes in proptest::collection::vec(any::<u8>(), 0..60), cut in 0_usize..50) {
            let _ = judge(&bytes, member(false, false));
            let whole = frame([0xFF; 6], false, true);
            let _ = judge(&whole[..cut.min(whole.len())], member(true, false));
        }
    }
}
