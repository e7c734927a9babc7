//! Block ack agreements of an access point, in both directions.

use super::access_point::{AccessPoint, REASON_CLASS_3};
use super::block_ack::{Action, Reorder, STATUS_DECLINED, STATUS_SUCCESS};
use super::frame::{kind, management, Mpdu, PROTECTED};
use super::station::{Outgoing, Purpose, RxAgreement, StationState, TxAgreement};
use super::Address;
use bes_hal::time::Instant;
use core::time::Duration;

impl AccessPoint {
    /// A block ack agreement, as the station negotiated it.
    pub(super) fn set_block_ack(
        &mut self,
        address: Address,
        tid: u8,
        from_station: bool,
        window: u8,
    ) {
        let Some(station) = self.station_mut(address) else {
            return;
        };
        let at = usize::from(tid & 7);
        if from_station {
            station.rx[at] = match (
                window,
                core::mem::replace(&mut station.rx[at], RxAgreement::None),
            ) {
                (0, _) => RxAgreement::None,
                (_, RxAgreement::Active(reorder)) => RxAgreement::Active(reorder),
                (window, _) => RxAgreement::Agreed(u16::from(window)),
            };
        } else {
            station.tx[at] = if window == 0 {
                TxAgreement::None
            } else {
                TxAgreement::Active {
                    window: u16::from(window),
                }
            };
        }
    }

    /// Whether an A-MPDU with this frame is under an agreement; counts if not.
    pub(super) fn accepts_ampdu(&mut self, mpdu: Mpdu<'_>) -> bool {
        let tid = usize::from(mpdu.tid() & 7);
        let agreed = self
            .stations
            .iter()
            .find(|station| station.address == mpdu.transmitter())
            .is_some_and(|station| !matches!(station.rx[tid], RxAgreement::None));
        if !agreed {
            self.counters.unagreed_ampdus += 1;
        }
        agreed
    }

    pub(super) fn handle_action(&mut self, mpdu: Mpdu<'_>, at: Instant) {
        let (aggregation, bssid) = (self.config.aggregation, self.config.bssid);
        let Some(station) = self.station_mut(mpdu.transmitter()) else {
            self.complain(mpdu.transmitter(), REASON_CLASS_3, at);
            return;
        };
        if mpdu.has(PROTECTED) {
            return;
        }
        match Action::parse(mpdu.body()) {
            Some(Action::Request {
                token,
                tid,
                window,
                timeout,
                start,
            }) => {
                let accepted = aggregation && station.ht.is_some() && tid < 8;
                let window = if window == 0 { 64 } else { window.min(64) };
                if accepted {
                    station.rx[usize::from(tid)] = RxAgreement::Active(Reorder::new(start, window));
                }
                let mut frame = management(kind::ACTION, station.address, bssid, bssid);
                Action::Response {
                    token,
                    status: if accepted {
                        STATUS_SUCCESS
                    } else {
                        STATUS_DECLINED
                    },
                    tid,
                    window,
                    timeout,
                }
                .append(&mut frame);
                station
                    .control
                    .push_back(Outgoing::new(frame, Purpose::Management));
            }
            Some(Action::Response {
                token,
                status,
                tid,
                window,
                ..
            }) if tid < 8 => {
                let agreement = &mut station.tx[usize::from(tid)];
                if matches!(*agreement, TxAgreement::Requested { token: asked, .. } if asked == token)
                {
                    *agreement = if status == STATUS_SUCCESS && window > 0 {
                        TxAgreement::Active { window }
                    } else {
                        // Declined: it is not asked again.
                        station.tx_requests[usize::from(tid)] = u8::MAX;
                        TxAgreement::None
                    };
                }
            }
            Some(Action::Delete {
                tid,
                from_originator,
                ..
            }) if tid < 8 => {
                if from_originator {
                    station.rx[usize::from(tid)] = RxAgreement::None;
                } else {
                    station.tx[usize::from(tid)] = TxAgreement::None;
                    station.tx_requests[usize::from(tid)] = u8::MAX;
                }
            }
            _ => {}
        }
    }

    /// Asks for an agreement after a few frames, as access points do.
    pub(super) fn consider_block_ack(&mut self, position: usize, tid: u8, now: Instant) {
        const FRAMES: u16 = 4;
        const REQUESTS: u8 = 3;
        let (aggregation, bssid) = (self.config.aggregation, self.config.bssid);
        let at = usize::from(tid & 7);
        let station = &mut self.stations[position];
        station.tx_sent[at] = station.tx_sent[at].saturating_add(1);
        if !aggregation
            || station.ht.is_none()
            || station.state != StationState::Authorized
            || station.tx[at] != TxAgreement::None
            || station.tx_sent[at] < FRAMES
            || station.tx_requests[at] >= REQUESTS
        {
            return;
        }
        station.tx_requests[at] += 1;
        station.tx_sent[at] = 0;
        self.dialog_token = self.dialog_token.wrapping_add(1).max(1);
        station.tx[at] = TxAgreement::Requested {
            token: self.dialog_token,
            deadline: now.after(Duration::from_secs(1)),
        };
        let start = station.pending[at]
            .iter()
            .find_map(|frame| match frame.purpose {
                Purpose::Data { sequence, .. } => Some(sequence),
                _ => None,
            })
            .unwrap_or(station.sequence[at]);
        let mut frame = management(kind::ACTION, station.address, bssid, bssid);
        Action::Request {
            token: self.dialog_token,
            tid,
            window: 64,
            timeout: 0,
            start,
        }
        .append(&mut frame);
        station
            .control
            .push_back(Outgoing::new(frame, Purpose::Management));
    }
}
