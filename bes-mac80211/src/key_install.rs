//! Installing and removing keys.
//!
//! ADD_KEY; then, for a management group key, the management policy, and for a pairwise or WEP key the ARP reply template
//! again if an address is known (specification: file 31, section 6; file 20, section 16.5, "Keys"). The policy follows the
//! accepted key and keeps its other bits; the C driver wrote it before and cleared them (C24).

use crate::association::arp_template;
use crate::command;
use crate::error::RequestError;
use crate::join::MANAGEMENT_POLICY;
use crate::key::{InstalledKey, KeyParameters, KeySlot};
use crate::procedure::{Answer, Cursor, Next, Step};
use crate::request::Response;
use crate::types::Cipher;
use crate::world::World;
use bes_hal::Memory;
use bes_wsm::wire::InterfaceId;

/// Management frames are protected (file 21, section 2.23).
const PROTECTION_ON: u32 = 1;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum InstallStep {
    AddKey,
    ManagementPolicy,
    ArpTemplate,
}

const INSTALL: &[InstallStep] = &[
    InstallStep::AddKey,
    InstallStep::ManagementPolicy,
    InstallStep::ArpTemplate,
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
                InstallStep::ManagementPolicy | InstallStep::ArpTemplate => Step::Skip,
            })
    }

    pub(crate) fn answer<M: Memory>(&mut self, world: &mut World<M>, answer: Answer<'_>) {
        if self.cursor.step(INSTALL) != Some(InstallStep::AddKey) {
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
            }
        }
        self.cursor.settle(outcome);
    }
}

/// Removes a key.
#[derive(Debug)]
pub(crate) struct RemoveKey {
    slot: KeySlot,
    id: InterfaceId,
    cursor: Cursor,
}

impl RemoveKey {
    pub(crate) fn begin<M: Memory>(world: &World<M>, slot: KeySlot) -> Result<Self, RequestError> {
        let key = world.keys.key(slot).ok_or(RequestError::Invalid)?;
        Ok(Self {
            slot,
            id: key.interface,
            cursor: Cursor::default(),
        })
    }

    pub(crate) fn next<M: Memory>(&mut self, _world: &mut World<M>, out: &mut [u8]) -> Next {
        let (id, slot) = (self.id, self.slot);
        self.cursor.next(&[()], Response::Done, |()| {
            command::remove_key(out, id, slot).into()
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
