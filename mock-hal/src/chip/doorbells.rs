//! Requests of the host to the MCU: subsystems on and off.
//!
//! The doorbell is a 16-bit value, written high byte first; the write of the low byte with bit 0 set is the trigger
//! (specification: file 10, sections 3.3 and 8). Repeats are harmless: a request that is under way or done already
//! changes nothing.

use super::settings::DoorbellLatency;
use bes_hal::time::{earliest, Instant};
use std::time::Duration;

/// Bit 0 of the low byte: the doorbell itself.
pub(crate) const TRIGGER: u8 = 0x01;

/// One request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Request {
    HostWakeup,
    McuDeactive,
    McuActive,
    WifiDeactive,
    WifiActive,
    WifiDebug,
    BluetoothDeactive,
    BluetoothActive,
    SystemClose,
    BluetoothWake,
    BluetoothSleep,
}

impl Request {
    /// Bit and request, lowest first: "off" stands before "on" in every pair.
    const BITS: [(u16, Self); 11] = [
        (0x0002, Self::HostWakeup),
        (0x0004, Self::McuDeactive),
        (0x0008, Self::McuActive),
        (0x0010, Self::WifiDeactive),
        (0x0020, Self::WifiActive),
        (0x0040, Self::WifiDebug),
        (0x0080, Self::BluetoothDeactive),
        (0x0100, Self::BluetoothActive),
        (0x0200, Self::SystemClose),
        (0x0400, Self::BluetoothWake),
        (0x0800, Self::BluetoothSleep),
    ];

    /// The requests in a doorbell value.
    pub(crate) fn parse(value: u16) -> impl Iterator<Item = Self> {
        Self::BITS
            .into_iter()
            .filter(move |(bit, _)| value & bit != 0)
            .map(|(_, request)| request)
    }

    fn opposite(self) -> Option<Self> {
        Some(match self {
            Self::McuDeactive => Self::McuActive,
            Self::McuActive => Self::McuDeactive,
            Self::WifiDeactive => Self::WifiActive,
            Self::WifiActive => Self::WifiDeactive,
            Self::BluetoothDeactive => Self::BluetoothActive,
            Self::BluetoothActive => Self::BluetoothDeactive,
            Self::BluetoothWake => Self::BluetoothSleep,
            Self::BluetoothSleep => Self::BluetoothWake,
            Self::HostWakeup | Self::WifiDebug | Self::SystemClose => return None,
        })
    }

    fn latency(self, settings: &DoorbellLatency) -> Option<Duration> {
        match self {
            Self::McuActive | Self::McuDeactive => settings.mcu,
            Self::WifiActive => settings.wifi_on,
            Self::WifiDeactive => settings.wifi_off,
            Self::BluetoothActive | Self::BluetoothDeactive => settings.bluetooth,
            Self::BluetoothWake | Self::BluetoothSleep => settings.bluetooth_sleep,
            Self::HostWakeup | Self::WifiDebug | Self::SystemClose => Some(Duration::ZERO),
        }
    }
}

/// The doorbell registers and what was asked for but is not done yet.
#[derive(Clone, Debug, Default)]
pub(crate) struct Doorbells {
    high: u8,
    pending: Vec<(Instant, Request)>,
}

impl Doorbells {
    pub(crate) fn set_high(&mut self, value: u8) {
        self.high = value;
    }

    /// Both registers, with `low` just written.
    pub(crate) fn value(&self, low: u8) -> u16 {
        u16::from_le_bytes([low, self.high])
    }

    /// Takes a request. A repeat changes nothing; the opposite of one that is under way replaces it.
    pub(crate) fn ask(&mut self, request: Request, settings: &DoorbellLatency, now: Instant) {
        if self.pending.iter().any(|(_, other)| *other == request) {
            return;
        }
        let opposite = request.opposite();
        self.pending.retain(|(_, other)| Some(*other) != opposite);
        if let Some(latency) = request.latency(settings) {
            self.pending.push((now.after(latency), request));
        }
    }

    pub(crate) fn next_event(&self) -> Option<Instant> {
        self.pending
            .iter()
            .fold(None, |first, (at, _)| earliest(first, Some(*at)))
    }

    /// A request whose time has come.
    pub(crate) fn pop_due(&mut self, now: Instant) -> Option<Request> {
        let index = self.pending.iter().position(|(at, _)| at.is_due(now))?;
        Some(self.pending.remove(index).1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Instant = Instant::ZERO;

    fn ask(doorbells: &mut Doorbells, request: Request, at: Instant) {
        doorbells.ask(request, &DoorbellLatency::default(), at);
    }

    /// The byte pairs of file 10, section 3.3.
    #[test]
    fn byte_pairs_mean_what_the_table_says() {
        for (high, low, request) in [
            (0x00, 0x09, Request::McuActive),
            (0x00, 0x05, Request::McuDeactive),
            (0x00, 0x21, Request::WifiActive),
            (0x00, 0x11, Request::WifiDeactive),
            (0x01, 0x01, Request::BluetoothActive),
            (0x00, 0x81, Request::BluetoothDeactive),
            (0x04, 0x01, Request::BluetoothWake),
            (0x08, 0x01, Request::BluetoothSleep),
            (0x00, 0x41, Request::WifiDebug),
            (0x00, 0x03, Request::HostWakeup),
            (0x02, 0x01, Request::SystemClose),
        ] {
            let mut doorbells = Doorbells::default();
            doorbells.set_high(high);
            let requests: Vec<_> = Request::parse(doorbells.value(low)).collect();
            assert_eq!(requests, [request]);
        }
    }

    #[test]
    fn a_repeat_does_not_delay_the_first() {
        let mut doorbells = Doorbells::default();
        ask(&mut doorbells, Request::WifiActive, NOW);
        let due = doorbells.next_event();
        ask(&mut doorbells, Request::WifiActive, Instant::from_millis(5));
        assert_eq!(doorbells.next_event(), due);
        let due = due.expect("it was asked for");
        assert_eq!(doorbells.pop_due(due), Some(Request::WifiActive));
        assert_eq!(doorbells.pop_due(due), None);
    }

    #[test]
    fn the_opposite_replaces_what_is_under_way() {
        let mut doorbells = Doorbells::default();
        ask(&mut doorbells, Request::McuDeactive, NOW);
        ask(&mut doorbells, Request::McuActive, NOW);
        let later = Instant::from_millis(1_000);
        assert_eq!(doorbells.pop_due(later), Some(Request::McuActive));
        assert_eq!(doorbells.pop_due(later), None);
    }
}
