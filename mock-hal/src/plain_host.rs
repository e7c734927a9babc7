//! A second platform: a host controller that can do little, around any [`SdioFunction`].
//!
//! | the other platform | this one |
//! |---|---|
//! | writes from a list of pieces | one piece for each write |
//! | 511 blocks of 512 bytes for each command | as few as it is told |
//! | the card's interrupt wakes the host | the host looks for it now and then |
//! | wake line, power switch | no lines |
//! | aborts and tunes when asked | does neither |
//!
//! The one-bit bus is a matter of [`BusTiming`](crate::BusTiming). A command beyond the limits is refused, so a driver that
//! does not ask what its host can do does not get far.

use bes_hal::error::SdioError;
use bes_hal::sdio::{Cmd53, HostLimits, SdioFunction};
use bes_hal::time::Instant;
use std::time::Duration;

/// The platform. Its interrupt is seen at most once in each [`PERIOD`].
pub struct PlainHost<S> {
    inner: S,
    /// `None`: it changes nothing.
    most_blocks: Option<u16>,
    look: Instant,
    refused: u32,
}

/// How often the host looks for the interrupt of the card. Linux polls a card without an interrupt line as often as its
/// scheduler ticks.
pub const PERIOD: Duration = Duration::from_millis(1);

impl<S: SdioFunction> PlainHost<S> {
    /// The platform with a card in it; one command moves at most `most_blocks` blocks. With `None` it is not there: every
    /// call goes through, for tests that are run on both platforms.
    pub fn new(inner: S, most_blocks: Option<u16>) -> Self {
        Self {
            inner,
            most_blocks,
            look: Instant::ZERO,
            refused: 0,
        }
    }

    /// Commands beyond the limits.
    pub fn refused(&self) -> u32 {
        self.refused
    }

    /// What is behind it.
    pub fn inner_mut(&mut self) -> &mut S {
        &mut self.inner
    }

    /// What is behind it, if it lets everything through.
    fn able(&mut self) -> Result<&mut S, SdioError> {
        match self.most_blocks {
            Some(_) => Err(SdioError::Unsupported),
            None => Ok(&mut self.inner),
        }
    }

    fn admit(&mut self, command: Cmd53, segments: usize) -> Result<(), SdioError> {
        match self.most_blocks {
            Some(most) if segments > 1 || command.count.bytes() > usize::from(most) * 512 => {
                self.refused += 1;
                Err(SdioError::Unsupported)
            }
            _ => Ok(()),
        }
    }
}

impl<S: SdioFunction> SdioFunction for PlainHost<S> {
    type Buffer = S::Buffer;

    fn now(&self) -> Instant {
        self.inner.now()
    }

    fn limits(&self) -> HostLimits {
        let limits = self.inner.limits();
        match self.most_blocks {
            Some(max_blocks) => HostLimits {
                max_blocks,
                max_segments: 1,
                ..limits
            },
            None => limits,
        }
    }

    fn read_register(&mut self, address: u32) -> Result<u8, SdioError> {
        self.inner.read_register(address)
    }

    fn write_register(&mut self, address: u32, value: u8) -> Result<(), SdioError> {
        self.inner.write_register(address, value)
    }

    fn allocate(&mut self, len: usize) -> Result<S::Buffer, SdioError> {
        self.inner.allocate(len)
    }

    fn read_data(&mut self, command: Cmd53, buffer: &mut [u8]) -> Result<(), SdioError> {
        self.admit(command, 1)?;
        self.inner.read_data(command, buffer)
    }

    fn write_data(&mut self, command: Cmd53, segments: &[&[u8]]) -> Result<(), SdioError> {
        self.admit(command, segments.len())?;
        self.inner.write_data(command, segments)
    }

    fn enable(&mut self) -> Result<(), SdioError> {
        self.inner.enable()
    }

    fn disable(&mut self) -> Result<(), SdioError> {
        self.inner.disable()
    }

    fn take_interrupt(&mut self) -> bool {
        if self.most_blocks.is_some() {
            let now = self.inner.now();
            if !self.look.is_due(now) {
                return false;
            }
            self.look = now.after(PERIOD);
        }
        self.inner.take_interrupt()
    }

    fn hold_tuning(&mut self, hold: bool) {
        if self.most_blocks.is_none() {
            self.inner.hold_tuning(hold);
        }
    }

    fn abort(&mut self) -> Result<(), SdioError> {
        self.able()?.abort()
    }

    fn retune(&mut self) -> Result<(), SdioError> {
        self.able()?.retune()
    }

    fn set_wake_line(&mut self, asserted: bool) {
        if self.most_blocks.is_none() {
            self.inner.set_wake_line(asserted);
        }
    }

    fn set_power(&mut self, on: bool) -> Result<(), SdioError> {
        self.able()?.set_power(on)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chip::ScriptedFirmware;
    use crate::{Card, Config};
    use bes_hal::sdio::Count;

    fn host(most_blocks: u16) -> PlainHost<impl SdioFunction> {
        let (sdio, _) = Card::insert(Config::default(), Box::<ScriptedFirmware>::default());
        let mut host = PlainHost::new(sdio, Some(most_blocks));
        host.enable().expect("the card is there");
        host
    }

    #[test]
    fn a_second_piece_and_a_block_too_many_are_refused() {
        let mut host = host(2);
        let write = |blocks| Cmd53 {
            address: 0x200,
            count: Count::Blocks(blocks),
        };
        let (half, whole) = ([0; 512], [0; 1536]);
        assert_eq!(
            host.write_data(write(2), &[&half, &half]),
            Err(SdioError::Unsupported)
        );
        assert_eq!(
            host.write_data(write(3), &[&whole]),
            Err(SdioError::Unsupported)
        );
        assert_eq!(host.refused(), 2);
        assert_eq!(host.limits().max_segments, 1);
        assert_eq!(host.limits().max_blocks, 2);
    }

    #[test]
    fn there_are_no_lines() {
        let mut host = host(1);
        assert_eq!(host.set_power(false), Err(SdioError::Unsupported));
        assert_eq!(host.abort(), Err(SdioError::Unsupported));
        assert_eq!(host.retune(), Err(SdioError::Unsupported));
    }
}
