//! Bursts to the host: packing, announcing, repeating.
//!
//! Specification: file 10, sections 5.2, 5.3 and 15, items 7 to 9.
//!
//! | state | 0x001 | 0x000 bit 0 | next |
//! |---|---|---|---|
//! | empty | length 0 | 1 | announced, as soon as there is something |
//! | preparing | length 0 | 0 | announced or empty, after a while |
//! | announced | toggle, length | 0 | empty or preparing, when the data was read |

use super::firmware::Firmware;
use super::settings::ReceiveSettings;
use crate::statistics::Statistics;
use crate::violation::{Violation, Violations};
use bes_hal::sdio::Count;
use bes_hal::time::Instant;
use bes_hal::transport::MAX_BATCH;
use std::collections::VecDeque;

/// Longest message that may stand anywhere but at the start of a burst, rounded up to 4 (file 10, section 5.3).
const MAX_MESSAGE: usize = 1632;
/// Most blocks a burst may have (file 10, section 15, item 13).
const MAX_BLOCKS: u8 = 64;
/// Most blocks an announcement can say.
const ANNOUNCEABLE_BLOCKS: u8 = 127;

const fn padded(len: usize) -> usize {
    (len + 3) & !3
}

/// What is read in one go.
#[derive(Debug, Default)]
struct Burst {
    messages: Vec<Vec<u8>>,
    /// Stands for the messages if it was injected.
    raw: Option<Vec<u8>>,
    blocks: u8,
}

impl Burst {
    fn announced_bytes(&self) -> u32 {
        u32::from(self.blocks) * 512
    }

    /// Writes the burst as it stands on the bus; `buffer` may be longer or shorter.
    fn copy_to(&self, buffer: &mut [u8], surplus: u8) {
        let mut rest = buffer;
        let mut put = |bytes: &[u8], fill: usize, with: u8| {
            let len = bytes.len().min(rest.len());
            let (here, behind) = std::mem::take(&mut rest).split_at_mut(len);
            here.copy_from_slice(&bytes[..len]);
            let fill = fill.min(behind.len());
            let (here, behind) = behind.split_at_mut(fill);
            here.fill(with);
            rest = behind;
        };
        match &self.raw {
            Some(raw) => put(raw, 0, surplus),
            None => {
                for message in &self.messages {
                    put(message, padded(message.len()) - message.len(), surplus);
                }
                put(&[0, 0], 0, surplus);
            }
        }
        rest.fill(surplus);
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Empty,
    Preparing(Instant),
    Announced { seen: bool },
}

/// The chip's side of the receive path.
#[derive(Debug)]
pub(crate) struct Announcer {
    state: State,
    /// Toggle of the next announcement.
    announcement_toggle: bool,
    /// Toggle that the next new read carries.
    read_toggle: bool,
    /// What 0x001 reads.
    value: u8,
    interrupt: bool,
    current: Burst,
    /// The burst before, for a host that did not get it.
    previous: Option<Burst>,
    /// A message that did not fit.
    held: Option<Vec<u8>>,
    injected: VecDeque<(Vec<u8>, u8)>,
    waiting_since: Option<Instant>,
}

impl Announcer {
    pub(crate) fn new() -> Self {
        Self {
            state: State::Empty,
            announcement_toggle: false,
            read_toggle: false,
            value: 0,
            interrupt: false,
            current: Burst::default(),
            previous: None,
            held: None,
            injected: VecDeque::new(),
            waiting_since: None,
        }
    }

    pub(crate) fn interrupt(&self) -> bool {
        self.interrupt
    }

    /// 0x001, and the interrupt is acknowledged.
    pub(crate) fn read_announcement(&mut self) -> u8 {
        self.interrupt = false;
        if let State::Announced { seen } = &mut self.state {
            *seen = true;
        }
        self.value
    }

    /// 0x000: bit 0 says that an announcement of length 0 is to be believed.
    pub(crate) fn read_genuine(&self) -> u8 {
        u8::from(self.state == State::Empty)
    }

    /// Announces `bytes` as they are, as a burst of `blocks` blocks, before anything of the firmware.
    pub(crate) fn inject(&mut self, bytes: Vec<u8>, blocks: u8) {
        self.injected
            .push_back((bytes, blocks.clamp(1, ANNOUNCEABLE_BLOCKS)));
    }

    pub(crate) fn next_event(&self, settings: &ReceiveSettings) -> Option<Instant> {
        match self.state {
            State::Preparing(until) => Some(until),
            State::Empty => self
                .waiting_since
                .map(|since| since.after(settings.coalesce_wait)),
            State::Announced { .. } => None,
        }
    }

    /// Announces the next burst if there is something to announce and nothing announced.
    pub(crate) fn poll(
        &mut self,
        firmware: &mut dyn Firmware,
        settings: &ReceiveSettings,
        statistics: &mut Statistics,
        now: Instant,
    ) {
        match self.state {
            State::Announced { .. } => return,
            State::Preparing(until) if !until.is_due(now) => return,
            State::Preparing(_) => self.state = State::Empty,
            State::Empty => {}
        }
        if let Some((bytes, blocks)) = self.injected.pop_front() {
            self.current.raw = Some(bytes);
            self.announce(blocks);
            statistics.bursts += 1;
            return;
        }
        let pending = firmware.pending() + usize::from(self.held.is_some());
        if pending == 0 {
            self.waiting_since = None;
            return;
        }
        if pending < settings.coalesce_messages && !settings.coalesce_wait.is_zero() {
            let since = *self.waiting_since.get_or_insert(now);
            if !since.after(settings.coalesce_wait).is_due(now) {
                return;
            }
        }
        self.waiting_since = None;
        self.pack(firmware, settings, statistics);
    }

    fn pack(
        &mut self,
        firmware: &mut dyn Firmware,
        settings: &ReceiveSettings,
        statistics: &mut Statistics,
    ) {
        let room = usize::from(settings.blocks.clamp(1, MAX_BLOCKS)) * Count::BLOCK_SIZE;
        let most = settings.messages.clamp(1, MAX_BATCH);
        let mut bytes = 0;
        let mut payload = 0;
        while self.current.messages.len() < most {
            let Some(message) = self.held.take().or_else(|| firmware.next_message()) else {
                break;
            };
            let len = padded(message.len());
            if len == 0 {
                continue;
            }
            if len > room {
                // No burst can hold it; the host's buffer would overrun (file 10, section 15, item 13).
                statistics.messages_too_long += 1;
                continue;
            }
            let first = self.current.messages.is_empty();
            if !first && (len > MAX_MESSAGE || bytes + len > room) {
                self.held = Some(message);
                break;
            }
            bytes += len;
            payload += message.len();
            self.current.messages.push(message);
        }
        if self.current.messages.is_empty() {
            return;
        }
        let blocks = bytes.div_ceil(Count::BLOCK_SIZE);
        let count = self.current.messages.len();
        statistics.bursts += 1;
        statistics.messages_up += count as u64;
        statistics.message_bytes_up += payload as u64;
        statistics.messages_per_burst[count] += 1;
        self.announce(blocks.min(usize::from(ANNOUNCEABLE_BLOCKS)) as u8);
    }

    fn announce(&mut self, blocks: u8) {
        self.current.blocks = blocks;
        self.value = u8::from(self.announcement_toggle) << 7 | blocks;
        self.announcement_toggle = !self.announcement_toggle;
        self.interrupt = true;
        self.state = State::Announced { seen: false };
    }

    /// A CMD53 read that carries `toggle`; `length_code` is what the address field says.
    #[expect(clippy::too_many_arguments, reason = "one command and its context")]
    pub(crate) fn read(
        &mut self,
        toggle: bool,
        length_code: u16,
        buffer: &mut [u8],
        firmware: &mut dyn Firmware,
        settings: &ReceiveSettings,
        statistics: &mut Statistics,
        violations: &mut Violations,
        now: Instant,
    ) {
        if toggle != self.read_toggle {
            match &self.previous {
                Some(previous) => {
                    statistics.repeated_reads += 1;
                    previous.copy_to(buffer, settings.surplus);
                }
                None => {
                    violations.note(now, Violation::ReadToggle);
                    buffer.fill(settings.surplus);
                }
            }
            return;
        }
        self.read_toggle = !self.read_toggle;
        let State::Announced { seen } = self.state else {
            violations.note(
                now,
                Violation::ReadWithoutAnnouncement {
                    length: length_code,
                },
            );
            buffer.fill(0);
            return;
        };
        if !seen {
            violations.note(now, Violation::ReadUnseen);
        }
        let announced = self.current.announced_bytes();
        for asked in [u32::from(length_code), buffer.len() as u32] {
            if asked != announced {
                violations.note(now, Violation::ReadLength { announced, asked });
                break;
            }
        }
        self.current.copy_to(buffer, settings.surplus);
        // The memory of the burst before serves the next one.
        let mut next = self.previous.take().unwrap_or_default();
        next.raw = None;
        for message in next.messages.drain(..) {
            firmware.recycle(message);
        }
        self.previous = Some(std::mem::replace(&mut self.current, next));
        self.interrupt = false;
        self.value &= 0x80;
        self.state = if settings.prepare.is_zero() {
            State::Empty
        } else {
            State::Preparing(now.after(settings.prepare))
        };
        self.poll(firmware, settings, statistics, now);
    }
}

#[cfg(test)]
mod tests {
    use super::super::scripted::ScriptedFirmware;
    use super::*;
    use std::time::Duration;

    const NOW: Instant = Instant::ZERO;

    struct Bench {
        announcer: Announcer,
        firmware: ScriptedFirmware,
        settings: ReceiveSettings,
        statistics: Statistics,
        violations: Violations,
    }

    impl Bench {
        fn new() -> Self {
            Self {
                announcer: Announcer::new(),
                firmware: ScriptedFirmware::default(),
                settings: ReceiveSettings::default(),
                statistics: Statistics::default(),
                violations: Violations::default(),
            }
        }

        fn send(&mut self, len: usize) {
            self.firmware.send(len);
        }

        fn poll(&mut self, now: Instant) {
            self.announcer.poll(
                &mut self.firmware,
                &self.settings,
                &mut self.statistics,
                now,
            );
        }

        fn read(&mut self, toggle: bool, blocks: usize) -> Vec<u8> {
            let mut buffer = vec![0; blocks * 512];
            self.announcer.read(
                toggle,
                (blocks * 512) as u16,
                &mut buffer,
                &mut self.firmware,
                &self.settings,
                &mut self.statistics,
                &mut self.violations,
                NOW,
            );
            buffer
        }
    }

    #[test]
    fn seventeen_messages_are_two_bursts() {
        let mut bench = Bench::new();
        for _ in 0..17 {
            bench.send(8);
        }
        bench.poll(NOW);
        assert_eq!(bench.announcer.read_announcement(), 1);
        bench.read(false, 1);
        assert_eq!(bench.announcer.read_announcement(), 0x81);
        assert_eq!(bench.statistics.messages_per_burst[16], 1);
        assert_eq!(bench.statistics.messages_per_burst[1], 1);
    }

    #[test]
    fn a_burst_stays_within_its_blocks_and_loses_nothing() {
        let mut bench = Bench::new();
        bench.settings.blocks = 4;
        for _ in 0..3 {
            bench.send(1000);
        }
        bench.poll(NOW);
        assert_eq!(bench.announcer.read_announcement(), 4);
        bench.read(false, 4);
        assert_eq!(bench.announcer.read_announcement(), 0x82);
        bench.read(true, 2);
        assert_eq!(bench.statistics.messages_up, 3);
        assert_eq!(bench.violations.as_slice(), []);
    }

    #[test]
    fn a_long_message_stands_first_or_waits() {
        let mut bench = Bench::new();
        bench.send(8);
        bench.send(1636);
        bench.poll(NOW);
        assert_eq!(bench.announcer.read_announcement(), 1);
        bench.read(false, 1);
        assert_eq!(bench.announcer.read_announcement(), 0x80 | 4);
    }

    #[test]
    fn a_burst_that_ends_on_a_block_has_no_terminator() {
        let mut bench = Bench::new();
        bench.send(512);
        bench.poll(NOW);
        assert_eq!(bench.announcer.read_announcement(), 1);
        assert_eq!(bench.read(false, 1).len(), 512);
        bench.send(510);
        bench.poll(NOW);
        assert_eq!(bench.announcer.read_announcement(), 0x81);
        let buffer = bench.read(true, 1);
        assert_eq!(buffer[510..], [0xA5, 0xA5]);
    }

    #[test]
    fn while_the_next_burst_is_prepared_emptiness_is_not_genuine() {
        let mut bench = Bench::new();
        bench.settings.prepare = Duration::from_micros(20);
        bench.send(8);
        bench.poll(NOW);
        bench.announcer.read_announcement();
        bench.send(8);
        bench.read(false, 1);
        assert_eq!(bench.announcer.read_announcement() & 0x7F, 0);
        assert_eq!(bench.announcer.read_genuine(), 0);
        let due = bench.announcer.next_event(&bench.settings);
        assert_eq!(due, Some(Instant::from_micros(20)));
        bench.poll(Instant::from_micros(20));
        assert_eq!(bench.announcer.read_announcement(), 0x81);
    }

    #[test]
    fn coalescing_waits_for_more_but_not_for_ever() {
        let mut bench = Bench::new();
        bench.settings.coalesce_messages = 4;
        bench.settings.coalesce_wait = Duration::from_micros(100);
        bench.send(8);
        bench.poll(NOW);
        assert!(!bench.announcer.interrupt());
        assert_eq!(bench.announcer.read_genuine(), 1);
        assert_eq!(
            bench.announcer.next_event(&bench.settings),
            Some(Instant::from_micros(100))
        );
        bench.poll(Instant::from_micros(100));
        assert!(bench.announcer.interrupt());
    }

    #[test]
    fn an_injected_burst_is_announced_as_it_is() {
        let mut bench = Bench::new();
        bench.announcer.inject(vec![1, 0, 0, 0], 127);
        bench.poll(NOW);
        assert_eq!(bench.announcer.read_announcement(), 127);
        assert_eq!(bench.read(false, 127)[..4], [1, 0, 0, 0]);
    }

    #[test]
    fn a_read_without_announcement_and_a_first_read_with_toggle_1_are_violations() {
        let mut bench = Bench::new();
        bench.read(true, 1);
        bench.read(false, 1);
        let noted: Vec<_> = bench
            .violations
            .as_slice()
            .iter()
            .map(|(_, violation)| violation.clone())
            .collect();
        assert_eq!(
            noted,
            [
                Violation::ReadToggle,
                Violation::ReadWithoutAnnouncement { length: 512 }
            ]
        );
    }
}
