//! Keys of the stations of an access point: runs the handshakes and installs their results.

use super::access_point::AccessPoint;
use super::authenticator::{Authenticator, GroupKey, Reaction};
use super::ccmp::Key;
use super::endpoint::OwnedMsdu;
use super::frame::ETHERTYPE_EAPOL;
use super::station::{StationState, TxAgreement};
use super::wpa::Ptk;
use super::Address;
use bes_hal::time::{earliest, Instant};

impl AccessPoint {
    /// Makes a new group key and hands it to every authorised station.
    pub fn rekey_group(&mut self, now: Instant) {
        let mut bytes = [0; 16];
        self.rng.fill(&mut bytes);
        self.group = GroupKey {
            id: 3 - self.group.id,
            bytes,
        };
        self.group_key = Key::new(bytes);
        self.group_sent = 0;
        for at in 0..self.stations.len() {
            let group = self.group;
            let reaction = self.stations[at]
                .authenticator
                .as_mut()
                .map_or(Reaction::Nothing, |authenticator| {
                    authenticator.rekey(&group, now)
                });
            self.react(at, reaction, now);
        }
    }

    /// Makes a new pairwise key for a station with a 4-way handshake under the old one. `false`: it is not there, or
    /// has no key.
    ///
    /// After message 4 it sends nothing until the station has sent under the new key, at most for
    /// [`HANDOVER`](super::station::HANDOVER); meanwhile it takes frames under either, so that nothing is lost.
    pub fn rekey_pairwise(&mut self, station: Address, now: Instant) -> bool {
        let mut anonce = [0; 32];
        self.rng.fill(&mut anonce);
        let Some(at) = self.position(station) else {
            return false;
        };
        let reaction = self.stations[at]
            .authenticator
            .as_mut()
            .map_or(Reaction::Nothing, |authenticator| {
                authenticator.rekey_pairwise(anonce, now)
            });
        let begun = reaction != Reaction::Nothing;
        self.react(at, reaction, now);
        begun
    }

    /// The station has acknowledged the association response.
    pub(super) fn handle_associated(&mut self, address: Address, now: Instant) {
        let mut anonce = [0; 32];
        self.rng.fill(&mut anonce);
        let (bssid, pmk) = (self.config.bssid, self.pmk);
        let Some(at) = self.position(address) else {
            return;
        };
        let Some(pmk) = pmk else {
            self.stations[at].state = StationState::Authorized;
            return;
        };
        let station = &mut self.stations[at];
        station.state = StationState::Associated;
        let mut authenticator = Authenticator::new(pmk, bssid, address, anonce);
        let message = authenticator.start(now);
        station.authenticator = Some(authenticator);
        self.react(at, Reaction::Send(message), now);
    }

    /// EAPOL of a station.
    pub(super) fn handle_eapol(&mut self, position: usize, eapol: &[u8], at: Instant) {
        let group = self.group;
        let reaction = self.stations[position]
            .authenticator
            .as_mut()
            .map_or(Reaction::Nothing, |authenticator| {
                authenticator.handle(eapol, &group, at)
            });
        self.react(position, reaction, at);
    }

    pub(super) fn react(&mut self, position: usize, reaction: Reaction, now: Instant) {
        let bssid = self.config.bssid;
        let station = &mut self.stations[position];
        match reaction {
            Reaction::Nothing => {}
            Reaction::Send(payload) => station.queues[7].push_front(OwnedMsdu {
                destination: station.address,
                source: bssid,
                tid: 7,
                ethertype: ETHERTYPE_EAPOL,
                payload,
            }),
            Reaction::Install(Ptk { tk, .. }) => {
                station.install(Key::new(tk), now);
                station.state = StationState::Authorized;
                self.counters.handshakes += 1;
            }
            Reaction::Fail(reason) => {
                let address = station.address;
                self.deauthenticate(address, reason);
            }
        }
    }

    /// When one of its timers is due.
    pub(super) fn deadline(&self) -> Option<Instant> {
        let moving = self.moving.as_ref().map(|moving| moving.at);
        let own = earliest(moving, self.storm.as_ref().map(|storm| storm.next));
        self.stations.iter().fold(own, |deadline, station| {
            earliest(deadline, station.deadline())
        })
    }

    /// Does what its timers demand.
    pub(super) fn handle_deadline(&mut self, now: Instant) {
        self.handle_move(now);
        self.handle_storm(now);
        for position in 0..self.stations.len() {
            let group = self.group;
            let station = &mut self.stations[position];
            let reaction = station
                .authenticator
                .as_mut()
                .map_or(Reaction::Nothing, |authenticator| {
                    authenticator.poll(&group, now)
                });
            for agreement in &mut station.tx {
                if matches!(agreement, TxAgreement::Requested { deadline, .. } if deadline.is_due(now))
                {
                    *agreement = TxAgreement::None;
                }
            }
            self.react(position, reaction, now);
            self.release_held(position, now);
        }
    }
}
