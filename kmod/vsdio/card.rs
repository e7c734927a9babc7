// SPDX-License-Identifier: GPL-2.0-only

//! A card: the MMC core asks on one side, the process answers on the other.
//!
//! The thread that the MMC core sends with a request waits here until the command has ended, so a request has one
//! owner at any time: that thread, or the [`CommandSlot`] under its lock while the thread sleeps. The process's thread
//! copies data in and out under the same lock.
//!
//! Locks: `commands`, then `line`. Neither is held while a request completes.

use crate::abi;
use crate::abstractions::mmc_host::{
    self, Completion, Direction, Failure, HostRef, Ios, Power, Request, Response,
};
use crate::abstractions::shared_area::SharedArea;
use crate::abstractions::wait_queue::{Expiry, WaitQueue, Woken};
use crate::command_slot::{Command, CommandSlot, Ending, Outcome, Refusal};
use crate::interrupt_line::InterruptLine;
use kernel::prelude::*;
use kernel::sync::atomic::{Atomic, Relaxed};
use kernel::sync::{new_mutex, new_spinlock, static_lock_class, Arc, Mutex, MutexGuard, SpinLock};
use kernel::time::msecs_to_jiffies;

/// Why an exchange failed, before it becomes an error number.
pub(crate) enum ExchangeError {
    /// Another thread is exchanging.
    Busy,
    /// The answer was refused.
    Refused(Refusal),
}

/// A card, from when its device file is opened until it is closed.
#[pin_data]
pub(crate) struct Card {
    #[pin]
    commands: Mutex<CommandSlot<Request>>,
    #[pin]
    line: SpinLock<InterruptLine>,
    /// The process waits here, for commands.
    #[pin]
    process: WaitQueue,
    /// The MMC core's thread waits here, for the answer.
    #[pin]
    core: WaitQueue,
    area: SharedArea,
    /// Milliseconds that a command may take.
    deadline_ms: Atomic<u32>,
}

impl Card {
    /// A card that is not in yet.
    ///
    /// # Errors
    ///
    /// `ENOMEM`.
    pub(crate) fn new() -> Result<Arc<Self>> {
        let area = SharedArea::new(abi::DATA_SIZE)?;
        Arc::pin_init(
            pin_init!(Self {
                commands <- new_mutex!(CommandSlot::new(), "vsdio::commands"),
                line <- new_spinlock!(InterruptLine::default(), "vsdio::line"),
                process <- WaitQueue::new(c"vsdio::process", static_lock_class!()),
                core <- WaitQueue::new(c"vsdio::core", static_lock_class!()),
                area,
                deadline_ms: Atomic::new(abi::MAX_DEADLINE_MS),
            }),
            GFP_KERNEL,
        )
    }

    /// The data area.
    pub(crate) fn area(&self) -> &SharedArea {
        &self.area
    }

    /// Says how long commands may take.
    pub(crate) fn set_deadline(&self, milliseconds: u32) {
        self.deadline_ms.store(milliseconds, Relaxed);
    }

    /// The queue that is woken when [`has_event`](Self::has_event) may have become true.
    pub(crate) fn process(&self) -> &WaitQueue {
        &self.process
    }

    /// Whether an exchange would return an event at once.
    pub(crate) fn has_event(&self) -> bool {
        self.commands.lock().has_event()
    }

    /// Takes the card out: what is outstanding fails, and so will all that comes.
    pub(crate) fn remove(&self) {
        self.commands.lock().remove();
        self.core.wake();
        self.process.wake();
    }

    /// Sets the level of the interrupt.
    pub(crate) fn set_interrupt(&self, host: &HostRef, asserted: bool) {
        let mut line = self.line.lock();
        if line.set_level(asserted) {
            host.signal_sdio_irq();
        }
    }

    /// Makes the exchange that waits, or the next one, return.
    pub(crate) fn wake(&self) {
        self.commands.lock().wake();
        self.process.wake();
    }

    /// Takes an answer, if there is one, and waits for the next event.
    ///
    /// # Errors
    ///
    /// [`ExchangeError`]; then nothing has happened.
    pub(crate) fn exchange(
        &self,
        host: &HostRef,
        answer: &abi::Answer,
    ) -> Result<abi::Event, ExchangeError> {
        let mut commands = self.commands.lock();
        if !commands.begin_exchange() {
            return Err(ExchangeError::Busy);
        }
        let ended = commands.answer(answer, |request, length| {
            request.copy_from(&self.area, length as usize);
        });
        let ended = match ended {
            Ok(ended) => ended,
            Err(refusal) => {
                commands.end_exchange();
                return Err(ExchangeError::Refused(refusal));
            }
        };
        // Before the driver can see the command's end.
        match answer.interrupt {
            abi::INTERRUPT_LOW => self.set_interrupt(host, false),
            abi::INTERRUPT_HIGH => self.set_interrupt(host, true),
            _ => {}
        }
        if ended {
            self.core.wake();
        }
        let (mut commands, event) = self.wait_for_event(commands, answer.timeout_ns);
        commands.end_exchange();
        Ok(event)
    }

    fn wait_for_event<'a>(
        &'a self,
        mut commands: MutexGuard<'a, CommandSlot<Request>>,
        timeout_ns: u64,
    ) -> (MutexGuard<'a, CommandSlot<Request>>, abi::Event) {
        let mut last_look = timeout_ns == 0;
        let mut expiry = None;
        loop {
            let event = commands.take_event(|request| {
                request.copy_to(&self.area);
            });
            if let Some(event) = event {
                return (commands, event);
            }
            if commands.take_wake() || last_look {
                let event = commands.no_event();
                return (commands, event);
            }
            // The clock is read only when there is something to wait for.
            let expiry = *expiry.get_or_insert_with(|| match timeout_ns {
                abi::WAIT_FOREVER => Expiry::NEVER,
                nanoseconds => Expiry::after(nanoseconds),
            });
            let woken;
            (commands, woken) = self.process.wait_interruptible(commands, expiry);
            last_look = woken != Woken::Up;
        }
    }
}

impl mmc_host::Operations for Card {
    fn request(&self, host: &HostRef, request: Request) {
        let Some(command) = command(&request) else {
            request.complete(&Completion::failed(Failure::Unsupported));
            return;
        };
        let mut commands = self.commands.lock();
        let ticket = match commands.submit(command, request) {
            Ok(ticket) => ticket,
            Err((request, outcome)) => {
                drop(commands);
                request.complete(&completion(&outcome));
                return;
            }
        };
        self.process.wake();
        let mut left = msecs_to_jiffies(self.deadline_ms.load(Relaxed)).max(1);
        let (collected, expired) = loop {
            if let Some(collected) = commands.collect(&ticket) {
                break (Some(collected), false);
            }
            if left == 0 {
                let collected = commands.expire(ticket);
                break (collected, commands.is_silent());
            }
            (commands, left) = self.core.wait_uninterruptible(commands, left);
        };
        drop(commands);
        if expired {
            pr_warn!(
                "mmc{}: CMD{} {:#010x}: the card's process does not answer\n",
                host.index(),
                command.opcode,
                command.argument
            );
        }
        if let Some((request, outcome)) = collected {
            request.complete(&completion(&outcome));
        }
    }

    fn set_ios(&self, ios: &Ios) {
        self.commands.lock().set_bus(abi::Bus {
            power: match ios.power {
                Power::Off => abi::POWER_OFF,
                Power::Up => abi::POWER_UP,
                Power::On => abi::POWER_ON,
            },
            clock: ios.clock,
            width: if ios.four_bit { 4 } else { 1 },
            timing: if ios.high_speed {
                abi::TIMING_HIGH_SPEED
            } else {
                abi::TIMING_DEFAULT
            },
            ..abi::Bus::default()
        });
        self.process.wake();
    }

    fn is_card_present(&self) -> bool {
        self.commands.lock().is_present()
    }

    fn enable_sdio_irq(&self, host: &HostRef, enable: bool) {
        let mut line = self.line.lock();
        if line.enable(enable) {
            host.signal_sdio_irq();
        }
    }

    fn ack_sdio_irq(&self, host: &HostRef) {
        let mut line = self.line.lock();
        if line.acknowledge() {
            host.signal_sdio_irq();
        }
    }
}

/// A request in the protocol's words. `None`: its data does not fit the data area, which the limits that the core was
/// given rule out.
fn command(request: &Request) -> Option<Command> {
    let mut command = Command {
        opcode: request.opcode(),
        argument: request.argument(),
        response_type: match request.response() {
            Response::None => abi::RESPONSE_NONE,
            Response::Short => abi::RESPONSE_SHORT,
            Response::Long => abi::RESPONSE_LONG,
        },
        ..Command::default()
    };
    if let Some(data) = request.data() {
        let length = data.block_size.checked_mul(data.blocks)?;
        if length as usize > abi::DATA_SIZE {
            return None;
        }
        command.direction = match data.direction {
            Direction::Read => abi::DIRECTION_READ,
            Direction::Write => abi::DIRECTION_WRITE,
        };
        command.block_size = data.block_size;
        command.blocks = data.blocks;
    }
    Some(command)
}

/// An outcome in the MMC core's words.
fn completion(outcome: &Outcome) -> Completion {
    let (command, data) = match outcome.ending {
        Ending::Ok => (None, None),
        Ending::CommandTimeout => (Some(Failure::Timeout), None),
        Ending::CommandCrc => (Some(Failure::Crc), None),
        Ending::DataTimeout => (None, Some(Failure::Timeout)),
        Ending::DataCrc => (None, Some(Failure::Crc)),
        Ending::NoMedium => (Some(Failure::NoMedium), None),
        Ending::Busy => (Some(Failure::Busy), None),
    };
    Completion {
        command,
        data,
        response: outcome.response,
        bytes: outcome.length,
    }
}
