// SPDX-License-Identifier: GPL-2.0-only

//! The device file: putting the card in, answering, interrupting.

use crate::command::{level, Answer, Bus, Counters, Event};
use crate::mapping::Mapping;
use crate::{abi, Error, Limits};
use std::fs::OpenOptions;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::path::Path;
use std::sync::{Arc, Weak};
use std::time::Duration;

/// How long an exchange waits for the next event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wait {
    /// Not at all.
    No,
    /// At most so long. The kernel's timers decide how exact that is.
    For(Duration),
    /// Until there is one.
    Forever,
}

impl Wait {
    fn nanoseconds(self) -> u64 {
        match self {
            Self::No => 0,
            Self::For(duration) => {
                u64::try_from(duration.as_nanos()).unwrap_or(abi::WAIT_FOREVER - 1)
            }
            Self::Forever => abi::WAIT_FOREVER,
        }
    }
}

/// A card in its slot. Dropping it takes the card out.
pub struct Device {
    // Unmapped before the file is closed: a mapping keeps the file, and with it the card.
    mapping: Mapping,
    file: Arc<OwnedFd>,
    host: u32,
    bus: Bus,
    counters: Counters,
}

impl Device {
    /// Opens a device file and puts the card in. The kernel begins to enumerate it at once.
    ///
    /// # Errors
    ///
    /// [`Error::Open`], [`Error::InUse`], [`Error::Version`], [`Error::Limits`], or [`Error::System`] when the kernel
    /// lacks memory.
    pub fn open(path: impl AsRef<Path>, limits: &Limits) -> Result<Self, Error> {
        Self::open_as_version(path, limits, abi::PROTOCOL_VERSION)
    }

    /// As [`open`](Self::open), but says that it speaks another version. For tests of the kernel module.
    #[doc(hidden)]
    pub fn open_as_version(
        path: impl AsRef<Path>,
        limits: &Limits,
        version: u32,
    ) -> Result<Self, Error> {
        let path = path.as_ref();
        let file = OpenOptions::new().read(true).write(true).open(path);
        let file = OwnedFd::from(file.map_err(|error| match error.raw_os_error() {
            Some(libc::EBUSY) => Error::InUse(path.to_owned()),
            _ => Error::Open {
                path: path.to_owned(),
                error,
            },
        })?);
        let mapping = Mapping::new(file.as_fd())?;
        let mut insert = abi::Insert {
            version,
            ..limits.insert()
        };
        let argument: *mut abi::Insert = &mut insert;
        // SAFETY: `INSERT` reads and writes one `Insert`, which outlives the call.
        let result = unsafe { libc::ioctl(file.as_raw_fd(), abi::INSERT as _, argument) };
        check(result).map_err(|error| match error.raw_os_error() {
            Some(libc::EPROTONOSUPPORT) => Error::Version,
            Some(libc::EINVAL) => Error::Limits,
            _ => Error::System {
                what: "putting the card in",
                error,
            },
        })?;
        Ok(Self {
            mapping,
            file: Arc::new(file),
            host: insert.host,
            bus: Bus::default(),
            counters: Counters::default(),
        })
    }

    /// Number N of the kernel's host: the card will be `/sys/class/mmc_host/mmcN/mmcN:*`.
    pub fn host(&self) -> u32 {
        self.host
    }

    /// Ends a command, if there is an answer, and waits for what comes next. One system call.
    ///
    /// For a read the data has to lie at the start of [`data_mut`](Self::data_mut) by now.
    ///
    /// # Errors
    ///
    /// An answer may be refused: [`Error::Stale`] (the command is over; carry on with the next exchange),
    /// [`Error::Length`] and [`Error::Refused`] (the command still waits). Nothing of a refused answer has effect, not
    /// even its interrupt, and the call does not wait. [`Error::System`] means that the device is broken.
    pub fn exchange(&mut self, answer: Option<Answer>, wait: Wait) -> Result<Event, Error> {
        let answer = answer.map_or_else(abi::Answer::default, |answer| answer.raw());
        self.exchange_raw(answer, wait)
    }

    /// Sets the level of the card's interrupt and waits for what comes next, as [`exchange`](Self::exchange) without an
    /// answer. One system call, where [`Interrupt::set`] would be a second.
    ///
    /// # Errors
    ///
    /// As above.
    pub fn exchange_interrupt(&mut self, asserted: bool, wait: Wait) -> Result<Event, Error> {
        let answer = abi::Answer {
            interrupt: crate::command::level(asserted),
            ..abi::Answer::default()
        };
        self.exchange_raw(answer, wait)
    }

    fn exchange_raw(&mut self, answer: abi::Answer, wait: Wait) -> Result<Event, Error> {
        let mut exchange = abi::Exchange {
            answer: abi::Answer {
                timeout_ns: wait.nanoseconds(),
                ..answer
            },
            event: abi::Event::default(),
        };
        let argument: *mut abi::Exchange = &mut exchange;
        // SAFETY: `EXCHANGE` reads and writes one `Exchange`, which outlives the call, and the data area, which
        // nothing borrows because `self` is borrowed exclusively.
        let result = unsafe { libc::ioctl(self.file.as_raw_fd(), abi::EXCHANGE as _, argument) };
        check(result).map_err(|error| match error.raw_os_error() {
            Some(libc::ESTALE) => Error::Stale,
            Some(libc::EMSGSIZE) => Error::Length,
            Some(libc::EINVAL) => Error::Refused,
            Some(libc::EBUSY) => Error::Busy,
            _ => Error::System {
                what: "exchanging with vsdio.ko",
                error,
            },
        })?;
        self.bus = Bus::from_raw(&exchange.event.bus);
        self.counters = Counters {
            expired: exchange.event.expired,
            refused: exchange.event.refused,
        };
        Ok(Event::from_raw(&exchange.event))
    }

    /// The data area, [`abi::DATA_SIZE`] bytes: after a write command its data, from the start.
    pub fn data(&self) -> &[u8] {
        self.mapping.bytes()
    }

    /// The data area, to be filled from its start before a read command is answered.
    pub fn data_mut(&mut self) -> &mut [u8] {
        self.mapping.bytes_mut()
    }

    /// The bus as of the last exchange.
    pub fn bus(&self) -> Bus {
        self.bus
    }

    /// What went wrong, as of the last exchange.
    pub fn counters(&self) -> Counters {
        self.counters
    }

    /// A handle to the card's interrupt for other threads.
    pub fn interrupt(&self) -> Interrupt {
        Interrupt {
            file: Arc::downgrade(&self.file),
        }
    }
}

impl AsFd for Device {
    /// For `poll`: readable when a command or a change of the bus waits.
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }
}

/// The card's interrupt line, for any thread. Does not keep the card in its slot.
#[derive(Clone, Debug)]
pub struct Interrupt {
    file: Weak<OwnedFd>,
}

impl Interrupt {
    /// Asserts the interrupt, or ends it. It is a level: as long as it is asserted the kernel's handler is called
    /// again each time it has returned.
    ///
    /// # Errors
    ///
    /// [`Error::Gone`] when the card was taken out.
    pub fn set(&self, asserted: bool) -> Result<(), Error> {
        self.ring(level(asserted))
    }

    /// Makes an [`exchange`](Device::exchange) that waits, or the next one that would, return [`Event::Nothing`].
    ///
    /// # Errors
    ///
    /// As [`set`](Self::set).
    pub fn wake(&self) -> Result<(), Error> {
        self.ring(abi::INTERRUPT_WAKE)
    }

    fn ring(&self, argument: u32) -> Result<(), Error> {
        let file = self.file.upgrade().ok_or(Error::Gone)?;
        let argument = libc::c_ulong::from(argument);
        // SAFETY: The argument of `INTERRUPT` is a number; no memory is touched.
        let result = unsafe { libc::ioctl(file.as_raw_fd(), abi::INTERRUPT as _, argument) };
        check(result).map_err(|error| Error::System {
            what: "setting the interrupt",
            error,
        })
    }
}

fn check(result: libc::c_int) -> io::Result<()> {
    if result < 0 {
        Err(io::Error::last_os_error())
    } else {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_wait_is_not_for_ever() {
        assert_eq!(Wait::No.nanoseconds(), 0);
        assert_eq!(Wait::For(Duration::from_micros(3)).nanoseconds(), 3_000);
        assert_eq!(
            Wait::For(Duration::MAX).nanoseconds(),
            abi::WAIT_FOREVER - 1
        );
        assert_eq!(Wait::Forever.nanoseconds(), abi::WAIT_FOREVER);
    }

    #[test]
    fn a_device_that_is_not_there_is_named() {
        let error = Device::open("/nonexistent/vsdio0", &Limits::default())
            .err()
            .map(|error| error.to_string());
        assert_eq!(
            error.as_deref(),
            Some("cannot open /nonexistent/vsdio0: No such file or directory (os error 2)")
        );
    }
}
