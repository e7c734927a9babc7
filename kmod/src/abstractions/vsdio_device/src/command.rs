// SPDX-License-Identifier: GPL-2.0-only

//! Commands of the kernel and answers of the card, in Rust's types.

use crate::abi;

/// Which way data moves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// Card to host: the card fills [`Device::data_mut`](crate::Device::data_mut) before it answers.
    Read,
    /// Host to card: the data lies in [`Device::data`](crate::Device::data).
    Write,
}

/// Which response a command has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Response {
    /// None (CMD0).
    None,
    /// 48 bits on the wire: R1, R4, R5, R6.
    Short,
    /// 136 bits on the wire: R2.
    Long,
}

/// A command on the bus.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Command {
    pub(crate) id: u64,
    /// Command index: 52 for CMD52.
    pub opcode: u8,
    /// The 32-bit argument.
    pub argument: u32,
    /// Its response.
    pub response: Response,
    /// `None`: the command has no data.
    pub direction: Option<Direction>,
    /// Bytes of a block; in byte mode of the whole transfer.
    pub block_size: u32,
    /// Number of blocks; 1 in byte mode, 0 without data.
    pub blocks: u32,
}

impl Command {
    /// Number that names the command in its answer.
    pub fn id(&self) -> u64 {
        self.id
    }

    /// Bytes of data.
    pub fn length(&self) -> usize {
        self.block_size as usize * self.blocks as usize
    }
}

/// Power of the card.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Power {
    /// None.
    #[default]
    Off,
    /// Voltage rises, no clock yet.
    Up,
    /// Full.
    On,
}

/// How the host drives the bus.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Bus {
    /// Counts changes. Wraps.
    pub changes: u32,
    /// Counts how often the power was taken away. Wraps. A card that sees a new number starts from reset.
    pub power_losses: u32,
    /// Power of the card.
    pub power: Power,
    /// Hz; 0 while it stands still.
    pub clock: u32,
    /// Data lines, 1 or 4.
    pub width: u8,
    /// High speed timing instead of the default one.
    pub high_speed: bool,
}

/// What went wrong so far, since the card was put in. Saturating.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Commands that no answer met before the deadline.
    pub expired: u32,
    /// Answers that were refused.
    pub refused: u32,
}

/// What the kernel says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// A command wants an answer.
    Command(Command),
    /// The bus changed. Comes before the next command; several changes may arrive as one.
    Bus(Bus),
    /// Nothing until the timeout, a signal, or [`Interrupt::wake`](crate::Interrupt::wake).
    Nothing,
}

/// How a command ended, from the card's side.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// Well, with the 32 bits of its response (0 where there is none) and all of its data.
    Ok(u32),
    /// Well, with a long response, highest word first.
    OkLong([u32; 4]),
    /// The card does not respond.
    CommandTimeout,
    /// The response arrives broken.
    CommandCrc,
    /// This response, but the data stops after so many bytes.
    DataTimeout(u32, usize),
    /// This response, but the data arrives broken after so many bytes.
    DataCrc(u32, usize),
}

/// The card's answer to a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Answer {
    id: u64,
    length: usize,
    status: Status,
    interrupt: Option<bool>,
}

impl Answer {
    /// Ends `command`. The interrupt stays as it is.
    pub fn new(command: &Command, status: Status) -> Self {
        let length = match status {
            Status::Ok(_) | Status::OkLong(_) => command.length(),
            Status::DataTimeout(_, length) | Status::DataCrc(_, length) => length,
            Status::CommandTimeout | Status::CommandCrc => 0,
        };
        Self {
            id: command.id,
            length,
            status,
            interrupt: None,
        }
    }

    /// Also sets the card's interrupt, as of the end of the command: a driver that looks after the command sees it so.
    #[must_use]
    pub fn with_interrupt(self, asserted: bool) -> Self {
        Self {
            interrupt: Some(asserted),
            ..self
        }
    }

    /// Names another command. For tests of the kernel module.
    #[must_use]
    pub fn with_id(self, id: u64) -> Self {
        Self { id, ..self }
    }

    /// Says another length. For tests of the kernel module.
    #[must_use]
    pub fn with_length(self, length: usize) -> Self {
        Self { length, ..self }
    }

    pub(crate) fn raw(&self) -> abi::Answer {
        let (status, response) = match self.status {
            Status::Ok(word) => (abi::STATUS_OK, [word, 0, 0, 0]),
            Status::OkLong(words) => (abi::STATUS_OK, words),
            Status::CommandTimeout => (abi::STATUS_COMMAND_TIMEOUT, [0; 4]),
            Status::CommandCrc => (abi::STATUS_COMMAND_CRC, [0; 4]),
            Status::DataTimeout(word, _) => (abi::STATUS_DATA_TIMEOUT, [word, 0, 0, 0]),
            Status::DataCrc(word, _) => (abi::STATUS_DATA_CRC, [word, 0, 0, 0]),
        };
        abi::Answer {
            id: self.id,
            timeout_ns: 0,
            status,
            length: u32::try_from(self.length).unwrap_or(u32::MAX),
            response,
            interrupt: match self.interrupt {
                None => abi::INTERRUPT_KEEP,
                Some(asserted) => level(asserted),
            },
            reserved: 0,
        }
    }
}

pub(crate) fn level(asserted: bool) -> u32 {
    if asserted {
        abi::INTERRUPT_HIGH
    } else {
        abi::INTERRUPT_LOW
    }
}

impl Bus {
    pub(crate) fn from_raw(bus: &abi::Bus) -> Self {
        Self {
            changes: bus.changes,
            power_losses: bus.power_losses,
            power: match bus.power {
                abi::POWER_ON => Power::On,
                abi::POWER_UP => Power::Up,
                _ => Power::Off,
            },
            clock: bus.clock,
            width: if bus.width == 4 { 4 } else { 1 },
            high_speed: bus.timing == abi::TIMING_HIGH_SPEED,
        }
    }
}

impl Event {
    pub(crate) fn from_raw(event: &abi::Event) -> Self {
        match event.kind {
            abi::EVENT_COMMAND => Self::Command(Command {
                id: event.id,
                opcode: (event.opcode & 0x3F) as u8,
                argument: event.argument,
                response: match event.response_type {
                    abi::RESPONSE_SHORT => Response::Short,
                    abi::RESPONSE_LONG => Response::Long,
                    _ => Response::None,
                },
                direction: match event.direction {
                    abi::DIRECTION_READ => Some(Direction::Read),
                    abi::DIRECTION_WRITE => Some(Direction::Write),
                    _ => None,
                },
                block_size: event.block_size,
                blocks: event.blocks,
            }),
            abi::EVENT_BUS => Self::Bus(Bus::from_raw(&event.bus)),
            _ => Self::Nothing,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_of_two_blocks() -> abi::Event {
        abi::Event {
            id: 7,
            kind: abi::EVENT_COMMAND,
            opcode: 53,
            argument: 0x1800_0002,
            response_type: abi::RESPONSE_SHORT,
            direction: abi::DIRECTION_READ,
            block_size: 512,
            blocks: 2,
            ..abi::Event::default()
        }
    }

    #[test]
    fn an_answer_fits_its_command() {
        let Event::Command(command) = Event::from_raw(&read_of_two_blocks()) else {
            panic!("not a command");
        };
        assert_eq!(command.length(), 1024);
        assert_eq!(command.direction, Some(Direction::Read));
        let raw = Answer::new(&command, Status::Ok(0x1000))
            .with_interrupt(true)
            .raw();
        assert_eq!((raw.id, raw.length, raw.status), (7, 1024, abi::STATUS_OK));
        assert_eq!(raw.response, [0x1000, 0, 0, 0]);
        assert_eq!(raw.interrupt, abi::INTERRUPT_HIGH);
        let raw = Answer::new(&command, Status::DataCrc(0x1000, 512)).raw();
        assert_eq!((raw.length, raw.status), (512, abi::STATUS_DATA_CRC));
        assert_eq!(raw.interrupt, abi::INTERRUPT_KEEP);
        let raw = Answer::new(&command, Status::CommandTimeout).raw();
        assert_eq!((raw.length, raw.response), (0, [0; 4]));
    }

    #[test]
    fn an_unknown_event_is_nothing() {
        let event = abi::Event {
            kind: 99,
            ..read_of_two_blocks()
        };
        assert_eq!(Event::from_raw(&event), Event::Nothing);
    }
}
