// SPDX-License-Identifier: GPL-2.0-only

//! The one command on the bus, and who owns it.
//!
//! An SDIO bus carries one command at a time. This is its state machine; everything that can happen to a command
//! happens here, under the one lock that its user wraps around it, so no two of deadline, answer and removal can both
//! end the same command.
//!
//! | state | the request is | leaves by |
//! |---|---|---|
//! | `Idle` | with the MMC core | [`submit`](CommandSlot::submit) → `Queued` |
//! | `Queued` | here | [`take_event`](CommandSlot::take_event) → `Offered` |
//! | `Offered` | here | [`answer`](CommandSlot::answer) → `Ended` |
//! | `Ended` | here, with its outcome | [`collect`](CommandSlot::collect) → `Idle` |
//! | any but `Idle` | | [`expire`](CommandSlot::expire) → `Idle`, [`remove`](CommandSlot::remove) → `Ended` |
//!
//! The thread that submits a command waits until it can collect it, and it alone takes the request out again: `submit`
//! gives it a [`Ticket`], which `expire` consumes. So a request never outlives its submitter's wait, whatever the
//! process does.
//!
//! A process that let a deadline pass is *silent*: until its next exchange all commands fail at once, as with a card
//! that does not respond. A process that hangs costs the kernel one deadline, not one for each command that the MMC
//! core tries.
//!
//! No kernel types: `cargo test -p vsdio-device` tests this file too.

use crate::abi;

/// A command as the MMC core issues it. Fields as in [`abi::Event`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Command {
    pub(crate) opcode: u32,
    pub(crate) argument: u32,
    pub(crate) response_type: u32,
    pub(crate) direction: u32,
    pub(crate) block_size: u32,
    pub(crate) blocks: u32,
}

impl Command {
    /// Bytes of data.
    fn length(&self) -> u32 {
        self.block_size.saturating_mul(self.blocks)
    }
}

/// How a command ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ending {
    /// Well.
    Ok,
    /// No response: the card said so, or its process is silent.
    CommandTimeout,
    /// Broken response.
    CommandCrc,
    /// Good response, data missing.
    DataTimeout,
    /// Good response, data broken.
    DataCrc,
    /// The card is gone.
    NoMedium,
    /// The slot already has a command, which the MMC core does not do.
    Busy,
}

/// What the MMC core learns of a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Outcome {
    pub(crate) ending: Ending,
    /// Words of the response, as in [`abi::Answer`].
    pub(crate) response: [u32; 4],
    /// Bytes of data that moved.
    pub(crate) length: u32,
}

impl Outcome {
    /// An end without response and data.
    pub(crate) fn failed(ending: Ending) -> Self {
        Self {
            ending,
            response: [0; 4],
            length: 0,
        }
    }
}

/// Why an answer was refused. Except after `Stale`, the command still waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// The command it names is not outstanding.
    Stale,
    /// Its length does not suit the command.
    Length,
    /// Another field is not valid.
    Invalid,
}

/// The right to collect one command's outcome.
#[derive(Debug)]
pub(crate) struct Ticket(u64);

/// `R` stands for the MMC core's request; owning it is the right to end it.
#[derive(Debug)]
enum State<R> {
    Idle,
    Queued(u64, Command, R),
    Offered(u64, Command, R),
    Ended(u64, R, Outcome),
}

/// See the [module](self).
#[derive(Debug)]
pub(crate) struct CommandSlot<R> {
    state: State<R>,
    last_id: u64,
    bus: abi::Bus,
    bus_unseen: bool,
    gone: bool,
    silent: bool,
    exchanging: bool,
    woken: bool,
    expired: u32,
    refused: u32,
}

impl<R> CommandSlot<R> {
    /// An empty slot, without power.
    pub(crate) fn new() -> Self {
        Self {
            state: State::Idle,
            last_id: 0,
            bus: abi::Bus {
                width: 1,
                ..abi::Bus::default()
            },
            bus_unseen: false,
            gone: false,
            silent: false,
            exchanging: false,
            woken: false,
            expired: 0,
            refused: 0,
        }
    }

    // The MMC core's side.

    /// Puts a command on the bus.
    ///
    /// # Errors
    ///
    /// Gives the request back with its outcome when there is nobody to answer it.
    pub(crate) fn submit(&mut self, command: Command, request: R) -> Result<Ticket, (R, Outcome)> {
        let ending = if self.gone {
            Ending::NoMedium
        } else if !matches!(self.state, State::Idle) {
            Ending::Busy
        } else if self.silent {
            Ending::CommandTimeout
        } else {
            self.last_id = self.last_id.wrapping_add(1);
            self.state = State::Queued(self.last_id, command, request);
            return Ok(Ticket(self.last_id));
        };
        Err((request, Outcome::failed(ending)))
    }

    /// Takes the request out if its command has ended.
    pub(crate) fn collect(&mut self, ticket: &Ticket) -> Option<(R, Outcome)> {
        match core::mem::replace(&mut self.state, State::Idle) {
            State::Ended(id, request, outcome) if id == ticket.0 => Some((request, outcome)),
            other => {
                self.state = other;
                None
            }
        }
    }

    /// The deadline has passed: takes the request out, ended or not.
    ///
    /// `None` only for a ticket whose request was already collected.
    pub(crate) fn expire(&mut self, ticket: Ticket) -> Option<(R, Outcome)> {
        match core::mem::replace(&mut self.state, State::Idle) {
            State::Ended(id, request, outcome) if id == ticket.0 => Some((request, outcome)),
            State::Queued(id, _, request) | State::Offered(id, _, request) if id == ticket.0 => {
                self.expired = self.expired.saturating_add(1);
                self.silent = true;
                Some((request, Outcome::failed(Ending::CommandTimeout)))
            }
            other => {
                self.state = other;
                None
            }
        }
    }

    /// Whether the process let a deadline pass since its last exchange.
    pub(crate) fn is_silent(&self) -> bool {
        self.silent
    }

    /// The host drives the bus differently. Counters of `bus` are ignored.
    pub(crate) fn set_bus(&mut self, bus: abi::Bus) {
        let next = abi::Bus {
            changes: self.bus.changes,
            power_losses: self.bus.power_losses,
            ..bus
        };
        if next == self.bus {
            return;
        }
        let lost = next.power == abi::POWER_OFF && self.bus.power != abi::POWER_OFF;
        self.bus = abi::Bus {
            changes: next.changes.wrapping_add(1),
            power_losses: next.power_losses.wrapping_add(u32::from(lost)),
            ..next
        };
        self.bus_unseen = true;
    }

    /// Whether the card is in.
    pub(crate) fn is_present(&self) -> bool {
        !self.gone
    }

    // The process's side.

    /// The card is taken out: the outstanding command ends, and no other will be taken.
    pub(crate) fn remove(&mut self) {
        self.gone = true;
        self.state = match core::mem::replace(&mut self.state, State::Idle) {
            State::Queued(id, _, request) | State::Offered(id, _, request) => {
                State::Ended(id, request, Outcome::failed(Ending::NoMedium))
            }
            other => other,
        };
    }

    /// Begins an exchange: the process is alive. `false`: there is one already.
    #[must_use]
    pub(crate) fn begin_exchange(&mut self) -> bool {
        if self.exchanging {
            return false;
        }
        self.exchanging = true;
        self.silent = false;
        true
    }

    /// Ends an exchange.
    pub(crate) fn end_exchange(&mut self) {
        self.exchanging = false;
    }

    /// Takes the process's answer, if there is one. For a read, `read` moves so many bytes from the data area into the
    /// request. `true`: a command ended, its submitter is to be woken.
    ///
    /// # Errors
    ///
    /// [`Refusal`]; then nothing happened but that it was counted.
    pub(crate) fn answer(
        &mut self,
        answer: &abi::Answer,
        read: impl FnOnce(&mut R, u32),
    ) -> Result<bool, Refusal> {
        let result = self.take_answer(answer, read);
        if result.is_err() {
            self.refused = self.refused.saturating_add(1);
        }
        result
    }

    fn take_answer(
        &mut self,
        answer: &abi::Answer,
        read: impl FnOnce(&mut R, u32),
    ) -> Result<bool, Refusal> {
        if answer.reserved != 0 || answer.interrupt > abi::INTERRUPT_HIGH {
            return Err(Refusal::Invalid);
        }
        let (ending, has_data) = match answer.status {
            abi::STATUS_NONE if answer.id == 0 => return Ok(false),
            abi::STATUS_OK => (Ending::Ok, true),
            abi::STATUS_COMMAND_TIMEOUT => (Ending::CommandTimeout, false),
            abi::STATUS_COMMAND_CRC => (Ending::CommandCrc, false),
            abi::STATUS_DATA_TIMEOUT => (Ending::DataTimeout, true),
            abi::STATUS_DATA_CRC => (Ending::DataCrc, true),
            _ => return Err(Refusal::Invalid),
        };
        let command = match &self.state {
            State::Offered(id, command, _) if *id == answer.id => *command,
            _ => return Err(Refusal::Stale),
        };
        let length = command.length();
        match ending {
            Ending::DataTimeout | Ending::DataCrc if length == 0 => return Err(Refusal::Invalid),
            Ending::Ok if answer.length != length => return Err(Refusal::Length),
            _ if answer.length > length => return Err(Refusal::Length),
            _ if !has_data && answer.length != 0 => return Err(Refusal::Length),
            _ => {}
        }
        if let State::Offered(id, _, mut request) = core::mem::replace(&mut self.state, State::Idle)
        {
            if command.direction == abi::DIRECTION_READ && answer.length != 0 {
                read(&mut request, answer.length);
            }
            let outcome = Outcome {
                ending,
                response: match (ending, command.response_type) {
                    (Ending::CommandTimeout | Ending::CommandCrc, _) | (_, abi::RESPONSE_NONE) => {
                        [0; 4]
                    }
                    (_, abi::RESPONSE_SHORT) => [answer.response[0], 0, 0, 0],
                    _ => answer.response,
                },
                length: answer.length,
            };
            self.state = State::Ended(id, request, outcome);
        }
        Ok(true)
    }

    /// Takes what waits for the process. For a write, `write` moves the request's data to the data area.
    pub(crate) fn take_event(&mut self, write: impl FnOnce(&mut R)) -> Option<abi::Event> {
        if self.bus_unseen {
            self.bus_unseen = false;
            return Some(abi::Event {
                kind: abi::EVENT_BUS,
                ..self.no_event()
            });
        }
        match core::mem::replace(&mut self.state, State::Idle) {
            State::Queued(id, command, mut request) => {
                if command.direction == abi::DIRECTION_WRITE {
                    write(&mut request);
                }
                self.state = State::Offered(id, command, request);
                Some(abi::Event {
                    id,
                    kind: abi::EVENT_COMMAND,
                    opcode: command.opcode,
                    argument: command.argument,
                    response_type: command.response_type,
                    direction: command.direction,
                    block_size: command.block_size,
                    blocks: command.blocks,
                    ..self.no_event()
                })
            }
            other => {
                self.state = other;
                None
            }
        }
    }

    /// Whether [`take_event`](Self::take_event) would find something.
    pub(crate) fn has_event(&self) -> bool {
        self.bus_unseen || matches!(self.state, State::Queued(..))
    }

    /// What an exchange returns in which nothing happened: bus and counters.
    pub(crate) fn no_event(&self) -> abi::Event {
        abi::Event {
            kind: abi::EVENT_NONE,
            bus: self.bus,
            expired: self.expired,
            refused: self.refused,
            ..abi::Event::default()
        }
    }

    /// Another thread of the process wants the exchange to return.
    pub(crate) fn wake(&mut self) {
        self.woken = true;
    }

    /// Whether it does; asked once.
    #[must_use]
    pub(crate) fn take_wake(&mut self) -> bool {
        core::mem::take(&mut self.woken)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Stands for the MMC core's request.
    type Slot = CommandSlot<&'static str>;

    const CMD52: Command = Command {
        opcode: 52,
        argument: 0x0000_0E00,
        response_type: abi::RESPONSE_SHORT,
        direction: abi::DIRECTION_NONE,
        block_size: 0,
        blocks: 0,
    };

    const READ: Command = Command {
        opcode: 53,
        direction: abi::DIRECTION_READ,
        block_size: 512,
        blocks: 3,
        ..CMD52
    };

    fn ok(id: u64, length: u32) -> abi::Answer {
        abi::Answer {
            id,
            status: abi::STATUS_OK,
            length,
            response: [0x1000, 1, 2, 3],
            ..abi::Answer::default()
        }
    }

    fn offered(command: Command) -> (Slot, Ticket, u64) {
        let mut slot = Slot::new();
        let ticket = slot.submit(command, "request").unwrap();
        let id = slot.take_event(|_| {}).unwrap().id;
        (slot, ticket, id)
    }

    fn no_data(_: &mut &'static str, length: u32) {
        panic!("{length} bytes of data");
    }

    #[test]
    fn a_command_is_offered_answered_and_collected() {
        let mut slot = Slot::new();
        let ticket = slot.submit(CMD52, "request").unwrap();
        assert!(slot.has_event());
        assert_eq!(slot.collect(&ticket), None);
        assert!(slot.begin_exchange());
        let event = slot.take_event(|_| panic!("no data")).unwrap();
        assert_eq!((event.kind, event.opcode), (abi::EVENT_COMMAND, 52));
        assert!(!slot.has_event());
        assert_eq!(slot.take_event(|_| {}), None);
        assert_eq!(slot.collect(&ticket), None);
        assert_eq!(slot.answer(&ok(event.id, 0), no_data), Ok(true));
        let outcome = Outcome {
            ending: Ending::Ok,
            response: [0x1000, 0, 0, 0],
            length: 0,
        };
        assert_eq!(slot.collect(&ticket), Some(("request", outcome)));
        assert_eq!(slot.collect(&ticket), None);
        assert_eq!(slot.expire(ticket), None);
    }

    #[test]
    fn data_moves_when_a_read_is_answered_and_when_a_write_is_offered() {
        let (mut slot, _, id) = offered(READ);
        let mut moved = 0;
        let answer = slot.answer(&ok(id, 1536), |_, length| moved = length);
        assert_eq!((answer, moved), (Ok(true), 1536));

        let mut slot = Slot::new();
        let write = Command {
            direction: abi::DIRECTION_WRITE,
            ..READ
        };
        let ticket = slot.submit(write, "request").unwrap();
        let mut written = false;
        let id = slot.take_event(|_| written = true).unwrap().id;
        assert!(written);
        assert_eq!(slot.answer(&ok(id, 1536), no_data), Ok(true));
        assert_eq!(slot.collect(&ticket).unwrap().1.length, 1536);
    }

    #[test]
    fn an_answer_after_the_deadline_is_stale_and_counted() {
        let (mut slot, ticket, id) = offered(CMD52);
        let (request, outcome) = slot.expire(ticket).unwrap();
        assert_eq!(
            (request, outcome.ending),
            ("request", Ending::CommandTimeout)
        );
        assert_eq!(slot.answer(&ok(id, 0), no_data), Err(Refusal::Stale));
        let event = slot.no_event();
        assert_eq!((event.expired, event.refused), (1, 1));
    }

    #[test]
    fn an_answer_just_before_the_deadline_counts() {
        let (mut slot, ticket, id) = offered(CMD52);
        assert_eq!(slot.answer(&ok(id, 0), no_data), Ok(true));
        assert_eq!(slot.expire(ticket).unwrap().1.ending, Ending::Ok);
        assert_eq!(slot.no_event().expired, 0);
    }

    #[test]
    fn a_silent_process_costs_one_deadline_until_it_comes_back() {
        let mut slot = Slot::new();
        let ticket = slot.submit(CMD52, "first").unwrap();
        assert!(!slot.is_silent());
        assert!(slot.expire(ticket).is_some());
        assert!(slot.is_silent());
        let (request, outcome) = slot.submit(CMD52, "second").unwrap_err();
        assert_eq!(
            (request, outcome.ending),
            ("second", Ending::CommandTimeout)
        );
        assert!(slot.begin_exchange());
        assert!(!slot.is_silent());
        assert!(slot.submit(CMD52, "third").is_ok());
    }

    #[test]
    fn only_the_command_that_was_offered_can_be_answered_and_only_once() {
        let mut slot = Slot::new();
        assert_eq!(slot.answer(&ok(1, 0), no_data), Err(Refusal::Stale));
        let _ticket = slot.submit(CMD52, "request").unwrap();
        assert_eq!(slot.answer(&ok(1, 0), no_data), Err(Refusal::Stale));
        let id = slot.take_event(|_| {}).unwrap().id;
        assert_eq!(slot.answer(&ok(id + 1, 0), no_data), Err(Refusal::Stale));
        assert_eq!(slot.answer(&ok(id, 0), no_data), Ok(true));
        assert_eq!(slot.answer(&ok(id, 0), no_data), Err(Refusal::Stale));
        assert_eq!(slot.no_event().refused, 4);
    }

    #[test]
    fn a_wrong_length_is_refused_and_the_command_still_waits() {
        let (mut slot, _, id) = offered(READ);
        for length in [0, 1, 1535, 1537, u32::MAX] {
            assert_eq!(slot.answer(&ok(id, length), no_data), Err(Refusal::Length));
        }
        let crc = |length| abi::Answer {
            status: abi::STATUS_DATA_CRC,
            ..ok(id, length)
        };
        assert_eq!(slot.answer(&crc(1537), no_data), Err(Refusal::Length));
        let timeout = abi::Answer {
            status: abi::STATUS_COMMAND_TIMEOUT,
            ..ok(id, 1)
        };
        assert_eq!(slot.answer(&timeout, no_data), Err(Refusal::Length));
        assert_eq!(slot.answer(&crc(1024), |_, _| {}), Ok(true));
    }

    #[test]
    fn nonsense_is_refused_before_anything_else() {
        let (mut slot, _, id) = offered(CMD52);
        let bad = [
            abi::Answer {
                status: 6,
                ..ok(id, 0)
            },
            abi::Answer {
                status: abi::STATUS_NONE,
                ..ok(id, 0)
            },
            abi::Answer {
                interrupt: 3,
                ..ok(id, 0)
            },
            abi::Answer {
                reserved: 1,
                ..ok(id, 0)
            },
            abi::Answer {
                status: abi::STATUS_DATA_TIMEOUT,
                ..ok(id, 0)
            },
        ];
        for answer in bad {
            assert_eq!(slot.answer(&answer, no_data), Err(Refusal::Invalid));
        }
        assert_eq!(slot.answer(&ok(id, 0), no_data), Ok(true));
    }

    #[test]
    fn errors_of_the_card_reach_the_core() {
        for (status, ending, response) in [
            (abi::STATUS_COMMAND_TIMEOUT, Ending::CommandTimeout, 0),
            (abi::STATUS_COMMAND_CRC, Ending::CommandCrc, 0),
            (abi::STATUS_DATA_TIMEOUT, Ending::DataTimeout, 0x1000),
            (abi::STATUS_DATA_CRC, Ending::DataCrc, 0x1000),
        ] {
            let (mut slot, ticket, id) = offered(READ);
            let answer = abi::Answer {
                status,
                ..ok(id, 0)
            };
            assert_eq!(slot.answer(&answer, no_data), Ok(true));
            let outcome = slot.collect(&ticket).unwrap().1;
            assert_eq!(outcome.ending, ending);
            assert_eq!(outcome.response, [response, 0, 0, 0]);
        }
    }

    #[test]
    fn removal_ends_the_outstanding_command_and_refuses_the_next() {
        let mut queued = Slot::new();
        let ticket = queued.submit(CMD52, "request").unwrap();
        queued.remove();
        assert_eq!(queued.collect(&ticket).unwrap().1.ending, Ending::NoMedium);
        assert_eq!(
            queued.submit(CMD52, "next").unwrap_err().1.ending,
            Ending::NoMedium
        );
        assert!(!queued.is_present());

        let (mut slot, ticket, _) = offered(CMD52);
        slot.remove();
        assert_eq!(slot.expire(ticket).unwrap().1.ending, Ending::NoMedium);
    }

    #[test]
    fn an_answer_that_came_before_the_removal_counts() {
        let (mut slot, ticket, id) = offered(CMD52);
        assert_eq!(slot.answer(&ok(id, 0), no_data), Ok(true));
        slot.remove();
        assert_eq!(slot.collect(&ticket).unwrap().1.ending, Ending::Ok);
    }

    #[test]
    fn a_second_command_is_given_back() {
        let (mut slot, _, _) = offered(CMD52);
        let (request, outcome) = slot.submit(CMD52, "second").unwrap_err();
        assert_eq!((request, outcome.ending), ("second", Ending::Busy));
    }

    #[test]
    fn the_bus_is_told_before_the_command_and_a_power_loss_is_never_lost() {
        let mut slot = Slot::new();
        let on = abi::Bus {
            power: abi::POWER_ON,
            clock: 400_000,
            width: 1,
            ..abi::Bus::default()
        };
        slot.set_bus(on);
        slot.set_bus(on);
        slot.set_bus(abi::Bus {
            power: abi::POWER_OFF,
            clock: 0,
            ..on
        });
        slot.set_bus(on);
        let _ticket = slot.submit(CMD52, "request").unwrap();
        let event = slot.take_event(|_| {}).unwrap();
        assert_eq!(event.kind, abi::EVENT_BUS);
        assert_eq!((event.bus.changes, event.bus.power_losses), (3, 1));
        assert_eq!(event.bus.power, abi::POWER_ON);
        assert_eq!(slot.take_event(|_| {}).unwrap().kind, abi::EVENT_COMMAND);
    }

    #[test]
    fn one_exchange_at_a_time() {
        let mut slot = Slot::new();
        assert!(slot.begin_exchange());
        assert!(!slot.begin_exchange());
        slot.end_exchange();
        assert!(slot.begin_exchange());
        slot.wake();
        assert!(slot.take_wake());
        assert!(!slot.take_wake());
    }
}
