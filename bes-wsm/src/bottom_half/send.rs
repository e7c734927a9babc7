//! Sending: the command first, then frames of the same slot class, up to a full batch.

use super::BottomHalf;
use crate::client::{Client, CommandError, FrameSink, Offer, Outgoing};
use crate::in_flight::{Entry, InFlight, Route};
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
    /// The credit of the next frame.
    slot: Option<TxSlot>,
    /// What all messages of the batch have in common, the command included.
    class: Option<SlotClass>,
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
    /// Takes a credit for another frame, if there may be one. `false` if not.
    #[inline(always)]
    fn reserve(&mut self) -> bool {
        if self.count >= self.limit {
            return false;
        }
        if self.slot.is_none() {
            self.slot = self.window.take_for_data();
        }
        self.slot.is_some()
    }

    #[inline(always)]
    fn add(&mut self, entry: u8, class: SlotClass) {
        self.class = Some(class);
        if let Some(place) = self.entries.get_mut(self.count) {
            *place = entry;
            self.count = self.count.wrapping_add(1);
        }
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
            self.add(entry, class);
        }
    }
}

impl<T: Transport, F: TxFrame, G: Copy, M: Memory> FrameSink<F, G> for Batch<'_, T, F, G, M> {
    #[inline(always)]
    fn offer(&mut self, outgoing: Outgoing<F, G>) -> Offer<F, G> {
        let Outgoing {
            mut frame,
            tag,
            queue,
            interface,
            link,
        } = outgoing;
        let route = Route {
            queue,
            interface: interface.raw(),
            link,
        };
        // The table is never full: the window is not larger.
        let Some(vacancy) = self.in_flight.vacancy(route) else {
            return Offer::Unsendable(frame, tag);
        };
        let bytes = frame.bytes_mut();
        let class = match self.transport.slot_class(bytes) {
            Ok(class) if is_transmit(bytes) => class,
            _ => return Offer::Unsendable(frame, tag),
        };
        // There is one, or the client would not have been asked.
        let Some(slot) = self.slot.take() else {
            return Offer::Unsendable(frame, tag);
        };
        let fits = !self.class.is_some_and(|mine| mine != class);
        if let Some([_, _, id @ .., a, b, c, d]) = bytes.first_chunk_mut::<8>() {
            [*a, *b, *c, *d] = vacancy.packet().to_le_bytes();
            if fits {
                stamp(id, self.sequence);
            }
        }
        let entry = vacancy.entry();
        self.in_flight
            .occupy(vacancy, Entry::new(frame, tag, slot, self.now));
        if fits {
            self.add(entry, class);
        } else {
            *self.carry = Some(entry);
            return Offer::Enough;
        }
        if self.reserve() {
            Offer::More
        } else {
            Offer::Enough
        }
    }
}

/// Whether the header of a message says that it is long enough for a frame with everything in front of it.
#[inline(always)]
fn is_transmit(message: &[u8]) -> bool {
    message.first_chunk().is_some_and(|&[low, high]| {
        usize::from(u16::from_le_bytes([low, high])) >= TRANSMIT_HEADER_LEN
    })
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
        for (place, entry) in places.zip(what.entries.iter().take(what.count)) {
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
            slot: None,
            class,
            limit: match class {
                None => MAX_BATCH,
                Some(class) if class.alone => 0,
                Some(_) => MAX_BATCH.saturating_sub(1),
            },
            entries: [0; MAX_BATCH],
            count: 0,
        };
        batch.add_carried();
        if batch.carry.is_none() && batch.reserve() {
            client.frames(now, &mut batch);
        }
        let Batch {
            slot,
            entries,
            count,
            ..
        } = batch;
        if let Some(slot) = slot {
            self.window.release(slot);
        }
        if silent && self.awaits_confirm() {
            // The supervision of confirms starts with the first frame.
            self.supervise(now);
        }
        (entries, count)
    }
}
