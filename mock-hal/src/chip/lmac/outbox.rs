//! Messages on their way to the host: sequence numbers, the bounded share of received data, and faults on demand.

use crate::chip::wire::header::{stamp, Class, Header};
use crate::chip::wire::{indication, u32_at};
use bes_hal::time::Instant;
use core::time::Duration;
use std::collections::VecDeque;

/// Which message a [`MessageFault`] is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MessageKind {
    /// The next confirmation of a command, LMAC or MCU.
    CommandConfirm,
    /// The next confirmation of one or several frames.
    TransmitConfirm,
    /// The next scan-complete indication.
    ScanComplete,
    /// The next channel-switch indication.
    ChannelSwitch,
    /// The next set-PM indication.
    SetPm,
    /// The next received frame.
    Receive,
    /// The next message whatever it is.
    Any,
}

/// What happens to the message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MessageFault {
    /// It is never sent; the sequence has no gap.
    Drop,
    /// It is sent twice, with consecutive sequence numbers.
    Duplicate,
    /// It is sent later; what comes after it overtakes it.
    Delay(Duration),
    /// Its sequence number is one too high; the following ones go on from the right one.
    WrongSequence,
    /// Its interface bits are replaced.
    WrongInterface(u8),
    /// Its number (bits 0 to 5 of the id) is replaced.
    WrongNumber(u8),
    /// The word at this offset is changed by XOR: a packet id, a status, a count.
    WrongWord {
        /// Offset in bytes from the start of the message.
        offset: usize,
        /// What to XOR it with.
        xor: u32,
    },
    /// It is cut to this many bytes, and its header says so.
    Truncate(usize),
}

/// The queue to the host.
#[derive(Debug, Default)]
pub(crate) struct Outbox {
    queue: VecDeque<Vec<u8>>,
    sequence: [u8; 2],
    receiving: usize,
    faults: VecDeque<(MessageKind, MessageFault)>,
    delayed: Vec<(Instant, Vec<u8>)>,
    spare: Vec<Vec<u8>>,
    held: Vec<Vec<u8>>,
}

fn identity(message: &[u8]) -> u16 {
    Header::parse(message).map_or(0, Header::identity)
}

/// Whether a message carries a received data frame, the only kind whose number is bounded.
fn is_data(message: &[u8]) -> bool {
    identity(message) == indication::RECEIVE
        && message.get(32).is_some_and(|first| first & 0x0C == 0x08)
}

fn applies(kind: MessageKind, message: &[u8]) -> bool {
    let identity = identity(message);
    match kind {
        MessageKind::Any => true,
        MessageKind::TransmitConfirm => matches!(identity, 0x0404 | 0x041E),
        MessageKind::CommandConfirm => {
            (identity & 0x0C00 == 0x0400 && !matches!(identity, 0x0404 | 0x041E))
                || (identity & 0x0C00 == 0x0C00 && u32_at(message, 8) == 0x0F)
        }
        MessageKind::ScanComplete => identity == indication::SCAN_COMPLETE,
        MessageKind::ChannelSwitch => identity == indication::CHANNEL_SWITCH,
        MessageKind::SetPm => identity == indication::SET_PM,
        MessageKind::Receive => identity == indication::RECEIVE,
    }
}

impl Outbox {
    /// Asks for a fault; each is used once, the oldest that applies first.
    pub(crate) fn fault(&mut self, kind: MessageKind, fault: MessageFault) {
        self.faults.push_back((kind, fault));
    }

    /// Forgets the faults that were not used yet.
    pub(crate) fn clear_faults(&mut self) {
        self.faults.clear();
    }

    /// Received data frames that wait.
    pub(crate) fn receiving(&self) -> usize {
        self.receiving + self.held.len()
    }

    /// Messages that wait.
    pub(crate) fn len(&self) -> usize {
        self.queue.len()
    }

    /// When the next delayed message is due.
    pub(crate) fn next_event(&self) -> Option<Instant> {
        self.delayed.iter().map(|(at, _)| *at).min()
    }

    /// Moves delayed messages that are due into the queue.
    pub(crate) fn advance(&mut self, now: Instant) {
        while let Some(index) = self.delayed.iter().position(|(at, _)| at.is_due(now)) {
            let (_, message) = self.delayed.remove(index);
            self.seal(message, 0);
        }
    }

    /// Queues a message; it gets the next sequence number of its class.
    pub(crate) fn push(&mut self, message: Vec<u8>, now: Instant) {
        if !self.faults.is_empty() {
            let found = self
                .faults
                .iter()
                .position(|(kind, _)| applies(*kind, &message));
            if let Some((_, fault)) = found.and_then(|index| self.faults.remove(index)) {
                return self.push_faulty(message, fault, now);
            }
        }
        self.seal(message, 0);
    }

    fn push_faulty(&mut self, mut message: Vec<u8>, fault: MessageFault, now: Instant) {
        match fault {
            MessageFault::Drop => {}
            MessageFault::Duplicate => {
                self.seal(message.clone(), 0);
                self.seal(message, 0);
            }
            MessageFault::Delay(time) => self.delayed.push((now.after(time), message)),
            MessageFault::WrongSequence => self.seal(message, 1),
            MessageFault::WrongInterface(interface) => {
                let id = u16::from_le_bytes([message[2], message[3]]) & !0x03C0
                    | u16::from(interface & 0x0F) << 6;
                message[2..4].copy_from_slice(&id.to_le_bytes());
                self.seal(message, 0);
            }
            MessageFault::WrongNumber(number) => {
                message[2] = message[2] & 0xC0 | number & 0x3F;
                self.seal(message, 0);
            }
            MessageFault::WrongWord { offset, xor } => {
                let word = u32_at(&message, offset) ^ xor;
                if let Some(part) = message.get_mut(offset..offset + 4) {
                    part.copy_from_slice(&word.to_le_bytes());
                }
                self.seal(message, 0);
            }
            MessageFault::Truncate(len) => {
                message.truncate(len.max(Header::SIZE));
                let len = u16::try_from(message.len()).unwrap_or(u16::MAX);
                message[..2].copy_from_slice(&len.to_le_bytes());
                self.seal(message, 0);
            }
        }
    }

    /// Stamps and queues. The counter advances once per message, by class; exceptions have no number.
    fn seal(&mut self, mut message: Vec<u8>, skew: u8) {
        let Some(header) = Header::parse(&message) else {
            return self.queue.push_back(message);
        };
        if header.identity() != indication::EXCEPTION {
            // The host selects the counter with the interface bits still in the id, so both classes must be plain.
            let counter = &mut self.sequence[header.class().counter()];
            stamp(&mut message, *counter + skew);
            *counter = (*counter + 1) & 7;
        }
        self.push_raw(message);
    }

    /// Queues a message as it is.
    pub(crate) fn push_raw(&mut self, message: Vec<u8>) {
        if is_data(&message) {
            self.receiving += 1;
        }
        self.queue.push_back(message);
    }

    /// The next message for the host.
    pub(crate) fn pop(&mut self) -> Option<Vec<u8>> {
        let message = self.queue.pop_front()?;
        if is_data(&message) {
            self.receiving -= 1;
        }
        Some(message)
    }

    /// Takes back the memory of a message.
    pub(crate) fn recycle(&mut self, message: Vec<u8>) {
        if self.spare.len() < 64 {
            self.spare.push(message);
        }
    }

    /// Memory that was given back, emptied.
    pub(crate) fn spare(&mut self) -> Vec<u8> {
        let mut memory = self.spare.pop().unwrap_or_default();
        memory.clear();
        memory
    }

    /// Puts a received frame aside; it counts as waiting.
    pub(crate) fn hold(&mut self, message: Vec<u8>) {
        self.held.push(message);
    }

    /// What was put aside.
    pub(crate) fn held(&mut self) -> Vec<Vec<u8>> {
        std::mem::take(&mut self.held)
    }

    /// Forgets everything; sequence numbers start at 0.
    pub(crate) fn clear(&mut self) {
        let faults = std::mem::take(&mut self.faults);
        *self = Self {
            faults,
            ..Self::default()
        };
    }

    /// The sequence number the next message of a class will have.
    #[cfg(test)]
    pub(crate) const fn next_sequence(&self, class: Class) -> u8 {
        self.sequence[class.counter()]
    }
}

/// Only the class tells the counters apart; kept beside its user.
const _: () = assert!(Class::Request.counter() == 0 && Class::Mcu.counter() == 1);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chip::wire::confirm;

    fn sequences(outbox: &mut Outbox) -> Vec<u8> {
        std::iter::from_fn(|| outbox.pop())
            .map(|message| Header::parse(&message).unwrap().sequence())
            .collect()
    }

    #[test]
    fn both_classes_count_for_themselves_modulo_eight() {
        let mut outbox = Outbox::default();
        for _ in 0..9 {
            outbox.push(confirm::generic(6, 0, 0), Instant::ZERO);
        }
        outbox.push(confirm::mcu(0x27, 3, &[]), Instant::ZERO);
        assert_eq!(sequences(&mut outbox), [0, 1, 2, 3, 4, 5, 6, 7, 0, 0]);
        assert_eq!(outbox.next_sequence(Class::Indication), 1);
        assert_eq!(outbox.next_sequence(Class::Mcu), 1);
    }

    #[test]
    fn an_exception_does_not_advance_the_counter() {
        let mut outbox = Outbox::default();
        outbox.push(indication::exception(0, &[0; 18], ""), Instant::ZERO);
        outbox.push(confirm::generic(6, 0, 0), Instant::ZERO);
        assert_eq!(sequences(&mut outbox), [0, 0]);
    }

    #[test]
    fn faults_hit_the_message_they_are_for_and_only_once() {
        let mut outbox = Outbox::default();
        outbox.fault(MessageKind::CommandConfirm, MessageFault::Drop);
        outbox.fault(MessageKind::ScanComplete, MessageFault::Duplicate);
        outbox.push(indication::scan_complete(0, 0, 1), Instant::ZERO);
        outbox.push(confirm::generic(7, 0, 0), Instant::ZERO);
        outbox.push(confirm::generic(8, 0, 0), Instant::ZERO);
        let ids: Vec<u16> = std::iter::from_fn(|| outbox.pop())
            .map(|message| identity(&message))
            .collect();
        assert_eq!(ids, [0x0806, 0x0806, 0x0408]);
    }

    #[test]
    fn a_delayed_message_comes_later_and_gets_its_number_then() {
        let mut outbox = Outbox::default();
        outbox.fault(
            MessageKind::Any,
            MessageFault::Delay(Duration::from_millis(5)),
        );
        outbox.push(confirm::generic(6, 0, 0), Instant::ZERO);
        outbox.push(confirm::generic(7, 0, 0), Instant::ZERO);
        assert_eq!(outbox.len(), 1);
        assert_eq!(outbox.next_event(), Some(Instant::from_millis(5)));
        outbox.advance(Instant::from_millis(5));
        assert_eq!(sequences(&mut outbox), [0, 1]);
    }

    #[test]
    fn mutations_change_what_they_name() {
        let mut outbox = Outbox::default();
        for fault in [
            MessageFault::WrongSequence,
            MessageFault::WrongInterface(3),
            MessageFault::WrongNumber(9),
            MessageFault::WrongWord { offset: 4, xor: 2 },
            MessageFault::Truncate(5),
        ] {
            outbox.fault(MessageKind::Any, fault);
            outbox.push(confirm::generic(6, 0, 0), Instant::ZERO);
        }
        let messages: Vec<Vec<u8>> = std::iter::from_fn(|| outbox.pop()).collect();
        let header = |index: usize| Header::parse(&messages[index]).unwrap();
        assert_eq!(header(0).sequence(), 1);
        assert_eq!((header(1).interface(), header(1).sequence()), (3, 1));
        assert_eq!(header(2).number(), 9);
        assert_eq!(messages[3][4], 2);
        assert_eq!((messages[4].len(), header(4).len), (5, 5));
    }
}
