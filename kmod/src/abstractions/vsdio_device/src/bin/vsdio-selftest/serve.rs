// SPDX-License-Identifier: GPL-2.0-only

//! A card in a thread, and what sysfs says of it.

use crate::card::{Card, DEVICE, VENDOR};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use vsdio_device::{Bus, Counters, Device, Event, Interrupt, Limits, Wait};

/// How checks fail.
pub(crate) type Check = Result<(), String>;

/// More than any step needs.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// A card that answers.
pub(crate) struct Served {
    /// Number of its host.
    pub(crate) host: u32,
    stop: Arc<AtomicBool>,
    interrupt: Interrupt,
    thread: JoinHandle<Result<Summary, String>>,
}

/// What a card saw.
pub(crate) struct Summary {
    pub(crate) commands: u32,
    pub(crate) bus: Bus,
    pub(crate) counters: Counters,
}

/// Puts a card in that answers all commands, each after `before` has seen it.
pub(crate) fn serve(
    path: &Path,
    limits: &Limits,
    mut before: impl FnMut(&mut Device, &mut Event, u32) -> Check + Send + 'static,
) -> Result<Served, String> {
    let mut device = Device::open(path, limits).map_err(|error| error.to_string())?;
    let host = device.host();
    let interrupt = device.interrupt();
    let stop = Arc::new(AtomicBool::new(false));
    let stopped = Arc::clone(&stop);
    let thread = std::thread::spawn(move || {
        let mut card = Card::new();
        let mut answer = None;
        while !stopped.load(Ordering::Acquire) {
            let mut event = device
                .exchange(answer.take(), Wait::Forever)
                .map_err(|error| error.to_string())?;
            before(&mut device, &mut event, card.commands)?;
            match event {
                Event::Command(command) => {
                    answer = Some(card.handle_command(&command, device.data_mut()));
                }
                Event::Bus(bus) => card.handle_bus(&bus),
                Event::Nothing => {}
            }
        }
        Ok(Summary {
            commands: card.commands,
            bus: device.bus(),
            counters: device.counters(),
        })
    });
    Ok(Served {
        host,
        stop,
        interrupt,
        thread,
    })
}

/// Puts an ordinary card in.
pub(crate) fn plain(path: &Path) -> Result<Served, String> {
    serve(path, &Limits::default(), |_, _, _| Ok(()))
}

impl Served {
    /// Waits until the kernel has found the card and its function.
    pub(crate) fn wait_until_found(&self) -> Check {
        let started = Instant::now();
        let function = function(self.host);
        wait_until("the card is not found", || function.join("vendor").exists())?;
        for (file, expected) in [("vendor", VENDOR), ("device", DEVICE)] {
            let text = read(&function.join(file))?;
            if text != format!("{expected:#06x}") {
                return Err(format!("{file} of the function is {text}"));
            }
        }
        if started.elapsed() > Duration::from_secs(5) {
            return Err(format!("found after {:?} only", started.elapsed()));
        }
        Ok(())
    }

    /// Takes the card out and waits until the kernel has noticed.
    pub(crate) fn take_out(self) -> Result<Summary, String> {
        self.stop.store(true, Ordering::Release);
        // An error means that the card's thread has ended and the card is out.
        let _ = self.interrupt.wake();
        let summary = self
            .thread
            .join()
            .map_err(|_| "the card's thread panicked")??;
        if host(self.host).exists() {
            return Err("the host outlives its card".to_owned());
        }
        Ok(summary)
    }
}

/// The host in sysfs.
pub(crate) fn host(number: u32) -> PathBuf {
    PathBuf::from(format!("/sys/class/mmc_host/mmc{number}"))
}

/// The card's function in sysfs.
pub(crate) fn function(number: u32) -> PathBuf {
    PathBuf::from(format!("/sys/bus/sdio/devices/mmc{number}:0001:1"))
}

/// Text of a sysfs file.
pub(crate) fn read(path: &Path) -> Result<String, String> {
    let text =
        std::fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))?;
    Ok(text.trim().to_owned())
}

/// Waits for a condition that comes with time.
pub(crate) fn wait_until(failure: &str, mut condition: impl FnMut() -> bool) -> Check {
    let started = Instant::now();
    while !condition() {
        if started.elapsed() > PATIENCE {
            return Err(format!("{failure} within {PATIENCE:?}"));
        }
        std::thread::sleep(Duration::from_millis(2));
    }
    Ok(())
}
