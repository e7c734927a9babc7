//! Every figure of the chip that silicon has not confirmed, or that a test wants to change.

use super::boot::MemoryMap;
use std::time::Duration;

/// How the chip behaves. The defaults are what the specification states or, where it says "unknown", the gentlest
/// thing that is consistent with it.
#[derive(Clone, Debug)]
pub struct ChipSettings {
    /// Boot ROM and calibration.
    pub boot: BootSettings,
    /// How long each doorbell request takes.
    pub doorbells: DoorbellLatency,
    /// Sleep and the wake line.
    pub sleep: SleepSettings,
    /// Bursts to the host.
    pub receive: ReceiveSettings,
    /// Note bytes behind a message that are neither its time stamp nor zero as a violation. Costs a look at each
    /// byte.
    pub check_padding: bool,
}

impl Default for ChipSettings {
    fn default() -> Self {
        Self {
            boot: BootSettings::default(),
            doorbells: DoorbellLatency::default(),
            sleep: SleepSettings::default(),
            receive: ReceiveSettings::default(),
            check_padding: true,
        }
    }
}

/// Boot ROM, calibration firmware and start of the main firmware (specification: file 11).
#[derive(Clone, Debug)]
pub struct BootSettings {
    /// Largest download message, header included; a multiple of 4 from 16 to 32768. File 11, section 14, item 1
    /// names 4096.
    pub message_size: u16,
    /// Receive buffers of the loader. Real value unknown (file 11, section 16, item 1).
    pub buffers: u8,
    /// From the end of a download message to its answer.
    pub answer: Duration,
    /// From RUN of the calibration image to the calibration block; `None` for never. At most 15 s (file 11,
    /// section 7); usual value unknown.
    pub calibration: Option<Duration>,
    /// From RUN of the main image to `MCU_READY`; `None` for never. At most 500 ms (file 11, section 14, item 8).
    pub start: Option<Duration>,
    /// Where downloads may go.
    pub memory: MemoryMap,
}

impl Default for BootSettings {
    fn default() -> Self {
        Self {
            message_size: 4096,
            buffers: 2,
            answer: Duration::from_micros(50),
            calibration: Some(Duration::from_millis(250)),
            start: Some(Duration::from_millis(40)),
            memory: MemoryMap::default(),
        }
    }
}

/// From a doorbell to its effect and its status bit; `None` for never. Real values unknown; the limits are those of
/// file 10, section 8.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DoorbellLatency {
    /// MCU active and deactive.
    pub mcu: Option<Duration>,
    /// Wi-Fi active.
    pub wifi_on: Option<Duration>,
    /// Wi-Fi deactive.
    pub wifi_off: Option<Duration>,
    /// Bluetooth active and deactive.
    pub bluetooth: Option<Duration>,
    /// Bluetooth wake-up and sleep.
    pub bluetooth_sleep: Option<Duration>,
}

impl Default for DoorbellLatency {
    fn default() -> Self {
        Self {
            mcu: Some(Duration::from_micros(500)),
            wifi_on: Some(Duration::from_millis(10)),
            wifi_off: Some(Duration::from_millis(1)),
            bluetooth: Some(Duration::from_millis(10)),
            bluetooth_sleep: Some(Duration::from_micros(500)),
        }
    }
}

/// What a sleeping chip does with bus commands (unknown: file 10, section 18, item 8).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SleepAccess {
    /// Registers can be read and written, doorbells are not heard, no data moves.
    RegistersOnly,
    /// No command is answered.
    Nothing,
    /// Everything works. For comparison only.
    Everything,
}

/// Sleep and the wake line (specification: file 10, section 9; file 50, section 3.12).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SleepSettings {
    /// From asserting the wake line to an awake chip. Hosts wait 10 ms (file 10, section 14); the real time is
    /// unknown and must be shorter.
    pub wake: Duration,
    /// From the last reason to be awake to sleep.
    pub fall_asleep: Duration,
    /// What works while asleep.
    pub access: SleepAccess,
    /// Whether the interrupt of the bus is raised while asleep (unknown: file 40, section 8). The host-wake line is
    /// asserted either way.
    pub interrupt: bool,
}

impl Default for SleepSettings {
    fn default() -> Self {
        Self {
            wake: Duration::from_millis(5),
            fall_asleep: Duration::from_micros(100),
            access: SleepAccess::RegistersOnly,
            interrupt: true,
        }
    }
}

/// Bursts to the host (specification: file 10, section 15, items 7, 8 and 13).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReceiveSettings {
    /// Most messages in a burst, 1 to 16.
    pub messages: usize,
    /// Most blocks in a burst, 1 to 64. Injected bursts may announce more.
    pub blocks: u8,
    /// A burst with fewer messages than this waits for more ...
    pub coalesce_messages: usize,
    /// ... but no longer than this.
    pub coalesce_wait: Duration,
    /// From the end of a data read to the next announcement. Meanwhile the announcement reads 0 and is not genuine.
    pub prepare: Duration,
    /// What stands in the bytes of a burst that are nobody's: behind a message up to a multiple of 4, and behind the
    /// terminator.
    pub surplus: u8,
}

impl Default for ReceiveSettings {
    fn default() -> Self {
        Self {
            messages: 16,
            blocks: 64,
            coalesce_messages: 1,
            coalesce_wait: Duration::ZERO,
            prepare: Duration::ZERO,
            surplus: 0xA5,
        }
    }
}
