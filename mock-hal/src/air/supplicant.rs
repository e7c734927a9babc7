//! The station's side of the 4-way handshake and of the group key handshake, for programs that put a station above
//! the driver and have no other supplicant (IEEE 802.11-2016, sections 12.7.6 and 12.7.7).

use super::elements::{append, id, RSN_CCMP_PSK};
use super::wpa::{
    find_group_key, mic_is_right, unwrap, KeyFrame, Nonce, Pmk, Ptk, ACK, PAIRWISE, SECURE,
    VERSION_2, WITH_MIC,
};
use super::Address;

/// What the station has to do, in this order: send the reply under the keys it has, then install the new ones.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Answer {
    /// EAPOL frame to be sent to the access point.
    pub reply: Option<Vec<u8>>,
    /// Pairwise temporal key to be installed, key id 0.
    pub pairwise: Option<[u8; 16]>,
    /// Group key to be installed, with its key id.
    pub group: Option<(u8, [u8; 16])>,
}

/// A station's handshake.
#[derive(Clone, Debug)]
pub struct Supplicant {
    pmk: Pmk,
    access_point: Address,
    station: Address,
    snonce: Nonce,
    ptk: Option<Ptk>,
    /// The key of the last message 3 is installed: it is not installed again, because that would reset its counters.
    installed: bool,
    replay_counter: Option<u64>,
}

impl Supplicant {
    /// A handshake that waits for message 1. `pmk`: see [`pmk`](super::wpa::pmk). `snonce` must be new each time.
    pub fn new(pmk: Pmk, access_point: Address, station: Address, snonce: Nonce) -> Self {
        Self {
            pmk,
            access_point,
            station,
            snonce,
            ptk: None,
            installed: false,
            replay_counter: None,
        }
    }

    /// Whether the pairwise key is installed.
    pub fn is_complete(&self) -> bool {
        self.installed
    }

    /// Takes an EAPOL frame of the access point. What is not for this handshake, repeated, or has a wrong MIC, gives
    /// an empty answer.
    pub fn handle(&mut self, eapol: &[u8]) -> Answer {
        self.react(eapol).unwrap_or_default()
    }

    fn react(&mut self, eapol: &[u8]) -> Option<Answer> {
        let frame = KeyFrame::parse(eapol)?;
        let new = self
            .replay_counter
            .is_none_or(|last| frame.replay_counter > last);
        if !new || frame.info & ACK == 0 {
            return None;
        }
        if frame.info & WITH_MIC == 0 {
            return (frame.info & PAIRWISE != 0).then(|| self.message_1(&frame));
        }
        let ptk = self.ptk.filter(|ptk| mic_is_right(&ptk.kck, eapol))?;
        let group = find_group_key(&unwrap(&ptk.kek, &frame.data)?)?;
        self.replay_counter = Some(frame.replay_counter);
        let pairwise = frame.info & PAIRWISE;
        let reply = KeyFrame {
            info: VERSION_2 | pairwise | WITH_MIC | SECURE,
            replay_counter: frame.replay_counter,
            nonce: [0; 32],
            data: Vec::new(),
        };
        let install = pairwise != 0 && !self.installed;
        self.installed |= install;
        Some(Answer {
            reply: Some(reply.emit(Some(&ptk.kck))),
            pairwise: install.then_some(ptk.tk),
            group: (install || pairwise == 0).then_some(group),
        })
    }

    fn message_1(&mut self, frame: &KeyFrame) -> Answer {
        let ptk = Ptk::derive(
            &self.pmk,
            self.access_point,
            self.station,
            &frame.nonce,
            &self.snonce,
        );
        if self.ptk != Some(ptk) {
            self.installed = false;
        }
        self.ptk = Some(ptk);
        let mut data = Vec::new();
        append(&mut data, id::RSN, &RSN_CCMP_PSK);
        let reply = KeyFrame {
            info: VERSION_2 | PAIRWISE | WITH_MIC,
            replay_counter: frame.replay_counter,
            nonce: self.snonce,
            data,
        };
        Answer {
            reply: Some(reply.emit(Some(&ptk.kck))),
            ..Answer::default()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::authenticator::{Authenticator, GroupKey, Reaction};
    use super::*;
    use bes_hal::time::Instant;

    const AP: Address = [2, 0, 0, 0, 0, 1];
    const STATION: Address = [2, 0, 0, 0, 0, 2];
    const NOW: Instant = Instant::ZERO;

    fn group(byte: u8) -> GroupKey {
        GroupKey {
            id: 1 + byte % 2,
            bytes: [byte; 16],
        }
    }

    fn sides() -> (Authenticator, Supplicant) {
        (
            Authenticator::new([7; 32], AP, STATION, [1; 32]),
            Supplicant::new([7; 32], AP, STATION, [2; 32]),
        )
    }

    fn sent(reaction: Reaction) -> Vec<u8> {
        match reaction {
            Reaction::Send(frame) => frame,
            other => panic!("{other:?} instead of a frame"),
        }
    }

    #[test]
    fn authenticator_and_supplicant_agree_on_both_keys() {
        let (mut authenticator, mut supplicant) = sides();
        let m2 = supplicant.handle(&authenticator.start(NOW)).reply.unwrap();
        assert!(!supplicant.is_complete());
        let m3 = sent(authenticator.handle(&m2, &group(4), NOW));
        let answer = supplicant.handle(&m3);
        assert_eq!(answer.group, Some((1, [4; 16])));
        assert!(supplicant.is_complete());
        let Reaction::Install(ptk) = authenticator.handle(&answer.reply.unwrap(), &group(4), NOW)
        else {
            panic!("no key");
        };
        assert_eq!(answer.pairwise, Some(ptk.tk));

        let g1 = sent(authenticator.rekey(&group(5), NOW));
        let answer = supplicant.handle(&g1);
        assert_eq!((answer.pairwise, answer.group), (None, Some((2, [5; 16]))));
        authenticator.handle(&answer.reply.unwrap(), &group(5), NOW);
        assert_eq!(authenticator.deadline(), None);
    }

    #[test]
    fn a_repeated_message_3_is_answered_but_the_key_is_not_installed_again() {
        let (mut authenticator, mut supplicant) = sides();
        let m2 = supplicant.handle(&authenticator.start(NOW)).reply.unwrap();
        let m3 = sent(authenticator.handle(&m2, &group(4), NOW));
        assert!(supplicant.handle(&m3).pairwise.is_some());
        // The very same frame is a replay.
        assert_eq!(supplicant.handle(&m3), Answer::default());
        // Message 4 got lost: the authenticator sends message 3 again with a new counter.
        let again = sent(authenticator.poll(&group(4), Instant::from_millis(1000)));
        let answer = supplicant.handle(&again);
        assert_eq!((answer.pairwise, answer.group), (None, None));
        assert!(matches!(
            authenticator.handle(&answer.reply.unwrap(), &group(4), NOW),
            Reaction::Install(_)
        ));
    }

    #[test]
    fn a_wrong_mic_and_garbage_get_no_answer() {
        let (mut authenticator, mut supplicant) = sides();
        let m2 = supplicant.handle(&authenticator.start(NOW)).reply.unwrap();
        let mut m3 = sent(authenticator.handle(&m2, &group(4), NOW));
        m3[85] ^= 1;
        assert_eq!(supplicant.handle(&m3), Answer::default());
        for len in 0..m3.len() {
            assert_eq!(supplicant.handle(&m3[..len]), Answer::default());
        }
    }
}
