//! What a beacon of the own network tells the driver (specification: file 30, section 5.6).

use crate::elements::{elements, TIM};
use crate::mpdu::{transmitter, FrameControl, HEADER_LEN};
use crate::types::MacAddress;
use bes_wsm::wire::Tu;

/// Time stamp, interval and capabilities, in front of the elements.
const FIXED: usize = 12;

/// The traffic indication map.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tim {
    /// Beacons until the next one with a DTIM; 0 is this one.
    pub dtim_count: u8,
    /// Beacons from one DTIM to the next; never 0.
    pub dtim_period: u8,
    /// Group frames follow.
    pub multicast: bool,
}

/// Facts of a beacon.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Beacon {
    /// Time from one beacon to the next.
    pub interval: Tu,
    /// Capability field.
    pub capability: u16,
    /// Traffic indication map, if there is a usable one.
    pub tim: Option<Tim>,
}

impl Beacon {
    /// The facts of `frame` if it is a beacon of the network `bssid`, long enough to be one.
    pub fn of(frame: &[u8], bssid: MacAddress) -> Option<Self> {
        if FrameControl::of(frame).kind() != FrameControl::BEACON
            || transmitter(frame) != Some(bssid)
        {
            return None;
        }
        let body = frame.get(HEADER_LEN..)?;
        let (fixed, rest) = body.split_first_chunk::<FIXED>()?;
        let &[_, _, _, _, _, _, _, _, a, b, c, d] = fixed;
        let tim = elements(rest)
            .find_id(TIM)
            .and_then(|content| content.first_chunk())
            .and_then(|&[dtim_count, dtim_period, control]| {
                // A period of 0 is reserved.
                (dtim_period != 0).then_some(Tim {
                    dtim_count,
                    dtim_period,
                    multicast: control & 1 != 0,
                })
            });
        Some(Self {
            interval: Tu(u32::from(u16::from_le_bytes([a, b]))),
            capability: u16::from_le_bytes([c, d]),
            tim,
        })
    }

    /// Beacons between two wake-ups that are listened for, as MIB 0x1007 takes them: every DTIM, but every beacon if
    /// DTIMs are more than about a second apart (file 30, section 5.6).
    pub fn wake_up_period(&self) -> Option<u8> {
        let period = self.tim?.dtim_period;
        let apart = self.interval.0.saturating_mul(u32::from(period));
        Some(if apart > 1000 { 1 } else { period })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const BSSID: MacAddress = MacAddress([2, 0, 0, 0, 0, 9]);

    fn beacon(rest: &[u8]) -> Vec<u8> {
        let mut frame = vec![0x80, 0, 0, 0];
        frame.extend([0xFF; 6]);
        frame.extend(BSSID.0);
        frame.extend(BSSID.0);
        frame.extend([0, 0]);
        frame.extend([0; 8]);
        frame.extend([100, 0, 0x11, 0x04]);
        frame.extend(rest);
        frame
    }

    #[test]
    fn the_facts_of_a_beacon_are_found() {
        let facts = Beacon::of(&beacon(&[0, 1, b'x', 5, 4, 1, 3, 1, 0]), BSSID).unwrap();
        assert_eq!(facts.interval, Tu(100));
        assert_eq!(facts.capability, 0x0411);
        let tim = Tim {
            dtim_count: 1,
            dtim_period: 3,
            multicast: true,
        };
        assert_eq!(facts.tim, Some(tim));
        assert_eq!(facts.wake_up_period(), Some(3));
    }

    #[test]
    fn rare_dtims_are_not_waited_for() {
        let facts = Beacon::of(&beacon(&[5, 4, 0, 11, 0, 0]), BSSID).unwrap();
        assert_eq!(facts.wake_up_period(), Some(1));
    }

    #[test]
    fn broken_maps_are_no_maps() {
        for rest in [
            &[5, 2, 0, 3][..],
            &[5, 4, 0, 0, 0, 0],
            &[5, 4, 0, 3],
            &[5],
            &[],
        ] {
            let facts = Beacon::of(&beacon(rest), BSSID).unwrap();
            assert_eq!(facts.tim, None);
            assert_eq!(facts.wake_up_period(), None);
        }
    }

    #[test]
    fn other_frames_and_other_networks_have_no_facts() {
        let other = MacAddress([2, 0, 0, 0, 0, 8]);
        assert_eq!(Beacon::of(&beacon(&[]), other), None);
        let mut response = beacon(&[]);
        response[0] = 0x50;
        assert_eq!(Beacon::of(&response, BSSID), None);
        let whole = beacon(&[]);
        for len in 0..whole.len() {
            assert_eq!(Beacon::of(&whole[..len], BSSID), None);
        }
    }

    proptest! {
        #[test]
        fn no_beacon_does_harm(rest in proptest::collection::vec(any::<u8>(), 0..200)) {
            prop_assert!(Beacon::of(&beacon(&rest), BSSID).is_some());
        }
    }
}
