//! The thread of one card: takes commands, carries them out on the emulated card, and answers; one system call each.

use super::hub::Hub;
use super::report::Shares;
use super::slot::Slot;
use super::source::{Command, CommandSource, Event, Status};
use anyhow::Result;
use bes_hal::sdio::{Cmd53, Count, SdioFunction};
use bes_hal::time::Instant;
use bes_hal::SdioError;
use mock_hal::card::{Silence, R5};
use mock_hal::{BurstVec, World};
use std::sync::Arc;
use std::time::Duration;

/// The longest wait of an exchange, so that the end of the program is seen in any case.
const LONGEST_WAIT: Duration = Duration::from_millis(500);
/// An answer is held only if it is early by more than this: to sleep costs more than what is shorter.
const HELD_FROM: Duration = Duration::from_micros(120);

/// Something between the bus and function 1: faults, lies.
pub type Between = Box<dyn SdioFunction<Buffer = BurstVec> + Send>;

/// The card's side of the bus.
pub struct CardThread<S> {
    source: S,
    slot: Arc<Slot>,
    hub: Arc<Hub>,
    between: Option<Between>,
    /// Where the time went.
    pub shares: Shares,
}

impl<S: CommandSource> CardThread<S> {
    /// A thread for a card.
    pub fn new(source: S, slot: Arc<Slot>, hub: Arc<Hub>, between: Option<Between>) -> Self {
        Self {
            source,
            slot,
            hub,
            between,
            shares: Shares::default(),
        }
    }

    /// Serves the host until the program ends.
    ///
    /// # Errors
    ///
    /// When the host or the medium is gone.
    pub fn run(&mut self) -> Result<()> {
        let mut answer = None;
        while !self.hub.is_stopping() {
            answer = self.step(answer)?;
        }
        // The last command is not left to its deadline.
        if answer.is_some() {
            let (level, _) = self.level();
            self.source.exchange(answer, level, Some(Duration::ZERO))?;
        }
        Ok(())
    }

    /// Answers the command before, waits for the next and carries it out; returns its end.
    fn step(&mut self, answer: Option<Status>) -> Result<Option<Status>> {
        let began = self.hub.now();
        self.slot.handle.advance_to(began);
        let began = self.settle(began)?;
        self.hold(answer.is_some());
        let (level, wait) = self.level();
        let before = self.hub.now();
        self.shares.chip += before.since(began);
        let event = self.source.exchange(answer, level, Some(wait))?;
        let now = self.hub.now();
        self.shares.waiting += now.since(before);
        {
            let mut line = self.slot.line();
            line.waits_until = None;
            line.lowering = false;
            if event == Event::Refused {
                line.told = None;
            }
        }
        self.shares.exchanges += 1;
        self.slot.handle.advance_to(now);
        let status = match event {
            Event::Command(command) => Some(self.execute(command)),
            Event::PowerLost => {
                self.slot.handle.with(World::forget_identification);
                None
            }
            Event::Nothing => {
                self.shares.idle_exchanges += 1;
                None
            }
            Event::Refused => {
                self.shares.refused += 1;
                None
            }
        };
        self.hub.record_trace(&self.slot);
        self.shares.chip += self.hub.now().since(now);
        Ok(status)
    }

    /// Other chips hear what this one sent, and the kernel gets it.
    fn settle(&mut self, began: Instant) -> Result<Instant> {
        self.hub.settle(began, Some(self.slot.number));
        if !self.hub.has_outgoing() {
            return Ok(began);
        }
        let start = self.hub.now();
        self.hub.flush()?;
        let end = self.hub.now();
        self.shares.medium += end.since(start);
        // The time of the medium is not the chip's.
        Ok(Instant::from_nanos(
            began.as_nanos() + end.as_nanos() - start.as_nanos(),
        ))
    }

    /// With a model of the bus, an answer that is early waits for its time.
    fn hold(&mut self, answers: bool) {
        if !answers {
            return;
        }
        let early = self.slot.handle.now().since(self.hub.now());
        if early > HELD_FROM {
            std::thread::sleep(early);
            self.shares.held += early;
        }
    }

    /// The level of the interrupt, if the host does not know it, and how long to wait. From here on until the exchange
    /// returns, the medium's thread looks after what comes earlier than the wait's end.
    fn level(&mut self) -> (Option<bool>, Duration) {
        let mut line = self.slot.line();
        let (level, next) = self
            .slot
            .handle
            .with(|world| (world.interrupt_asserted(), world.next_event()));
        let now = self.hub.now();
        let wait = next.map_or(LONGEST_WAIT, |at| at.since(now).min(LONGEST_WAIT));
        line.waits_until = Some(now.after(wait));
        let news = (line.told != Some(level)).then_some(level);
        line.lowering = news == Some(false);
        line.told = Some(level);
        (news, wait)
    }

    fn execute(&mut self, command: Command) -> Status {
        self.shares.commands += 1;
        if self.shares.boot_commands.is_none() {
            let started = self.slot.handle.with(|world| world.statistics().bursts > 0);
            self.shares.boot_commands = started.then_some(self.shares.commands);
        }
        match command.opcode {
            52 => self.register(command.argument),
            53 => self.data(command),
            opcode => {
                let response = self
                    .slot
                    .handle
                    .with(|world| world.command(opcode, command.argument));
                match response {
                    Ok(word) => Status::Done(word),
                    Err(_) => Status::NoResponse,
                }
            }
        }
    }

    fn register(&mut self, argument: u32) -> Status {
        let function_1 = argument >> 28 & 7 == 1;
        match self.between.as_mut().filter(|_| function_1) {
            None => {
                let response = self.slot.handle.with(|world| world.command52(argument));
                match response {
                    Ok(r5) => Status::Done(r5.0.into()),
                    Err(_) => Status::NoResponse,
                }
            }
            Some(between) => {
                let address = argument >> 9 & 0x1_FFFF;
                let [data, ..] = argument.to_le_bytes();
                let result = if argument >> 31 != 0 {
                    between.write_register(address, data).map(|()| data)
                } else {
                    between.read_register(address)
                };
                match result {
                    Ok(data) => Status::Done(0x1000 | u32::from(data)),
                    Err(SdioError::Crc) => Status::BrokenResponse,
                    Err(error) => refusal(error),
                }
            }
        }
    }

    fn data(&mut self, command: Command) -> Status {
        let Command {
            argument, length, ..
        } = command;
        let write = argument >> 31 != 0;
        let function_1 = argument >> 28 & 7 == 1;
        let memory = self.source.data();
        let length = length.min(memory.len());
        let memory = &mut memory[..length];
        if let Some(between) = self.between.as_mut().filter(|_| function_1) {
            let command = Cmd53 {
                address: argument >> 9 & 0x1_FFFF,
                count: count(argument),
            };
            let result = if write {
                between.write_data(command, &[memory])
            } else {
                between.read_data(command, memory)
            };
            return match result {
                Ok(()) => Status::Done(0x1000),
                Err(SdioError::Crc) => Status::BrokenData(0x1000),
                Err(SdioError::Timeout) => Status::NoData(0x1000),
                Err(error) => refusal(error),
            };
        }
        let response = self.slot.handle.with(|world| {
            if write {
                world.command53_write(argument, &[memory])
            } else {
                world.command53_read(argument, memory)
            }
        });
        match response {
            Ok(r5) => Status::Done(r5.0.into()),
            Err(Silence::NoData) => Status::NoData(0x1000),
            Err(Silence::Broken) => Status::BrokenData(0x1000),
            Err(_) => Status::NoResponse,
        }
    }
}

/// Count of a CMD53.
fn count(argument: u32) -> Count {
    let count = u16::try_from(argument & 0x1FF).unwrap_or(0);
    match (argument >> 27 & 1, count) {
        (0, 0) => Count::Bytes(512),
        (0, count) => Count::Bytes(count),
        (_, count) => Count::Blocks(count),
    }
}

/// What the host sees of a failure that is none of the wire's.
fn refusal(error: SdioError) -> Status {
    let flag = match error {
        SdioError::Card => R5::ERROR,
        SdioError::Function => R5::FUNCTION_NUMBER,
        SdioError::OutOfRange => R5::OUT_OF_RANGE,
        _ => return Status::NoResponse,
    };
    Status::Done(0x1000 | u32::from(flag))
}
