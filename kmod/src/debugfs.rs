// SPDX-License-Identifier: GPL-2.0-only

//! The folder `bes2600-DEVICE` in debugfs.
//!
//! | file | what |
//! |---|---|
//! | `state` | where the device stands, its interfaces and keys, what keeps the chip awake |
//! | `counters` | frames by access category, scans and joins, bus, hand-overs |
//! | `queues` | frames that wait in the host, credits of the chip |
//! | `in_flight` | frames inside the chip: packet id, age |
//! | `anomalies` | what was not as it should be: how often, and the last of them with their time |
//! | `messages` | the last messages to and from the chip that were not frames |
//! | `recovery` | the recovery ladder: each rung with its counter and last reason; the name of a rung, written to it, tries it |
//! | `diagnosis` | what is wrong if throughput collapses, and what speaks for it |
//! | `dump` | the last core dump |
//!
//! Only the owner of the bus knows all that. Whoever reads a file asks it, and waits for the answer, at most for two
//! seconds.

use crate::abstractions::completion::Once;
use crate::bus::Driver;
use crate::calls::{Calls, Owned};
use crate::stack::{MacStack, StackCounters};
use bes_hal::{Duration, Instant};
use bes_mac80211::queue::FifoId;
use bes_mac80211::recovery::Rung;
use bes_mac80211::request::Request;
use bes_wsm::wire::InterfaceId;
use core::fmt::{self, Write as _};
use core::sync::atomic::Ordering;
use kernel::alloc::KVVec;
use kernel::debugfs::{Dir, File};
use kernel::device::Device;
use kernel::prelude::*;
use kernel::str::CString;
use kernel::sync::{new_mutex, Arc, Mutex};
use kernel::uaccess::UserSliceReader;

/// How long a reader waits for the owner.
const LIMIT: Duration = Duration::from_secs(2);

/// How long somebody who asks for a rung waits for its end: it may load the firmware.
const RECOVERY_LIMIT: Duration = Duration::from_secs(40);

/// A file of the folder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Page {
    /// `state`.
    State,
    /// `counters`.
    Counters,
    /// `queues`.
    Queues,
    /// `in_flight`.
    InFlight,
    /// `anomalies`.
    Anomalies,
    /// `messages`.
    Messages,
    /// `recovery`.
    Recovery,
    /// `diagnosis`.
    Diagnosis,
    /// `dump`.
    Dump,
}

/// Text of a page. What does not fit into memory is left out.
struct Text(KVVec<u8>);

impl fmt::Write for Text {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.0
            .extend_from_slice(text.as_bytes(), GFP_KERNEL)
            .map_err(|_| fmt::Error)
    }
}

/// Somebody reads a page.
#[pin_data]
pub(crate) struct Inspection {
    page: Page,
    #[pin]
    done: Once,
    #[pin]
    text: Mutex<Text>,
}

impl Inspection {
    fn new(page: Page) -> Result<Arc<Self>> {
        Arc::pin_init(
            pin_init!(Self {
                page,
                done <- Once::new(),
                text <- new_mutex!(Text(KVVec::new()), "bes2600::page"),
            }),
            GFP_KERNEL,
        )
    }

    /// The owner: writes the page.
    pub(crate) fn answer(
        &self,
        driver: &Driver<MacStack>,
        counters: &StackCounters,
        calls: &Calls,
        now: Instant,
    ) {
        {
            let mut text = self.text.lock();
            // Out of memory: the reader sees what there is.
            let _cut = write_page(self.page, &mut text, driver, counters, calls, now);
        }
        self.done.happen();
    }

    /// Nobody will answer.
    pub(crate) fn refuse(&self) {
        self.done.happen();
    }
}

fn write_page(
    page: Page,
    out: &mut Text,
    driver: &Driver<MacStack>,
    stack: &StackCounters,
    calls: &Calls,
    now: Instant,
) -> fmt::Result {
    let bottom_half = driver.bottom_half();
    match page {
        Page::State => {
            writeln!(out, "time {now}")?;
            writeln!(out, "device {}", driver.state())?;
            for id in InterfaceId::ALL {
                if let Some(vif) = driver.interface(id) {
                    writeln!(out, "interface {id}: {:?}, {:?}", vif.kind, vif.connection)?;
                }
            }
            writeln!(out, "scan {:?}", driver.scan().phase())?;
            for refusal in driver.refused_channels().iter() {
                writeln!(out, "scan: {refusal}")?;
            }
            for (slot, key) in driver.keys().iter() {
                writeln!(out, "key {slot}: {key:?}")?;
            }
            for entry in driver.power_ledger().entries(now) {
                writeln!(out, "awake for {entry}")?;
            }
        }
        Page::Counters => {
            writeln!(out, "frames down: {:?}", driver.statistics().tx_total())?;
            for id in InterfaceId::ALL {
                if driver.interface(id).is_some() {
                    for fifo in FifoId::all().filter(|fifo| fifo.interface == id) {
                        writeln!(out, "  {fifo}: {:?}", driver.statistics().tx(fifo))?;
                    }
                }
            }
            writeln!(out, "frames up: {:?}", driver.statistics().rx_total())?;
            writeln!(
                out,
                "frames up, dropped: {}",
                driver.statistics().rx_dropped()
            )?;
            writeln!(out, "stack: {stack:?}")?;
            let refused = calls.counters.frames_refused.load(Ordering::Relaxed);
            let timeouts = calls.counters.timeouts.load(Ordering::Relaxed);
            let failures = calls.counters.failures.load(Ordering::Relaxed);
            writeln!(
                out,
                "entrance: {refused} frames refused, {timeouts} requests timed out, {failures} unattended requests failed"
            )?;
            writeln!(out, "control: {:?}", driver.control_statistics())?;
            writeln!(out, "messages: {:?}", bottom_half.stats())?;
            writeln!(out, "bus: {:?}", driver.transport().stats())?;
        }
        Page::Queues => {
            let window = bottom_half.window();
            writeln!(
                out,
                "credits: {} of {} in use, {} free for frames, {} leaked",
                window.outstanding(),
                window.capacity(),
                window.free_for_data(),
                bottom_half.leaked_credits()
            )?;
            writeln!(out, "waiting: {}", driver.queued_frames())?;
            for fifo in FifoId::all() {
                if driver.interface(fifo.interface).is_some() {
                    writeln!(out, "  {fifo}: {}", driver.waiting(fifo))?;
                }
            }
        }
        Page::InFlight => {
            writeln!(out, "{} frames", bottom_half.in_flight())?;
            for (packet, sent_at, returned) in bottom_half.in_flight_table() {
                let age = now.since(sent_at).as_micros();
                let note = if returned { ", given back" } else { "" };
                writeln!(out, "{packet:#010x}: {age} us{note}")?;
            }
        }
        Page::Anomalies => {
            for (kind, count) in driver.anomalies().iter() {
                writeln!(out, "{count:8} {kind}")?;
            }
            for record in driver.anomalies().records() {
                writeln!(out, "{} {}", record.at, record.anomaly)?;
            }
        }
        Page::Messages => {
            for logged in bottom_half.messages().iter() {
                writeln!(out, "{logged}")?;
            }
        }
        Page::Recovery => write!(out, "{}", driver.recovery())?,
        Page::Diagnosis => write!(out, "{}", driver.diagnosis())?,
        Page::Dump => {
            let text = driver.core_dump().map_or(&[][..], |(_, text)| text);
            out.write_str(core::str::from_utf8(text).unwrap_or("not text\n"))?;
        }
    }
    Ok(())
}

/// What a file shows.
struct Target {
    calls: Arc<Calls>,
    page: Page,
}

fn show(target: &Target, f: &mut kernel::fmt::Formatter<'_>) -> kernel::fmt::Result {
    let read = || {
        let inspection = Inspection::new(target.page)?;
        target.calls.inspect(inspection.clone())?;
        inspection.done.wait(LIMIT)?;
        Ok::<_, Error>(inspection)
    };
    match read() {
        Ok(inspection) => {
            let text = inspection.text.lock();
            f.write_str(core::str::from_utf8(&text.0).unwrap_or("not text\n"))
        }
        Err(error) => writeln!(f, "no answer: error {}", error.to_errno()),
    }
}

/// Longest name of a rung that is looked at.
const NAME: usize = 32;

/// Tries the rung whose name is written, and waits for its end.
fn recover(target: &Target, from: &mut UserSliceReader) -> Result {
    let mut name = [0; NAME];
    let len = from.len();
    let name = name.get_mut(..len).ok_or(EINVAL)?;
    from.read_slice(name)?;
    let name = core::str::from_utf8(name).map_err(|_| EINVAL)?;
    let rung = Rung::named(name.trim()).ok_or(EINVAL)?;
    let request = Owned::Plain(Request::Recover(rung));
    target
        .calls
        .ask_outside(request, RECOVERY_LIMIT)
        .map(|_done| ())
}

/// The folder. It goes when this value is dropped.
#[pin_data]
pub(crate) struct Folder {
    #[pin]
    state: File<Target>,
    #[pin]
    counters: File<Target>,
    #[pin]
    queues: File<Target>,
    #[pin]
    in_flight: File<Target>,
    #[pin]
    anomalies: File<Target>,
    #[pin]
    messages: File<Target>,
    #[pin]
    recovery: File<Target>,
    #[pin]
    diagnosis: File<Target>,
    #[pin]
    dump: File<Target>,
}

impl Folder {
    /// The folder of a device. A kernel without debugfs has none, which is no error.
    ///
    /// # Errors
    ///
    /// [`ENOMEM`].
    pub(crate) fn new(device: &Device, calls: &Arc<Calls>) -> Result<Pin<KBox<Self>>> {
        let name = CString::try_from_fmt(fmt!("bes2600-{}", device.name()))?;
        let dir = Dir::new(&name);
        let target = |page| Target {
            calls: calls.clone(),
            page,
        };
        KBox::pin_init(
            pin_init!(Self {
                state <- dir.read_callback_file(c"state", target(Page::State), &show),
                counters <- dir.read_callback_file(c"counters", target(Page::Counters), &show),
                queues <- dir.read_callback_file(c"queues", target(Page::Queues), &show),
                in_flight <- dir.read_callback_file(c"in_flight", target(Page::InFlight), &show),
                anomalies <- dir.read_callback_file(c"anomalies", target(Page::Anomalies), &show),
                messages <- dir.read_callback_file(c"messages", target(Page::Messages), &show),
                recovery <- dir.read_write_callback_file(
                    c"recovery",
                    target(Page::Recovery),
                    &show,
                    &recover
                ),
                diagnosis <- dir.read_callback_file(c"diagnosis", target(Page::Diagnosis), &show),
                dump <- dir.read_callback_file(c"dump", target(Page::Dump), &show),
            }),
            GFP_KERNEL,
        )
    }
}
