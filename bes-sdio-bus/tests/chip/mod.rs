//! A scripted chip: just enough of the other side for the tests of this crate, with a record of every command.
#![allow(
    dead_code,
    missing_docs,
    unreachable_pub,
    clippy::arithmetic_side_effects,
    clippy::as_conversions,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used
)]

mod device;

pub use device::*;

use bes_hal::frame::RxBuffer;
use bes_hal::sdio::{Cmd53, Direction, HostLimits, SdioFunction};
use bes_hal::time::Instant;
use bes_hal::SdioError;
use bes_sdio_bus::crc32::Crc32;
use std::collections::{BTreeMap, HashMap, VecDeque};

/// Something that crossed the seam.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// CMD52 read: address, value.
    Read(u32, u8),
    /// CMD52 write: address, value.
    Write(u32, u8),
    /// CMD53: argument as on the command line, data.
    Data(u32, Vec<u8>),
    /// A command that failed: argument of a CMD53, or address of a CMD52.
    Failed(u32, SdioError),
    Enable,
    Disable,
    Line(bool),
    Tuning(bool),
    Power(bool),
}

/// How a CMD53 fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fault {
    pub error: SdioError,
    /// The chip moved the data all the same.
    pub moved: bool,
}

/// What the chip is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Runs {
    Loader,
    Calibration,
    Main,
}

pub struct Buffer(pub Vec<u8>);

impl RxBuffer for Buffer {
    fn bytes(&self) -> &[u8] {
        &self.0
    }
    fn bytes_mut(&mut self) -> &mut [u8] {
        &mut self.0
    }
}

pub struct Chip {
    pub now: Instant,
    pub limits: HostLimits,
    pub events: Vec<Event>,
    pub interrupt: bool,
    pub no_interrupts: bool,
    pub dead_after: Option<usize>,
    pub commands: usize,
    pub powers: bool,
    pub no_memory: usize,
    /// Faults of the next CMD53, one each; `None` is a good one.
    pub faults: VecDeque<Option<Fault>>,
    /// Faults of the next CMD52.
    pub register_faults: VecDeque<Option<SdioError>>,
    /// Values that reads of a register show first.
    pub shown: HashMap<u32, VecDeque<u8>>,
    pub status: u8,
    pub runs: Runs,
    // Boot.
    pub max_message: u16,
    pub free_buffers: u8,
    pub length: u16,
    pub answers: VecDeque<Vec<u8>>,
    /// Answers with these results instead of 0, one each.
    pub results: VecDeque<u32>,
    /// The next so many messages are not answered.
    pub mute: usize,
    pub messages: Vec<Vec<u8>>,
    pub info: (u32, u32),
    pub taken: Vec<u8>,
    pub memory: BTreeMap<u32, Vec<u8>>,
    pub ran: Vec<u32>,
    pub dpd: Vec<u8>,
    pub calibration_never_ends: bool,
    pub main_never_starts: bool,
    // Wi-Fi.
    pub doorbell_high: u8,
    pub doorbells: Vec<u16>,
    /// The status does not follow the doorbell.
    pub deaf: bool,
    pub announcement: u8,
    pub genuine: bool,
    pub bursts: VecDeque<Vec<u8>>,
    pub announced_toggle: bool,
    pub read_toggle: bool,
    pub repeat: Vec<u8>,
    pub write_toggle: bool,
    pub received: Vec<Vec<u8>>,
    pub duplicates: usize,
}

impl Chip {
    pub fn new() -> Self {
        let mut dpd = vec![0x77; 15124];
        dpd[0x3AF4..0x3AF8].copy_from_slice(&7u32.to_le_bytes());
        let crc = Crc32::of(&dpd[4..]);
        dpd[..4].copy_from_slice(&crc.to_le_bytes());
        Self {
            now: Instant::ZERO,
            limits: HostLimits::default(),
            events: Vec::new(),
            interrupt: false,
            no_interrupts: false,
            dead_after: None,
            commands: 0,
            powers: false,
            no_memory: 0,
            faults: VecDeque::new(),
            register_faults: VecDeque::new(),
            shown: HashMap::new(),
            status: 0,
            runs: Runs::Loader,
            max_message: 4096,
            free_buffers: 4,
            length: 0,
            answers: VecDeque::new(),
            results: VecDeque::new(),
            mute: 0,
            messages: Vec::new(),
            info: (0, 0),
            taken: Vec::new(),
            memory: BTreeMap::new(),
            ran: Vec::new(),
            dpd,
            calibration_never_ends: false,
            main_never_starts: false,
            doorbell_high: 0,
            doorbells: Vec::new(),
            deaf: false,
            announcement: 0,
            genuine: true,
            bursts: VecDeque::new(),
            announced_toggle: false,
            read_toggle: false,
            repeat: Vec::new(),
            write_toggle: true,
            received: Vec::new(),
            duplicates: 0,
        }
    }

    fn alive(&mut self) -> Result<(), SdioError> {
        self.commands += 1;
        match self.dead_after {
            Some(limit) if self.commands > limit => Err(SdioError::NoCard),
            _ => Ok(()),
        }
    }

    pub fn wifi(&self) -> bool {
        self.status & 0x04 != 0
    }

    fn raise(&mut self) {
        if !self.no_interrupts {
            self.interrupt = true;
        }
    }

    /// Says something in the download language.
    pub fn say(&mut self, bytes: Vec<u8>) {
        if self.answers.is_empty() {
            self.length = bytes.len() as u16;
        }
        self.answers.push_back(bytes);
        self.raise();
    }

    /// Queues a burst with these messages, each given by its length and id.
    pub fn announce(&mut self, messages: &[(u16, u16)]) {
        let mut bytes = Vec::new();
        for (len, id) in messages {
            let mut message = vec![0x5A; usize::from(*len).next_multiple_of(4)];
            message[..2].copy_from_slice(&len.to_le_bytes());
            message[2..4].copy_from_slice(&id.to_le_bytes());
            bytes.extend(message);
        }
        bytes.resize(bytes.len().next_multiple_of(512).max(512), 0);
        self.announce_bytes(bytes);
    }

    pub fn announce_bytes(&mut self, bytes: Vec<u8>) {
        self.bursts.push_back(bytes);
        if self.bursts.len() == 1 {
            self.publish();
        }
    }

    fn publish(&mut self) {
        match self.bursts.front() {
            Some(burst) => {
                let blocks = (burst.len() / 512) as u8;
                self.announcement = u8::from(self.announced_toggle) << 7 | blocks;
                self.announced_toggle = !self.announced_toggle;
                self.raise();
            }
            None => self.announcement &= 0x80,
        }
    }

    fn doorbell(&mut self, word: u16) {
        self.doorbells.push(word);
        if self.deaf || word & 1 == 0 {
            return;
        }
        let (set, clear) = match word {
            0x0009 => (0x10, 0),
            0x0005 => (0, 0x10),
            0x0021 => (0x04, 0),
            0x0011 => (0, 0x04),
            0x0101 => (0x08, 0),
            0x0081 => (0, 0x08),
            0x0401 => (0x20, 0),
            0x0801 => (0, 0x20),
            _ => (0, 0),
        };
        if word == 0x0021 && !self.wifi() {
            self.announced_toggle = false;
            self.read_toggle = true;
            self.write_toggle = true;
            self.bursts.clear();
            self.status |= set;
            self.announce(&[(160, 0x0801)]);
        }
        self.status = self.status & !clear | set;
        if word == 0x0011 {
            self.bursts.clear();
            self.announcement = 0;
        }
    }

    fn hear(&mut self, message: &[u8]) {
        let len = usize::from(u16::from_le_bytes([message[2], message[3]]));
        let message = &message[..4 + len];
        self.messages.push(message.to_vec());
        let word = |at: usize| u32::from_le_bytes(message[at..at + 4].try_into().unwrap());
        let mut result = 0;
        let mut run = None;
        match message[0] {
            0xB1 => {
                self.info = (word(4), word(8));
                self.taken.clear();
            }
            0xB2 => {
                let expected = self.info.1 + self.taken.len() as u32;
                if word(4) != expected || message.len() > usize::from(self.max_message) {
                    result = 1;
                }
                self.taken.extend(&message[8..]);
                if self.taken.len() as u32 == self.info.0 {
                    self.memory.insert(self.info.1, self.taken.clone());
                }
            }
            0xB3 => result = u32::from(word(4) != Crc32::of(&self.taken)),
            0xB4 => run = Some(word(4)),
            kind => panic!("message type {kind:#x}"),
        }
        if let Some(scripted) = self.results.pop_front() {
            result = scripted;
        }
        if self.mute > 0 {
            self.mute -= 1;
            return;
        }
        let mut answer = vec![0xB0, message[1], 4, 0];
        answer.extend(result.to_le_bytes());
        self.say(answer);
        if let (Some(address), 0) = (run, result) {
            self.ran.push(address);
            self.runs = if address == CALIBRATION_AT {
                Runs::Calibration
            } else {
                Runs::Main
            };
        }
    }

    /// What the chip does of its own, once its answers are read.
    fn go_on(&mut self) {
        match self.runs {
            Runs::Calibration if self.status & 2 == 0 && !self.calibration_never_ends => {
                self.status |= 2;
                let block = self.dpd.clone();
                self.say(block);
            }
            Runs::Main if !self.main_never_starts => self.status = self.status & !2 | 1,
            _ => {}
        }
    }

    pub fn log(&mut self) -> Vec<Event> {
        std::mem::take(&mut self.events)
    }

    /// Arguments of the CMD53 since the last look.
    pub fn transfers(&mut self) -> Vec<u32> {
        self.log()
            .into_iter()
            .filter_map(|event| match event {
                Event::Data(argument, _) => Some(argument),
                _ => None,
            })
            .collect()
    }
}

impl SdioFunction for Chip {
    type Buffer = Buffer;

    fn now(&self) -> Instant {
        self.now
    }

    fn limits(&self) -> HostLimits {
        self.limits
    }

    fn read_register(&mut self, address: u32) -> Result<u8, SdioError> {
        self.alive()?;
        if let Some(Some(error)) = self.register_faults.pop_front() {
            self.events.push(Event::Failed(address, error));
            return Err(error);
        }
        let scripted = self.shown.get_mut(&address).and_then(VecDeque::pop_front);
        let [low, high] = self.length.to_le_bytes();
        let [max_low, max_high] = self.max_message.to_le_bytes();
        let value = scripted.unwrap_or(match address {
            0x000 if self.wifi() => u8::from(self.genuine),
            0x000 => low,
            0x001 if self.wifi() => self.announcement,
            0x001 => high,
            0x108 => self.free_buffers,
            0x109 => max_low,
            0x10A => max_high,
            0x10C => self.status,
            _ => panic!("read of register {address:#x}"),
        });
        self.events.push(Event::Read(address, value));
        Ok(value)
    }

    fn write_register(&mut self, address: u32, value: u8) -> Result<(), SdioError> {
        self.alive()?;
        if let Some(Some(error)) = self.register_faults.pop_front() {
            self.events.push(Event::Failed(address, error));
            return Err(error);
        }
        self.events.push(Event::Write(address, value));
        match address {
            0x121 => self.doorbell_high = value,
            0x120 => self.doorbell(u16::from_be_bytes([self.doorbell_high, value])),
            _ => panic!("write of register {address:#x}"),
        }
        Ok(())
    }

    fn allocate(&mut self, len: usize) -> Result<Buffer, SdioError> {
        if self.no_memory > 0 {
            self.no_memory -= 1;
            return Err(SdioError::NoMemory);
        }
        Ok(Buffer(vec![0; len]))
    }

    fn read_data(&mut self, command: Cmd53, buffer: &mut [u8]) -> Result<(), SdioError> {
        self.alive()?;
        assert_eq!(buffer.len(), command.count.bytes());
        let argument = command.argument(Direction::Read);
        let fault = self.faults.pop_front().flatten();
        if fault.is_none_or(|fault| fault.moved) {
            if self.wifi() {
                let toggle = command.address & 0x1_0000 != 0;
                let len = (command.address & 0xFFFF) as usize;
                if toggle != self.read_toggle {
                    self.read_toggle = toggle;
                    let mut burst = self.bursts.pop_front().expect("nothing announced");
                    self.repeat = burst.drain(..len.min(burst.len())).collect();
                    if burst.is_empty() {
                        self.publish();
                    } else {
                        self.bursts.push_front(burst);
                    }
                }
                buffer[..self.repeat.len()].copy_from_slice(&self.repeat);
            } else if let Some(mut answer) = self.answers.pop_front() {
                assert_eq!(command.address & 0x1_0000, 0);
                let rest = answer.split_off(answer.len().min((command.address & 0xFFFF) as usize));
                buffer[..answer.len()].copy_from_slice(&answer);
                if !rest.is_empty() {
                    self.answers.push_front(rest);
                } else {
                    self.length = self.answers.front().map_or(0, |a| a.len() as u16);
                    if self.length == 0 {
                        self.go_on();
                    } else {
                        self.raise();
                    }
                }
            }
        }
        if let Some(fault) = fault {
            self.events.push(Event::Failed(argument, fault.error));
            return Err(fault.error);
        }
        self.events.push(Event::Data(argument, buffer.to_vec()));
        Ok(())
    }

    fn write_data(&mut self, command: Cmd53, segments: &[&[u8]]) -> Result<(), SdioError> {
        self.alive()?;
        let bytes = segments.concat();
        assert_eq!(bytes.len(), command.count.bytes());
        assert!(segments.len() <= usize::from(self.limits.max_segments));
        let argument = command.argument(Direction::Write);
        let fault = self.faults.pop_front().flatten();
        if fault.is_none_or(|fault| fault.moved) {
            if self.wifi() {
                let toggle = command.address & 0x1_0000 != 0;
                if toggle == self.write_toggle {
                    self.duplicates += 1;
                } else {
                    self.write_toggle = toggle;
                    let stride = [512, 1024, 1536, 1632][(command.address & 3) as usize];
                    let count = (command.address & 0xFFFC) as usize / stride;
                    for slot in bytes.chunks(stride).take(count) {
                        let len = usize::from(u16::from_le_bytes([slot[0], slot[1]]));
                        self.received.push(slot[..len].to_vec());
                    }
                }
            } else {
                self.hear_chunk(&bytes, command);
            }
        }
        if let Some(fault) = fault {
            self.events.push(Event::Failed(argument, fault.error));
            return Err(fault.error);
        }
        self.events.push(Event::Data(argument, bytes));
        Ok(())
    }

    fn enable(&mut self) -> Result<(), SdioError> {
        self.alive()?;
        self.events.push(Event::Enable);
        Ok(())
    }

    fn disable(&mut self) -> Result<(), SdioError> {
        self.alive()?;
        self.events.push(Event::Disable);
        self.runs = Runs::Loader;
        self.status = 0;
        Ok(())
    }

    fn take_interrupt(&mut self) -> bool {
        std::mem::take(&mut self.interrupt)
    }

    fn hold_tuning(&mut self, hold: bool) {
        self.events.push(Event::Tuning(hold));
    }

    fn set_wake_line(&mut self, asserted: bool) {
        self.events.push(Event::Line(asserted));
    }

    fn set_power(&mut self, on: bool) -> Result<(), SdioError> {
        if !self.powers {
            return Err(SdioError::Unsupported);
        }
        self.events.push(Event::Power(on));
        Ok(())
    }
}

thread_local! {
    /// Chunks of a message on hosts that cannot send it in one command.
    static CHUNKS: std::cell::RefCell<Vec<u8>> = const { std::cell::RefCell::new(Vec::new()) };
}

impl Chip {
    fn hear_chunk(&mut self, bytes: &[u8], command: Cmd53) {
        assert_eq!(command.address & 0x1_0000, 0);
        let len = (command.address & 0xFFFF) as usize;
        let whole = CHUNKS.with_borrow_mut(|chunks| {
            chunks.extend(&bytes[..len]);
            let said = 4 + usize::from(u16::from_le_bytes([chunks[2], chunks[3]]));
            (chunks.len() >= said.max(512)).then(|| std::mem::take(chunks))
        });
        if let Some(message) = whole {
            self.hear(&message);
        }
    }
}
