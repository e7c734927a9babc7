//! The wake line: who wants it asserted, since when it is, and that it is ever released (file 10, section 9.1).
//!
//! SDIO traffic alone does not wake a sleeping MCU, the line does (file 50, section 3, item 12). The first owner asserts
//! it and then waits 10 ms; the last one releases it, which the C driver never does (trap T13).
//!
//! | state | take | release of the last owner | time |
//! |---|---|---|---|
//! | `Released` | assert, `Settling` | | |
//! | `Settling` | | release, `Released` | `Asserted` |
//! | `Asserted` | | release, `Released` | |

use bes_hal::time::Instant;
use core::fmt;
use core::time::Duration;

/// Who may want the line asserted. C: `GPIO_WAKE_FLAG_…`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Owner {
    /// The device is kept awake.
    Mcu,
    /// Wi-Fi is being switched on.
    WifiOn,
    /// Wi-Fi is being switched off.
    WifiOff,
    /// Bluetooth is being switched on.
    BluetoothOn,
    /// Bluetooth is being switched off.
    BluetoothOff,
    /// Bluetooth is leaving low power.
    BluetoothWake,
    /// Bluetooth is entering low power.
    BluetoothSleep,
    /// The system is about to suspend.
    HostSuspend,
    /// The system is resuming.
    HostResume,
    /// A receive pass while the device may sleep.
    Receive,
    /// The boot.
    Boot,
}

impl Owner {
    /// The bit of this owner in the reference mask.
    const fn bit(self) -> u16 {
        match self {
            Self::Mcu => 1,
            Self::WifiOn => 1 << 1,
            Self::WifiOff => 1 << 2,
            Self::BluetoothOn => 1 << 3,
            Self::BluetoothOff => 1 << 4,
            Self::BluetoothWake => 1 << 5,
            Self::BluetoothSleep => 1 << 6,
            Self::HostSuspend => 1 << 7,
            Self::HostResume => 1 << 8,
            Self::Receive => 1 << 9,
            Self::Boot => 1 << 10,
        }
    }
}

/// A reference that was handled wrongly. The line is as if the call had not been made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
pub enum Anomaly {
    /// The owner has its reference already.
    #[error("wake line taken twice by {0:?}")]
    TakenTwice(Owner),
    /// The owner has no reference.
    #[error("wake line released by {0:?}, which does not hold it")]
    NotHeld(Owner),
}

/// State of the line.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum LineState {
    /// Nobody wants the MCU awake.
    #[default]
    Released,
    /// Asserted, but the MCU may not be awake before this time.
    Settling(Instant),
    /// Asserted long enough.
    Asserted,
}

impl fmt::Display for LineState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Released => f.write_str("released"),
            Self::Settling(until) => write!(f, "settling until {until}"),
            Self::Asserted => f.write_str("asserted"),
        }
    }
}

/// What the caller has to do with the physical line.
#[must_use]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Drive {
    /// Leave it.
    Keep,
    /// Assert it.
    Assert,
    /// Release it.
    Release,
}

/// The line and its owners.
#[derive(Clone, Copy, Debug, Default)]
pub struct WakeLine {
    owners: u16,
    state: LineState,
}

impl WakeLine {
    /// `owner` wants the line. `settle` is how long the chip needs to wake up.
    ///
    /// # Errors
    ///
    /// [`Anomaly::TakenTwice`].
    pub fn take(&mut self, owner: Owner, now: Instant, settle: Duration) -> Result<Drive, Anomaly> {
        if self.is_held_by(owner) {
            return Err(Anomaly::TakenTwice(owner));
        }
        let first = self.owners == 0;
        self.owners |= owner.bit();
        if !first {
            return Ok(Drive::Keep);
        }
        self.state = LineState::Settling(now.after(settle));
        Ok(Drive::Assert)
    }

    /// `owner` no longer wants the line.
    ///
    /// # Errors
    ///
    /// [`Anomaly::NotHeld`].
    pub fn release(&mut self, owner: Owner) -> Result<Drive, Anomaly> {
        if !self.is_held_by(owner) {
            return Err(Anomaly::NotHeld(owner));
        }
        self.owners &= !owner.bit();
        if self.owners != 0 {
            return Ok(Drive::Keep);
        }
        self.state = LineState::Released;
        Ok(Drive::Release)
    }

    /// Takes every reference away.
    pub fn release_all(&mut self) -> Drive {
        *self = Self::default();
        Drive::Release
    }

    /// Whether `owner` has a reference.
    pub const fn is_held_by(&self, owner: Owner) -> bool {
        self.owners & owner.bit() != 0
    }

    /// The state as of the last [`settled`](Self::settled).
    pub const fn state(&self) -> LineState {
        self.state
    }

    /// Until when the chip may not be used, if it may not at `now`; [`Instant::NEVER`] while the line is released.
    pub fn settled(&mut self, now: Instant) -> Result<(), Instant> {
        match self.state {
            LineState::Asserted => Ok(()),
            LineState::Released => Err(Instant::NEVER),
            LineState::Settling(until) if until.is_due(now) => {
                self.state = LineState::Asserted;
                Ok(())
            }
            LineState::Settling(until) => Err(until),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SETTLE: Duration = Duration::from_millis(10);

    #[test]
    fn the_first_owner_asserts_and_the_last_one_releases() {
        let mut line = WakeLine::default();
        let now = Instant::from_millis(5);
        assert_eq!(line.take(Owner::Mcu, now, SETTLE), Ok(Drive::Assert));
        assert_eq!(line.take(Owner::WifiOn, now, SETTLE), Ok(Drive::Keep));
        assert_eq!(line.release(Owner::Mcu), Ok(Drive::Keep));
        assert_eq!(line.release(Owner::WifiOn), Ok(Drive::Release));
        assert_eq!(line.state(), LineState::Released);
    }

    #[test]
    fn settles_10_ms_after_it_was_asserted() {
        let mut line = WakeLine::default();
        assert_eq!(line.settled(Instant::ZERO), Err(Instant::NEVER));
        assert_eq!(
            line.take(Owner::Boot, Instant::ZERO, SETTLE),
            Ok(Drive::Assert)
        );
        let due = Instant::from_millis(10);
        assert_eq!(line.settled(Instant::from_millis(9)), Err(due));
        // A second owner does not make it start again.
        assert_eq!(
            line.take(Owner::Mcu, Instant::from_millis(9), SETTLE),
            Ok(Drive::Keep)
        );
        assert_eq!(line.settled(due), Ok(()));
        assert_eq!(line.state(), LineState::Asserted);
    }

    #[test]
    fn taking_twice_and_releasing_what_is_not_held_are_anomalies() {
        let mut line = WakeLine::default();
        assert_eq!(
            line.release(Owner::Receive),
            Err(Anomaly::NotHeld(Owner::Receive))
        );
        assert_eq!(
            line.take(Owner::Receive, Instant::ZERO, SETTLE),
            Ok(Drive::Assert)
        );
        assert_eq!(
            line.take(Owner::Receive, Instant::ZERO, SETTLE),
            Err(Anomaly::TakenTwice(Owner::Receive))
        );
        assert_eq!(line.release(Owner::Receive), Ok(Drive::Release));
    }

    #[test]
    fn t13_release_of_all_ends_in_the_released_state() {
        let mut line = WakeLine::default();
        let _ = line.take(Owner::Mcu, Instant::ZERO, SETTLE);
        let _ = line.take(Owner::Receive, Instant::ZERO, SETTLE);
        assert_eq!(line.release_all(), Drive::Release);
        assert_eq!(line.state(), LineState::Released);
        assert!(!line.is_held_by(Owner::Mcu));
    }
}
