//! Block ack: who does what, and for which traffic.
//!
//! The chip negotiates block ack in both directions and builds A-MPDUs itself; the only control is MIB 0x100E, two
//! bitmaps of traffic identifiers. It does not put received frames into order, so it hands ADDBA requests up, and the
//! stack above opens a reorder buffer. They have to be there before the frames of the agreement; the order inside a
//! burst, and of bursts, is never changed on the way up.
//!
//! Source: file 30, section 6; file 21, section 2.15; file 50, section 3.6 and 3.10.

use crate::types::Tid;

/// A set of traffic identifiers 0 to 7: bit n is TID n.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct TidSet(pub u8);

impl TidSet {
    /// None.
    pub const NONE: Self = Self(0);
    /// TIDs 0, 4, 5 and 7: what a station aggregates.
    pub const STATION: Self = Self(0xB1);
    /// TIDs 0 to 5: what an access point aggregates.
    pub const ACCESS_POINT: Self = Self(0x3F);

    /// Whether `tid` is in the set.
    pub const fn has(self, tid: Tid) -> bool {
        match tid.number() {
            0 => self.0 & 0x01 != 0,
            1 => self.0 & 0x02 != 0,
            2 => self.0 & 0x04 != 0,
            3 => self.0 & 0x08 != 0,
            4 => self.0 & 0x10 != 0,
            5 => self.0 & 0x20 != 0,
            6 => self.0 & 0x40 != 0,
            7 => self.0 & 0x80 != 0,
            _ => false,
        }
    }
}

/// For which traffic the chip may make agreements (MIB 0x100E).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct BlockAckPolicy {
    /// Towards the peer.
    pub tx: TidSet,
    /// From the peer.
    pub rx: TidSet,
}

/// When the policy is set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Situation {
    /// Before JOIN, and after the connection is over. No agreement towards the access point may start before the keys
    /// are there: a handshake that is aggregated never ends (file 50, section 3.6).
    NotAssociated,
    /// Associated with HT.
    AssociatedHt,
    /// Access point or group owner with at most one station. `generic` without negotiation as a group owner: on
    /// interface 2.
    AccessPoint {
        /// Runs on the generic interface although no group owner negotiation took place.
        generic: bool,
        /// How many stations are there.
        stations: u8,
    },
}

impl BlockAckPolicy {
    /// The policy for a situation (file 30, section 6.2).
    pub const fn of(situation: Situation) -> Self {
        match situation {
            Situation::NotAssociated => Self {
                tx: TidSet::NONE,
                rx: TidSet::STATION,
            },
            Situation::AssociatedHt => Self {
                tx: TidSet::STATION,
                rx: TidSet::STATION,
            },
            // The firmware cannot keep agreements with more than one station (file 50, section 3.10).
            Situation::AccessPoint { generic, stations } if generic || stations > 1 => Self {
                tx: TidSet::NONE,
                rx: TidSet::NONE,
            },
            Situation::AccessPoint { .. } => Self {
                tx: TidSet::ACCESS_POINT,
                rx: TidSet::ACCESS_POINT,
            },
        }
    }
}

/// What the stack above wants to do about an agreement. Linux: `ieee80211_ampdu_mlme_action`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum AmpduAction {
    /// It has opened a reorder buffer.
    RxStart,
    /// It has closed a reorder buffer.
    RxStop,
    /// It wants to aggregate.
    TxStart,
    /// It wants to stop to aggregate, in an orderly way.
    TxStopContinue,
    /// It wants to stop to aggregate at once.
    TxStopFlush,
    /// The agreement to aggregate is made.
    TxOperational,
}

/// The chip does this itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the chip negotiates aggregation itself")]
pub struct ChipDoesIt;

/// The answer to an action of the stack: it reorders received frames, the chip does everything else.
///
/// # Errors
///
/// [`ChipDoesIt`] for everything about sending.
pub const fn ampdu_action(action: AmpduAction) -> Result<(), ChipDoesIt> {
    match action {
        AmpduAction::RxStart | AmpduAction::RxStop => Ok(()),
        AmpduAction::TxStart
        | AmpduAction::TxStopContinue
        | AmpduAction::TxStopFlush
        | AmpduAction::TxOperational => Err(ChipDoesIt),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn masks(situation: Situation) -> (u8, u8) {
        let policy = BlockAckPolicy::of(situation);
        (policy.tx.0, policy.rx.0)
    }

    #[test]
    fn policies_are_those_of_the_table() {
        assert_eq!(masks(Situation::NotAssociated), (0, 0xB1));
        assert_eq!(masks(Situation::AssociatedHt), (0xB1, 0xB1));
        for (generic, stations, expected) in [
            (false, 0, (0x3F, 0x3F)),
            (false, 1, (0x3F, 0x3F)),
            (false, 2, (0, 0)),
            (true, 0, (0, 0)),
        ] {
            let situation = Situation::AccessPoint { generic, stations };
            assert_eq!(masks(situation), expected);
        }
    }

    #[test]
    fn a_station_aggregates_tids_0_4_5_and_7() {
        let tids: Vec<u8> = (0..16)
            .filter(|tid| TidSet::STATION.has(Tid::new(*tid).unwrap()))
            .collect();
        assert_eq!(tids, [0, 4, 5, 7]);
    }

    #[test]
    fn the_stack_reorders_and_the_chip_aggregates() {
        for action in [AmpduAction::RxStart, AmpduAction::RxStop] {
            assert_eq!(ampdu_action(action), Ok(()));
        }
        for action in [
            AmpduAction::TxStart,
            AmpduAction::TxStopContinue,
            AmpduAction::TxStopFlush,
            AmpduAction::TxOperational,
        ] {
            assert_eq!(ampdu_action(action), Err(ChipDoesIt));
        }
    }
}
