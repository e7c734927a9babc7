//! Block ack agreements, which the chip negotiates by itself in both directions (file 30, section 6; MIB 0x100E).
//!
//! As originator, for one peer and TID:
//!
//! | state | event | next |
//! |---|---|---|
//! | counting | enough data was acknowledged at an HT rate, the policy allows the TID | requested |
//! | requested | response with status 0 | active |
//! | requested | another status, or no response three times | refused for some seconds |
//! | active, requested | reset, DELBA, policy forbids the TID | counting |

use super::ccmp;
use super::frame::{self, Mpdu};
use super::transmit::Own;
use super::{Lmac, Medium};
use crate::chip::wire::{u16_at, u8_at};
use bes_hal::time::Instant;
use core::time::Duration;

/// How long a response may take.
const RESPONSE_TIMEOUT: Duration = Duration::from_millis(100);
/// How long a refusal is respected.
const REFUSAL: Duration = Duration::from_secs(10);
/// Requests without a response until the peer counts as refusing.
const ATTEMPTS: u8 = 3;
/// Frames of a window: the width of a block ack bitmap.
const WINDOW: u8 = 64;
/// Protocol of the frames of the key handshakes.
const EAPOL: u16 = 0x888E;
/// Status "declined".
const DECLINED: u16 = 37;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Counting(u32),
    Requested {
        token: u8,
        attempts: u8,
        deadline: Instant,
    },
    Active(u8),
    Refused(Instant),
}

#[derive(Clone, Copy, Debug)]
struct Agreement {
    interface: u8,
    peer: [u8; 6],
    tid: u8,
    from_station: bool,
    state: State,
    /// Sequence number of the last frame that was acknowledged.
    last_sequence: u16,
}

/// All agreements and the beginnings of some.
#[derive(Debug, Default)]
pub(crate) struct BlockAck {
    agreements: Vec<Agreement>,
    token: u8,
}

/// Peer, TID and direction of an agreement that ended.
type Ended = ([u8; 6], u8, bool);

impl BlockAck {
    fn find(&mut self, peer: [u8; 6], tid: u8, from_station: bool) -> Option<&mut Agreement> {
        self.agreements.iter_mut().find(|agreement| {
            agreement.peer == peer && agreement.tid == tid && agreement.from_station == from_station
        })
    }

    /// Window of an active agreement with the station as originator.
    pub(crate) fn window(&self, interface: u8, peer: [u8; 6], tid: u8) -> Option<u8> {
        self.agreements.iter().find_map(|agreement| {
            match (agreement.from_station, agreement.state) {
                (true, State::Active(window))
                    if agreement.interface == interface
                        && agreement.tid == tid
                        && agreement.peer == peer =>
                {
                    Some(window)
                }
                _ => None,
            }
        })
    }

    /// When a response is overdue.
    pub(crate) fn due(&self) -> Option<Instant> {
        self.agreements
            .iter()
            .filter_map(|agreement| match agreement.state {
                State::Requested { deadline, .. } => Some(deadline),
                _ => None,
            })
            .min()
    }

    fn take(&mut self, mut matches: impl FnMut(&Agreement) -> bool) -> Vec<Ended> {
        let mut ended = Vec::new();
        self.agreements.retain(|agreement| {
            if !matches(agreement) {
                return true;
            }
            if matches!(agreement.state, State::Active(_)) {
                ended.push((agreement.peer, agreement.tid, agreement.from_station));
            }
            false
        });
        ended
    }

    /// Forgets everything; the active agreements are returned.
    pub(crate) fn clear(&mut self) -> Vec<Ended> {
        self.take(|_| true)
    }

    /// Forgets everything of an interface; the active agreements are returned.
    pub(crate) fn clear_interface(&mut self, interface: u8) -> Vec<Ended> {
        self.take(|agreement| agreement.interface == interface)
    }
}

impl<M: Medium> Lmac<M> {
    fn block_ack_frame(&mut self, interface: u8, peer: [u8; 6], body: &[u8]) -> Vec<u8> {
        let own = self.interface_address(interface);
        let bssid = match self.interfaces[usize::from(interface)].joined() {
            Some(bss) => bss.bssid,
            None => own,
        };
        let sequence = self.next_sequence();
        let mut frame = frame::block_ack_action(peer, own, bssid, sequence, body);
        if self.keys.protects_management(interface, peer) {
            // Robust: with protected management frames the peer ignores it in the clear.
            frame::make_room_for_cipher(&mut frame, ccmp::HEADER, ccmp::MIC);
        }
        frame
    }

    /// A data frame of the host was acknowledged: it may be time to ask for an agreement.
    pub(super) fn count_for_block_ack(
        &mut self,
        interface: u8,
        frame: &[u8],
        rate_id: u8,
        now: Instant,
    ) {
        let Some(mpdu) = Mpdu::new(frame).filter(|mpdu| mpdu.is_qos() && !mpdu.is_group()) else {
            return;
        };
        let (peer, tid) = (mpdu.a1(), mpdu.tid());
        let sequence = mpdu.sequence_control() >> 4;
        if let Some(agreement) = self.block_ack.find(peer, tid, true) {
            agreement.last_sequence = sequence;
            if matches!(agreement.state, State::Active(_) | State::Requested { .. }) {
                return;
            }
        }
        let state = &self.interfaces[usize::from(interface)];
        let allowed = self.config.negotiate_block_ack
            && rate_id >= 14
            && tid < 8
            && state.block_ack_tx >> tid & 1 != 0
            && (state.joined().is_none() || state.bss.aid != 0)
            && !mpdu.is_null()
            && mpdu.ether_type() != Some(EAPOL);
        if !allowed {
            return;
        }
        let threshold = self.config.block_ack_after;
        let ask = match self.block_ack.find(peer, tid, true) {
            None => {
                self.block_ack.agreements.push(Agreement {
                    interface,
                    peer,
                    tid,
                    from_station: true,
                    state: State::Counting(1),
                    last_sequence: sequence,
                });
                threshold <= 1
            }
            Some(agreement) => match &mut agreement.state {
                State::Counting(count) => {
                    *count += 1;
                    *count >= threshold
                }
                State::Refused(until) if until.is_due(now) => {
                    agreement.state = State::Counting(1);
                    false
                }
                _ => false,
            },
        };
        if ask {
            self.request_block_ack(interface, peer, tid, 1, now);
        }
    }

    fn request_block_ack(
        &mut self,
        interface: u8,
        peer: [u8; 6],
        tid: u8,
        attempts: u8,
        now: Instant,
    ) {
        self.block_ack.token = self.block_ack.token.wrapping_add(1).max(1);
        let token = self.block_ack.token;
        let Some(agreement) = self.block_ack.find(peer, tid, true) else {
            return;
        };
        agreement.state = State::Requested {
            token,
            attempts,
            deadline: now.after(RESPONSE_TIMEOUT),
        };
        let start = (agreement.last_sequence + 1) & 0x0FFF;
        // Immediate block ack, no A-MSDU.
        let parameters = 1 << 1 | u16::from(tid) << 2 | u16::from(WINDOW) << 6;
        let mut body = vec![0, token];
        body.extend_from_slice(&parameters.to_le_bytes());
        body.extend_from_slice(&[0, 0]);
        body.extend_from_slice(&(start << 4).to_le_bytes());
        let frame = self.block_ack_frame(interface, peer, &body);
        self.send_own(interface, frame, Own::AddbaRequest { tid }, now);
    }

    /// The request is on its way: the response may take its time from now, or the peer is not there.
    pub(super) fn block_ack_requested(
        &mut self,
        interface: u8,
        tid: u8,
        acked: bool,
        now: Instant,
    ) {
        for agreement in &mut self.block_ack.agreements {
            if agreement.interface == interface && agreement.tid == tid {
                if let State::Requested { deadline, .. } = &mut agreement.state {
                    *deadline = if acked {
                        now.after(RESPONSE_TIMEOUT)
                    } else {
                        now
                    };
                }
            }
        }
    }

    /// Repeats requests without a response, or gives up.
    pub(super) fn block_ack_step(&mut self, now: Instant) {
        let mut repeat = Vec::new();
        for agreement in &mut self.block_ack.agreements {
            if let State::Requested {
                attempts, deadline, ..
            } = agreement.state
            {
                if !deadline.is_due(now) {
                    continue;
                }
                if attempts >= ATTEMPTS {
                    agreement.state = State::Refused(now.after(REFUSAL));
                } else {
                    repeat.push((
                        agreement.interface,
                        agreement.peer,
                        agreement.tid,
                        attempts + 1,
                    ));
                }
            }
        }
        for (interface, peer, tid, attempts) in repeat {
            self.request_block_ack(interface, peer, tid, attempts, now);
        }
    }

    /// The response to the peer's request is through.
    pub(super) fn block_ack_accepted(&mut self, interface: u8, peer: [u8; 6], tid: u8, window: u8) {
        self.block_ack.take(|agreement| {
            agreement.peer == peer && agreement.tid == tid && !agreement.from_station
        });
        self.block_ack.agreements.push(Agreement {
            interface,
            peer,
            tid,
            from_station: false,
            state: State::Active(window),
            last_sequence: 0,
        });
        self.counters.block_ack_agreements += 1;
        self.medium.set_block_ack(peer, tid, false, window);
    }

    /// A received action frame of category 3. `true` if it answers the chip's own request and is nobody else's business.
    pub(super) fn block_ack_heard(&mut self, interface: u8, mpdu: Mpdu<'_>, now: Instant) -> bool {
        if !self.config.negotiate_block_ack {
            return false;
        }
        let (peer, body) = (mpdu.a2(), mpdu.body());
        match (u8_at(body, 1), body.len()) {
            (0, 9..) => {
                let token = u8_at(body, 2);
                let parameters = u16_at(body, 3);
                let tid = (parameters >> 2 & 0x0F).to_le_bytes()[0];
                let wanted = (parameters >> 6).min(WINDOW.into()).to_le_bytes()[0];
                let window = if wanted == 0 { WINDOW } else { wanted };
                let mask = self.interfaces[usize::from(interface)].block_ack_rx;
                let accept = tid < 8 && mask >> tid & 1 != 0;
                let status = if accept { 0 } else { DECLINED };
                let granted = parameters & 0x003F & !1 | u16::from(window) << 6;
                let mut answer = vec![1, token];
                answer.extend_from_slice(&status.to_le_bytes());
                answer.extend_from_slice(&granted.to_le_bytes());
                answer.extend_from_slice(&[0, 0]);
                let frame = self.block_ack_frame(interface, peer, &answer);
                let why = if accept {
                    Own::AddbaResponse { peer, tid, window }
                } else {
                    Own::Other
                };
                self.send_own(interface, frame, why, now);
                false
            }
            (1, 9..) => {
                let (token, status) = (u8_at(body, 2), u16_at(body, 3));
                let parameters = u16_at(body, 5);
                let tid = (parameters >> 2 & 0x0F).to_le_bytes()[0];
                let Some(agreement) = self.block_ack.find(peer, tid, true) else {
                    return false;
                };
                match agreement.state {
                    State::Requested { token: asked, .. } if asked == token => {}
                    _ => return false,
                }
                if status == 0 {
                    let granted = (parameters >> 6).min(WINDOW.into()).to_le_bytes()[0];
                    let window = if granted == 0 { WINDOW } else { granted };
                    agreement.state = State::Active(window);
                    self.counters.block_ack_agreements += 1;
                    self.medium.set_block_ack(peer, tid, true, window);
                } else {
                    agreement.state = State::Refused(now.after(REFUSAL));
                }
                true
            }
            (2, 6..) => {
                let parameters = u16_at(body, 2);
                let tid = (parameters >> 12).to_le_bytes()[0];
                // Initiator bit: the peer was originator, the station recipient.
                let from_station = parameters & 0x0800 == 0;
                for (peer, tid, from_station) in self.block_ack.take(|agreement| {
                    agreement.peer == peer
                        && agreement.tid == tid
                        && agreement.from_station == from_station
                }) {
                    self.medium.set_block_ack(peer, tid, from_station, 0);
                }
                false
            }
            _ => false,
        }
    }

    /// The policy changed: agreements it does not allow any more are torn down with a DELBA.
    pub(super) fn enforce_block_ack_policy(&mut self, interface: u8, now: Instant) {
        let state = &self.interfaces[usize::from(interface)];
        let (tx, rx) = (state.block_ack_tx, state.block_ack_rx);
        let ended = self.block_ack.take(|agreement| {
            let mask = if agreement.from_station { tx } else { rx };
            agreement.interface == interface
                && mask.checked_shr(agreement.tid.into()).unwrap_or(0) & 1 == 0
        });
        for (peer, tid, from_station) in ended {
            self.medium.set_block_ack(peer, tid, from_station, 0);
            let parameters = u16::from(tid) << 12 | u16::from(from_station) << 11;
            let mut body = vec![2];
            body.extend_from_slice(&parameters.to_le_bytes());
            // Reason: unspecified.
            body.extend_from_slice(&[1, 0]);
            let frame = self.block_ack_frame(interface, peer, &body);
            self.send_own(interface, frame, Own::Other, now);
        }
    }
}
