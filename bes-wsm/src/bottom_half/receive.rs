//! Receiving: one burst is checked and dispatched in order, then handed up in one go.
//!
//! Everything in a message is hostile. What is wrong with one is counted; what means that messages were lost, or that
//! the chip is another one now, ends the session.

use super::{BottomHalf, Session};
use crate::anomaly::Anomaly;
use crate::client::Client;
use crate::command::{Match, IDENTITY};
use crate::recovery::RecoveryReason;
use crate::sequence::SequenceClass;
use crate::wire::describe::Direction;
use crate::wire::startup::Startup;
use crate::wire::tx::{MultiTransmitConfirm, TransmitConfirm};
use crate::wire::{confirm, Confirm, MessageId};
use bes_hal::frame::{RxBuffer, Span, TxFrame};
use bes_hal::transport::{Burst, Transport};
use bes_hal::{Instant, Memory};

impl<T: Transport, F: TxFrame, G: Copy, M: Memory> BottomHalf<T, F, G, M> {
    pub(super) fn dispatch_burst<C>(
        &mut self,
        client: &mut C,
        burst: Burst<T::Buffer>,
        now: Instant,
    ) -> Result<(), RecoveryReason>
    where
        C: Client<Frame = F, Buffer = T::Buffer, Tag = G>,
    {
        let Burst {
            mut buffer,
            messages,
            defect,
        } = burst;
        self.stats.rx_bursts = self.stats.rx_bursts.wrapping_add(1);
        let mut result = Ok(());
        for span in messages.as_slice() {
            self.stats.rx_messages = self.stats.rx_messages.wrapping_add(1);
            result = self.dispatch(client, &mut buffer, *span, now);
            if result.is_err() {
                break;
            }
        }
        if let Some(defect) = defect {
            self.anomalies.record(Anomaly::BurstDefect(defect), now);
        }
        // What was good before the end of the session is handed up all the same.
        client.end_of_burst(buffer, now);
        result
    }

    /// One message. Everything in it is hostile.
    fn dispatch<C>(
        &mut self,
        client: &mut C,
        buffer: &mut T::Buffer,
        span: Span,
        now: Instant,
    ) -> Result<(), RecoveryReason>
    where
        C: Client<Frame = F, Buffer = T::Buffer, Tag = G>,
    {
        let message = span.of(buffer.bytes());
        let Some(&[_, _, low, high]) = message.first_chunk() else {
            // The transport lets no such message through.
            self.anomalies.record(Anomaly::BadFrame, now);
            return Ok(());
        };
        let id = u16::from_le_bytes([low, high]);
        // The exception is outside the sequence (file 20, section 2.4).
        if id & IDENTITY == 0x0800 {
            self.log.note(now, Direction::FromChip, message);
            self.note(client.indication(message, now), now);
            return Err(RecoveryReason::Exception);
        }
        self.rx_sequence
            .check(id)
            .map_err(|due| RecoveryReason::Sequence {
                class: SequenceClass::of(id),
                due,
                got: u8::try_from(id >> 13).unwrap_or(0),
            })?;
        let unknown_interface = (id >> 6) & 0xF > 2;
        if unknown_interface {
            self.anomalies
                .record(Anomaly::UnknownInterface(MessageId::from_raw(id)), now);
        }
        match id & IDENTITY {
            0x0804 if unknown_interface => {}
            0x0804 => {
                self.stats.rx_frames = self.stats.rx_frames.wrapping_add(1);
                let outcome = client.receive(buffer, span, now);
                self.note(outcome, now);
            }
            0x0404 => self.confirm_one(client, message, id, now),
            0x041E => self.confirm_many(client, message, id, now),
            0x0801 => {
                self.log.note(now, Direction::FromChip, message);
                self.startup(client, message, now)?;
            }
            id_class => {
                self.log.note(now, Direction::FromChip, message);
                match id_class & 0x0C00 {
                    0x0400 => self.confirm_command(client, message, id, now),
                    0x0800 if unknown_interface => {}
                    0x0800 => self.note(client.indication(message, now), now),
                    0x0C00 => self.mcu(client, message, id, now),
                    // A chip sends no requests.
                    _ => self
                        .anomalies
                        .record(Anomaly::UnknownMessage(MessageId::from_raw(id)), now),
                }
            }
        }
        Ok(())
    }

    fn note(&mut self, outcome: Result<(), Anomaly>, now: Instant) {
        if let Err(anomaly) = outcome {
            self.anomalies.record(anomaly, now);
        }
    }

    fn startup<C>(
        &mut self,
        client: &mut C,
        message: &[u8],
        now: Instant,
    ) -> Result<(), RecoveryReason>
    where
        C: Client<Frame = F, Buffer = T::Buffer, Tag = G>,
    {
        if self.session == Session::Ready {
            return Err(RecoveryReason::Restarted);
        }
        let startup =
            Startup::parse(message).map_err(|_| RecoveryReason::StartupRefused(u32::MAX))?;
        // One buffer is kept for commands, so data needs a second one.
        if !startup.is_usable() || startup.input_buffers < 2 {
            return Err(RecoveryReason::StartupRefused(startup.status.raw()));
        }
        self.window.open(
            startup
                .input_buffers
                .min(u16::try_from(crate::in_flight::CAPACITY).unwrap_or(u16::MAX)),
        );
        self.session = Session::Ready;
        self.note(client.indication(message, now), now);
        Ok(())
    }

    fn confirm_one<C>(&mut self, client: &mut C, message: &[u8], id: u16, now: Instant)
    where
        C: Client<Frame = F, Buffer = T::Buffer, Tag = G>,
    {
        match TransmitConfirm::parse(message) {
            Ok(confirm) => self.confirm(client, &confirm, now),
            Err(_) => self
                .anomalies
                .record(Anomaly::Truncated(MessageId::from_raw(id)), now),
        }
    }

    fn confirm_many<C>(&mut self, client: &mut C, message: &[u8], id: u16, now: Instant)
    where
        C: Client<Frame = F, Buffer = T::Buffer, Tag = G>,
    {
        // A list that is cut or lies about its count confirms nothing: its frames come back by their deadline (D41).
        match MultiTransmitConfirm::parse(message) {
            Ok(confirms) => {
                for confirm in confirms.iter() {
                    self.confirm(client, &confirm, now);
                }
            }
            Err(_) => self
                .anomalies
                .record(Anomaly::Truncated(MessageId::from_raw(id)), now),
        }
    }

    #[inline(always)]
    fn confirm<C>(&mut self, client: &mut C, confirm: &TransmitConfirm, now: Instant)
    where
        C: Client<Frame = F, Buffer = T::Buffer, Tag = G>,
    {
        let packet = confirm.packet.raw();
        // A frame that waits for the next batch has not been sent: a confirm for it is made up.
        if self
            .carry
            .is_some_and(|entry| u32::from(entry) == packet & 0xFF)
        {
            self.anomalies.record(Anomaly::StalePacketId(packet), now);
            return;
        }
        match self.in_flight.take(packet) {
            Ok(entry) => {
                self.window.release(entry.slot);
                self.last_confirm = now;
                self.stats.tx_confirms = self.stats.tx_confirms.wrapping_add(1);
                match entry.frame {
                    Some(frame) => client.confirmed(frame, entry.tag, confirm, now),
                    None => self.anomalies.record(Anomaly::LateConfirm(packet), now),
                }
            }
            Err(anomaly) => self.anomalies.record(anomaly, now),
        }
    }

    fn confirm_command<C>(&mut self, client: &mut C, message: &[u8], id: u16, now: Instant)
    where
        C: Client<Frame = F, Buffer = T::Buffer, Tag = G>,
    {
        match self.command.answer(id) {
            Match::Answer(slot, sent_at) => {
                self.window.release(slot);
                let stats = &mut self.stats;
                stats.command_confirms = stats.command_confirms.wrapping_add(1);
                stats.command_micros = stats.command_micros.wrapping_add(
                    now.since(sent_at)
                        .as_micros()
                        .try_into()
                        .unwrap_or(u64::MAX),
                );
                // The chip lives: frames that waited behind a slow command get their full time (file 20, 15.5).
                self.last_confirm = now;
                if confirm::check(message).is_err() {
                    self.anomalies
                        .record(Anomaly::BadConfirm(MessageId::from_raw(id)), now);
                }
                client.command_done(Ok(message), now);
            }
            Match::Other => self
                .anomalies
                .record(Anomaly::ConfirmForOther(MessageId::from_raw(id)), now),
            Match::Nothing => self
                .anomalies
                .record(Anomaly::ConfirmWithoutRequest(MessageId::from_raw(id)), now),
        }
    }

    /// Confirm and indication of the MCU share an id; a label at offset 8 tells them apart (file 20, section 2.5).
    fn mcu<C>(&mut self, client: &mut C, message: &[u8], id: u16, now: Instant)
    where
        C: Client<Frame = F, Buffer = T::Buffer, Tag = G>,
    {
        if message.len() < 16 {
            self.anomalies
                .record(Anomaly::Truncated(MessageId::from_raw(id)), now);
            return;
        }
        match message.get(8..12) {
            Some(&[0x0F, 0, 0, 0]) => self.confirm_command(client, message, id, now),
            Some(&[0xF0, 0, 0, 0]) => self.note(client.indication(message, now), now),
            Some(&[a, b, c, d]) => {
                self.anomalies
                    .record(Anomaly::McuLabel(u32::from_le_bytes([a, b, c, d])), now);
            }
            _ => {}
        }
    }
}
