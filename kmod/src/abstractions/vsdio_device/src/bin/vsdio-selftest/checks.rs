// SPDX-License-Identifier: GPL-2.0-only

//! The list of checks, and those of slots and enumeration. Each leaves its slots empty.

use crate::serve::{function, host, plain, read, serve, Check};
use crate::{answers, hostile, lives};
use std::path::{Path, PathBuf};
use std::time::Duration;
use vsdio_device::{Device, Error, Limits, Power};

/// The device file of a slot.
pub(crate) fn slot(number: u32) -> PathBuf {
    PathBuf::from(format!("/dev/vsdio{number}"))
}

/// A check with what it shows.
pub(crate) type Named = (&'static str, fn() -> Check);

/// All checks.
pub(crate) const CHECKS: [Named; 21] = [
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
        answers::wrong_answers_are_refused,
    ),
    (
        "errors of the bus reach the core, which tries again",
        answers::bus_errors_are_retried,
    ),
    (
        "an empty slot is given up at once",
        answers::empty_slot_is_quick,
    ),
    (
        "a late answer is refused and counted",
        answers::late_answer_is_refused,
    ),
    (
        "a process that never answers costs one deadline",
        answers::never_answering_costs_one_deadline,
    ),
    (
        "a process killed in a command takes its card along",
        lives::killed_in_a_command,
    ),
    (
        "a process killed while it waits takes its card along",
        lives::killed_while_waiting,
    ),
    ("poll, timeouts and wake", answers::poll_timeouts_and_wake),
    ("nonsense is refused and harms nothing", hostile::nonsense),
    (
        "two threads do not exchange at once",
        hostile::two_exchanges,
    ),
    (
        "a card without a driver is switched off if it may be",
        lives::switched_off_unused,
    ),
    ("deadline, answer and removal may race", lives::races),
    ("a card sleeps and wakes up", lives::sleep_and_wake),
    (
        "the module stays while a slot is open",
        module_stays_while_open,
    ),
];

/// An error as text.
pub(crate) fn text(error: impl std::fmt::Display) -> String {
    error.to_string()
}

/// Fails unless.
pub(crate) fn ensure(condition: bool, failure: impl FnOnce() -> String) -> Check {
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
