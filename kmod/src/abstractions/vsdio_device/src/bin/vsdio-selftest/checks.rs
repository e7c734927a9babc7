// SPDX-License-Identifier: GPL-2.0-only

//! The checks. Each leaves its slots empty.

use crate::serve::{function, host, plain, read, serve, wait_until, Check};
use std::io::{BufRead, BufReader};
use std::os::fd::{AsFd, AsRawFd};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use vsdio_device::{Answer, Device, Error, Event, Limits, Power, Status, Wait};

/// The device file of a slot.
pub(crate) fn slot(number: u32) -> PathBuf {
    PathBuf::from(format!("/dev/vsdio{number}"))
}

/// A check with what it shows.
pub(crate) type Named = (&'static str, fn() -> Check);

/// All checks.
pub(crate) const CHECKS: [Named; 16] = [
    ("only root may open a slot", mode_is_0600),
    ("a card is enumerated", is_enumerated),
    (
        "the host has the limits that the card asked for",
        limits_hold,
    ),
    (
        "bad limits and versions are refused",
        bad_inserts_are_refused,
    ),
    ("a slot takes one card", a_slot_takes_one_card),
    ("four cards at once", four_cards_at_once),
    ("20 cards one after the other", twenty_cards),
    (
        "wrong ids and lengths are refused",
        wrong_answers_are_refused,
    ),
    (
        "errors of the bus reach the core, which tries again",
        bus_errors_are_retried,
    ),
    ("an empty slot is given up at once", empty_slot_is_quick),
    (
        "a late answer is refused and counted",
        late_answer_is_refused,
    ),
    (
        "a process that never answers costs one deadline",
        never_answering_costs_one_deadline,
    ),
    (
        "a process killed in a command takes its card along",
        killed_in_a_command,
    ),
    (
        "a process killed while it waits takes its card along",
        killed_while_waiting,
    ),
    ("poll, timeouts and wake", poll_timeouts_and_wake),
    (
        "the module stays while a slot is open",
        module_stays_while_open,
    ),
];

fn text(error: impl std::fmt::Display) -> String {
    error.to_string()
}

fn ensure(condition: bool, failure: impl FnOnce() -> String) -> Check {
    if condition {
        Ok(())
    } else {
        Err(failure())
    }
}

fn mode_is_0600() -> Check {
    use std::os::unix::fs::{FileTypeExt, MetadataExt};
    for number in 0..4 {
        let path = slot(number);
        let metadata = path
            .metadata()
            .map_err(|error| format!("{}: {error}", path.display()))?;
        ensure(
            metadata.file_type().is_char_device() && metadata.mode() & 0o777 == 0o600,
            || format!("{} has mode {:o}", path.display(), metadata.mode()),
        )?;
    }
    Ok(())
}

fn is_enumerated() -> Check {
    let card = plain(&slot(0))?;
    card.wait_until_found()?;
    let number = card.host;
    let mmc = PathBuf::from(format!("/sys/bus/mmc/devices/mmc{number}:0001"));
    let kind = read(&mmc.join("type"))?;
    let parent = host(number).canonicalize().map_err(text)?;
    let summary = card.take_out()?;
    ensure(kind == "SDIO", || format!("the card is {kind}"))?;
    ensure(
        parent.components().any(|part| part.as_os_str() == "vsdio0"),
        || format!("the host is {}", parent.display()),
    )?;
    ensure(!function(number).exists(), || {
        "the function outlives its card".to_owned()
    })?;
    // The core may have switched it off by now, but its last clock was the fast one.
    ensure(
        summary.commands > 20 && summary.counters.expired == 0,
        || format!("{} commands, {:?}", summary.commands, summary.counters),
    )
}

fn limits_hold() -> Check {
    let narrow = Limits {
        four_bit: false,
        high_speed: false,
        max_clock: 12_000_000,
        ..Limits::default()
    };
    for (limits, width, clock, high_speed) in [
        (Limits::default(), 4, 50_000_000, true),
        (narrow, 1, 12_000_000, false),
    ] {
        let card = serve(&slot(0), &limits, |_, _, _| Ok(()))?;
        card.wait_until_found()?;
        let bus = card.take_out()?.bus;
        ensure(
            (bus.width, bus.clock, bus.high_speed, bus.power)
                == (width, clock, high_speed, Power::On),
            || format!("the bus is {bus:?}"),
        )?;
    }
    Ok(())
}

fn bad_inserts_are_refused() -> Check {
    let good = Limits::default();
    let bad = [
        Limits {
            max_blocks: 0,
            ..good
        },
        Limits {
            max_blocks: 512,
            ..good
        },
        Limits {
            max_block_size: 0,
            ..good
        },
        Limits {
            max_block_size: 4096,
            ..good
        },
        Limits {
            max_request: 512,
            ..good
        },
        Limits {
            max_request: 256 * 1024 + 1,
            ..good
        },
        Limits {
            min_clock: 0,
            ..good
        },
        Limits {
            max_clock: 399_999,
            ..good
        },
        Limits {
            max_clock: 100_000_000,
            ..good
        },
        Limits {
            deadline: Some(Duration::from_secs(61)),
            ..good
        },
    ];
    for limits in bad {
        match Device::open(slot(0), &limits) {
            Err(Error::Limits) => {}
            Err(error) => return Err(format!("{limits:?}: {error}")),
            Ok(_) => return Err(format!("{limits:?} is taken")),
        }
    }
    for version in [0, 2, u32::MAX] {
        match Device::open_as_version(slot(0), &good, version) {
            Err(Error::Version) => {}
            Err(error) => return Err(format!("version {version}: {error}")),
            Ok(_) => return Err(format!("version {version} is taken")),
        }
    }
    Ok(())
}

fn a_slot_takes_one_card() -> Check {
    let card = plain(&slot(0))?;
    card.wait_until_found()?;
    let second = Device::open(slot(0), &Limits::default());
    card.take_out()?;
    match second {
        Err(Error::InUse(_)) => {}
        Err(error) => return Err(text(error)),
        Ok(_) => return Err("two cards in one slot".to_owned()),
    }
    plain(&slot(0))?.take_out().map(drop)
}

fn four_cards_at_once() -> Check {
    let mut cards = Vec::new();
    for number in 0..4 {
        cards.push(plain(&slot(number))?);
    }
    for card in &cards {
        card.wait_until_found()?;
    }
    for card in cards {
        card.take_out()?;
    }
    Ok(())
}

fn twenty_cards() -> Check {
    for round in 0..20 {
        let card = plain(&slot(1))?;
        // Some are taken out while the kernel is still looking at them.
        if round % 4 != 3 {
            card.wait_until_found()
                .map_err(|error| format!("card {round}: {error}"))?;
        }
        card.take_out()?;
    }
    Ok(())
}

fn wrong_answers_are_refused() -> Check {
    let card = serve(&slot(0), &Limits::default(), |device, event, _| {
        let Event::Command(command) = event else {
            return Ok(());
        };
        let answer = Answer::new(command, Status::Ok(0));
        for id in [0, command.id() + 1, command.id() - 1, u64::MAX] {
            match device.exchange(Some(answer.with_id(id)), Wait::No) {
                Err(Error::Stale) => {}
                other => return Err(format!("id {id}: {other:?}")),
            }
        }
        for length in [command.length() + 1, usize::MAX] {
            match device.exchange(Some(answer.with_length(length)), Wait::No) {
                Err(Error::Length) => {}
                other => return Err(format!("length {length}: {other:?}")),
            }
        }
        if command.direction.is_none() {
            let crc = Answer::new(command, Status::DataCrc(0, 0));
            match device.exchange(Some(crc), Wait::No) {
                Err(Error::Refused) => {}
                other => return Err(format!("data error without data: {other:?}")),
            }
        }
        Ok(())
    })?;
    card.wait_until_found()?;
    let summary = card.take_out()?;
    ensure(summary.counters.refused >= 6 * summary.commands, || {
        format!("{:?}", summary.counters)
    })
}

fn bus_errors_are_retried() -> Check {
    let mut failed = 0;
    let card = serve(&slot(0), &Limits::default(), move |device, event, _| {
        let Event::Command(command) = event else {
            return Ok(());
        };
        // CMD5 is tried four times.
        if command.opcode != 5 || failed == 2 {
            return Ok(());
        }
        failed += 1;
        let status = if failed == 1 {
            Status::CommandCrc
        } else {
            Status::CommandTimeout
        };
        *event = device
            .exchange(Some(Answer::new(command, status)), Wait::Forever)
            .map_err(text)?;
        match event {
            Event::Command(again) if again.opcode == 5 => Ok(()),
            other => Err(format!("after an error of CMD5: {other:?}")),
        }
    })?;
    card.wait_until_found()?;
    card.take_out().map(drop)
}

/// Exchanges until the kernel has given up looking for a card.
fn until_given_up(device: &mut Device, status: Status) -> Check {
    let started = Instant::now();
    let mut answer = None;
    while device.bus().power_losses == 0 {
        ensure(started.elapsed() < Duration::from_secs(10), || {
            "the kernel does not give up".to_owned()
        })?;
        let wait = Wait::For(Duration::from_secs(1));
        if let Event::Command(command) = device.exchange(answer.take(), wait).map_err(text)? {
            answer = Some(Answer::new(&command, status));
        }
    }
    Ok(())
}

fn empty_slot_is_quick() -> Check {
    let mut device = Device::open(slot(0), &Limits::default()).map_err(text)?;
    let started = Instant::now();
    until_given_up(&mut device, Status::CommandTimeout)?;
    ensure(started.elapsed() < Duration::from_secs(1), || {
        format!("given up after {:?}", started.elapsed())
    })
}

fn late_answer_is_refused() -> Check {
    let limits = Limits {
        deadline: Some(Duration::from_millis(100)),
        ..Limits::default()
    };
    let mut device = Device::open(slot(0), &limits).map_err(text)?;
    let command = loop {
        if let Event::Command(command) = device.exchange(None, Wait::Forever).map_err(text)? {
            break command;
        }
    };
    std::thread::sleep(Duration::from_millis(400));
    match device.exchange(Some(Answer::new(&command, Status::Ok(0))), Wait::No) {
        Err(Error::Stale) => {}
        other => return Err(format!("{other:?}")),
    }
    device.exchange(None, Wait::No).map_err(text)?;
    let counters = device.counters();
    ensure((counters.expired, counters.refused) == (1, 1), || {
        format!("{counters:?}")
    })
}

fn never_answering_costs_one_deadline() -> Check {
    let limits = Limits {
        deadline: Some(Duration::from_millis(300)),
        ..Limits::default()
    };
    let mut device = Device::open(slot(0), &limits).map_err(text)?;
    std::thread::sleep(Duration::from_millis(1500));
    let event = device.exchange(None, Wait::No).map_err(text)?;
    let (bus, counters) = (device.bus(), device.counters());
    ensure(
        matches!(event, Event::Bus(_)) && bus.power == Power::Off && bus.power_losses == 1,
        || format!("detection has not ended: {event:?}"),
    )?;
    ensure(counters.expired == 1, || format!("{counters:?}"))
}

/// Starts this program as a card, in another process, and waits until it says that it is where it should be.
fn child(mode: &str) -> Result<(Child, u32), String> {
    let program = std::env::current_exe().map_err(text)?;
    let mut child = Command::new(program)
        .args(["card", mode])
        .arg(slot(2))
        .stdout(Stdio::piped())
        .spawn()
        .map_err(text)?;
    let mut line = String::new();
    if let Some(output) = child.stdout.take() {
        BufReader::new(output).read_line(&mut line).map_err(text)?;
    }
    let number = line
        .trim()
        .parse()
        .map_err(|_| format!("the card says {line:?}"))?;
    Ok((child, number))
}

/// What a child does: prints its host's number when it is where it should be, and stays there.
pub(crate) fn run_child(mode: &str, path: &Path) -> Check {
    // Longer than the parent waits: what ends the command is the death, not the deadline.
    let limits = Limits {
        deadline: Some(Duration::from_secs(60)),
        ..Limits::default()
    };
    let holding = mode == "hold";
    let card = serve(path, &limits, move |device, event, commands| {
        if let Event::Command(_) = event {
            if holding && commands == 15 {
                println!("{}", device.host());
                loop {
                    std::thread::park();
                }
            }
        }
        Ok(())
    })?;
    if !holding {
        card.wait_until_found()?;
        println!("{}", card.host);
    }
    loop {
        std::thread::park();
    }
}

fn kill(mode: &str) -> Check {
    let (mut child, number) = child(mode)?;
    let there = host(number).exists();
    let started = Instant::now();
    child.kill().map_err(text)?;
    child.wait().map_err(text)?;
    ensure(there, || "there was no host".to_owned())?;
    wait_until("the host does not go", || !host(number).exists())?;
    ensure(started.elapsed() < Duration::from_secs(2), || {
        format!("the host went after {:?}", started.elapsed())
    })?;
    let card = plain(&slot(2))?;
    card.wait_until_found()?;
    card.take_out().map(drop)
}

fn killed_in_a_command() -> Check {
    kill("hold")
}

fn killed_while_waiting() -> Check {
    kill("serve")
}

fn readable(device: &Device, timeout: Duration) -> bool {
    let mut poll = libc::pollfd {
        fd: device.as_fd().as_raw_fd(),
        events: libc::POLLIN,
        revents: 0,
    };
    let timeout = i32::try_from(timeout.as_millis()).unwrap_or(i32::MAX);
    // SAFETY: One `pollfd`, which outlives the call.
    let ready = unsafe { libc::poll(&mut poll, 1, timeout) };
    ready == 1 && poll.revents & libc::POLLIN != 0
}

fn poll_timeouts_and_wake() -> Check {
    let mut device = Device::open(slot(0), &Limits::default()).map_err(text)?;
    ensure(readable(&device, Duration::from_secs(5)), || {
        "nothing to read although the core looks for a card".to_owned()
    })?;
    until_given_up(&mut device, Status::CommandTimeout)?;
    ensure(!readable(&device, Duration::ZERO), || {
        "something to read from an idle card".to_owned()
    })?;

    let started = Instant::now();
    let event = device
        .exchange(None, Wait::For(Duration::from_millis(50)))
        .map_err(text)?;
    let waited = started.elapsed();
    ensure(
        event == Event::Nothing
            && (Duration::from_millis(50)..Duration::from_millis(500)).contains(&waited),
        || format!("waited {waited:?} for {event:?}"),
    )?;

    let interrupt = device.interrupt();
    let thread = std::thread::spawn(move || {
        std::thread::sleep(Duration::from_millis(50));
        interrupt.set(true)?;
        interrupt.set(false)?;
        interrupt.wake()?;
        Ok(interrupt)
    });
    let event = device.exchange(None, Wait::Forever).map_err(text)?;
    ensure(event == Event::Nothing, || format!("woken for {event:?}"))?;
    let interrupt = thread
        .join()
        .map_err(|_| "panicked".to_owned())?
        .map_err(|error: Error| text(error))?;
    drop(device);
    match interrupt.set(true) {
        Err(Error::Gone) => Ok(()),
        other => Err(format!("interrupt without card: {other:?}")),
    }
}

fn module_stays_while_open() -> Check {
    let card = plain(&slot(0))?;
    card.wait_until_found()?;
    let references = read(Path::new("/sys/module/vsdio/refcnt"))?;
    card.take_out()?;
    let free = read(Path::new("/sys/module/vsdio/refcnt"))?;
    ensure(references != "0" && free == "0", || {
        format!("{references} references while open, {free} after")
    })
}
