//! A transport that answers every command from a table, a stack that remembers, and a clock for the tests of this crate.

use crate::config::DeviceConfig;
use crate::device::{Device, DeviceState};
use crate::error::RequestError;
use crate::event::Event;
use crate::request::{
    AssociationParameters, BssDescription, HtParameters, InterfaceKind, Request, Response,
    ScanChannel, ScanRequest, Ssid, Token,
};
use crate::rx::RxStatus;
use crate::tx::TxStatus;
use crate::types::{AccessCategory, Band, Channel, ChannelType, Dbm, MacAddress, TxInfo};
use bes_hal::doorbell::Reasons;
use bes_hal::frame::{NoRoom, RxBuffer, Span, TxFrame};
use bes_hal::memory::Heap;
use bes_hal::stack::{RxPart, Stack};
use bes_hal::transport::{
    Burst, Progress, Reception, SlotClass, Spans, Transition, Transport, MAX_BATCH,
};
use bes_hal::{Duration, Instant, SdioError, TransportError};
use bes_wsm::wire::{InterfaceId, RateMask};
use std::collections::VecDeque;

pub(crate) const OWN: MacAddress = MacAddress([2, 0, 0, 0, 0x10, 0x20]);
pub(crate) const AP: MacAddress = MacAddress([2, 0xA, 0, 0, 0, 1]);
pub(crate) const OTHER_AP: MacAddress = MacAddress([2, 0xA, 0, 0, 0, 2]);
pub(crate) static PARAMETERS: [u8; 832] = [0x5D; 832];

/// A frame with room around it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct TestFrame {
    bytes: Vec<u8>,
    head: usize,
}

impl TestFrame {
    pub(crate) fn new(content: &[u8]) -> Self {
        let mut bytes = vec![0; 64];
        bytes.extend_from_slice(content);
        Self { bytes, head: 64 }
    }
}

impl TxFrame for TestFrame {
    fn bytes(&self) -> &[u8] {
        &self.bytes[self.head..]
    }
    fn bytes_mut(&mut self) -> &mut [u8] {
        &mut self.bytes[self.head..]
    }
    fn push(&mut self, count: usize) -> Result<(), NoRoom> {
        self.head = self.head.checked_sub(count).ok_or(NoRoom)?;
        let head = self.head;
        self.bytes[head..head + count].fill(0);
        Ok(())
    }
    fn pull(&mut self, count: usize) {
        self.head = (self.head + count).min(self.bytes.len());
    }
    fn put(&mut self, count: usize) -> Result<(), NoRoom> {
        self.bytes.resize(self.bytes.len() + count, 0);
        Ok(())
    }
    fn trim(&mut self, len: usize) {
        self.bytes.truncate(self.head + len);
    }
}

#[derive(Debug)]
pub(crate) struct TestBuffer(Vec<u8>);

impl RxBuffer for TestBuffer {
    fn bytes(&self) -> &[u8] {
        &self.0
    }
    fn bytes_mut(&mut self) -> &mut [u8] {
        &mut self.0
    }
}

/// What the chip does with a message that is not simply confirmed with success.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    /// Confirm with this status.
    Status(u32),
    /// Never confirm.
    Silence,
    /// Confirm, but send no indication.
    NoIndication,
    /// Send the indication first.
    IndicationFirst,
}

/// A transport with a chip behind it that answers from a table.
#[derive(Debug)]
pub(crate) struct ScriptedTransport {
    pub(crate) now: Instant,
    /// What was sent: number and interface, "W:" for MIB writes; "T" for frames.
    pub(crate) log: Vec<String>,
    /// The messages themselves.
    pub(crate) messages: Vec<Vec<u8>>,
    /// Answers for messages by their name in the log, consumed from the front of the first match.
    pub(crate) answers: Vec<(String, Answer)>,
    /// Status for every data frame.
    pub(crate) frame_status: u32,
    /// Data frames are never confirmed.
    pub(crate) frames_stay: bool,
    pub(crate) transitions: Vec<Transition>,
    pub(crate) failing: Option<Transition>,
    /// So many begins of the transition fail, and then no more.
    pub(crate) failures: Option<u32>,
    /// So many transfers of each direction fail on the bus.
    pub(crate) bad_sends: u32,
    pub(crate) bad_receives: u32,
    /// What aborts heal at once.
    pub(crate) until_abort: bool,
    pub(crate) aborts: u32,
    pub(crate) no_startup: bool,
    /// The Bluetooth subsystem is on.
    pub(crate) bluetooth: bool,
    pub(crate) scan_time: Duration,
    configured_address: Option<MacAddress>,
    pending: VecDeque<(Instant, Vec<u8>)>,
    sequence: [u16; 2],
    interrupt: bool,
    under_way: Option<Transition>,
}

impl ScriptedTransport {
    pub(crate) fn new() -> Self {
        Self {
            now: Instant::from_millis(1),
            log: Vec::new(),
            messages: Vec::new(),
            answers: Vec::new(),
            frame_status: 0,
            frames_stay: false,
            transitions: Vec::new(),
            failing: None,
            failures: None,
            bad_sends: 0,
            bad_receives: 0,
            until_abort: false,
            aborts: 0,
            no_startup: false,
            bluetooth: false,
            scan_time: Duration::from_millis(100),
            configured_address: None,
            pending: VecDeque::new(),
            sequence: [0; 2],
            interrupt: false,
            under_way: None,
        }
    }

    /// The chip sends a message: id without sequence, and what follows the header.
    pub(crate) fn say(&mut self, id: u16, payload: &[u8]) {
        self.say_at(self.now, id, payload);
    }

    fn say_at(&mut self, at: Instant, id: u16, payload: &[u8]) {
        let mut message = u16::try_from(payload.len() + 4)
            .unwrap()
            .to_le_bytes()
            .to_vec();
        message.extend_from_slice(&id.to_le_bytes());
        message.extend_from_slice(payload);
        self.pending.push_back((at, message));
        self.interrupt = true;
    }

    /// When the chip has something to say next.
    pub(crate) fn next_event(&self) -> Option<Instant> {
        self.pending.iter().map(|(at, _)| *at).min()
    }

    /// A frame arrives from the air.
    pub(crate) fn frame(&mut self, interface: u16, status: u32, frame: &[u8]) {
        let mut payload = status.to_le_bytes().to_vec();
        payload.extend_from_slice(&[6, 0, 0, 120]);
        payload.extend_from_slice(&[0; 4 + 16]);
        payload.extend_from_slice(frame);
        self.say(0x0804 | interface << 6, &payload);
    }

    pub(crate) fn answer(&mut self, name: &str, answer: Answer) {
        self.answers.push((name.to_string(), answer));
    }

    pub(crate) fn confirm_address(&mut self, address: MacAddress) {
        self.configured_address = Some(address);
    }

    fn command(&mut self, id: u16, message: &[u8]) {
        let (number, interface) = (id & 0x0C3F, id >> 6 & 0xF);
        let name = match number {
            0x0006 => format!(
                "W:{:04X}/{interface}",
                u16::from_le_bytes([message[4], message[5]])
            ),
            other => format!("{other:04X}/{interface}"),
        };
        self.log.push(name.clone());
        let found = self.answers.iter().position(|(wanted, _)| *wanted == name);
        let answer = found.map(|at| self.answers.remove(at).1);
        if answer == Some(Answer::Silence) {
            return;
        }
        let status = match answer {
            Some(Answer::Status(status)) => status,
            _ => 0,
        };
        let mut confirm = status.to_le_bytes().to_vec();
        let indication = match number {
            0x0007 => Some((self.scan_time, 0x0806, vec![0; 8])),
            0x0016 => Some((Duration::from_millis(1), 0x080A, vec![0; 4])),
            0x0010 => Some((
                Duration::from_millis(1),
                0x0809,
                vec![0, 0, 0, 0, message[4]],
            )),
            _ => None,
        };
        let wanted = status == 0 && answer != Some(Answer::NoIndication);
        let indication = indication.filter(|_| wanted);
        if let (Some(Answer::IndicationFirst), Some((_, id, payload))) = (answer, &indication) {
            self.say(*id, payload);
        }
        match number {
            0x0005 => {
                confirm.extend_from_slice(&[message[4], message[5], 88, 0]);
                confirm.extend((0..22u32).flat_map(u32::to_le_bytes));
            }
            0x0009 => {
                let own = MacAddress(message[20..26].try_into().unwrap());
                confirm.extend_from_slice(&self.configured_address.unwrap_or(own).0);
                confirm.extend_from_slice(&[0; 30]);
            }
            0x000B if status == 0 => confirm.extend_from_slice(&[0; 8]),
            0x0C27 => {
                confirm = vec![0, 0, 0, 0, 0x0F, 0, 0, 0, 3, 0, 0, 0];
            }
            _ => {}
        }
        let confirm_id = if number & 0x0C00 == 0x0C00 {
            number
        } else {
            number | 0x0400
        };
        self.say(confirm_id | id & 0x03C0, &confirm);
        if let (Some((after, id, payload)), true) =
            (indication, answer != Some(Answer::IndicationFirst))
        {
            self.say_at(self.now.after(after), id, &payload);
        }
    }
}

impl Transport for ScriptedTransport {
    type Buffer = TestBuffer;

    fn now(&self) -> Instant {
        self.now
    }
    fn take_interrupt(&mut self) -> bool {
        let due = self.pending.iter().any(|(at, _)| *at <= self.now);
        let raised = self.interrupt && due;
        if raised {
            self.interrupt = false;
        }
        raised
    }
    fn receive(&mut self) -> Result<Reception<TestBuffer>, TransportError> {
        if self.bad_receives > 0 {
            self.bad_receives -= 1;
            return Err(TransportError::Bus(SdioError::Crc));
        }
        let mut bytes = Vec::new();
        let mut messages = Spans::EMPTY;
        for _ in 0..MAX_BATCH {
            let Some(at) = self.pending.iter().position(|(at, _)| *at <= self.now) else {
                break;
            };
            let (_, mut message) = self.pending.remove(at).unwrap();
            let id = u16::from_le_bytes([message[2], message[3]]);
            let class = usize::from(id & 0x0C00 == 0x0C00);
            let stamped = id | self.sequence[class] << 13;
            self.sequence[class] = (self.sequence[class] + 1) & 7;
            message[2..4].copy_from_slice(&stamped.to_le_bytes());
            let span = Span {
                start: u16::try_from(bytes.len()).unwrap(),
                len: u16::try_from(message.len()).unwrap(),
            };
            assert!(messages.push(span));
            bytes.extend_from_slice(&message);
            bytes.resize(bytes.len().next_multiple_of(4), 0);
        }
        self.interrupt = !self.pending.is_empty();
        if bytes.is_empty() {
            return Ok(Reception::Empty);
        }
        Ok(Reception::Burst(Burst {
            buffer: TestBuffer(bytes),
            messages,
            defect: None,
        }))
    }
    fn slot_class(&self, message: &[u8]) -> Result<SlotClass, TransportError> {
        let alone = u16::from_le_bytes([message[2], message[3]]) & 0x0C00 == 0x0C00;
        Ok(SlotClass {
            index: 0,
            alone,
            lengths: (0, u16::MAX),
        })
    }
    fn abort(&mut self) -> Result<(), TransportError> {
        self.aborts += 1;
        if self.until_abort {
            self.bad_sends = 0;
            self.bad_receives = 0;
        }
        Ok(())
    }
    fn send(&mut self, batch: &[&[u8]]) -> Result<(), TransportError> {
        if self.bad_sends > 0 {
            self.bad_sends -= 1;
            return Err(TransportError::Bus(SdioError::Crc));
        }
        for message in batch {
            let len = usize::from(u16::from_le_bytes([message[0], message[1]]));
            let id = u16::from_le_bytes([message[2], message[3]]);
            self.messages.push(message[..len].to_vec());
            if id & 0x0C3F == 0x0004 {
                self.log.push("T".to_string());
                if !self.frames_stay {
                    let mut confirm = message[4..8].to_vec();
                    confirm.extend_from_slice(&self.frame_status.to_le_bytes());
                    confirm.extend_from_slice(&[0; 12]);
                    self.say(0x0404, &confirm);
                }
            } else {
                self.command(id, &message[..len]);
            }
        }
        Ok(())
    }
    fn has_bluetooth(&mut self) -> bool {
        self.bluetooth
    }
    fn begin(&mut self, transition: Transition, _now: Instant) -> Result<(), TransportError> {
        self.transitions.push(transition);
        self.under_way = Some(transition);
        Ok(())
    }
    fn poll(&mut self, _now: Instant) -> Result<Progress, TransportError> {
        let Some(transition) = self.under_way.take() else {
            return Ok(Progress::Done);
        };
        let fails = self.failures.is_none_or(|left| left > 0);
        if self.failing == Some(transition) && fails {
            self.failures = self.failures.map(|left| left - 1);
            return Err(TransportError::NotReady(transition));
        }
        match transition {
            Transition::WifiOn => {
                self.pending.clear();
                self.sequence = [0; 2];
                let mut startup = vec![0; 148];
                startup[0] = 30;
                startup[12] = 2;
                if !self.no_startup {
                    self.say(0x0801, &startup);
                }
            }
            Transition::WifiOff => self.pending.clear(),
            Transition::BluetoothOn => self.bluetooth = true,
            Transition::BluetoothOff | Transition::Boot => self.bluetooth = false,
            _ => {}
        }
        Ok(Progress::Done)
    }
    fn reset(&mut self) {
        self.under_way = None;
        self.pending.clear();
    }
}

/// A stack that remembers.
#[derive(Debug, Default)]
pub(crate) struct TestStack {
    pub(crate) events: Vec<Event>,
    pub(crate) statuses: Vec<(Vec<u8>, TxStatus)>,
    pub(crate) frames: Vec<(Vec<u8>, RxStatus)>,
    pub(crate) allocated: usize,
}

impl Stack for TestStack {
    type Frame = TestFrame;
    type Buffer = TestBuffer;
    type Memory = Heap;
    type RxStatus = RxStatus;
    type TxStatus = TxStatus;
    type Event = Event;

    fn deliver(&mut self, buffer: TestBuffer, frames: &[RxPart<RxStatus>]) {
        assert!(!frames.is_empty());
        for part in frames {
            self.frames
                .push((part.span.of(&buffer.0).to_vec(), part.status));
        }
    }
    fn tx_status(&mut self, frame: TestFrame, status: TxStatus) {
        self.statuses.push((frame.bytes().to_vec(), status));
    }
    fn notify(&mut self, event: Event) {
        self.events.push(event);
    }
    fn allocate(&mut self, content: &[u8]) -> Option<TestFrame> {
        self.allocated += 1;
        Some(TestFrame::new(content))
    }
}

/// Device, stack and clock.
pub(crate) struct Bench {
    pub(crate) device: Box<Device<ScriptedTransport, TestStack>>,
    pub(crate) stack: TestStack,
    next_token: u32,
}

impl Bench {
    /// A device that is off.
    pub(crate) fn off(change: impl FnOnce(&mut DeviceConfig)) -> Self {
        let mut config = DeviceConfig::new(OWN, &PARAMETERS);
        config.coexistence = false;
        // Most tests are about what ends a session, not about what follows.
        config.recovery = crate::recovery::RecoveryPolicy::NONE;
        change(&mut config);
        Self {
            device: Box::new(Device::new(ScriptedTransport::new(), config, &mut Heap).unwrap()),
            stack: TestStack::default(),
            next_token: 0,
        }
    }

    /// A running device with a station on interface 0, its log empty.
    pub(crate) fn running() -> Self {
        Self::running_with(|_| {})
    }

    pub(crate) fn running_with(change: impl FnOnce(&mut DeviceConfig)) -> Self {
        let mut bench = Self::off(change);
        assert_eq!(bench.ask(Request::Boot), Ok(Response::Done));
        assert_eq!(bench.ask(Request::Start), Ok(Response::Done));
        assert_eq!(bench.device.state(), DeviceState::Running);
        let station = Request::AddInterface {
            kind: InterfaceKind::Station,
            address: OWN,
        };
        assert_eq!(
            bench.ask(station),
            Ok(Response::Interface(InterfaceId::Zero))
        );
        bench.forget();
        bench
    }

    /// The same, joined.
    pub(crate) fn joined() -> Self {
        let mut bench = Self::running();
        assert_eq!(bench.join(), Ok(Response::Done));
        bench.forget();
        bench
    }

    /// The same, associated.
    pub(crate) fn associated() -> Self {
        let mut bench = Self::joined();
        let associated = Request::Associated(InterfaceId::Zero, association());
        assert_eq!(bench.ask(associated), Ok(Response::Done));
        bench.forget();
        bench
    }

    pub(crate) fn join(&mut self) -> Result<Response, RequestError> {
        let parameters = crate::request::JoinParameters { bss: bss(AP) };
        self.ask(Request::Join(InterfaceId::Zero, parameters))
    }

    pub(crate) fn chip(&mut self) -> &mut ScriptedTransport {
        self.device.transport_mut()
    }

    pub(crate) fn now(&self) -> Instant {
        self.device.transport().now
    }

    /// Forgets what was sent and told.
    pub(crate) fn forget(&mut self) {
        self.chip().log.clear();
        self.chip().messages.clear();
        self.stack = TestStack::default();
    }

    /// Runs until nothing is left to do now.
    pub(crate) fn run(&mut self) -> Option<Instant> {
        let mut deadline = None;
        for _ in 0..64 {
            let raised = self.device.transport().next_event();
            let reasons = if raised.is_some_and(|at| at <= self.now()) {
                Reasons::INTERRUPT
            } else {
                Reasons::TIMER
            };
            deadline = self.device.run(reasons, &mut self.stack);
            let now = self.now();
            let chip = self.device.transport().next_event();
            if deadline.is_none_or(|at| at > now) && chip.is_none_or(|at| at > now) {
                break;
            }
        }
        deadline
    }

    /// Lets time pass, from deadline to deadline.
    pub(crate) fn pass(&mut self, time: Duration) {
        let end = self.now().after(time);
        for _ in 0..100_000 {
            let deadline = self.run();
            let chip = self.device.transport().next_event();
            let next = bes_hal::time::earliest(deadline, chip)
                .unwrap_or(end)
                .min(end);
            if next >= end {
                break;
            }
            let soon = self.now().after(Duration::from_micros(10));
            self.chip().now = next.max(soon);
        }
        self.chip().now = end;
        self.run();
    }

    /// Makes a request.
    pub(crate) fn begin(&mut self, request: Request<'_>) -> Result<Token, RequestError> {
        self.next_token += 1;
        let token = Token(self.next_token);
        let now = self.now();
        self.device.request(token, request, now)?;
        Ok(token)
    }

    /// The result of a request, if it is there.
    pub(crate) fn result(&self, token: Token) -> Option<Result<Response, RequestError>> {
        let mut results = self.stack.events.iter().filter_map(|event| match event {
            Event::Completed { token: of, result } if *of == token => Some(*result),
            _ => None,
        });
        let result = results.next();
        assert!(results.next().is_none(), "a request is answered once");
        result
    }

    /// Makes a request and waits for its result.
    pub(crate) fn ask(&mut self, request: Request<'_>) -> Result<Response, RequestError> {
        let token = self.begin(request)?;
        for _ in 0..200 {
            self.run();
            if let Some(result) = self.result(token) {
                return result;
            }
            self.pass(Duration::from_millis(50));
        }
        panic!("no result");
    }

    pub(crate) fn transmit(&mut self, frame: &[u8]) -> bool {
        let info = TxInfo::new(AccessCategory::BestEffort, Band::TwoPointFourGhz);
        let now = self.now();
        let frame = TestFrame::new(frame);
        self.device
            .transmit(InterfaceId::Zero, frame, info, now)
            .is_ok()
    }

    pub(crate) fn log(&self) -> Vec<&str> {
        self.device
            .transport()
            .log
            .iter()
            .map(String::as_str)
            .collect()
    }

    /// Payload of the last message with this name in the log.
    pub(crate) fn payload(&self, name: &str) -> Vec<u8> {
        let transport = self.device.transport();
        let at = transport
            .log
            .iter()
            .rposition(|sent| sent == name)
            .expect("sent");
        let skip = if name.starts_with("W:") { 8 } else { 4 };
        transport.messages[at][skip..].to_vec()
    }

    pub(crate) fn scan(&mut self, channels: &[ScanChannel]) -> Token {
        let request = ScanRequest {
            channels,
            ssids: &[],
            elements: &[1, 2, 0x82, 0x84],
            no_cck: false,
            source: None,
        };
        self.begin(Request::Scan(InterfaceId::Zero, &request))
            .unwrap()
    }

    /// The end of the scan, if it was told: aborted, refused channels.
    pub(crate) fn scan_end(&self) -> Option<(bool, u8)> {
        let mut ends = self.stack.events.iter().filter_map(|event| match event {
            Event::ScanCompleted {
                aborted,
                refused_channels,
                ..
            } => Some((*aborted, *refused_channels)),
            _ => None,
        });
        let end = ends.next();
        assert!(ends.next().is_none(), "a scan ends once");
        end
    }
}

pub(crate) fn channels(numbers: &[u16]) -> Vec<ScanChannel> {
    numbers
        .iter()
        .map(|number| ScanChannel {
            channel: Channel::new(*number).unwrap(),
            passive: false,
            max_power: Dbm(20),
        })
        .collect()
}

pub(crate) fn bss(bssid: MacAddress) -> BssDescription {
    BssDescription {
        bssid,
        ssid: Ssid::new(b"test").unwrap(),
        channel: Channel::new(6).unwrap(),
        beacon_interval: 100,
        dtim_period: 2,
    }
}

pub(crate) fn association() -> AssociationParameters {
    AssociationParameters {
        aid: 1,
        beacon_interval: 100,
        dtim_period: 2,
        rates: RateMask(0x3FCF),
        basic_rates: RateMask(7),
        ht: Some(HtParameters {
            mcs: 0xFF,
            ampdu_density: 0,
            greenfield: false,
            short_gi: true,
            non_greenfield_present: true,
        }),
        channel_type: ChannelType::Ht20,
        short_preamble: true,
        short_slot: true,
        qos: true,
        protected_management: false,
    }
}

/// A frame of the station to `to`: frame control, addresses, body.
pub(crate) fn frame_to(control: [u8; 2], to: MacAddress, body: &[u8]) -> Vec<u8> {
    let mut frame = control.to_vec();
    frame.extend_from_slice(&[0; 2]);
    for address in [to, OWN, to] {
        frame.extend_from_slice(&address.0);
    }
    frame.extend_from_slice(&[0; 2]);
    frame.extend_from_slice(body);
    frame
}

/// A frame of the access point.
pub(crate) fn frame_from(control: [u8; 2], from: MacAddress, body: &[u8]) -> Vec<u8> {
    let mut frame = control.to_vec();
    frame.extend_from_slice(&[0; 2]);
    for address in [OWN, from, from] {
        frame.extend_from_slice(&address.0);
    }
    frame.extend_from_slice(&[0; 2]);
    frame.extend_from_slice(body);
    frame
}
