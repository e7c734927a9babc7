//! Sharing the air with Bluetooth: which time shares the chip is told, and when.
//!
//! | reported | messages (W: Wi-Fi share, B: Bluetooth share, both in µs) |
//! |---|---|
//! | scan starts | {20000, 82400, 0} |
//! | connecting | {50000, 52400, 0}; on 2.4 GHz, if B is above 50000, {30000, 15000, 4} |
//! | connected | Wi-Fi status 5, {W, B, 3} |
//! | address known | {W, B, 3}; {W, B, 0} if scan or connect had frozen the shares |
//! | disconnected, scan over without a connection | {20000, 80000, 0} if anything was frozen; Wi-Fi status 0 if it was connected |
//! | Bluetooth report | {102400 - T, T, 0}, if it changed and no scan runs |
//!
//! On 5 GHz, bit 10 says that no sharing is needed. Source: file 40, section 6; file 20, section 14.1.
//!
//! The Wi-Fi share is never zero, so transmission never has to be locked for it, and nothing outlives a restart of the
//! chip (file 20, D28; file 40, P22).

use crate::ring::SmallRing;
use crate::types::Band;
use bes_wsm::wire::bluetooth::BluetoothActivity;

/// Length of the period that is shared, in microseconds.
const PERIOD: u32 = 102_400;
const DEFAULT_WIFI: u32 = 20_000;
const DEFAULT_BLUETOOTH: u32 = 80_000;
/// Least Wi-Fi share while connecting.
const CONNECT_WIFI: u32 = 50_000;
/// No sharing needed: the bands differ.
const MODE_OTHER_BAND: u32 = 1 << 10;
const MODE_CONNECTED: u32 = 3;
const MODE_CONNECTING: u32 = 4;
/// Wi-Fi status "idle" and "connected" (file 20, section 14.3).
const STATUS_IDLE: u32 = 0;
const STATUS_CONNECTED: u32 = 5;

/// A message for the chip.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CoexMessage {
    /// Time shares (EPTA).
    Shares {
        /// Wi-Fi, in microseconds.
        wifi: u32,
        /// Bluetooth, in microseconds.
        bluetooth: u32,
        /// Mode word.
        mode: u32,
    },
    /// Wi-Fi status, to the MCU.
    WifiStatus(u32),
}

/// What Wi-Fi does, as far as Bluetooth cares.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CoexState {
    /// Nothing.
    Disconnected,
    /// A scan runs.
    Scanning,
    /// A join runs.
    Connecting,
    /// Associated.
    Connected,
    /// Associated, and the IP address is known.
    GotAddress,
}

/// Coexistence of one device.
#[derive(Debug)]
pub struct Coex {
    enabled: bool,
    state: CoexState,
    other_band: bool,
    frozen_scan: u32,
    frozen_connect: u32,
    wifi: u32,
    bluetooth: u32,
    mode: u32,
    /// Air time that Bluetooth needs per period, in microseconds.
    bluetooth_time: u32,
    told_status: u32,
    told_shares: Option<CoexMessage>,
    queue: SmallRing<CoexMessage, 8>,
    dropped: u32,
}

impl Coex {
    /// Coexistence with a chip that has just started; switched off, it never says anything.
    pub fn new(enabled: bool) -> Self {
        Self {
            enabled,
            state: CoexState::Disconnected,
            other_band: false,
            frozen_scan: 0,
            frozen_connect: 0,
            wifi: DEFAULT_WIFI,
            bluetooth: DEFAULT_BLUETOOTH,
            mode: 0,
            bluetooth_time: 0,
            told_status: STATUS_IDLE,
            told_shares: None,
            queue: SmallRing::new(),
            dropped: 0,
        }
    }

    /// The chip starts anew and knows nothing (file 40, P22).
    pub fn restart(&mut self) {
        *self = Self::new(self.enabled);
    }

    /// What Wi-Fi does.
    pub const fn state(&self) -> CoexState {
        self.state
    }

    /// Air time that Bluetooth needs per period of 102.4 ms, in microseconds. Stretches the dwell of scans.
    pub const fn bluetooth_time(&self) -> u32 {
        self.bluetooth_time
    }

    /// The next message for the chip.
    pub fn poll(&mut self) -> Option<CoexMessage> {
        self.queue.pop()
    }

    /// Whether a message waits.
    pub fn has_message(&self) -> bool {
        !self.queue.is_empty()
    }

    /// A scan starts.
    pub fn handle_scan(&mut self) {
        if self.state == CoexState::Scanning {
            return;
        }
        self.state = CoexState::Scanning;
        let before = self.frozen();
        self.frozen_scan = self.wifi.min(DEFAULT_WIFI);
        let frozen = self.frozen();
        if frozen != before {
            self.shares(frozen, PERIOD.saturating_sub(frozen), 0);
        }
    }

    /// A scan is over. `connected`: the interface is associated; `address`: and knows its address.
    pub fn handle_scan_end(&mut self, connected: bool) {
        if connected {
            self.state = CoexState::Connected;
            self.handle_address();
        } else {
            self.handle_disconnected();
        }
    }

    /// A join starts.
    pub fn handle_connecting(&mut self, band: Band) {
        self.other_band = band == Band::FiveGhz;
        if self.state == CoexState::Connecting {
            return;
        }
        self.state = CoexState::Connecting;
        self.frozen_connect = self.wifi.max(CONNECT_WIFI);
        let frozen = self.frozen();
        self.shares(frozen, PERIOD.saturating_sub(frozen), 0);
        if !self.other_band && self.bluetooth > 50_000 {
            self.shares(30_000, 15_000, MODE_CONNECTING);
        }
    }

    /// The association stands.
    pub fn handle_connected(&mut self) {
        if matches!(self.state, CoexState::Connected) {
            return;
        }
        self.state = CoexState::Connected;
        self.status(STATUS_CONNECTED);
        self.shares(self.wifi, self.bluetooth, MODE_CONNECTED);
    }

    /// The interface has an IP address. Without a connection it means nothing yet.
    pub fn handle_address(&mut self) {
        if self.state != CoexState::Connected {
            return;
        }
        self.state = CoexState::GotAddress;
        let was_frozen = self.frozen() != 0;
        let (wifi, bluetooth) = if self.wifi >= DEFAULT_WIFI {
            (self.wifi, self.bluetooth)
        } else {
            (DEFAULT_WIFI, DEFAULT_BLUETOOTH)
        };
        self.shares(wifi, bluetooth, MODE_CONNECTED);
        self.frozen_scan = 0;
        self.frozen_connect = 0;
        if was_frozen {
            self.shares(self.wifi, self.bluetooth, self.mode);
        }
    }

    /// Nothing is connected any more.
    pub fn handle_disconnected(&mut self) {
        let was_frozen = self.frozen() != 0;
        self.state = CoexState::Disconnected;
        self.other_band = false;
        self.frozen_scan = 0;
        self.frozen_connect = 0;
        if was_frozen {
            self.shares(DEFAULT_WIFI, DEFAULT_BLUETOOTH, 0);
        }
        self.status(STATUS_IDLE);
    }

    /// Bluetooth reports what it does.
    pub fn handle_bluetooth(&mut self, activity: BluetoothActivity) {
        let time = activity.air_time_us();
        self.bluetooth_time = time;
        let (wifi, bluetooth) = (PERIOD.saturating_sub(time), time);
        if (wifi, bluetooth) == (self.wifi, self.bluetooth) {
            return;
        }
        self.wifi = wifi;
        self.bluetooth = bluetooth;
        self.mode = 0;
        if self.frozen_scan != 0 {
            return;
        }
        let frozen = self.frozen();
        if frozen > wifi {
            self.shares(frozen, PERIOD.saturating_sub(frozen), 0);
        } else {
            self.shares(wifi, bluetooth, 0);
        }
    }

    fn frozen(&self) -> u32 {
        self.frozen_scan.max(self.frozen_connect)
    }

    fn shares(&mut self, wifi: u32, bluetooth: u32, mode: u32) {
        let (wifi, bluetooth, mode) = if self.state == CoexState::Disconnected {
            (DEFAULT_WIFI, DEFAULT_BLUETOOTH, mode & !3)
        } else {
            (wifi, bluetooth, mode)
        };
        let mode = if self.other_band {
            mode | MODE_OTHER_BAND
        } else {
            mode
        };
        let message = CoexMessage::Shares {
            wifi,
            bluetooth,
            mode,
        };
        self.told_shares = Some(message);
        self.push(message);
    }

    fn status(&mut self, status: u32) {
        if self.told_status != status {
            self.told_status = status;
            self.push(CoexMessage::WifiStatus(status));
        }
    }

    fn push(&mut self, message: CoexMessage) {
        if !self.enabled {
            return;
        }
        // Messages only wait while other commands are under way. If they pile up, the oldest ones are out of date.
        if let Err(message) = self.queue.push(message) {
            self.dropped = self.dropped.saturating_add(1);
            let _outdated = self.queue.pop();
            let _fits_now = self.queue.push(message);
        }
    }

    /// The shares the chip was told last.
    pub const fn shares_told(&self) -> Option<CoexMessage> {
        self.told_shares
    }
}

#[cfg(test)]
#[allow(clippy::arithmetic_side_effects)]
mod tests {
    use super::*;

    fn shares(wifi: u32, bluetooth: u32, mode: u32) -> CoexMessage {
        CoexMessage::Shares {
            wifi,
            bluetooth,
            mode,
        }
    }

    fn told(coex: &mut Coex) -> Vec<CoexMessage> {
        core::iter::from_fn(|| coex.poll()).collect()
    }

    #[test]
    fn a_station_on_2_4_ghz_tells_the_shares_of_the_specification() {
        let mut coex = Coex::new(true);
        coex.handle_scan();
        assert_eq!(told(&mut coex), [shares(20_000, 82_400, 0)]);
        coex.handle_scan_end(false);
        assert_eq!(told(&mut coex), [shares(20_000, 80_000, 0)]);
        coex.handle_connecting(Band::TwoPointFourGhz);
        assert_eq!(
            told(&mut coex),
            [shares(50_000, 52_400, 0), shares(30_000, 15_000, 4)]
        );
        coex.handle_connected();
        assert_eq!(
            told(&mut coex),
            [CoexMessage::WifiStatus(5), shares(20_000, 80_000, 3)]
        );
        coex.handle_address();
        assert_eq!(
            told(&mut coex),
            [shares(20_000, 80_000, 3), shares(20_000, 80_000, 0)]
        );
        coex.handle_scan();
        coex.handle_scan_end(true);
        assert_eq!(
            told(&mut coex),
            [
                shares(20_000, 82_400, 0),
                shares(20_000, 80_000, 3),
                shares(20_000, 80_000, 0)
            ]
        );
        coex.handle_disconnected();
        assert_eq!(told(&mut coex), [CoexMessage::WifiStatus(0)]);
    }

    #[test]
    fn on_5_ghz_every_message_says_that_no_sharing_is_needed() {
        let mut coex = Coex::new(true);
        coex.handle_connecting(Band::FiveGhz);
        coex.handle_connected();
        assert_eq!(
            told(&mut coex),
            [
                shares(50_000, 52_400, 0x400),
                CoexMessage::WifiStatus(5),
                shares(20_000, 80_000, 0x403)
            ]
        );
    }

    #[test]
    fn an_address_without_a_connection_is_ignored() {
        let mut coex = Coex::new(true);
        coex.handle_address();
        coex.handle_connecting(Band::TwoPointFourGhz);
        let _ = told(&mut coex);
        coex.handle_address();
        assert!(told(&mut coex).is_empty());
    }

    #[test]
    fn a_restarted_chip_is_told_its_status_again_p22() {
        let mut coex = Coex::new(true);
        coex.handle_connecting(Band::TwoPointFourGhz);
        coex.handle_connected();
        coex.restart();
        assert!(told(&mut coex).is_empty());
        coex.handle_connecting(Band::TwoPointFourGhz);
        coex.handle_connected();
        assert!(told(&mut coex).contains(&CoexMessage::WifiStatus(5)));
    }

    #[test]
    fn wifi_never_gets_a_share_of_zero_d28() {
        let mut coex = Coex::new(true);
        coex.handle_connecting(Band::TwoPointFourGhz);
        coex.handle_connected();
        coex.handle_address();
        for word in (0..=0x3_FFFFu32).step_by(61) {
            coex.handle_bluetooth(BluetoothActivity::from_bits(word));
            for message in told(&mut coex) {
                assert!(
                    !matches!(message, CoexMessage::Shares { wifi: 0, .. }),
                    "{word:#x}"
                );
            }
            assert!(coex.bluetooth_time() <= 80_000);
        }
    }

    #[test]
    fn bluetooth_audio_takes_its_share_and_gives_it_back() {
        let mut coex = Coex::new(true);
        coex.handle_connecting(Band::TwoPointFourGhz);
        coex.handle_connected();
        coex.handle_address();
        let _ = told(&mut coex);
        coex.handle_bluetooth(BluetoothActivity::from_bits(4 | 1 << 6));
        assert_eq!(told(&mut coex), [shares(42_400, 60_000, 0)]);
        coex.handle_bluetooth(BluetoothActivity::from_bits(4 | 1 << 6));
        assert!(told(&mut coex).is_empty(), "nothing changed");
        coex.handle_bluetooth(BluetoothActivity::from_bits(0));
        assert_eq!(told(&mut coex), [shares(102_400, 0, 0)]);
    }

    #[test]
    fn a_report_during_a_scan_is_remembered_only() {
        let mut coex = Coex::new(true);
        coex.handle_scan();
        let _ = told(&mut coex);
        coex.handle_bluetooth(BluetoothActivity::from_bits(2));
        assert!(told(&mut coex).is_empty());
        assert_eq!(coex.bluetooth_time(), 60_000);
    }

    #[test]
    fn switched_off_it_says_nothing() {
        let mut coex = Coex::new(false);
        coex.handle_scan();
        coex.handle_connecting(Band::TwoPointFourGhz);
        coex.handle_connected();
        coex.handle_bluetooth(BluetoothActivity::from_bits(2));
        assert!(!coex.has_message());
    }

    #[test]
    fn messages_that_nobody_takes_are_replaced_by_newer_ones() {
        let mut coex = Coex::new(true);
        for _ in 0..50 {
            coex.handle_connecting(Band::TwoPointFourGhz);
            coex.handle_disconnected();
        }
        let messages = told(&mut coex);
        assert_eq!(messages.len(), 8);
        assert_eq!(messages.last(), Some(&shares(20_000, 80_000, 0)));
        assert!(coex.dropped > 0);
    }
}
