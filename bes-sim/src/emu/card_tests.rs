//! The command loop against a host in memory: no kernel, real time.

use super::card::CardThread;
use super::clock::Clock;
use super::ether::{Ether, EtherConfig};
use super::hub::Hub;
use super::radio::Radio;
use super::slot::Slot;
use super::source::{Command, CommandSource, Event, InterruptLine, Status};
use anyhow::{bail, Result};
use mock_hal::chip::lmac::{Lmac, LmacConfig};
use mock_hal::{BusTiming, Card, Config, World};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// A host that sends commands of a list, and then ends.
struct Host {
    commands: std::vec::IntoIter<Step>,
    memory: Vec<u8>,
    seen: Seen,
}

/// What a host does next.
#[derive(Clone, Debug)]
enum Step {
    Command(u8, u32, usize),
    PowerLost,
    Refuse,
    /// Nothing, for as long as the card wants to wait.
    Wait,
}

#[derive(Clone, Default)]
struct Seen {
    answers: Arc<Mutex<Vec<Status>>>,
    /// What each exchange said of the interrupt.
    said: Arc<Mutex<Vec<Option<bool>>>>,
    levels: Arc<Mutex<Vec<bool>>>,
    waits: Arc<Mutex<Vec<Duration>>>,
}

impl InterruptLine for Seen {
    fn set(&self, asserted: bool) -> Result<()> {
        self.levels.lock().expect("no panic").push(asserted);
        Ok(())
    }

    fn wake(&self) -> Result<()> {
        Ok(())
    }
}

impl CommandSource for Host {
    fn exchange(
        &mut self,
        answer: Option<Status>,
        level: Option<bool>,
        wait: Option<Duration>,
    ) -> Result<Event> {
        if let Some(status) = answer {
            self.seen.answers.lock().expect("no panic").push(status);
        }
        self.seen.said.lock().expect("no panic").push(level);
        let wait = wait.unwrap_or(Duration::MAX);
        self.seen.waits.lock().expect("no panic").push(wait);
        Ok(match self.commands.next() {
            None => bail!("the host is gone"),
            Some(Step::Command(opcode, argument, length)) => Event::Command(Command {
                opcode,
                argument,
                length,
            }),
            Some(Step::PowerLost) => Event::PowerLost,
            Some(Step::Refuse) => Event::Refused,
            Some(Step::Wait) => {
                std::thread::sleep(wait.min(Duration::from_millis(20)));
                Event::Nothing
            }
        })
    }

    fn data(&mut self) -> &mut [u8] {
        &mut self.memory
    }
}

fn run(timing: BusTiming, steps: Vec<Step>) -> (Seen, mock_hal::Handle) {
    let clock = Clock::start();
    let config = EtherConfig {
        family: 1,
        limited: true,
        signal_dbm: -45,
        best_rates: true,
    };
    let ether = Arc::new(Mutex::new(Ether::new(config, 1)));
    let lmac = Lmac::new(LmacConfig::default(), Radio::new(ether.clone(), 0));
    let card = Config {
        timing,
        ..Config::default()
    };
    let (_, handle) = Card::insert(card, Box::new(lmac));
    handle.with(World::forget_identification);
    let seen = Seen::default();
    let slot = Arc::new(Slot::new(0, 0, handle.clone(), Box::new(seen.clone())));
    let hub = Arc::new(Hub::new(clock, ether, None, None));
    hub.set_slots(vec![slot.clone()]);
    let host = Host {
        commands: steps.into_iter(),
        memory: vec![0; 4096],
        seen: seen.clone(),
    };
    let mut thread = CardThread::new(host, slot, hub, None);
    let error = thread.run().expect_err("the host ends");
    assert_eq!(error.to_string(), "the host is gone");
    (seen, handle)
}

const OCR: u32 = 0x0030_0000;

fn identify() -> Vec<Step> {
    vec![
        Step::Command(0, 0, 0),
        Step::Command(5, 0, 0),
        Step::Command(5, OCR, 0),
        Step::Command(3, 0, 0),
        Step::Command(7, 0x0001_0000, 0),
    ]
}

const fn read(function: u32, address: u32) -> Step {
    Step::Command(52, function << 28 | address << 9, 0)
}

const fn write(function: u32, address: u32, value: u32) -> Step {
    Step::Command(52, 1 << 31 | function << 28 | address << 9 | value, 0)
}

fn statuses(seen: &Seen) -> Vec<Status> {
    seen.answers.lock().expect("no panic").clone()
}

#[test]
fn a_host_finds_the_card_and_reads_its_registers() {
    let mut steps = identify();
    // CCCR: revision; then the card is asked for something it does not know.
    steps.extend([read(0, 0), Step::Command(8, 0x1AA, 0)]);
    let (seen, _) = run(BusTiming::NONE, steps);
    let statuses = statuses(&seen);
    assert_eq!(statuses.len(), 7);
    let Status::Done(ready) = statuses[2] else {
        panic!("{:?}", statuses[2]);
    };
    assert_eq!(ready >> 28, 0b1001, "ready, one function: {ready:#x}");
    let Status::Done(address) = statuses[3] else {
        panic!("{:?}", statuses[3]);
    };
    assert_eq!(address >> 16, 1);
    assert!(matches!(statuses[5], Status::Done(word) if word & 0xFF00 == 0x1000));
    assert_eq!(statuses[6], Status::NoResponse);
}

#[test]
fn a_power_loss_makes_the_card_new() {
    let mut steps = identify();
    steps.extend([read(0, 0), Step::PowerLost, read(0, 0)]);
    let (seen, _) = run(BusTiming::NONE, steps);
    let statuses = statuses(&seen);
    assert!(matches!(statuses[5], Status::Done(_)));
    assert_eq!(statuses[6], Status::NoResponse, "not selected any more");
}

/// Enables function 1 and its interrupt, as a host does.
fn enable() -> Vec<Step> {
    let mut steps = identify();
    steps.extend([
        write(0, 2, 2),
        Step::Wait,
        Step::Wait,
        write(0, 0x110, 0),
        write(0, 0x111, 2),
        write(0, 4, 3),
        read(0, 3),
    ]);
    steps
}

#[test]
fn data_goes_from_and_to_the_memory_of_the_host() {
    let mut steps = enable();
    // CMD53 read of 16 bytes of function 1 at 0x10C: whatever it is, it is answered by data or by a refusal, and a
    // command to a function that is not there is refused.
    steps.extend([
        Step::Command(53, 2 << 28 | 1 << 26 | 16, 16),
        read(1, 0x10C),
    ]);
    let (seen, handle) = run(BusTiming::NONE, steps);
    let statuses = statuses(&seen);
    assert_eq!(statuses[9], Status::Done(0x1002), "function 1 is ready");
    let Status::Done(refused) = statuses[10] else {
        panic!("{:?}", statuses[10]);
    };
    assert_eq!(refused & 0xCB00, 0x0200);
    assert_eq!(statuses[11], Status::Done(0x1000));
    assert_eq!(handle.statistics().data_reads, 1);
}

#[test]
fn a_refused_answer_is_not_the_end_and_the_level_is_told_again() {
    let mut steps = identify();
    steps.extend([read(0, 0), Step::Refuse, Step::Wait, read(0, 0)]);
    let (seen, _) = run(BusTiming::NONE, steps);
    assert_eq!(statuses(&seen).len(), 7);
    let said = seen.said.lock().expect("no panic");
    // Once before the refusal, and once after it because the host may have missed it.
    let told = said.iter().filter(|level| level.is_some()).count();
    assert_eq!(told, 2, "{said:?}");
    assert!(said.iter().flatten().all(|level| !level));
}

#[test]
fn nothing_is_said_of_a_level_that_has_not_changed() {
    // Another thread may have told the host of a newer level when the exchange arrives: an old one that is told again
    // would take an interrupt away.
    let (seen, _) = run(BusTiming::NONE, enable());
    let said = seen.said.lock().expect("no panic");
    let told: Vec<bool> = said.iter().flatten().copied().collect();
    assert!(said.len() > told.len(), "{said:?}");
    assert!(told.windows(2).all(|pair| pair[0] != pair[1]), "{said:?}");
}

#[test]
fn the_card_waits_until_something_happens_by_itself() {
    let mut steps = identify();
    steps.push(write(0, 2, 2));
    steps.push(Step::Wait);
    let (seen, _) = run(BusTiming::NONE, steps);
    let waits = seen.waits.lock().expect("no panic");
    // Function 1 gets ready after a millisecond; nothing else is under way before.
    assert!(waits[0] >= Duration::from_millis(400), "{:?}", waits[0]);
    assert!(waits[6] <= Duration::from_millis(1), "{:?}", waits[6]);
}

#[test]
fn with_a_bus_model_answers_come_when_the_bus_would_be_done() {
    let slow = BusTiming {
        command: Duration::from_millis(2),
        ..BusTiming::NONE
    };
    let start = std::time::Instant::now();
    run(slow, identify());
    assert!(start.elapsed() >= Duration::from_millis(9));
    let start = std::time::Instant::now();
    run(BusTiming::NONE, identify());
    assert!(start.elapsed() < Duration::from_millis(9));
}
