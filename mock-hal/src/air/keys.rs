//! Keys of the stations of an access point: runs the handshakes and installs their results.

use super::access_point::AccessPoint;
use super::ap_config::Security;
use super::authenticator::{Authenticator, GroupKey, Reaction};
use super::cipher::Cipher;
use super::endpoint::OwnedMsdu;
use super::frame::ETHERTYPE_EAPOL;
use super::station::{Keys, StationState, TxAgreement};
use super::wpa::Ptk;
use super::Address;
use crate::cipher::wep::WepKey;
use bes_hal::time::{earliest, Instant};

impl AccessPoint {
    /// Makes a new group key and hands it to every authorised station.
    pub fn rekey_group(&mut self, now: Instant) {
        if self.pmk.is_none() {
            return;
        }
        let mut bytes = [0; 16];
        self.rng.fill(&mut bytes);
        self.group = GroupKey {
            id: 3 - self.group.id,
            bytes,
        };
        self.group_key = Cipher::ccmp(bytes);
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

    /// The cipher of a WEP network; `None` for another, or if its key is none.
    pub(super) fn wep(&self) -> Option<Cipher> {
        match &self.config.security {
            Security::Wep { key, id } => Some(Cipher::Wep(WepKey::new(key)?, id & 3)),
            _ => None,
        }
    }

    /// Installs keys as if a handshake had agreed on them: one for a station, and one for groups with its id. For
    /// ciphers whose handshake it does not do, TKIP above all. `false`: the station is not there.
    pub fn install_keys(
        &mut self,
        station: Address,
        pairwise: Cipher,
        group: (Cipher, u8),
    ) -> bool {
        let Some(known) = self.station_mut(station) else {
            return false;
        };
        known.keys = Some(Keys::new(pairwise));
        known.state = StationState::Authorized;
        self.group_key = group.0;
        self.group.id = group.1;
        self.group_sent = 0;
        self.description.privacy = true;
        true
    }

    /// The station has acknowledged the association response.
    pub(super) fn handle_associated(&mut self, address: Address, now: Instant) {
        let mut anonce = [0; 32];
        self.rng.fill(&mut anonce);
        let (bssid, pmk) = (self.config.bssid, self.pmk);
        let Some(at) = self.position(address) else {
            return;
        };
        let wep = self.wep();
        let Some(pmk) = pmk else {
            self.stations[at].keys = wep.map(Keys::new);
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
                station.install(Cipher::ccmp(tk), now);
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
