//! What Bluetooth is doing, for coexistence.
//!
//! An MCU indication of 16 bytes whose word (offset 12) has the fields of [`BluetoothActivity`].
//!
//! Source: file 20, section 14.2.

use super::mcu::McuIndication;
use super::prelude::*;

open_enum! {
    /// State of the classic link.
    pub enum BtState: u8 {
        /// Off.
        Shutdown = 0 => "shut down",
        /// No connection.
        Disconnected = 1 => "disconnected",
        /// Connecting.
        Connecting = 2 => "connecting",
        /// Connected, in sniff mode.
        Sniff = 3 => "connected, sniff",
        /// Connected.
        Connected = 4 => "connected",
    }
}

open_enum! {
    /// Scans of the classic link.
    pub enum BtScan: u8 {
        /// None.
        Off = 0 => "off",
        /// Page and inquiry scan.
        Both = 1 => "page and inquiry",
        /// Page scan.
        Page = 2 => "page",
        /// Inquiry scan.
        Inquiry = 3 => "inquiry",
    }
}

open_enum! {
    /// Audio of the classic link.
    pub enum BtAudio: u8 {
        /// None.
        None = 0 => "none",
        /// A2DP.
        A2dp = 1 => "A2DP",
        /// SCO.
        Sco = 2 => "SCO",
    }
}

/// What Bluetooth is doing. `raw` fields keep codes that nobody knows.
#[bitfield(u32)]
#[derive(PartialEq, Eq, Hash)]
pub struct BluetoothActivity {
    #[bits(3)]
    state_bits: u8,
    #[bits(3)]
    scan_bits: u8,
    #[bits(3)]
    audio_bits: u8,
    #[bits(2)]
    inquiry_bits: u8,
    #[bits(2)]
    le_scan_bits: u8,
    #[bits(3)]
    le_advertise_bits: u8,
    #[bits(2)]
    le_link_bits: u8,
    /// Not defined.
    #[bits(14)]
    __: u16,
}

/// Longest time that Bluetooth may be given, in µs.
const MAX_TIME_US: u32 = 80_000;

impl BluetoothActivity {
    /// State of the classic link.
    pub const fn state(self) -> BtState {
        BtState::from_raw(self.state_bits())
    }

    /// Scans of the classic link.
    pub const fn scan(self) -> BtScan {
        BtScan::from_raw(self.scan_bits())
    }

    /// Audio of the classic link, while there can be some.
    pub const fn audio(self) -> BtAudio {
        match self.state() {
            BtState::Disconnected | BtState::Connecting => BtAudio::None,
            _ => BtAudio::from_raw(self.audio_bits()),
        }
    }

    /// An inquiry is under way.
    pub const fn inquiry(self) -> bool {
        self.inquiry_bits() == 1
    }

    /// An LE scan is under way.
    pub const fn le_scan(self) -> bool {
        self.le_scan_bits() == 1
    }

    /// LE advertising is under way.
    pub const fn le_advertise(self) -> bool {
        self.le_advertise_bits() == 1
    }

    /// There is an LE link.
    pub const fn le_link(self) -> bool {
        self.le_link_bits() == 1
    }

    /// The time on air that Bluetooth needs, in µs of each 102 400 µs: the sum of the weights of what it does, at
    /// least the largest minimum, at most 80 000.
    pub fn air_time_us(self) -> u32 {
        if self.state() == BtState::Shutdown {
            return 0;
        }
        let state = match self.state() {
            BtState::Connecting => (60_000, 0),
            BtState::Sniff => (0, 20_000),
            BtState::Connected => (0, 25_000),
            BtState::Shutdown | BtState::Disconnected | BtState::Unknown(_) => (0, 0),
        };
        let scan = match self.scan() {
            BtScan::Both | BtScan::Page | BtScan::Inquiry => (0, 20_000),
            BtScan::Off | BtScan::Unknown(_) => (0, 0),
        };
        let audio = match self.audio() {
            BtAudio::A2dp => (60_000, 0),
            BtAudio::Sco => (80_000, 0),
            BtAudio::None | BtAudio::Unknown(_) => (0, 0),
        };
        let when = |active: bool, need: (u32, u32)| if active { need } else { (0, 0) };
        let needs: [(u32, u32); 7] = [
            state,
            scan,
            audio,
            when(self.inquiry(), (20_000, 30_000)),
            when(self.le_scan(), (20_000, 30_000)),
            when(self.le_advertise(), (20_000, 40_000)),
            when(self.le_link(), (0, 50_000)),
        ];
        let (sum, minimum) = needs
            .into_iter()
            .fold((0_u32, 0), |(sum, minimum), (weight, least)| {
                (sum.saturating_add(weight), least.max(minimum))
            });
        sum.max(minimum).min(MAX_TIME_US)
    }
}

/// Bluetooth does something else now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BluetoothReport {
    /// What.
    pub activity: BluetoothActivity,
}

impl BluetoothReport {
    /// Id of the message.
    pub const ID: MessageId = MessageId::BLUETOOTH_ACTIVITY;

    /// Writes the indication and returns its length. The interface is always 0.
    ///
    /// # Errors
    ///
    /// [`WireError::NoRoom`].
    pub fn emit(&self, interface: InterfaceId, out: &mut [u8]) -> Result<usize, WireError> {
        let indication = McuIndication {
            id: Self::ID,
            word: self.activity.into_bits(),
            payload: &[],
        };
        indication.emit(interface, out)
    }
}

impl Confirm<'_> for BluetoothReport {
    fn parse(message: &[u8]) -> Result<Self, WireError> {
        let indication = McuIndication::parse(open(message, Self::ID)?)?;
        Ok(Self {
            activity: BluetoothActivity::from_bits(indication.word),
        })
    }
}

impl fmt::Display for BluetoothReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "Bluetooth activity: {}, scan {}, audio {}",
            self.activity.state(),
            self.activity.scan(),
            self.activity.audio()
        )?;
        for (active, name) in [
            (self.activity.inquiry(), ", inquiry"),
            (self.activity.le_scan(), ", LE scan"),
            (self.activity.le_advertise(), ", LE advertising"),
            (self.activity.le_link(), ", LE link"),
        ] {
            if active {
                f.write_str(name)?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::check::{both_ways, round_trips};

    #[test]
    fn a_report_is_read_and_written() {
        // Connected, A2DP, LE link.
        let word = 4 | 1 << 6 | 1 << 16;
        both_ways!(
            BluetoothReport,
            16,
            [0x10, 0, 0x30, 0x0c, 0, 0, 0, 0, 0xf0, 0, 0, 0, 0x44, 0, 1, 0],
            BluetoothReport {
                activity: BluetoothActivity::from_bits(word)
            }
        );
    }

    #[test]
    fn the_time_is_the_sum_of_the_weights_within_its_limits() {
        let time = |word| BluetoothActivity::from_bits(word).air_time_us();
        assert_eq!(time(0), 0);
        assert_eq!(time(!7), 0, "shut down clears everything");
        assert_eq!(time(1), 0);
        assert_eq!(time(2), 60_000);
        assert_eq!(time(2 | 2 << 6), 60_000, "no audio while connecting");
        assert_eq!(time(3), 20_000);
        assert_eq!(time(4), 25_000);
        assert_eq!(time(4 | 1 << 6), 60_000);
        assert_eq!(time(4 | 1 << 6 | 1 << 9), 80_000);
        assert_eq!(time(4 | 2 << 6 | 1 << 9), 80_000, "never more than 80 ms");
        assert_eq!(time(1 | 1 << 13), 40_000);
        assert_eq!(time(1 | 1 << 16), 50_000);
        assert_eq!(time(1 | 1 << 9 | 1 << 11), 40_000);
    }

    round_trips!(BluetoothReport, MessageId::BLUETOOTH_ACTIVITY);
}
