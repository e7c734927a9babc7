//! Installing and removing keys.
//!
//! ADD_KEY; then, for a management group key, the management policy, and for a pairwise or WEP key the ARP reply template
//! and the neighbour advertisement again if an address is known (specification: file 31, section 6; file 20, section 16.5, "Keys"). The policy follows the
//! accepted key and keeps its other bits; the C driver wrote it before and cleared them (C24).
//!
//! # Replacing a pairwise key
//!
//! A stack removes the old key and installs the new one. Between the two the chip has none, and a frame that is to be
//! protected is lost, or worse, sent as it is. So the frames under the old key leave first, for a short time; then the
//! interface is held until the new key is there (file 50, section 3.6: key before the frames that need it).
//!
//! | step | waits for | at most |
//! |---|---|---|
//! | drain | everything queued, message 4 of the handshake in it | 100 ms |
//! | hold, quiet | what is inside the chip | 100 ms |
//! | REMOVE_KEY | | |
//! | (held) | the next pairwise key, or the end of the connection | 1 s; then what waits is given back |

use crate::association::{arp_template, neighbour_answered, neighbour_template};
use crate::command;
use crate::error::RequestError;
use crate::join::MANAGEMENT_POLICY;
use crate::key::{InstalledKey, KeyParameters, KeySlot};
use crate::procedure::{Answer, Cursor, Next, Step};
use crate::request::Response;
use crate::types::Cipher;
use crate::world::{Effect, World};
use bes_hal::{Duration, Instant, Memory};
use bes_wsm::wire::InterfaceId;

/// Management frames are protected (file 21, section 2.23).
const PROTECTION_ON: u32 = 1;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum InstallStep {
    AddKey,
    ManagementPolicy,
    ArpTemplate,
    NeighbourTemplate,
}

const INSTALL: &[InstallStep] = &[
    InstallStep::AddKey,
    InstallStep::ManagementPolicy,
    InstallStep::ArpTemplate,
    InstallStep::NeighbourTemplate,
];

/// Installs a key in the first free slot.
#[derive(Debug)]
pub(crate) struct InstallKey {
    id: InterfaceId,
    key: KeyParameters,
    slot: KeySlot,
    cursor: Cursor,
}

impl InstallKey {
    pub(crate) fn begin<M: Memory>(
        world: &World<M>,
        id: InterfaceId,
        key: KeyParameters,
    ) -> Result<Self, RequestError> {
        if world.vif(id).is_none() {
            return Err(RequestError::NoInterface);
        }
        let software = world.vif(id).is_some_and(|vif| vif.software_cipher);
        if software && key.cipher() != Cipher::AesCmac {
            return Err(RequestError::Unsupported);
        }
        let slot = world.keys.free_slot().ok_or(RequestError::Exhausted)?;
        Ok(Self {
            id,
            key,
            slot,
            cursor: Cursor::default(),
        })
    }

    pub(crate) fn next<M: Memory>(&mut self, world: &mut World<M>, out: &mut [u8]) -> Next {
        let (id, key, slot) = (self.id, &self.key, self.slot);
        let changes_data_cipher = key.peer().is_some() || key.cipher() == Cipher::Wep;
        self.cursor
            .next(INSTALL, Response::Key(slot), |step| match step {
                InstallStep::AddKey => command::add_key(out, id, slot, key).into(),
                InstallStep::ManagementPolicy if key.cipher() == Cipher::AesCmac => {
                    command::management_policy(out, id, MANAGEMENT_POLICY | PROTECTION_ON).into()
                }
                InstallStep::ArpTemplate if changes_data_cipher => world
                    .vif(id)
                    .map_or(Step::Skip, |vif| arp_template(vif, out)),
                InstallStep::NeighbourTemplate if changes_data_cipher => world
                    .vif(id)
                    .map_or(Step::Skip, |vif| neighbour_template(vif, out)),
                InstallStep::ManagementPolicy
                | InstallStep::ArpTemplate
                | InstallStep::NeighbourTemplate => Step::Skip,
            })
    }

    pub(crate) fn answer<M: Memory>(&mut self, world: &mut World<M>, answer: Answer<'_>) {
        let step = self.cursor.step(INSTALL);
        if step != Some(InstallStep::AddKey) {
            if step == Some(InstallStep::NeighbourTemplate) {
                neighbour_answered(world, self.id, &answer);
            }
            let outcome = answer.optional(world);
            self.cursor.settle(outcome);
            return;
        }
        let outcome = answer.required().map(|_| ());
        if outcome.is_ok() {
            let cipher = self.key.cipher();
            world.keys.insert(
                self.slot,
                InstalledKey {
                    interface: self.id,
                    cipher,
                    peer: self.key.peer(),
                    index: self.key.index(),
                },
            );
            let pairwise = self.key.peer().is_some() || cipher == Cipher::Wep;
            if let (true, Some(vif)) = (pairwise, world.vif_mut(self.id)) {
                vif.cipher = Some(cipher);
                if vif.rekey.take().is_some() {
                    world.set_hold(self.id, false);
                }
            }
        }
        self.cursor.settle(outcome);
    }
}

/// How long frames may still leave before a pairwise key goes, and how long those inside the chip may take then.
const DRAIN: Duration = Duration::from_millis(100);
/// How long frames wait for the new key, counted from the request.
const NEW_KEY: Duration = Duration::from_secs(1);

/// Frames that wait for a key that does not come are given back.
pub(crate) fn tick<M: Memory>(world: &mut World<M>, id: InterfaceId, now: Instant) {
    let Some(vif) = world.vif_mut(id) else {
        return;
    };
    if vif.rekey.is_some_and(|until| until.is_due(now)) {
        vif.rekey = None;
        world.ask(Effect::Flush(id));
        world.set_hold(id, false);
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum RemoveStep {
    Drain,
    Quiet,
    Remove,
}

const REMOVE: &[RemoveStep] = &[RemoveStep::Drain, RemoveStep::Quiet, RemoveStep::Remove];

/// Removes a key.
#[derive(Debug)]
pub(crate) struct RemoveKey {
    slot: KeySlot,
    id: InterfaceId,
    /// Another key is due for the frames that go up.
    replaced: bool,
    /// When to go on with frames still under way.
    until: Instant,
    cursor: Cursor,
}

impl RemoveKey {
    pub(crate) fn begin<M: Memory>(
        world: &mut World<M>,
        slot: KeySlot,
        now: Instant,
    ) -> Result<Self, RequestError> {
        let key = world.keys.key(slot).ok_or(RequestError::Invalid)?;
        // Frames under a group key only come down; those under a pairwise key go up as well.
        let vif = world.vif_mut(key.interface).filter(|vif| {
            key.peer.is_some() && vif.connection.is_associated() && vif.rekey.is_none()
        });
        let replaced = vif.is_some();
        if let Some(vif) = vif {
            vif.rekey = Some(now.after(NEW_KEY));
        }
        Ok(Self {
            replaced,
            slot,
            id: key.interface,
            until: now.after(DRAIN),
            cursor: Cursor::default(),
        })
    }

    pub(crate) fn next<M: Memory>(
        &mut self,
        world: &mut World<M>,
        now: Instant,
        out: &mut [u8],
    ) -> Next {
        let (id, slot) = (self.id, self.slot);
        let replaced = self.replaced;
        let waits = !self.until.is_due(now);
        let until = &mut self.until;
        self.cursor.next(REMOVE, Response::Done, |step| match step {
            RemoveStep::Drain if replaced && waits && world.backlog_of(id) > 0 => {
                Step::Wait(*until)
            }
            RemoveStep::Drain if replaced => {
                world.set_hold(id, true);
                *until = now.after(DRAIN);
                // What was given to the chip at this moment is counted in the next turn.
                Step::Turn(now)
            }
            RemoveStep::Quiet if replaced && waits && world.in_chip_of(id) > 0 => {
                Step::Wait(*until)
            }
            RemoveStep::Drain | RemoveStep::Quiet => Step::Skip,
            RemoveStep::Remove => command::remove_key(out, id, slot).into(),
        })
    }

    pub(crate) fn answer<M: Memory>(&mut self, world: &mut World<M>, answer: Answer<'_>) {
        let outcome = answer.required().map(|_| ());
        if outcome.is_ok() {
            let removed = world.keys.remove(self.slot);
            let pairwise =
                removed.is_some_and(|key| key.peer.is_some() || key.cipher == Cipher::Wep);
            let another = world.keys.iter().any(|(_, key)| {
                key.interface == self.id && (key.peer.is_some() || key.cipher == Cipher::Wep)
            });
            if let (true, false, Some(vif)) = (pairwise, another, world.vif_mut(self.id)) {
                vif.cipher = None;
            }
        }
        self.cursor.settle(outcome);
    }
}
