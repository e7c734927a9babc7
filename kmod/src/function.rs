// SPDX-License-Identifier: GPL-2.0-only

//! The lower seam of the portable crates on top of the MMC layer.

use crate::abstractions::bus_thread::Bell;
use crate::abstractions::clock;
use crate::abstractions::scatterlist::ScatterList;
use crate::abstractions::sdio::{Bus, Transfer};
use crate::abstractions::tracepoints;
use crate::platform::Lines;
use bes_hal::doorbell::Reasons;
use bes_hal::frame::RxBuffer;
use bes_hal::sdio::{Cmd53, Count, Direction, HostLimits, SdioFunction};
use bes_hal::{Instant, SdioError};
use bes_sdio_bus::regs::LENGTH_HIGH;
use core::marker::PhantomData;
use core::sync::atomic::{AtomicBool, Ordering};
use kernel::device::Device;
use kernel::prelude::*;
use kernel::sync::aref::ARef;
use kernel::sync::Arc;

/// Bytes of the longest transfer that may have to go through a bounce buffer (specification: file 10, section 14).
const BOUNCE: usize = 32 * 1024;

/// Memory of a burst.
pub(crate) trait BurstMemory: RxBuffer + Sized {
    /// `len` bytes, or `None` if there is no memory. May sleep.
    fn allocate(len: usize) -> Option<Self>;
}

/// How the chip's interrupt reaches the owner of the bus.
pub(crate) struct Interrupt {
    raised: AtomicBool,
    bell: Arc<Bell>,
}

impl Interrupt {
    /// An interrupt that rings `bell`.
    pub(crate) fn new(bell: Arc<Bell>) -> Self {
        Self {
            raised: AtomicBool::new(false),
            bell,
        }
    }

    /// It was raised.
    pub(crate) fn raise(&self) {
        self.raised.store(true, Ordering::Release);
        self.bell.ring(Reasons::INTERRUPT);
    }
}

/// Function 1 of the card and its side lines.
pub(crate) struct KernelFunction<B> {
    device: ARef<Device>,
    bus: Bus,
    list: ScatterList,
    lines: Lines,
    interrupt: Arc<Interrupt>,
    enabled: bool,
    interrupt_claimed: bool,
    tuning_held: bool,
    /// The card has raised its interrupt, and it was not acknowledged since.
    unacknowledged: bool,
    buffers: PhantomData<fn() -> B>,
}

impl<B: BurstMemory> KernelFunction<B> {
    /// The function behind `bus`.
    ///
    /// # Errors
    ///
    /// [`ENOMEM`].
    pub(crate) fn new(
        device: ARef<Device>,
        bus: Bus,
        lines: Lines,
        interrupt: Arc<Interrupt>,
    ) -> Result<Self> {
        Ok(Self {
            device,
            bus,
            list: ScatterList::new(BOUNCE)?,
            lines,
            interrupt,
            enabled: false,
            interrupt_claimed: false,
            tuning_held: false,
            unacknowledged: false,
            buffers: PhantomData,
        })
    }

    fn trace(&self, command: Cmd53, write: bool, failed: bool) {
        let bytes = u32::try_from(command.count.bytes()).unwrap_or(u32::MAX);
        tracepoints::transfer(&self.device, write, command.address, bytes, failed);
    }

    /// The owner is about to rest: if it has acknowledged the interrupt, the card may raise the next. One that it has left
    /// alone, because it waits for something else, is not shown to it again and again.
    pub(crate) fn rest(&self) {
        // One that nobody has taken is left alone as well.
        if !self.unacknowledged && !self.interrupt.raised.load(Ordering::Relaxed) {
            self.bus.served();
        }
    }

    /// Whether the card may keep its power while the system sleeps.
    pub(crate) fn keeps_power(&self) -> bool {
        self.bus
            .capabilities()
            .is_ok_and(|capabilities| capabilities.keeps_power)
    }

    /// Whether there is a line that wakes the chip.
    pub(crate) fn has_wake_line(&self) -> bool {
        self.lines.has_wake()
    }

    /// Whether card and host can do what the protocol needs.
    ///
    /// # Errors
    ///
    /// A sentence that says what they cannot do.
    pub(crate) fn check(&self) -> Result<(), &'static str> {
        let capabilities = self.bus.capabilities().map_err(|_| "the card is gone")?;
        let block = u32::try_from(Count::BLOCK_SIZE).unwrap_or(u32::MAX);
        if capabilities.max_block_size < block {
            Err("the host controller cannot do blocks of 512 bytes")
        } else if capabilities.function_block_size < block {
            Err("the card says that it cannot do blocks of 512 bytes")
        } else if !capabilities.multi_block {
            Err("the card says that it takes one block at a time")
        } else {
            Ok(())
        }
    }
}

fn transfer(command: Cmd53, direction: Direction) -> Transfer {
    let (block_size, blocks) = match command.count {
        Count::Bytes(bytes) => (u32::from(bytes), 1),
        Count::Blocks(blocks) => (512, u32::from(blocks)),
    };
    Transfer {
        argument: command.argument(direction),
        write: direction == Direction::Write,
        block_size,
        blocks,
    }
}

impl<B: BurstMemory> SdioFunction for KernelFunction<B> {
    type Buffer = B;

    fn now(&self) -> Instant {
        clock::now()
    }

    fn limits(&self) -> HostLimits {
        let Ok(capabilities) = self.bus.capabilities() else {
            return HostLimits::default();
        };
        let by_size = capabilities.max_bytes / 512;
        let blocks = capabilities.max_blocks.min(by_size).min(511);
        HostLimits {
            max_blocks: u16::try_from(blocks).unwrap_or(511),
            max_segments: capabilities.max_segments,
            multi_block: capabilities.multi_block,
        }
    }

    fn read_register(&mut self, address: u32) -> Result<u8, SdioError> {
        let value = self.bus.read_register(address)?;
        // This read takes the card's interrupt away (specification: file 10, section 7.4).
        self.unacknowledged &= address != LENGTH_HIGH;
        Ok(value)
    }

    fn write_register(&mut self, address: u32, value: u8) -> Result<(), SdioError> {
        Ok(self.bus.write_register(address, value)?)
    }

    fn allocate(&mut self, len: usize) -> Result<B, SdioError> {
        B::allocate(len).ok_or(SdioError::NoMemory)
    }

    fn read_data(&mut self, command: Cmd53, buffer: &mut [u8]) -> Result<(), SdioError> {
        let transfer = transfer(command, Direction::Read);
        let result = self.bus.read(transfer, buffer, &mut self.list);
        self.trace(command, false, result.is_err());
        Ok(result?)
    }

    fn write_data(&mut self, command: Cmd53, segments: &[&[u8]]) -> Result<(), SdioError> {
        let transfer = transfer(command, Direction::Write);
        let result = self.bus.write(transfer, segments, &mut self.list);
        self.trace(command, true, result.is_err());
        Ok(result?)
    }

    fn enable(&mut self) -> Result<(), SdioError> {
        if !self.enabled {
            self.bus.enable(512)?;
            self.enabled = true;
        }
        if !self.interrupt_claimed {
            self.bus.claim_interrupt()?;
            self.interrupt_claimed = true;
        }
        Ok(())
    }

    fn disable(&mut self) -> Result<(), SdioError> {
        if core::mem::take(&mut self.interrupt_claimed) {
            self.bus.release_interrupt()?;
        }
        if core::mem::take(&mut self.enabled) {
            self.bus.disable()?;
        }
        Ok(())
    }

    fn take_interrupt(&mut self) -> bool {
        let raised = self.interrupt.raised.swap(false, Ordering::AcqRel);
        self.unacknowledged |= raised;
        raised
    }

    fn hold_tuning(&mut self, hold: bool) {
        if self.tuning_held != hold {
            self.tuning_held = hold;
            self.bus.hold_tuning(hold);
        }
    }

    fn abort(&mut self) -> Result<(), SdioError> {
        Ok(self.bus.abort()?)
    }

    fn retune(&mut self) -> Result<(), SdioError> {
        Ok(self.bus.retune()?)
    }

    fn set_wake_line(&mut self, asserted: bool) {
        // A line that does not answer is a board's defect; the chip then does not wake, which is seen and counted.
        let _ = self.lines.set_wake(asserted);
    }

    /// The slot of a card whose driver is bound stays powered; the chip is restarted by a power cycle of the slot when it
    /// is switched off here, and waits for its firmware from then on.
    fn set_power(&mut self, on: bool) -> Result<(), SdioError> {
        if on {
            return self.lines.set_power(true).map_err(|_| SdioError::Card);
        }
        self.disable()?;
        self.lines.set_power(false).map_err(|_| SdioError::Card)?;
        Ok(self.bus.power_cycle()?)
    }
}
