// SPDX-License-Identifier: GPL-2.0-only

//! Checks of answers: wrong, late, none.

use crate::checks::{ensure, slot, text};
use crate::serve::{serve, Check};
use std::os::fd::{AsFd, AsRawFd};
use std::time::{Duration, Instant};
use vsdio_device::{Answer, Device, Error, Event, Limits, Power, Status, Wait};

pub(crate) fn wrong_answers_are_refused() -> Check {
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

pub(crate) fn bus_errors_are_retried() -> Check {
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

pub(crate) fn empty_slot_is_quick() -> Check {
    let mut device = Device::open(slot(0), &Limits::default()).map_err(text)?;
    let started = Instant::now();
    until_given_up(&mut device, Status::CommandTimeout)?;
    ensure(started.elapsed() < Duration::from_secs(1), || {
        format!("given up after {:?}", started.elapsed())
    })
}

pub(crate) fn late_answer_is_refused() -> Check {
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

pub(crate) fn never_answering_costs_one_deadline() -> Check {
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

pub(crate) fn poll_timeouts_and_wake() -> Check {
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
