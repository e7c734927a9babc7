// SPDX-License-Identifier: GPL-2.0-only

//! Checks with what the library does not let a process do.

use crate::checks::{ensure, slot, text};
use crate::serve::Check;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::time::Duration;
use vsdio_device::{abi, Device, Limits, Wait};

/// Rounds of [`nonsense`].
const ROUNDS: u32 = 20_000;

/// Any sequence will do, as long as it is the same each time (a full-period generator modulo 2^32).
pub(crate) struct Random(u32);

impl Random {
    /// From the start.
    pub(crate) fn new() -> Self {
        Self(1)
    }

    /// A number below `below`.
    pub(crate) fn below(&mut self, below: u32) -> u32 {
        self.0 = self.0.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (self.0 >> 8) % below
    }

    /// A number that has hurt somebody before.
    fn edge(&mut self) -> u32 {
        const EDGES: [u32; 9] = [0, 1, 2, 5, 6, 511, 512, 0x8000_0000, u32::MAX];
        let chosen = self.below(12) as usize;
        EDGES.get(chosen).copied().unwrap_or(self.0)
    }
}

fn ioctl(device: BorrowedFd<'_>, request: u32, argument: usize) -> io::Result<()> {
    // SAFETY: The callers pass a number, an address that is not mapped, or that of a structure of the right size which
    // outlives the call. The data area is not borrowed.
    let result = unsafe { libc::ioctl(device.as_raw_fd(), request as _, argument) };
    if result < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(())
}

fn exchange(device: BorrowedFd<'_>, exchange: &mut abi::Exchange) -> io::Result<()> {
    let argument: *mut abi::Exchange = exchange;
    ioctl(device, abi::EXCHANGE, argument as usize)
}

fn fails_with(result: io::Result<()>, errno: i32, what: &str) -> Check {
    match result {
        Err(error) if error.raw_os_error() == Some(errno) => Ok(()),
        other => Err(format!("{what}: {other:?}")),
    }
}

/// Bad pointers, unknown commands, and answers of which nearly all are wrong.
pub(crate) fn nonsense() -> Check {
    let limits = Limits {
        deadline: Some(Duration::from_millis(20)),
        ..Limits::default()
    };
    let mut random = Random::new();
    let (mut taken, mut refused) = (0_u32, 0_u32);
    let mut last_id = 0;
    let mut device = Device::open(slot(3), &limits).map_err(text)?;
    for round in 0..ROUNDS {
        // The core gives up a card that answers nonsense.
        if round % 500 == 499 {
            drop(device);
            device = Device::open(slot(3), &limits).map_err(text)?;
        }
        let fd = device.as_fd();
        match random.below(64) {
            0 => fails_with(ioctl(fd, abi::EXCHANGE, 0), libc::EFAULT, "null")?,
            1 => fails_with(
                ioctl(fd, abi::EXCHANGE, usize::MAX - 7),
                libc::EFAULT,
                "the end",
            )?,
            2 => fails_with(
                ioctl(fd, abi::INSERT, 8),
                libc::EFAULT,
                "a card from nowhere",
            )?,
            3 => fails_with(ioctl(fd, abi::INTERRUPT, 3), libc::EINVAL, "a third level")?,
            4 => fails_with(
                ioctl(fd, abi::INTERRUPT, usize::MAX),
                libc::EINVAL,
                "all levels",
            )?,
            5 => fails_with(ioctl(fd, abi::INTERRUPT + 1, 0), libc::ENOTTY, "unknown")?,
            6 => ioctl(fd, abi::INTERRUPT, abi::INTERRUPT_HIGH as usize).map_err(text)?,
            7 => ioctl(fd, abi::INTERRUPT, abi::INTERRUPT_LOW as usize).map_err(text)?,
            _ => {
                // About every second field is right, so that some answers are.
                let status = random.below(7);
                let answer = abi::Answer {
                    id: match (status, random.below(2)) {
                        (abi::STATUS_NONE, 0) => 0,
                        (_, 0) => last_id,
                        _ => random.below(40).into(),
                    },
                    timeout_ns: u64::from(random.below(3)) * 300_000,
                    status,
                    length: if random.below(2) == 0 {
                        0
                    } else {
                        random.edge()
                    },
                    response: [0x1000 | random.below(256), random.edge(), 0, random.edge()],
                    interrupt: random.below(13) / 4,
                    reserved: random.below(8) / 7,
                };
                let mut both = abi::Exchange {
                    answer,
                    event: abi::Event::default(),
                };
                match exchange(fd, &mut both).map_err(|error| error.raw_os_error()) {
                    Ok(()) => {
                        taken += 1;
                        if both.event.id != 0 {
                            last_id = both.event.id;
                        }
                    }
                    Err(Some(libc::ESTALE | libc::EINVAL | libc::EMSGSIZE)) => refused += 1,
                    Err(error) => return Err(format!("{answer:?}: error {error:?}")),
                }
            }
        }
    }
    ensure(taken > ROUNDS / 50 && refused > ROUNDS / 50, || {
        format!("{taken} taken, {refused} refused: too uniform")
    })
}

/// The library needs the device exclusively for an exchange; the kernel does not rely on that.
pub(crate) fn two_exchanges() -> Check {
    let mut device = Device::open(slot(0), &Limits::default()).map_err(text)?;
    let other = device.as_fd().try_clone_to_owned().map_err(text)?;
    let interrupt = device.interrupt();
    let thread = std::thread::spawn(move || {
        std::thread::sleep(Duration::from_millis(100));
        let second = exchange(other.as_fd(), &mut abi::Exchange::default());
        drop(other);
        interrupt.wake().map_err(text)?;
        fails_with(second, libc::EBUSY, "a second exchange")
    });
    // Nobody answers the core: after its first command there is nothing but to wait.
    while device.exchange(None, Wait::Forever).map_err(text)? != vsdio_device::Event::Nothing {}
    thread.join().map_err(|_| "panicked".to_owned())?
}
