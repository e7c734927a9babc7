// SPDX-License-Identifier: GPL-2.0-only

//! Seeing what crosses the bus: trace events.
//!
//! [`Traced`] stands around the transport. Whoever wants the transport itself dereferences it.

use crate::abstractions::tracepoints;
use bes_hal::frame::RxBuffer;
use bes_hal::transport::{Health, Progress, Reception, SlotClass, Transition, Transport};
use bes_hal::{Instant, TransportError};
use bes_mac80211::device::DeviceState;
use core::ops::{Deref, DerefMut};
use kernel::device::Device;
use kernel::prelude::*;
use kernel::sync::aref::ARef;

/// A transport that is watched.
pub(crate) struct Traced<T> {
    transport: T,
    device: ARef<Device>,
}

impl<T> Traced<T> {
    /// Watches a transport of `device`.
    pub(crate) const fn new(transport: T, device: ARef<Device>) -> Self {
        Self { transport, device }
    }

    fn saw(&self, down: bool, message: &[u8]) {
        let Some(&[_, _, low, high]) = message.first_chunk() else {
            return;
        };
        let header = u16::from_le_bytes([low, high]);
        let len = u32::try_from(message.len()).unwrap_or(0);
        tracepoints::message(&self.device, down, header, len);
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
            let (bytes, messages) = (burst.buffer.bytes(), burst.messages.as_slice());
            for span in messages {
                self.saw(false, span.of(bytes));
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
        let mut bytes = 0_usize;
        for message in batch {
            bytes = bytes.saturating_add(message.len());
            self.saw(true, message);
        }
        tracepoints::burst(&self.device, true, batch.len() as u32, bytes as u32);
        self.transport.send(batch)
    }

    fn abort(&mut self) -> Result<(), TransportError> {
        self.transport.abort()
    }

    fn retune(&mut self) -> Result<(), TransportError> {
        self.transport.retune()
    }

    fn health(&self) -> Health {
        self.transport.health()
    }

    fn has_bluetooth(&mut self) -> bool {
        self.transport.has_bluetooth()
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
            DeviceState::Recovering(_) => 8,
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
