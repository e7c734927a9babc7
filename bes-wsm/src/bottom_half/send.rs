//! Sending: the command first, then frames of the same slot class, up to a full batch.

use super::BottomHalf;
use crate::client::{Client, CommandError, ReturnReason};
use crate::in_flight::Route;
use crate::recovery::RecoveryReason;
use bes_hal::frame::TxFrame;
use bes_hal::transport::{SlotClass, Transport, MAX_BATCH};
use bes_hal::{Instant, Memory};

/// With at least this many frames in flight the air has work, and a batch smaller than this waits for more credits.
/// Small batches cost a bus command each; the confirms that are due will make the batch larger.
const FULL_ENOUGH: usize = 8;

/// A message of the batch being built.
#[derive(Clone, Copy)]
enum Item {
    Command,
    Frame(usize),
}

impl<T: Transport, F: TxFrame, G: Copy, M: Memory> BottomHalf<T, F, G, M> {
    /// Sends one batch: the command first, then frames of the same class. `true` if anything went down.
    pub(super) fn send_batch<C>(
        &mut self,
        client: &mut C,
        now: Instant,
    ) -> Result<bool, RecoveryReason>
    where
        C: Client<Frame = F, Buffer = T::Buffer, Tag = G>,
    {
        let mut items = [Item::Command; MAX_BATCH];
        let mut count = 0_usize;
        let mut class = None;
        let mut command_slot = None;

        self.write_command(client, now);
        if self.command.is_written() {
            if let Some(slot) = self.window.take() {
                match self.transport.slot_class(self.command.bytes()) {
                    Ok(of_command) => {
                        command_slot = Some(slot);
                        class = Some(of_command);
                        count = 1;
                        self.command.stamp(|id| self.tx_sequence.stamp(id));
                    }
                    Err(_) => {
                        self.window.release(slot);
                        let _ = self.command.clear();
                        client.command_done(Err(CommandError::Unsendable), now);
                    }
                }
            }
        }
        if self.is_worth_sending(client) {
            while count < MAX_BATCH && !class.is_some_and(|class: SlotClass| class.alone) {
                let Some((index, of_frame)) = self.next_entry(client, now) else {
                    break;
                };
                if class.is_some_and(|class| class != of_frame) {
                    self.carry = Some(index);
                    break;
                }
                class = Some(of_frame);
                self.stamp_frame(index);
                if let Some(item) = items.get_mut(count) {
                    *item = Item::Frame(index);
                }
                count = count.saturating_add(1);
            }
        }
        if count == 0 {
            return Ok(false);
        }

        let mut batch: [&[u8]; MAX_BATCH] = [&[]; MAX_BATCH];
        for (bytes, item) in batch.iter_mut().zip(items.iter().take(count)) {
            *bytes = match item {
                Item::Command => self.command.bytes(),
                Item::Frame(index) => self.in_flight.frame(*index).map_or(&[], TxFrame::bytes),
            };
        }
        let sent = self.transport.send(batch.get(..count).unwrap_or(&[]));
        let frames = count.saturating_sub(usize::from(command_slot.is_some()));
        self.stats.tx_batches = self.stats.tx_batches.wrapping_add(1);
        self.stats.tx_frames = self
            .stats
            .tx_frames
            .wrapping_add(u64::try_from(frames).unwrap_or(0));
        if let Some(slot) = command_slot {
            self.stats.tx_commands = self.stats.tx_commands.wrapping_add(1);
            self.command.sent(slot, now);
        }
        sent?;
        Ok(true)
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

    /// The next frame for the batch, already in the table, with its class.
    fn next_entry<C>(&mut self, client: &mut C, now: Instant) -> Option<(usize, SlotClass)>
    where
        C: Client<Frame = F, Buffer = T::Buffer, Tag = G>,
    {
        if let Some(index) = self.carry.take() {
            let class = self
                .transport
                .slot_class(self.in_flight.frame(index)?.bytes())
                .ok()?;
            return Some((index, class));
        }
        loop {
            let slot = self.window.take_for_data()?;
            let Some(outgoing) = client.next_frame(now) else {
                self.window.release(slot);
                return None;
            };
            let bytes = outgoing.frame.bytes();
            let well_formed = bytes.first_chunk().is_some_and(|&[low, high]| {
                let len = usize::from(u16::from_le_bytes([low, high]));
                (24..=bytes.len()).contains(&len)
            });
            let class = if well_formed {
                self.transport.slot_class(bytes).ok()
            } else {
                None
            };
            let Some(class) = class else {
                self.window.release(slot);
                client.returned(outgoing.frame, outgoing.tag, ReturnReason::Unsendable, now);
                continue;
            };
            if !self.awaits_confirm() {
                // The supervision of confirms starts with the first frame.
                self.supervise(now);
            }
            let route = Route {
                queue: outgoing.queue,
                interface: outgoing.interface.raw(),
                link: outgoing.link,
            };
            match self
                .in_flight
                .insert(outgoing.frame, outgoing.tag, slot, route, now)
            {
                Ok((index, packet)) => {
                    let bytes = self
                        .in_flight
                        .frame_mut(index)
                        .map_or(&mut [][..], TxFrame::bytes_mut);
                    if let Some(field) = bytes.get_mut(4..8) {
                        field.copy_from_slice(&packet.to_le_bytes());
                    }
                    return Some((index, class));
                }
                // Not reached: the window is never larger than the table.
                Err((frame, tag, slot)) => {
                    self.window.release(slot);
                    client.returned(frame, tag, ReturnReason::Unsendable, now);
                    return None;
                }
            }
        }
    }

    fn stamp_frame(&mut self, index: usize) {
        if let Some(field) = self
            .in_flight
            .frame_mut(index)
            .and_then(|frame| frame.bytes_mut().get_mut(2..4))
        {
            if let Some(&[low, high]) = field.first_chunk() {
                let id = self.tx_sequence.stamp(u16::from_le_bytes([low, high]));
                field.copy_from_slice(&id.to_le_bytes());
            }
        }
    }
}
