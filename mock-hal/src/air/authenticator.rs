//! The access point's side of the 4-way handshake and of the group key handshake (IEEE 802.11-2016, sections 12.7.6
//! and 12.7.7).
//!
//! ```text
//!   Idle ──start──► AwaitM2 ──M2──► AwaitM4 ──M4──► Done ──rekey──► AwaitGroup ──G2──► Done
//!                      │               │                                │
//!                      └──── no answer, four times ─────────────────────┴──► Failed
//! ```

use super::elements::{append, id, is_ccmp_psk, Elements, RSN_CCMP_PSK};
use super::wpa::{
    group_key_data, mic_is_right, wrap, KeyFrame, Nonce, Pmk, Ptk, ACK, ENCRYPTED, INSTALL,
    PAIRWISE, SECURE, VERSION_2, WITH_MIC,
};
use super::Address;
use bes_hal::time::Instant;
use core::time::Duration;

/// Reason code: 4-way handshake timeout.
pub const REASON_HANDSHAKE_TIMEOUT: u16 = 15;
/// Reason code: group key handshake timeout.
pub const REASON_GROUP_TIMEOUT: u16 = 16;
/// Reason code: the element of message 2 is not that of the association request.
pub const REASON_ELEMENT_DIFFERS: u16 = 17;

const TRIES: u8 = 4;
const TIMEOUT: Duration = Duration::from_secs(1);

/// The group key that the handshake hands out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GroupKey {
    /// Key id, 1 or 2.
    pub id: u8,
    /// The key.
    pub bytes: [u8; 16],
}

/// What the access point has to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reaction {
    /// Nothing.
    Nothing,
    /// Send this EAPOL frame.
    Send(Vec<u8>),
    /// Install the pairwise key: the station is authorised.
    Install(Ptk),
    /// Deauthenticate the station for this reason.
    Fail(u16),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Idle,
    AwaitM2,
    AwaitM4,
    Done,
    AwaitGroup,
}

/// One station's handshake.
#[derive(Clone, Debug)]
pub struct Authenticator {
    pmk: Pmk,
    access_point: Address,
    station: Address,
    anonce: Nonce,
    ptk: Option<Ptk>,
    phase: Phase,
    replay_counter: u64,
    tries: u8,
    deadline: Option<Instant>,
}

impl Authenticator {
    /// A handshake that has not begun.
    pub fn new(pmk: Pmk, access_point: Address, station: Address, anonce: Nonce) -> Self {
        Self {
            pmk,
            access_point,
            station,
            anonce,
            ptk: None,
            phase: Phase::Idle,
            replay_counter: 0,
            tries: 0,
            deadline: None,
        }
    }

    /// When [`poll`](Self::poll) has something to do.
    pub fn deadline(&self) -> Option<Instant> {
        self.deadline
    }

    /// Begins: message 1.
    pub fn start(&mut self, now: Instant) -> Vec<u8> {
        self.enter(Phase::AwaitM2, now);
        self.message_1()
    }

    /// Begins the group key handshake. Nothing unless the 4-way handshake is complete.
    pub fn rekey(&mut self, group: &GroupKey, now: Instant) -> Reaction {
        match (self.phase, self.ptk) {
            (Phase::Done | Phase::AwaitGroup, Some(ptk)) => {
                self.enter(Phase::AwaitGroup, now);
                Reaction::Send(self.group_1(&ptk, group))
            }
            _ => Reaction::Nothing,
        }
    }

    /// Begins the 4-way handshake once more, for a new pairwise key. Nothing unless the first one is complete.
    pub fn rekey_pairwise(&mut self, anonce: Nonce, now: Instant) -> Reaction {
        if self.phase != Phase::Done {
            return Reaction::Nothing;
        }
        self.anonce = anonce;
        Reaction::Send(self.start(now))
    }

    /// Takes an EAPOL frame of the station.
    pub fn handle(&mut self, eapol: &[u8], group: &GroupKey, now: Instant) -> Reaction {
        let Some(frame) = KeyFrame::parse(eapol) else {
            return Reaction::Nothing;
        };
        let answers = frame.replay_counter == self.replay_counter
            && frame.info & ACK == 0
            && frame.info & WITH_MIC != 0;
        if !answers {
            return Reaction::Nothing;
        }
        match self.phase {
            Phase::AwaitM2 if frame.info & PAIRWISE != 0 => {
                self.message_2(eapol, &frame, group, now)
            }
            Phase::AwaitM4 if frame.info & PAIRWISE != 0 => match self.ptk {
                Some(ptk) if mic_is_right(&ptk.kck, eapol) && frame.info & SECURE != 0 => {
                    self.phase = Phase::Done;
                    self.deadline = None;
                    Reaction::Install(ptk)
                }
                _ => Reaction::Nothing,
            },
            Phase::AwaitGroup if frame.info & PAIRWISE == 0 => {
                if self.ptk.is_some_and(|ptk| mic_is_right(&ptk.kck, eapol)) {
                    self.phase = Phase::Done;
                    self.deadline = None;
                }
                Reaction::Nothing
            }
            _ => Reaction::Nothing,
        }
    }

    /// Sends the message again, or gives up, when its deadline has come.
    pub fn poll(&mut self, group: &GroupKey, now: Instant) -> Reaction {
        if !self.deadline.is_some_and(|deadline| deadline.is_due(now)) {
            return Reaction::Nothing;
        }
        if self.tries >= TRIES {
            self.deadline = None;
            let reason = if self.phase == Phase::AwaitGroup {
                REASON_GROUP_TIMEOUT
            } else {
                REASON_HANDSHAKE_TIMEOUT
            };
            self.phase = Phase::Idle;
            return Reaction::Fail(reason);
        }
        self.tries += 1;
        self.replay_counter += 1;
        self.deadline = Some(now.after(TIMEOUT));
        match (self.phase, self.ptk) {
            (Phase::AwaitM2, _) => Reaction::Send(self.message_1()),
            (Phase::AwaitM4, Some(ptk)) => Reaction::Send(self.message_3(&ptk, group)),
            (Phase::AwaitGroup, Some(ptk)) => Reaction::Send(self.group_1(&ptk, group)),
            _ => Reaction::Nothing,
        }
    }

    fn enter(&mut self, phase: Phase, now: Instant) {
        self.phase = phase;
        self.tries = 1;
        self.replay_counter += 1;
        self.deadline = Some(now.after(TIMEOUT));
    }

    fn message_2(
        &mut self,
        eapol: &[u8],
        frame: &KeyFrame,
        group: &GroupKey,
        now: Instant,
    ) -> Reaction {
        let ptk = Ptk::derive(
            &self.pmk,
            self.access_point,
            self.station,
            &self.anonce,
            &frame.nonce,
        );
        // A wrong passphrase shows here: the MIC is of another key. The station is left to its timeout.
        if !mic_is_right(&ptk.kck, eapol) {
            return Reaction::Nothing;
        }
        if !Elements::new(&frame.data)
            .content(id::RSN)
            .is_some_and(is_ccmp_psk)
        {
            self.deadline = None;
            self.phase = Phase::Idle;
            return Reaction::Fail(REASON_ELEMENT_DIFFERS);
        }
        self.ptk = Some(ptk);
        self.enter(Phase::AwaitM4, now);
        Reaction::Send(self.message_3(&ptk, group))
    }

    fn message_1(&self) -> Vec<u8> {
        KeyFrame {
            info: VERSION_2 | PAIRWISE | ACK,
            replay_counter: self.replay_counter,
            nonce: self.anonce,
            data: Vec::new(),
        }
        .emit(None)
    }

    fn message_3(&self, ptk: &Ptk, group: &GroupKey) -> Vec<u8> {
        let mut data = Vec::new();
        append(&mut data, id::RSN, &RSN_CCMP_PSK);
        data.extend_from_slice(&group_key_data(group.id, &group.bytes));
        KeyFrame {
            info: VERSION_2 | PAIRWISE | INSTALL | ACK | WITH_MIC | SECURE | ENCRYPTED,
            replay_counter: self.replay_counter,
            nonce: self.anonce,
            data: wrap(&ptk.kek, &data),
        }
        .emit(Some(&ptk.kck))
    }

    fn group_1(&self, ptk: &Ptk, group: &GroupKey) -> Vec<u8> {
        KeyFrame {
            info: VERSION_2 | ACK | WITH_MIC | SECURE | ENCRYPTED,
            replay_counter: self.replay_counter,
            nonce: [0; 32],
            data: wrap(&ptk.kek, &group_key_data(group.id, &group.bytes)),
        }
        .emit(Some(&ptk.kck))
    }
}

#[cfg(test)]
mod tests {
    use super::super::wpa::{find_group_key, pmk, unwrap};
    use super::*;

    const AP: Address = [2, 0, 0, 0, 0, 1];
    const STATION: Address = [2, 0, 0, 0, 0, 2];
    const GROUP: GroupKey = GroupKey {
        id: 1,
        bytes: [0x77; 16],
    };

    fn m2(m1: &[u8], key: &Pmk, rsn: &[u8]) -> (Ptk, Vec<u8>) {
        let m1 = KeyFrame::parse(m1).unwrap();
        let snonce = [9; 32];
        let ptk = Ptk::derive(key, AP, STATION, &m1.nonce, &snonce);
        let mut data = Vec::new();
        append(&mut data, id::RSN, rsn);
        let frame = KeyFrame {
            info: VERSION_2 | PAIRWISE | WITH_MIC,
            replay_counter: m1.replay_counter,
            nonce: snonce,
            data,
        };
        (ptk, frame.emit(Some(&ptk.kck)))
    }

    fn m4(m3: &[u8], ptk: &Ptk) -> Vec<u8> {
        KeyFrame {
            info: VERSION_2 | PAIRWISE | WITH_MIC | SECURE,
            replay_counter: KeyFrame::parse(m3).unwrap().replay_counter,
            nonce: [0; 32],
            data: Vec::new(),
        }
        .emit(Some(&ptk.kck))
    }

    #[test]
    fn four_messages_install_the_key_and_hand_out_the_group_key() {
        let key = pmk("12345678", b"net");
        let mut authenticator = Authenticator::new(key, AP, STATION, [1; 32]);
        let now = Instant::from_millis(5);
        let m1 = authenticator.start(now);
        let (ptk, m2) = m2(&m1, &key, &RSN_CCMP_PSK);
        let Reaction::Send(m3) = authenticator.handle(&m2, &GROUP, now) else {
            panic!("no message 3");
        };
        assert!(mic_is_right(&ptk.kck, &m3));
        let data = unwrap(&ptk.kek, &KeyFrame::parse(&m3).unwrap().data).unwrap();
        assert_eq!(find_group_key(&data), Some((1, [0x77; 16])));
        assert_eq!(
            authenticator.handle(&m4(&m3, &ptk), &GROUP, now),
            Reaction::Install(ptk)
        );
        assert_eq!(authenticator.deadline(), None);
        // A replayed message 4 must not install the key again.
        assert_eq!(
            authenticator.handle(&m4(&m3, &ptk), &GROUP, now),
            Reaction::Nothing
        );
    }

    #[test]
    fn a_wrong_passphrase_ends_in_a_timeout_after_four_messages() {
        let mut authenticator = Authenticator::new(pmk("12345678", b"net"), AP, STATION, [1; 32]);
        let mut now = Instant::ZERO;
        let m1 = authenticator.start(now);
        let (_, m2) = m2(&m1, &pmk("87654321", b"net"), &RSN_CCMP_PSK);
        assert_eq!(authenticator.handle(&m2, &GROUP, now), Reaction::Nothing);
        for _ in 0..3 {
            now = authenticator.deadline().unwrap();
            assert!(matches!(authenticator.poll(&GROUP, now), Reaction::Send(_)));
        }
        now = authenticator.deadline().unwrap();
        assert_eq!(now, Instant::from_millis(4000));
        assert_eq!(
            authenticator.poll(&GROUP, now),
            Reaction::Fail(REASON_HANDSHAKE_TIMEOUT)
        );
        assert_eq!(authenticator.deadline(), None);
    }

    #[test]
    fn another_cipher_in_message_2_is_refused() {
        let key = pmk("12345678", b"net");
        let mut authenticator = Authenticator::new(key, AP, STATION, [1; 32]);
        let m1 = authenticator.start(Instant::ZERO);
        let mut tkip = RSN_CCMP_PSK;
        tkip[11] = 2;
        let (_, m2) = m2(&m1, &key, &tkip);
        assert_eq!(
            authenticator.handle(&m2, &GROUP, Instant::ZERO),
            Reaction::Fail(REASON_ELEMENT_DIFFERS)
        );
    }

    #[test]
    fn an_answer_to_an_older_message_is_ignored() {
        let key = pmk("12345678", b"net");
        let mut authenticator = Authenticator::new(key, AP, STATION, [1; 32]);
        let m1 = authenticator.start(Instant::ZERO);
        let (_, stale) = m2(&m1, &key, &RSN_CCMP_PSK);
        let Reaction::Send(again) = authenticator.poll(&GROUP, Instant::from_millis(1000)) else {
            panic!("not sent again");
        };
        assert_ne!(m1, again);
        assert_eq!(
            authenticator.handle(&stale, &GROUP, Instant::from_millis(1001)),
            Reaction::Nothing
        );
    }
}
