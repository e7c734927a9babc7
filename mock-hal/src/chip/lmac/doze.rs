//! What a dozing radio hears (file 40, sections 2 and 3.5; file 21, section 2.13): the beacons it wakes for, and the
//! group frames behind a DTIM for which it stays awake.
//!
//! MIB 0x1007 says which beacons. Its units are not known for sure (file 40, section 8); read as its uses in file 21
//! suggest:
//!
//! | listen interval | periods | the radio wakes for |
//! |---|---|---|
//! | 0 | 0 or 1 | every beacon |
//! | 0 | n | the beacon with a DTIM, and every n-th if that comes first |
//! | n | any | every n-th beacon; the one with the DTIM if n is a multiple of the DTIM period |
//!
//! What the access point sends to the station itself comes because the station has asked for it, and is always heard.

use super::frame::{fc, Mpdu, TIM};
use super::mib::id;
use super::{Lmac, Medium};
use crate::chip::wire::{u16_at, u8_at};

/// What the radio of one interface does between what it has to hear.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Doze {
    /// Beacons that were slept through since the last that was heard.
    slept: u32,
    /// Group frames are to come.
    awaits_group: bool,
}

impl Doze {
    /// Whether the radio is awake for a beacon with this part of a TIM: DTIM count and period.
    fn wakes_for(&mut self, periods: u8, listen: u16, tim: (u8, u8)) -> bool {
        let is_dtim = tim.0 == 0;
        let next = self.slept + 1;
        let awake = match (u32::from(listen), u32::from(periods)) {
            (0, periods) => is_dtim || next >= periods.max(1),
            (listen, _) => {
                let aligned = listen % u32::from(tim.1.max(1)) == 0;
                next >= listen && (is_dtim || !aligned)
            }
        };
        self.slept = if awake { 0 } else { next };
        awake
    }
}

impl<M: Medium> Lmac<M> {
    /// Whether the radio sleeps through this frame of the BSS of an interface.
    pub(super) fn sleeps_through(&mut self, interface: u8, mpdu: Mpdu<'_>) -> bool {
        let state = &mut self.interfaces[usize::from(interface)];
        if !state.power.is_dozing() || state.power.is_stuck() {
            return false;
        }
        let is_beacon = mpdu.kind() == super::frame::kind::BEACON;
        if !is_beacon {
            if !mpdu.is_group() {
                return false;
            }
            let awake = state.doze.awaits_group;
            state.doze.awaits_group &= mpdu.flags() & fc::MORE_DATA != 0;
            return !awake;
        }
        let tim = mpdu
            .elements()
            .find(|(id, _)| *id == TIM)
            .map_or(&[][..], |(_, content)| content);
        let mib = self.mibs.read(interface, id::WAKE_UP).unwrap_or(&[]);
        let awake = state.doze.wakes_for(
            u8_at(mib, 0),
            u16_at(mib, 2),
            (u8_at(tim, 0), u8_at(tim, 1)),
        );
        // Behind a DTIM whose map says that group frames follow.
        state.doze.awaits_group = awake && u8_at(tim, 0) == 0 && u8_at(tim, 2) & 1 != 0;
        if awake {
            state.traffic.woken_for += 1;
        } else {
            state.traffic.slept_through += 1;
            // Nobody misses what nobody wanted to hear.
            if let Some(bss) = state.joined_mut() {
                bss.last_beacon = self.now;
            }
        }
        !awake
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Which of 12 beacons with this DTIM period are heard.
    fn heard(periods: u8, listen: u16, dtim: u8) -> Vec<u8> {
        let mut doze = Doze::default();
        (0..12)
            .filter(|beacon| doze.wakes_for(periods, listen, ((dtim - beacon % dtim) % dtim, dtim)))
            .collect()
    }

    #[test]
    fn the_dtim_is_what_counts_without_a_listen_interval() {
        assert_eq!(heard(0, 0, 3).len(), 12);
        assert_eq!(heard(1, 0, 3).len(), 12);
        assert_eq!(heard(3, 0, 3), [0, 3, 6, 9]);
        assert_eq!(heard(2, 0, 1).len(), 12);
    }

    #[test]
    fn a_listen_interval_sleeps_through_what_is_between() {
        assert_eq!(heard(1, 3, 1), [2, 5, 8, 11]);
        assert_eq!(heard(1, 6, 3), [6]);
        assert_eq!(heard(1, 3, 3), [3, 6, 9]);
        // 5 is no multiple of 3: it has to take what comes.
        assert_eq!(heard(1, 5, 3), [4, 9]);
    }
}
