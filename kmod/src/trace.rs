// SPDX-License-Identifier: GPL-2.0-only

//! Seeing what crosses the bus: trace events, and the last messages that were not frames.
//!
//! [`Traced`] stands around the transport. Whoever wants the transport itself dereferences it.

use crate::abstractions::tracepoints;
use bes_hal::frame::RxBuffer;
use bes_hal::transport::{Progress, Reception, SlotClass, Transition, Transport};
use bes_hal::{Instant, TransportError};
use bes_mac80211::device::DeviceState;
use bes_wsm::wire::describe::{describe, Direction};
use bes_wsm::wire::{Header, MessageId};
use core::fmt;
use core::ops::{Deref, DerefMut};
use kernel::alloc::KVVec;
use kernel::device::Device;
use kernel::prelude::*;
use kernel::sync::aref::ARef;

/// Messages that are kept.
const KEPT: usize = 64;

/// Bytes of each that are kept: enough for every message but templates and patterns, whose end is of little use.
const BYTES: usize = 96;

/// A message that crossed the bus.
#[derive(Clone, Copy)]
struct Message {
    at: Instant,
    down: bool,
    bytes: [u8; BYTES],
    kept: usize,
    len: usize,
}

/// A transport that is watched.
pub(crate) struct Traced<T> {
    transport: T,
    device: ARef<Device>,
    /// A ring: the oldest at `next` once it is full.
    messages: KVVec<Message>,
    next: usize,
}

impl<T> Traced<T> {
    /// Watches a transport of `device`.
    ///
    /// # Errors
    ///
    /// [`ENOMEM`].
    pub(crate) fn new(transport: T, device: ARef<Device>) -> Result<Self> {
        Ok(Self {
            transport,
            device,
            messages: KVVec::with_capacity(KEPT, GFP_KERNEL)?,
            next: 0,
        })
    }

    fn saw(&mut self, at: Instant, down: bool, message: &[u8]) {
        let Some(&[_, _, low, high]) = message.first_chunk() else {
            return;
        };
        let header = u16::from_le_bytes([low, high]);
        let len = message.len();
        tracepoints::message(&self.device, down, header, u32::try_from(len).unwrap_or(0));
        let is_frame = Header::parse(message).is_ok_and(|header| {
            matches!(
                header.id(),
                MessageId::TRANSMIT
                    | MessageId::TRANSMIT_CONFIRM
                    | MessageId::MULTI_TRANSMIT_CONFIRM
                    | MessageId::RECEIVE
            )
        });
        if is_frame {
            return;
        }
        let mut kept = Message {
            at,
            down,
            bytes: [0; BYTES],
            kept: len.min(BYTES),
            len,
        };
        for (to, from) in kept.bytes.iter_mut().zip(message) {
            *to = *from;
        }
        if self.messages.len() < KEPT {
            // There is room: it was made in `new`.
            let _full = self.messages.push_within_capacity(kept);
        } else if let Some(oldest) = self.messages.get_mut(self.next) {
            *oldest = kept;
            self.next = (self.next + 1) % KEPT;
        }
    }

    /// Writes the last messages, the oldest first, one a line.
    pub(crate) fn show(&self, out: &mut impl fmt::Write) -> fmt::Result {
        let (newer, older) = self.messages.split_at(self.next.min(self.messages.len()));
        for message in core::iter::Iterator::chain(older.iter(), newer) {
            let bytes = message.bytes.get(..message.kept).unwrap_or(&[]);
            let direction = if message.down {
                Direction::ToChip
            } else {
                Direction::FromChip
            };
            write!(out, "{} {}", message.at, describe(bytes, direction))?;
            if message.len > message.kept {
                write!(
                    out,
                    " (the first {} of {} bytes)",
                    message.kept, message.len
                )?;
            }
            writeln!(out)?;
        }
        Ok(())
    }
}

impl<T> Deref for Traced<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.transport
    }
}

impl<T> DerefMut for Traced<T> {
    fn deref_mut(&mut self) -> &mut T {
        &mut self.transport
    }
}

impl<T: Transport> Transport for Traced<T> {
    type Buffer = T::Buffer;

    fn now(&self) -> Instant {
        self.transport.now()
    }

    fn take_interrupt(&mut self) -> bool {
        self.transport.take_interrupt()
    }

    fn receive(&mut self) -> Result<Reception<T::Buffer>, TransportError> {
        let reception = self.transport.receive()?;
        if let Reception::Burst(burst) = &reception {
            let now = self.transport.now();
            let (bytes, messages) = (burst.buffer.bytes(), burst.messages.as_slice());
            for span in messages {
                self.saw(now, false, span.of(bytes));
            }
            tracepoints::burst(
                &self.device,
                false,
                messages.len() as u32,
                bytes.len() as u32,
            );
        }
        Ok(reception)
    }

    fn slot_class(&self, message: &[u8]) -> Result<SlotClass, TransportError> {
        self.transport.slot_class(message)
    }

    fn send(&mut self, batch: &[&[u8]]) -> Result<(), TransportError> {
        let now = self.transport.now();
        let mut bytes = 0_usize;
        for message in batch {
            bytes = bytes.saturating_add(message.len());
            self.saw(now, true, message);
        }
        tracepoints::burst(&self.device, true, batch.len() as u32, bytes as u32);
        self.transport.send(batch)
    }

    fn begin(&mut self, transition: Transition, now: Instant) -> Result<(), TransportError> {
        self.transport.begin(transition, now)
    }

    fn poll(&mut self, now: Instant) -> Result<Progress, TransportError> {
        self.transport.poll(now)
    }

    fn reset(&mut self) {
        self.transport.reset();
    }
}

/// What was told last of the device, so that only changes are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Watch {
    state: u32,
    outstanding: u16,
}

impl Watch {
    /// Tells of changes.
    pub(crate) fn look(
        &mut self,
        device: &Device,
        state: DeviceState,
        capacity: u16,
        outstanding: u16,
        waiting: usize,
    ) {
        let state = match state {
            DeviceState::Off => 0,
            DeviceState::Booting => 1,
            DeviceState::Ready => 2,
            DeviceState::Starting => 3,
            DeviceState::Running => 4,
            DeviceState::Asleep => 5,
            DeviceState::Stopping => 6,
            DeviceState::NeedsRecovery(_) => 7,
        };
        if self.state != state {
            self.state = state;
            tracepoints::state(device, state);
        }
        if self.outstanding != outstanding {
            self.outstanding = outstanding;
            tracepoints::credit(
                device,
                capacity.into(),
                outstanding.into(),
                u32::try_from(waiting).unwrap_or(u32::MAX),
            );
        }
    }
}
