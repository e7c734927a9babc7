//! Sending: the command first, then frames of the same slot class, up to a full batch.

use super::BottomHalf;
use crate::client::{Client, CommandError, FrameSink, Offer, Outgoing};
use crate::in_flight::{Entry, InFlight};
use crate::recovery::RecoveryReason;
use crate::sequence::Sequence;
use crate::tx_window::{TxSlot, TxWindow};
use crate::wire::describe::Direction;
use crate::wire::tx::TRANSMIT_HEADER_LEN;
use bes_hal::frame::TxFrame;
use bes_hal::transport::{SlotClass, Transport, MAX_BATCH};
use bes_hal::{Duration, Instant, Memory, TransportError};

/// With at least this many frames in flight the air has work, and a batch smaller than this waits for more credits.
/// Small batches cost a bus command each; the confirms that are due will make the batch larger.
const FULL_ENOUGH: usize = 8;

/// For so long after a transfer a small batch waits for more frames, as long as the chip still has frames of the batch
/// before: the air does not run dry meanwhile, and a transfer for each frame would keep bus and processor busy instead.
/// A confirm of the last of them ends the wait.
pub const GATHER: Duration = Duration::from_micros(500);

/// The frames of a batch that is being built: they are in the table already, with packet id and sequence number.
struct Batch<'a, T, F, G, M: Memory> {
    transport: &'a T,
    window: &'a mut TxWindow,
    in_flight: &'a mut InFlight<F, G, M>,
    sequence: &'a mut Sequence,
    carry: &'a mut Option<u8>,
    now: Instant,
    /// What all messages of the batch have in common, the command included.
    class: Option<SlotClass>,
    /// Which further messages share a transfer with those of `class`.
    lengths: Lengths,
    /// Room for messages, without the command.
    limit: usize,
    entries: [u8; MAX_BATCH],
    count: usize,
}

/// A batch whose transfer failed. Whether the chip has it is not known; sent again, it is right in both cases.
#[derive(Clone, Copy, Debug)]
pub(super) struct Unsent {
    /// The outstanding command is its first message.
    command: bool,
    entries: [u8; MAX_BATCH],
    count: usize,
}

impl<T: Transport, F: TxFrame, G: Copy, M: Memory> Batch<'_, T, F, G, M> {
    /// Whether there is room and a credit for another frame.
    #[inline(always)]
    fn has_room(&self) -> bool {
        self.count < self.limit && self.window.has_for_data()
    }

    #[inline(always)]
    fn add(&mut self, entry: u8) {
        if let Some(place) = self.entries.get_mut(self.count) {
            *place = entry;
            self.count = self.count.wrapping_add(1);
        }
    }

    /// The same for the first message, which says what the others have to be like.
    #[inline]
    fn add_first(&mut self, entry: u8, class: SlotClass) {
        self.class = Some(class);
        self.lengths = Lengths::of(Some(class));
        self.add(entry);
        if class.alone {
            self.limit = self.count;
        }
    }

    /// The frame that did not fit into the last batch.
    fn add_carried(&mut self) {
        let Some(entry) = *self.carry else {
            return;
        };
        let Some(frame) = self.in_flight.frame_mut(usize::from(entry)) else {
            *self.carry = None;
            return;
        };
        let bytes = frame.bytes_mut();
        let Ok(class) = self.transport.slot_class(bytes) else {
            return;
        };
        if self.limit > 0 && !self.class.is_some_and(|mine| mine != class || mine.alone) {
            if let Some([_, _, id @ ..]) = bytes.first_chunk_mut::<4>() {
                stamp(id, self.sequence);
            }
            *self.carry = None;
            self.add_first(entry, class);
        }
    }
}

impl<T: Transport, F: TxFrame, G: Copy, M: Memory> FrameSink<F, G> for Batch<'_, T, F, G, M> {
    #[inline(always)]
    fn offer(&mut self, mut outgoing: Outgoing<F, G>) -> Offer<F, G> {
        let route = outgoing.route();
        let Some(head) = outgoing.frame.bytes_mut().first_chunk_mut::<8>() else {
            return Offer::Unsendable(outgoing.frame, outgoing.tag);
        };
        let [a, b, c, d, ..] = *head;
        let start = u32::from_le_bytes([a, b, c, d]);
        let beyond = u16::from_le_bytes([a, b]).wrapping_sub(self.lengths.shortest);
        // What is like the messages before it needs no further question; the transport looks at all of them again.
        if beyond >= self.lengths.count || start & MCU != 0 {
            return self.offer_other(outgoing);
        }
        // The table is never full: the window is not larger. And there is a credit, or nobody would have been asked.
        let Some(vacancy) = self.in_flight.vacancy(route) else {
            return Offer::Unsendable(outgoing.frame, outgoing.tag);
        };
        let Some(slot) = self.window.take_for_data() else {
            return Offer::Unsendable(outgoing.frame, outgoing.tag);
        };
        let word = u64::from(self.sequence.stamp_start(start))
            | u64::from(vacancy.packet()).wrapping_shl(32);
        *head = word.to_le_bytes();
        let entry = vacancy.entry();
        let Outgoing { frame, tag, .. } = outgoing;
        self.in_flight
            .occupy(vacancy, Entry::new(frame, tag, slot, self.now));
        self.add(entry);
        if self.has_room() {
            Offer::More
        } else {
            Offer::Enough
        }
    }
}

impl<T: Transport, F: TxFrame, G: Copy, M: Memory> Batch<'_, T, F, G, M> {
    /// Takes the first frame of a batch, and one that does not go with those before it.
    #[inline(never)]
    fn offer_other(&mut self, mut outgoing: Outgoing<F, G>) -> Offer<F, G> {
        let route = outgoing.route();
        let bytes = outgoing.frame.bytes_mut();
        let class = self.transport.slot_class(bytes);
        let Some(head) = bytes.first_chunk_mut::<8>() else {
            return Offer::Unsendable(outgoing.frame, outgoing.tag);
        };
        let [a, b, c, d, ..] = *head;
        let start = u32::from_le_bytes([a, b, c, d]);
        let is_frame = start & MCU == 0 && start & 0xFFFF >= SHORTEST;
        let class = match class {
            Ok(class) if is_frame => class,
            _ => return Offer::Unsendable(outgoing.frame, outgoing.tag),
        };
        let Some(vacancy) = self.in_flight.vacancy(route) else {
            return Offer::Unsendable(outgoing.frame, outgoing.tag);
        };
        let Some(slot) = self.window.take_for_data() else {
            return Offer::Unsendable(outgoing.frame, outgoing.tag);
        };
        let fits = !self.class.is_some_and(|mine| mine != class);
        let start = if fits {
            self.sequence.stamp_start(start)
        } else {
            start
        };
        let word = u64::from(start) | u64::from(vacancy.packet()).wrapping_shl(32);
        *head = word.to_le_bytes();
        let entry = vacancy.entry();
        let Outgoing { frame, tag, .. } = outgoing;
        self.in_flight
            .occupy(vacancy, Entry::new(frame, tag, slot, self.now));
        if !fits {
            *self.carry = Some(entry);
            return Offer::Enough;
        }
        self.add_first(entry, class);
        if self.has_room() {
            Offer::More
        } else {
            Offer::Enough
        }
    }
}

/// Bits of the first word of a message that only the MCU class has.
const MCU: u32 = 0x0C00_0000;

/// Shortest message with a frame: its header.
const SHORTEST: u32 = 24;

const _: () = assert!(TRANSMIT_HEADER_LEN == 24);

/// Lengths of the messages that may share a transfer with those of a batch.
#[derive(Clone, Copy)]
struct Lengths {
    shortest: u16,
    /// How many there are from there on; 0: none may.
    count: u16,
}

impl Lengths {
    #[inline]
    fn of(class: Option<SlotClass>) -> Self {
        match class {
            Some(class) if !class.alone => {
                let (shortest, longest) = class.lengths;
                let shortest = shortest.max(24);
                Self {
                    shortest,
                    count: longest.saturating_add(1).saturating_sub(shortest),
                }
            }
            _ => Self {
                shortest: 0,
                count: 0,
            },
        }
    }
}

/// Writes the next sequence number into the id of a message.
#[inline(always)]
fn stamp(id: &mut [u8; 2], sequence: &mut Sequence) {
    *id = sequence.stamp(u16::from_le_bytes(*id)).to_le_bytes();
}

impl<T: Transport, F: TxFrame, G: Copy, M: Memory> BottomHalf<T, F, G, M> {
    /// Sends one batch: the command first, then frames of the same class. `true` if anything went down.
    #[inline(never)]
    pub(super) fn send_batch<C>(
        &mut self,
        client: &mut C,
        now: Instant,
    ) -> Result<bool, RecoveryReason>
    where
        C: Client<Frame = F, Buffer = T::Buffer, Tag = G>,
    {
        self.write_command(client, now);
        let command = self.take_command(client, now);
        self.gather_until = None;
        let worth =
            self.is_worth_sending(client) && self.has_gathered(client, command.is_some(), now);
        let (entries, count) = if worth {
            self.build_batch(client, command.as_ref().map(|(_, class)| *class), now)
        } else {
            ([0; MAX_BATCH], 0)
        };
        if worth {
            self.stuck = if count == 0 { client.backlog() } else { 0 };
        }
        if count == 0 && command.is_none() {
            return Ok(false);
        }

        if command.is_some() {
            self.log.note(now, Direction::ToChip, self.command.bytes());
        }
        self.last_sent = now;
        let sent = self.transfer(Unsent {
            command: command.is_some(),
            entries,
            count,
        });
        self.stats.tx_batches = self.stats.tx_batches.wrapping_add(1);
        self.stats.tx_frames = self
            .stats
            .tx_frames
            .wrapping_add(u64::try_from(count).unwrap_or(0));
        if let Some((slot, _)) = command {
            self.stats.tx_commands = self.stats.tx_commands.wrapping_add(1);
            self.command.sent(slot, now);
        }
        sent?;
        Ok(true)
    }

    /// Sends the batch that failed before, if there is one.
    #[cold]
    #[inline(never)]
    pub(super) fn send_again(&mut self, now: Instant) -> Result<(), RecoveryReason> {
        if let Some(unsent) = self.unsent.take() {
            self.transfer(unsent)?;
            // Its frames have their full time from now on.
            self.last_confirm = now;
        }
        Ok(())
    }

    /// One transfer. A batch whose transfer failed on the bus is kept.
    #[inline(always)]
    fn transfer(&mut self, what: Unsent) -> Result<(), RecoveryReason> {
        let mut batch: [&[u8]; MAX_BATCH] = [&[]; MAX_BATCH];
        let mut places = batch.iter_mut();
        let mut messages = what.count;
        if what.command {
            messages = messages.saturating_add(1);
            if let Some(place) = places.next() {
                *place = self.command.bytes();
            }
        }
        let entries = what.entries.get(..what.count).unwrap_or(&what.entries);
        for (place, entry) in places.zip(entries) {
            if let Some(frame) = self.in_flight.frame(usize::from(*entry)) {
                *place = frame.bytes();
            }
        }
        let sent = self.transport.send(batch.get(..messages).unwrap_or(&[]));
        if let Err(TransportError::Bus(_)) = sent {
            self.unsent = Some(what);
        }
        Ok(sent?)
    }

    fn write_command<C>(&mut self, client: &mut C, now: Instant)
    where
        C: Client<Frame = F, Buffer = T::Buffer, Tag = G>,
    {
        // More than one only if the client writes commands that are none; it hears of each.
        for _ in 0..MAX_BATCH {
            if !self.command.is_idle() {
                return;
            }
            let Some(command) = client.next_command(now, self.command.buffer_mut()) else {
                return;
            };
            if self.command.accept(command, now) {
                return;
            }
            client.command_done(Err(CommandError::Unsendable), now);
        }
    }

    /// The command that waits, with a credit and its sequence number, if there is one of each.
    fn take_command<C>(&mut self, client: &mut C, now: Instant) -> Option<(TxSlot, SlotClass)>
    where
        C: Client<Frame = F, Buffer = T::Buffer, Tag = G>,
    {
        if !self.command.is_written() {
            return None;
        }
        let slot = self.window.take()?;
        match self.transport.slot_class(self.command.bytes()) {
            Ok(class) => {
                self.command.stamp(|id| self.tx_sequence.stamp(id));
                Some((slot, class))
            }
            Err(_) => {
                self.window.release(slot);
                let _ = self.command.clear();
                client.command_done(Err(CommandError::Unsendable), now);
                None
            }
        }
    }

    /// Whether to send frames now, or to wait for the confirms that are due and send a fuller batch.
    fn is_worth_sending<C>(&self, client: &C) -> bool
    where
        C: Client<Frame = F, Buffer = T::Buffer, Tag = G>,
    {
        let free = usize::from(self.window.free_for_data());
        free >= FULL_ENOUGH
            || self.in_flight.len() < FULL_ENOUGH.saturating_add(usize::from(self.carry.is_some()))
            || client.backlog() <= free
    }

    /// Whether a batch is large enough to be sent now, or nothing is gained by waiting; sets the end of the wait if not.
    fn has_gathered<C>(&mut self, client: &C, with_command: bool, now: Instant) -> bool
    where
        C: Client<Frame = F, Buffer = T::Buffer, Tag = G>,
    {
        let carried = usize::from(self.carry.is_some());
        let waiting = client.backlog().saturating_add(carried);
        // A command goes down anyway, and a chip without frames has nothing to do meanwhile.
        let idle =
            self.in_flight.len() <= carried.saturating_add(usize::from(self.in_flight.orphans()));
        if with_command || idle || waiting >= FULL_ENOUGH {
            return true;
        }
        if waiting <= self.stuck {
            // They wait for something else.
            return true;
        }
        let until = self.last_sent.after(GATHER);
        if until.is_due(now) {
            return true;
        }
        self.gather_until = Some(until);
        false
    }

    /// The frames of the next batch: which entries of the table, and how many.
    #[inline]
    fn build_batch<C>(
        &mut self,
        client: &mut C,
        class: Option<SlotClass>,
        now: Instant,
    ) -> ([u8; MAX_BATCH], usize)
    where
        C: Client<Frame = F, Buffer = T::Buffer, Tag = G>,
    {
        let silent = !self.awaits_confirm();
        let mut batch = Batch {
            transport: &self.transport,
            window: &mut self.window,
            in_flight: &mut self.in_flight,
            sequence: &mut self.tx_sequence,
            carry: &mut self.carry,
            now,
            class,
            lengths: Lengths::of(class),
            limit: match class {
                None => MAX_BATCH,
                Some(class) if class.alone => 0,
                Some(_) => MAX_BATCH.saturating_sub(1),
            },
            entries: [0; MAX_BATCH],
            count: 0,
        };
        batch.add_carried();
        if batch.carry.is_none() && batch.has_room() {
            client.frames(now, &mut batch);
        }
        let Batch { entries, count, .. } = batch;
        if silent && self.awaits_confirm() {
            // The supervision of confirms starts with the first frame.
            self.supervise(now);
        }
        (entries, count)
    }
}
