//! A chip that answers arbitrarily: the honest emulated one, seen through somebody who lies when a script of bytes says
//! so. For the fuzz target `hostile_chip` and for stories.
//!
//! Whatever the script holds, the driver must not panic, must not hang, must give back every frame it was given, must
//! leak no credit, and must work again once the chip is honest.

use crate::images::{image, Images};
use crate::rig::{Rig, Setup};
use crate::scene::OPEN;
use crate::transfer::{start_download, MSDU};
use bes_hal::firmware::FirmwareFile;
use bes_hal::sdio::{Cmd53, HostLimits, SdioFunction};
use bes_hal::{Duration, Instant, SdioError};
use mock_hal::air::traffic::Pace;
use mock_hal::air::{Air, AirConfig, ApConfig, Channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// What the liar does next, byte by byte. When the bytes are used up, it is honest for ever, or goes on in episodes.
#[derive(Clone, Debug, Default)]
pub struct Script {
    lies: Arc<Mutex<Lies>>,
}

#[derive(Debug, Default)]
struct Lies {
    bytes: Vec<u8>,
    episodes: Option<Episodes>,
}

/// Long stretches of honesty and short ones of lies, in turns and for ever.
#[derive(Debug)]
struct Episodes {
    rng: fastrand::Rng,
    lying: bool,
    left: u32,
}

impl Episodes {
    fn next(&mut self) -> u8 {
        if self.left == 0 {
            self.lying = !self.lying;
            self.left = if self.lying {
                self.rng.u32(1..60)
            } else {
                self.rng.u32(1..4_000)
            };
        }
        self.left -= 1;
        // A byte of zero is honesty, whatever is asked.
        if self.lying {
            self.rng.u8(..)
        } else {
            0
        }
    }
}

impl Script {
    /// A script.
    pub fn new(bytes: &[u8]) -> Self {
        // Taken from the end, so that taking is cheap.
        let bytes = bytes.iter().rev().copied().collect();
        Self {
            lies: Arc::new(Mutex::new(Lies {
                bytes,
                episodes: None,
            })),
        }
    }

    /// A script without an end, from a seed: mostly honest, so that a driver comes far enough to be lied to everywhere.
    pub fn endless(seed: u64) -> Self {
        let episodes = Episodes {
            rng: fastrand::Rng::with_seed(seed),
            lying: true,
            left: 0,
        };
        Self {
            lies: Arc::new(Mutex::new(Lies {
                bytes: Vec::new(),
                episodes: Some(episodes),
            })),
        }
    }

    fn lies(&self) -> MutexGuard<'_, Lies> {
        self.lies.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn take(&self) -> Option<u8> {
        let mut lies = self.lies();
        let next = lies.bytes.pop();
        next.or_else(|| lies.episodes.as_mut().map(Episodes::next))
    }

    fn number(&self) -> usize {
        usize::from(self.take().unwrap_or(0)) << 8 | usize::from(self.take().unwrap_or(0))
    }

    /// Honest from now on.
    pub fn end(&self) {
        *self.lies() = Lies::default();
    }
}

/// An SDIO function seen through a liar.
pub struct Hostile<S> {
    inner: S,
    script: Script,
}

impl<S> Hostile<S> {
    /// Puts a liar in front of a function.
    pub fn new(inner: S, script: Script) -> Self {
        Self { inner, script }
    }

    fn failure(&self) -> SdioError {
        match self.script.take().unwrap_or(0) % 6 {
            0 => SdioError::Timeout,
            1 => SdioError::Busy,
            2 => SdioError::Card,
            3 => SdioError::OutOfRange,
            4 => SdioError::NoMemory,
            _ => SdioError::Crc,
        }
    }

    /// Bends bytes that came from the chip: single ones, a whole stretch, or everything.
    fn bend(&self, bytes: &mut [u8], how: u8) {
        if bytes.is_empty() {
            return;
        }
        match how % 4 {
            0 => {
                for _ in 0..=how >> 5 {
                    let at = self.script.number() % bytes.len();
                    bytes[at] = self.script.take().unwrap_or(0);
                }
            }
            1 => {
                let at = self.script.number() % bytes.len();
                for byte in bytes[at..].iter_mut().take(64) {
                    let Some(new) = self.script.take() else {
                        return;
                    };
                    *byte = new;
                }
            }
            2 => {
                for byte in bytes.iter_mut() {
                    let Some(new) = self.script.take() else {
                        return;
                    };
                    *byte = new;
                }
            }
            // The headers at the front, where lengths and ids are.
            _ => {
                let at = usize::from(self.script.take().unwrap_or(0)) % bytes.len().min(40);
                bytes[at] ^= self.script.take().unwrap_or(1);
            }
        }
    }
}

impl<S: SdioFunction> SdioFunction for Hostile<S> {
    type Buffer = S::Buffer;

    fn now(&self) -> Instant {
        self.inner.now()
    }

    fn limits(&self) -> HostLimits {
        self.inner.limits()
    }

    fn read_register(&mut self, address: u32) -> Result<u8, SdioError> {
        let honest = self.inner.read_register(address)?;
        match self.script.take() {
            Some(0xE0..=0xF7) => Ok(self.script.take().unwrap_or(honest)),
            Some(0xF8..) => Err(self.failure()),
            _ => Ok(honest),
        }
    }

    fn write_register(&mut self, address: u32, value: u8) -> Result<(), SdioError> {
        match self.script.take() {
            // Not written, and nobody told.
            Some(0xF0..=0xF7) => Ok(()),
            Some(0xF8..) => Err(self.failure()),
            _ => self.inner.write_register(address, value),
        }
    }

    fn allocate(&mut self, len: usize) -> Result<Self::Buffer, SdioError> {
        self.inner.allocate(len)
    }

    fn read_data(&mut self, command: Cmd53, buffer: &mut [u8]) -> Result<(), SdioError> {
        match self.script.take() {
            Some(0xF8..=0xFB) => return Err(self.failure()),
            Some(0xFC..) => {
                // Moved, and failed all the same.
                self.inner.read_data(command, buffer)?;
                return Err(self.failure());
            }
            Some(how @ 0xA0..) => {
                self.inner.read_data(command, buffer)?;
                self.bend(buffer, how);
                return Ok(());
            }
            _ => {}
        }
        self.inner.read_data(command, buffer)
    }

    fn write_data(&mut self, command: Cmd53, segments: &[&[u8]]) -> Result<(), SdioError> {
        match self.script.take() {
            Some(0xF0..=0xF7) => Err(self.failure()),
            Some(0xF8..) => {
                self.inner.write_data(command, segments)?;
                Err(self.failure())
            }
            _ => self.inner.write_data(command, segments),
        }
    }

    fn enable(&mut self) -> Result<(), SdioError> {
        self.inner.enable()
    }

    fn disable(&mut self) -> Result<(), SdioError> {
        self.inner.disable()
    }

    fn take_interrupt(&mut self) -> bool {
        let honest = self.inner.take_interrupt();
        match self.script.take() {
            Some(0xFF) => !honest,
            _ => honest,
        }
    }

    fn hold_tuning(&mut self, hold: bool) {
        self.inner.hold_tuning(hold);
    }

    fn abort(&mut self) -> Result<(), SdioError> {
        self.inner.abort()
    }

    fn retune(&mut self) -> Result<(), SdioError> {
        self.inner.retune()
    }

    fn set_wake_line(&mut self, asserted: bool) {
        self.inner.set_wake_line(asserted);
    }

    fn set_power(&mut self, on: bool) -> Result<(), SdioError> {
        self.inner.set_power(on)
    }
}

/// Boots, scans, joins and moves data through a chip that lies as `script` says, and asserts what must hold whatever it
/// says. Panics if it does not hold.
pub fn act(script: &[u8]) {
    let mut air = Air::new(AirConfig {
        seed: 1,
        unlimited: true,
        ..AirConfig::default()
    });
    let ap = air.add_access_point(ApConfig::open(OPEN, Channel::ht20(6)));
    let mut setup = Setup::new(air);
    // Small images: the download is a small part of what can go wrong.
    setup.images = Images::default();
    setup
        .images
        .set(FirmwareFile::Calibration, Some(image(2_000)));
    setup.images.set(FirmwareFile::Main, Some(image(9_000)));
    // What the liar makes of the messages is not the driver's fault.
    setup.card.chip.check_padding = false;
    let script = Script::new(script);
    let mut rig = Rig::with_function(setup, |function| Hostile::new(function, script.clone()));

    // Each step may fail; that is an answer. Hanging and panicking are not.
    if rig.bring_up().is_ok() && rig.scan(&[6], &[]).is_ok() && rig.connect(OPEN, None).is_ok() {
        start_download(&mut rig, ap, MSDU, Pace::Saturated);
        rig.upload = Some(crate::rig::Upload {
            msdu: MSDU,
            interval: None,
            next: rig.now(),
            made: 0,
        });
        rig.run_for(Duration::from_millis(30));
        rig.upload = None;
        rig.air(|air| air.access_point_mut(ap).stop_flow(crate::transfer::FLOW));
        rig.run_for(Duration::from_millis(30));
        let _ = rig.disconnect();
    }
    assert_eq!(
        rig.device.bottom_half().leaked_credits(),
        0,
        "credits leaked"
    );

    // The end, in whatever state this is.
    script.end();
    rig.device.shutdown(&mut rig.stack);
    let counters = rig.stack.counters;
    assert_eq!(
        counters.tx_given,
        counters.tx_acked + counters.tx_failed,
        "frames were not given back"
    );

    // And the next good traffic works.
    rig.forget();
    rig.bring_up().expect("an honest chip boots again");
    rig.scan(&[6], &[]).expect("an honest chip scans");
    rig.connect(OPEN, None).expect("an honest chip joins");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_honest_chip_needs_no_mercy() {
        act(&[]);
    }

    #[test]
    fn traffic_for_a_device_that_is_off_waits_instead_of_standing_still() {
        let mut air = Air::new(AirConfig::default());
        air.add_access_point(ApConfig::open(OPEN, Channel::ht20(6)));
        let mut rig = Rig::new(Setup::new(air));
        rig.bring_up().unwrap();
        rig.scan(&[6], &[]).unwrap();
        rig.connect(OPEN, None).unwrap();
        rig.upload = Some(crate::rig::Upload {
            msdu: MSDU,
            interval: None,
            next: rig.now(),
            made: 0,
        });
        rig.device.shutdown(&mut rig.stack);
        let start = rig.now();
        rig.run_for(Duration::from_millis(30));
        assert_eq!(rig.now().since(start), Duration::from_millis(30));
    }

    #[test]
    fn liars_of_many_kinds_neither_hang_nor_break_the_driver() {
        for seed in 0..60 {
            let mut rng = fastrand::Rng::with_seed(seed);
            let len = rng.usize(10..20_000);
            // From honest with rare lies to lies only.
            let share = rng.u8(1..=100);
            let script: Vec<u8> = (0..len)
                .map(|_| if rng.u8(..100) < share { rng.u8(..) } else { 0 })
                .collect();
            act(&script);
        }
    }
}
