// SPDX-License-Identifier: GPL-2.0-only

//! Checks of how a card's life ends or is interrupted: killed processes, races, sleep.

use crate::card::Card;
use crate::checks::{ensure, slot, text};
use crate::hostile::Random;
use crate::serve::{host, plain, serve, wait_until, Check};
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use vsdio_device::{Device, Error, Event, Limits, Power, Wait};

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

pub(crate) fn killed_in_a_command() -> Check {
    kill("hold")
}

pub(crate) fn killed_while_waiting() -> Check {
    kill("serve")
}

/// Rounds of [`races`].
const RACES: u32 = 100;

/// Answers come about when the deadline passes, and the card goes at any point.
pub(crate) fn races() -> Check {
    let limits = Limits {
        // The kernel counts its deadlines in ticks of 1 to 10 ms.
        deadline: Some(Duration::from_millis(1)),
        ..Limits::default()
    };
    let mut random = Random::new();
    let (mut answered, mut stale) = (0, 0);
    for _ in 0..RACES {
        let mut device = Device::open(slot(3), &limits).map_err(text)?;
        let interrupt = device.interrupt();
        let thread = std::thread::spawn(move || {
            while interrupt
                .set(true)
                .and_then(|()| interrupt.set(false))
                .is_ok()
            {
                std::thread::yield_now();
            }
        });
        let mut card = Card::new();
        let mut answer = None;
        for _ in 0..random.below(40) {
            let late = answer.is_some();
            match device.exchange(answer.take(), Wait::For(Duration::from_millis(1))) {
                Ok(event) => {
                    answered += u32::from(late);
                    if let Event::Command(command) = event {
                        answer = Some(card.handle_command(&command, device.data_mut()));
                        // Mostly at once, sometimes around the end of the tick.
                        if random.below(4) == 0 {
                            std::thread::sleep(Duration::from_micros(random.below(12_000).into()));
                        }
                    }
                }
                Err(Error::Stale) => stale += 1,
                Err(error) => return Err(text(error)),
            }
        }
        drop(device);
        thread.join().map_err(|_| "panicked".to_owned())?;
    }
    ensure(answered > RACES && stale > 0, || {
        format!("{answered} answered, {stale} stale: no race was run")
    })
}

/// A card that nobody drives loses its power, and comes back when somebody wants it.
pub(crate) fn switched_off_unused() -> Check {
    let limits = Limits {
        power_off_unused: true,
        ..Limits::default()
    };
    let (sender, receiver) = std::sync::mpsc::channel();
    let card = serve(&slot(0), &limits, move |device, _, _| {
        // An error: nobody waits for it any more.
        let _ = sender.send(device.bus());
        Ok(())
    })?;
    card.wait_until_found()?;
    let mut found = false;
    while let Ok(bus) = receiver.recv_timeout(Duration::from_secs(5)) {
        if bus.power == Power::Off && bus.power_losses == 1 {
            found = true;
            break;
        }
    }
    card.take_out()?;
    ensure(found, || "it keeps its power".to_owned())
}

/// Drivers are suspended after processes were frozen; a card that is to be awake is asked, and answers.
pub(crate) fn sleep_and_wake() -> Check {
    let test = Path::new("/sys/power/pm_test");
    if !test.exists() {
        println!("       (this kernel has no CONFIG_PM_DEBUG: not tried)");
        return Ok(());
    }
    let limits = Limits {
        awake_in_suspend: true,
        ..Limits::default()
    };
    let card = serve(&slot(0), &limits, |_, _, _| Ok(()))?;
    card.wait_until_found()?;
    let mode = |mode: &str| std::fs::write(test, mode).map_err(text);
    mode("devices")?;
    let slept = std::fs::write("/sys/power/state", "mem").map_err(text);
    mode("none")?;
    let found = card.wait_until_found();
    let summary = card.take_out()?;
    slept?;
    found?;
    ensure(
        summary.counters.expired == 0 && summary.bus.power_losses == 1,
        || format!("{:?}, {:?}", summary.counters, summary.bus),
    )
}
