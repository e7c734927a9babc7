//! The one outstanding command (specification: file 20, section 15.1 and 15.2).
//!
//! | state | event | next |
//! |---|---|---|
//! | `Idle` | the client has a command | `Written` |
//! | `Written` | a credit is free, the transfer succeeded | `Sent` |
//! | `Sent` | its confirm | `Idle` |
//! | `Sent` | deadline | the session ends |
//!
//! The message has a buffer of its own that nobody writes while it is not `Idle` (C: D16, D17, T28 share or rewrite it).
//! A confirm is matched by its number and class, and only with a command of the same class (C: D13).

use crate::client::Command;
use crate::tx_window::TxSlot;
use bes_hal::{Duration, Instant, Memory, NoMemory};

/// Most bytes of a command message, so that it fits the largest slot with the trailing time stamp (file 20, section 1).
pub const MAX_MESSAGE: usize = 1628;

/// Bytes of the time stamp behind each message (file 20, section 2.6).
pub const TRAILER: usize = 4;

/// Number and class of a message id, without interface and sequence (file 20, section 2.2).
pub(crate) const IDENTITY: u16 = 0x0C3F;

/// Difference between a request and its confirm in the LMAC class.
const CONFIRM: u16 = 0x0400;

#[derive(Debug)]
enum State {
    Idle,
    Written {
        id: u16,
        timeout: Duration,
    },
    Sent {
        id: u16,
        sent_at: Instant,
        deadline: Instant,
        slot: TxSlot,
    },
}

/// The outstanding command and its buffer.
pub(crate) struct CommandSlot<M: Memory> {
    state: State,
    buffer: M::Table<u8>,
    len: usize,
}

/// Whether a received confirm answers the outstanding command.
#[derive(Debug)]
pub(crate) enum Match {
    /// It does; this is its credit, and when the command was sent.
    Answer(TxSlot, Instant),
    /// Another command is outstanding.
    Other,
    /// None is.
    Nothing,
}

impl<M: Memory> CommandSlot<M> {
    pub(crate) fn new(memory: &mut M) -> Result<Self, NoMemory> {
        Ok(Self {
            state: State::Idle,
            buffer: memory.table(MAX_MESSAGE.saturating_add(TRAILER), |_| 0)?,
            len: 0,
        })
    }

    pub(crate) const fn is_idle(&self) -> bool {
        matches!(self.state, State::Idle)
    }

    pub(crate) const fn is_written(&self) -> bool {
        matches!(self.state, State::Written { .. })
    }

    pub(crate) const fn is_sent(&self) -> bool {
        matches!(self.state, State::Sent { .. })
    }

    /// Number and class of the command, while there is one.
    pub(crate) const fn id(&self) -> Option<u16> {
        match self.state {
            State::Idle => None,
            State::Written { id, .. } | State::Sent { id, .. } => Some(id & IDENTITY),
        }
    }

    pub(crate) const fn deadline(&self) -> Option<Instant> {
        match self.state {
            State::Sent { deadline, .. } => Some(deadline),
            _ => None,
        }
    }

    /// The buffer for the next command, while there is none.
    pub(crate) fn buffer_mut(&mut self) -> &mut [u8] {
        self.buffer.get_mut(..MAX_MESSAGE).unwrap_or(&mut [])
    }

    /// Takes over what the client has written. `false` if it is no message: too short, too long, or its header says
    /// another length.
    pub(crate) fn accept(&mut self, command: Command, now: Instant) -> bool {
        let Some([low, high, id_low, id_high]) = self.buffer.first_chunk().copied() else {
            return false;
        };
        let len = usize::from(u16::from_le_bytes([low, high]));
        if len != command.len || !(4..=MAX_MESSAGE).contains(&len) {
            return false;
        }
        self.len = len;
        // The low 32 bits of the uptime in milliseconds, as the reference does.
        let [b0, b1, b2, b3, ..] = now.as_millis().to_le_bytes();
        if let Some(trailer) = self.buffer.get_mut(len..len.saturating_add(TRAILER)) {
            trailer.copy_from_slice(&[b0, b1, b2, b3]);
        }
        self.state = State::Written {
            id: u16::from_le_bytes([id_low, id_high]),
            timeout: command.timeout,
        };
        true
    }

    /// The message with its trailer, as it goes to the transport.
    pub(crate) fn bytes(&self) -> &[u8] {
        self.buffer
            .get(..self.len.saturating_add(TRAILER))
            .unwrap_or(&[])
    }

    /// Writes the sequence number into the id.
    pub(crate) fn stamp(&mut self, stamp: impl FnOnce(u16) -> u16) {
        if let State::Written { id, .. } = &mut self.state {
            *id = stamp(*id);
            let [low, high] = id.to_le_bytes();
            if let Some(bytes) = self.buffer.get_mut(2..4) {
                bytes.copy_from_slice(&[low, high]);
            }
        }
    }

    /// The message is on its way.
    pub(crate) fn sent(&mut self, slot: TxSlot, now: Instant) {
        if let State::Written { id, timeout } = self.state {
            self.state = State::Sent {
                id,
                sent_at: now,
                deadline: now.after(timeout),
                slot,
            };
        }
    }

    /// Whether a confirm with this id answers the command; if so the slot is free again.
    pub(crate) fn answer(&mut self, confirm: u16) -> Match {
        let State::Sent { id, .. } = &self.state else {
            return Match::Nothing;
        };
        let expected = match *id & IDENTITY {
            // MCU messages have one id for request and confirm.
            id if id & 0x0C00 == 0x0C00 => id,
            id => id | CONFIRM,
        };
        if confirm & IDENTITY != expected {
            return Match::Other;
        }
        match core::mem::replace(&mut self.state, State::Idle) {
            State::Sent { slot, sent_at, .. } => Match::Answer(slot, sent_at),
            other => {
                self.state = other;
                Match::Nothing
            }
        }
    }

    /// Forgets the command. Its credit, if it had one, is returned.
    pub(crate) fn clear(&mut self) -> Option<TxSlot> {
        match core::mem::replace(&mut self.state, State::Idle) {
            State::Sent { slot, .. } => Some(slot),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tx_window::TxWindow;
    use bes_hal::memory::Heap;

    const SECOND: Duration = Duration::from_secs(1);

    fn written(id: u16) -> CommandSlot<Heap> {
        let mut command = CommandSlot::new(&mut Heap).unwrap();
        let buffer = command.buffer_mut();
        buffer[..2].copy_from_slice(&8_u16.to_le_bytes());
        buffer[2..4].copy_from_slice(&id.to_le_bytes());
        assert!(command.accept(
            Command {
                len: 8,
                timeout: SECOND
            },
            Instant::from_millis(0x12345)
        ));
        command
    }

    fn sent(id: u16) -> CommandSlot<Heap> {
        let mut window = TxWindow::new();
        window.open(1);
        let mut command = written(id);
        command.sent(window.take().unwrap(), Instant::ZERO);
        command
    }

    #[test]
    fn the_uptime_in_milliseconds_follows_the_message() {
        assert_eq!(written(0x0006).bytes()[8..], [0x45, 0x23, 0x01, 0x00]);
    }

    #[test]
    fn a_message_that_is_none_is_refused() {
        let mut command = CommandSlot::new(&mut Heap).unwrap();
        let refused = |command: &mut CommandSlot<Heap>, header: u16, len| {
            command.buffer_mut()[..2].copy_from_slice(&header.to_le_bytes());
            !command.accept(
                Command {
                    len,
                    timeout: SECOND,
                },
                Instant::ZERO,
            )
        };
        assert!(refused(&mut command, 3, 3));
        assert!(refused(&mut command, 8, 9));
        assert!(refused(&mut command, 1629, 1629));
        assert!(command.is_idle());
    }

    #[test]
    fn d13_a_confirm_of_the_other_class_does_not_answer() {
        assert!(matches!(sent(0x0006).answer(0x0C27), Match::Other));
        assert!(matches!(sent(0x0C27).answer(0x0C27), Match::Answer(..)));
        assert!(matches!(sent(0x0006).answer(0x0406), Match::Answer(..)));
        assert!(matches!(sent(0x0006).answer(0x0407), Match::Other));
    }

    #[test]
    fn interface_and_sequence_of_a_confirm_do_not_matter() {
        assert!(matches!(
            sent(0x0006).answer(0xA406 | 1 << 6),
            Match::Answer(..)
        ));
    }

    #[test]
    fn a_second_confirm_answers_nothing() {
        let mut command = sent(0x0006);
        assert!(matches!(command.answer(0x0406), Match::Answer(..)));
        assert!(matches!(command.answer(0x0406), Match::Nothing));
    }
}
