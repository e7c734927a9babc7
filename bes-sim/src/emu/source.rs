//! Where bus commands come from: the seam between the emulated card and the kernel's virtual host, or a test.

use anyhow::Result;
use std::time::Duration;

/// A command of the host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Command {
    /// Command index: 52 for CMD52.
    pub opcode: u8,
    /// The 32-bit argument.
    pub argument: u32,
    /// Bytes of data; 0 without.
    pub length: usize,
}

/// How a command ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// With this response, and all of its data.
    Done(u32),
    /// The card did not respond.
    NoResponse,
    /// The response arrived broken.
    BrokenResponse,
    /// With this response, but no data came.
    NoData(u32),
    /// With this response, but the data arrived broken.
    BrokenData(u32),
}

/// What the host did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// It wants an answer.
    Command(Command),
    /// It switched the card's power off since the last event: the card is as new.
    PowerLost,
    /// Nothing yet.
    Nothing,
    /// The answer was not taken: it came too late, or the host has forgotten the command.
    Refused,
}

/// A host.
pub trait CommandSource: Send {
    /// Ends the command before, if there is an answer, and waits for the next event; `None`: until there is one.
    ///
    /// `level` is that of the interrupt from then on; `None`: as the host knows it. What has not changed is not said again,
    /// because another thread may have said something newer meanwhile.
    ///
    /// # Errors
    ///
    /// When the host is gone.
    fn exchange(
        &mut self,
        answer: Option<Status>,
        level: Option<bool>,
        wait: Option<Duration>,
    ) -> Result<Event>;

    /// The data of the command: what the host wrote, or room for what it reads. From its start.
    fn data(&mut self) -> &mut [u8];
}

/// The interrupt line of a card, for any thread.
pub trait InterruptLine: Send + Sync {
    /// Sets the level.
    ///
    /// # Errors
    ///
    /// When the host is gone.
    fn set(&self, asserted: bool) -> Result<()>;

    /// Ends an exchange that waits, or the next one that would.
    ///
    /// # Errors
    ///
    /// When the host is gone.
    fn wake(&self) -> Result<()>;
}
