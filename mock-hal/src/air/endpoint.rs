//! What stands behind an access point: a network, a server, a test.

use super::frame::Msdu;
use super::Address;
use bes_hal::time::Instant;
use core::fmt;
use std::collections::VecDeque;

/// Takes what an access point receives from its stations and may answer.
///
/// Closures are endpoints too: `|msdu: &Msdu<'_>, at: Instant, downlink: &mut Downlink| { .. }`.
pub trait Endpoint: Send {
    /// An MSDU arrived, decrypted, in order and without duplicates. EAPOL does not come here.
    fn receive(&mut self, msdu: &Msdu<'_>, at: Instant, downlink: &mut Downlink);
}

impl<F> Endpoint for F
where
    F: FnMut(&Msdu<'_>, Instant, &mut Downlink) + Send,
{
    fn receive(&mut self, msdu: &Msdu<'_>, at: Instant, downlink: &mut Downlink) {
        self(msdu, at, downlink);
    }
}

/// An MSDU that owns its payload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OwnedMsdu {
    /// Final destination.
    pub destination: Address,
    /// Original source.
    pub source: Address,
    /// Traffic identifier.
    pub tid: u8,
    /// EtherType.
    pub ethertype: u16,
    /// What follows the EtherType.
    pub payload: Vec<u8>,
}

impl OwnedMsdu {
    /// A view of it.
    pub fn as_msdu(&self) -> Msdu<'_> {
        Msdu {
            destination: self.destination,
            source: self.source,
            tid: self.tid,
            ethertype: self.ethertype,
            payload: &self.payload,
        }
    }
}

impl From<&Msdu<'_>> for OwnedMsdu {
    fn from(msdu: &Msdu<'_>) -> Self {
        Self {
            destination: msdu.destination,
            source: msdu.source,
            tid: msdu.tid,
            ethertype: msdu.ethertype,
            payload: msdu.payload.to_vec(),
        }
    }
}

/// What an endpoint wants to have sent to stations.
#[derive(Debug, Default)]
pub struct Downlink {
    pub(super) queue: VecDeque<OwnedMsdu>,
}

impl Downlink {
    /// Sends an MSDU to the station, or to the group, that is its destination. What is for nobody is dropped.
    pub fn send(&mut self, msdu: &Msdu<'_>) {
        self.queue.push_back(msdu.into());
    }
}

/// The endpoint of one access point, if it has one.
#[derive(Default)]
pub(super) struct Behind(pub(super) Option<Box<dyn Endpoint>>);

impl fmt::Debug for Behind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_some() { "Endpoint" } else { "None" })
    }
}
