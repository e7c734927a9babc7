//! The chip behind the SDIO interface: boot ROM, doorbells, bursts, sleep, and the firmware.
//!
//! | module | concept | specification |
//! |---|---|---|
//! | [`registers`] | addresses and bits of function 1 | file 10, section 3 |
//! | [`boot`] | loader, calibration, start of the firmware | file 11 |
//! | `doorbells` | subsystems on and off | file 10, section 8 |
//! | `sleep` | what keeps the MCU awake and what wakes it | file 10, section 9; file 50, 3.12 |
//! | `announcer` | bursts to the host | file 10, sections 5 and 15 |
//! | `receiver` | transfers from the host | file 10, sections 6 and 15 |
//! | [`lmac`] | the Wi-Fi firmware: WSM on one side, 802.11 on the other | files 20, 21, 30, 31, 50 |
//! | `wire` | the chip's side of the WSM messages | file 20 |
//! | [`settings`] | every figure that may be changed | |

mod announcer;
pub mod boot;
mod doorbells;
mod firmware;
pub mod lmac;
mod receiver;
pub mod registers;
mod scripted;
pub mod settings;
mod sleep;
pub(crate) mod wire;

pub use firmware::Firmware;
pub use scripted::ScriptedFirmware;
pub use settings::ChipSettings;

use crate::statistics::Statistics;
use crate::violation::{Violation, Violations};
use announcer::Announcer;
use bes_hal::time::{earliest, Instant};
use bes_hal::transport::MAX_BATCH;
use boot::{Boot, Download, ImageKind, Phase};
use doorbells::{Doorbells, Request};
use receiver::Receiver;
use registers::status;
use settings::SleepAccess;
use sleep::{Change, Sleep};
use std::cell::Cell;

/// Address bit 16 of a CMD53: the data toggle.
const TOGGLE: u32 = 1 << 16;

/// One chip. Time and bus commands come from the [`World`](crate::world::World).
pub struct Chip {
    settings: ChipSettings,
    firmware: Box<dyn Firmware>,
    boot: Boot,
    doorbells: Doorbells,
    sleep: Sleep,
    announcer: Announcer,
    receiver: Receiver,
    wifi: bool,
    bluetooth: bool,
    bluetooth_awake: bool,
    host_wakeup: Option<u8>,
    debug_dumps: u64,
    hung: bool,
    boot_scratch: Vec<u8>,
    /// The answer of [`next_event`](Self::next_event), until something changes that it depends on.
    upcoming: Cell<Option<Option<Instant>>>,
    pub(crate) statistics: Statistics,
    pub(crate) violations: Violations,
}

impl Chip {
    /// A chip that has just got power.
    pub(crate) fn new(settings: ChipSettings, firmware: Box<dyn Firmware>) -> Self {
        Self {
            settings,
            firmware,
            boot: Boot::new(),
            doorbells: Doorbells::default(),
            sleep: Sleep::new(false),
            announcer: Announcer::new(),
            receiver: Receiver::default(),
            wifi: false,
            bluetooth: false,
            bluetooth_awake: false,
            host_wakeup: None,
            debug_dumps: 0,
            hung: false,
            boot_scratch: Vec::new(),
            upcoming: Cell::new(None),
            statistics: Statistics::default(),
            violations: Violations::default(),
        }
    }

    /// How the chip behaves.
    pub fn settings(&self) -> &ChipSettings {
        &self.settings
    }

    /// How the chip behaves, to be changed while it runs.
    pub fn settings_mut(&mut self) -> &mut ChipSettings {
        self.changed();
        &mut self.settings
    }

    /// How far the boot is.
    pub fn phase(&self) -> Phase {
        self.boot.phase()
    }

    /// Whether the Wi-Fi subsystem is on.
    pub fn is_wifi_on(&self) -> bool {
        self.wifi
    }

    /// Switches the Bluetooth subsystem, as its own driver would over another bus.
    pub fn set_bluetooth(&mut self, on: bool) {
        self.bluetooth = on;
        self.bluetooth_awake = on;
    }

    /// Whether the Bluetooth subsystem is on.
    pub fn is_bluetooth_on(&self) -> bool {
        self.bluetooth
    }

    /// Whether the MCU is awake.
    pub fn is_awake(&self) -> bool {
        self.sleep.is_awake()
    }

    /// Completed downloads since the function was enabled, in order.
    pub fn downloads(&self) -> &[Download] {
        self.boot.downloads()
    }

    /// Hardware registers written by download since the function was enabled: address and value.
    pub fn register_writes(&self) -> &[(u32, u32)] {
        self.boot.register_writes()
    }

    /// What the host wrote to 0x124, once its doorbell was rung.
    pub fn host_wakeup(&self) -> Option<u8> {
        self.host_wakeup
    }

    /// How often the host asked for a debug dump.
    pub fn debug_dumps(&self) -> u64 {
        self.debug_dumps
    }

    /// Wedges the chip: registers keep their values, nothing else happens any more, and only a loss of power helps
    /// (specification: file 50, section 3.15).
    pub fn hang(&mut self) {
        self.changed();
        self.hung = true;
    }

    /// Whether the chip is wedged.
    pub fn is_hung(&self) -> bool {
        self.hung
    }

    /// Announces `bytes` as they are as a burst of `blocks` blocks (1 to 127), before anything of the firmware. For
    /// bursts that no chip should send.
    pub fn inject_burst(&mut self, bytes: Vec<u8>, blocks: u8) {
        self.changed();
        self.announcer.inject(bytes, blocks);
    }

    /// The firmware.
    pub fn firmware(&self) -> &dyn Firmware {
        &*self.firmware
    }

    /// The firmware, to be told something.
    pub fn firmware_mut(&mut self) -> &mut dyn Firmware {
        self.changed();
        &mut *self.firmware
    }

    /// Power came back, or went: everything is as new, and the firmware has forgotten everything.
    pub(crate) fn lose_power(&mut self, now: Instant) {
        self.changed();
        self.hung = false;
        self.disable(now);
    }

    /// Function enabled: phase A.
    pub(crate) fn enable(&mut self) {
        self.changed();
        if !self.hung {
            self.boot.enable();
        }
    }

    /// Function disabled: the chip forgets everything (file 11, section 14, item 11).
    pub(crate) fn disable(&mut self, now: Instant) {
        self.changed();
        if self.hung {
            return;
        }
        if self.wifi {
            self.firmware.stop(now);
        }
        self.firmware.unload(now);
        self.boot = Boot::new();
        self.doorbells = Doorbells::default();
        self.sleep = Sleep::new(self.sleep.line());
        self.reset_bursts();
        self.wifi = false;
        self.bluetooth = false;
        self.bluetooth_awake = false;
        self.host_wakeup = None;
    }

    fn reset_bursts(&mut self) {
        self.announcer = Announcer::new();
        self.receiver = Receiver::default();
    }

    /// The level of the interrupt towards the card.
    pub(crate) fn interrupt(&self) -> bool {
        self.wants_host() && (self.settings.sleep.interrupt || self.sleep.is_awake())
    }

    fn wants_host(&self) -> bool {
        self.boot.interrupt() || self.announcer.interrupt()
    }

    /// The logical level of the host-wake line: the chip sleeps and has something for the host.
    pub fn host_wake(&self) -> bool {
        self.wants_host() && !self.sleep.is_awake()
    }

    fn running(&self) -> Option<ImageKind> {
        match self.boot.phase() {
            Phase::Running(kind) => Some(kind),
            _ => None,
        }
    }

    fn status(&self) -> u8 {
        let running = self.running().is_some();
        let bit = |on: bool, mask: u8| if on { mask } else { 0 };
        // Ready means that a doorbell is acceptable; a sleeping or wedged MCU hears none.
        bit(
            running && self.sleep.is_awake() && !self.hung,
            status::MCU_READY,
        ) | bit(self.boot.is_dpd_ready(), status::DPD_READY)
            | bit(self.wifi, status::WIFI_READY)
            | bit(self.bluetooth, status::BLUETOOTH_READY)
            | bit(running && self.sleep.is_held(), status::MCU_AWAKE)
            | bit(self.bluetooth_awake, status::BLUETOOTH_AWAKE)
    }

    fn is_silent(&self) -> bool {
        !self.sleep.is_awake() && self.settings.sleep.access == SleepAccess::Nothing
    }

    /// CMD52 read. `None`: no response.
    pub(crate) fn read_register(&mut self, address: u32, now: Instant) -> Option<u8> {
        if self.is_silent() {
            return None;
        }
        let downloading = self.boot.is_downloading();
        Some(match address {
            registers::LENGTH_LOW if downloading => self.boot.length_low(),
            registers::LENGTH_LOW if self.wifi => self.announcer.read_genuine(),
            registers::ANNOUNCEMENT if downloading => self.boot.length_high(),
            registers::ANNOUNCEMENT if self.wifi => self.announcer.read_announcement(),
            registers::LENGTH_LOW | registers::ANNOUNCEMENT => 0,
            registers::FREE_BUFFERS => self.boot.free_buffers(&self.settings.boot),
            registers::MESSAGE_SIZE_LOW => self.boot.message_size(&self.settings.boot)[0],
            registers::MESSAGE_SIZE_HIGH => self.boot.message_size(&self.settings.boot)[1],
            registers::STATUS => self.status(),
            _ => {
                self.violations.note(
                    now,
                    Violation::Register {
                        address,
                        write: false,
                    },
                );
                0
            }
        })
    }

    /// CMD52 write. `None`: no response.
    pub(crate) fn write_register(&mut self, address: u32, value: u8, now: Instant) -> Option<()> {
        self.changed();
        if self.is_silent() {
            return None;
        }
        match address {
            registers::DOORBELL_HIGH => self.doorbells.set_high(value),
            registers::DOORBELL_LOW => self.ring(value, now),
            registers::HOST_WAKEUP => self.host_wakeup = Some(value),
            _ => self.violations.note(
                now,
                Violation::Register {
                    address,
                    write: true,
                },
            ),
        }
        Some(())
    }

    fn ring(&mut self, low: u8, now: Instant) {
        if low & doorbells::TRIGGER == 0 || self.hung {
            return;
        }
        let value = self.doorbells.value(low);
        if self.status() & status::MCU_READY == 0 {
            self.violations
                .note(now, Violation::DoorbellNotReady { value });
            return;
        }
        let mut known = false;
        for request in Request::parse(value) {
            known = true;
            self.doorbells.ask(request, &self.settings.doorbells, now);
        }
        if !known {
            self.violations
                .note(now, Violation::DoorbellUnknown { value });
        }
        self.advance(now);
    }

    fn carry_out(&mut self, request: Request, now: Instant) {
        match request {
            Request::McuActive => self.hold(true, now),
            Request::McuDeactive => self.hold(false, now),
            Request::WifiActive => {
                if !self.wifi && self.running() != Some(ImageKind::BluetoothTest) {
                    self.reset_bursts();
                    self.wifi = true;
                    self.firmware.start(now);
                }
                // Wi-Fi active implies an awake MCU (file 10, section 15, item 14).
                self.hold(true, now);
            }
            Request::WifiDeactive => {
                if self.wifi {
                    self.wifi = false;
                    self.reset_bursts();
                    self.firmware.stop(now);
                }
            }
            Request::BluetoothActive => {
                self.bluetooth = true;
                self.bluetooth_awake = true;
            }
            Request::BluetoothDeactive => {
                self.bluetooth = false;
                self.bluetooth_awake = false;
            }
            Request::BluetoothWake => self.bluetooth_awake = true,
            Request::BluetoothSleep => self.bluetooth_awake = false,
            Request::WifiDebug => self.debug_dumps += 1,
            // The pin configuration is in its register already. What closing the system does beyond switching
            // everything off is unknown (file 10, section 18, item 15).
            Request::HostWakeup => {}
            Request::SystemClose => self.disable(now),
        }
    }

    fn hold(&mut self, held: bool, now: Instant) {
        self.sleep.hold(held, &self.settings.sleep, now);
    }

    /// Whether data moves now; notes it if the host should have known better.
    fn serves_data(&mut self, now: Instant) -> bool {
        if self.hung {
            return false;
        }
        if self.sleep.is_awake() || self.settings.sleep.access == SleepAccess::Everything {
            return true;
        }
        self.violations.note(now, Violation::DataWhileAsleep);
        false
    }

    /// CMD53 read. `false`: no data comes.
    pub(crate) fn read_data(&mut self, address: u32, buffer: &mut [u8], now: Instant) -> bool {
        self.changed();
        if !self.serves_data(now) {
            return false;
        }
        let length_code = address as u16;
        if self.boot.is_downloading() {
            return self.boot.read(
                length_code,
                buffer,
                &self.settings.boot,
                &mut self.violations,
                now,
            );
        }
        if !self.wifi {
            self.violations
                .note(now, Violation::WifiOff { write: false });
            return false;
        }
        self.announcer.read(
            address & TOGGLE != 0,
            length_code,
            buffer,
            &mut *self.firmware,
            &self.settings.receive,
            &mut self.statistics,
            &mut self.violations,
            now,
        );
        true
    }

    /// CMD53 write. `false`: no data is taken.
    pub(crate) fn write_data(&mut self, address: u32, segments: &[&[u8]], now: Instant) -> bool {
        self.changed();
        if !self.serves_data(now) {
            return false;
        }
        let length_code = address as u16;
        if self.boot.is_downloading() {
            self.boot_scratch.clear();
            for segment in segments {
                self.boot_scratch.extend_from_slice(segment);
            }
            // Bytes beyond the length code are padding (file 11, section 3).
            self.boot_scratch.truncate(usize::from(length_code));
            self.boot.write(
                &self.boot_scratch,
                &self.settings.boot,
                &mut self.statistics,
                &mut self.violations,
                now,
            );
            return true;
        }
        if !self.wifi {
            self.violations
                .note(now, Violation::WifiOff { write: true });
            return true;
        }
        let slots = match self.running() {
            Some(ImageKind::NoSignal) => 1,
            _ => MAX_BATCH,
        };
        self.receiver.write(
            address & TOGGLE != 0,
            length_code,
            segments,
            &mut receiver::Context {
                firmware: &mut *self.firmware,
                statistics: &mut self.statistics,
                violations: &mut self.violations,
                check_padding: self.settings.check_padding,
                slots,
                now,
            },
        );
        self.announce(now);
        true
    }

    /// The wake line changed.
    pub(crate) fn set_wake_line(&mut self, asserted: bool, now: Instant) {
        self.changed();
        self.sleep.set_line(asserted, &self.settings.sleep, now);
        self.advance(now);
    }

    /// The level of the wake line.
    pub(crate) fn wake_line(&self) -> bool {
        self.sleep.line()
    }

    /// Announces what the firmware has for the host.
    pub(crate) fn announce(&mut self, now: Instant) {
        self.changed();
        if self.wifi && !self.hung {
            self.announcer.poll(
                &mut *self.firmware,
                &self.settings.receive,
                &mut self.statistics,
                now,
            );
        }
    }

    /// When something happens by itself, if anything will.
    ///
    /// Every bus command asks, and reading a register changes no deadline, so the answer is kept.
    pub(crate) fn next_event(&self) -> Option<Instant> {
        if let Some(known) = self.upcoming.get() {
            return known;
        }
        let next = self.earliest_event();
        self.upcoming.set(Some(next));
        next
    }

    /// Something may have changed that [`next_event`](Self::next_event) depends on.
    fn changed(&mut self) {
        self.upcoming.set(None);
    }

    fn earliest_event(&self) -> Option<Instant> {
        if self.hung {
            return None;
        }
        let mut next = earliest(self.boot.next_event(), self.doorbells.next_event());
        next = earliest(next, self.sleep.next_event());
        if self.wifi {
            next = earliest(next, self.firmware.next_event());
            next = earliest(next, self.announcer.next_event(&self.settings.receive));
        }
        next
    }

    /// Does everything that is due at `now`.
    pub(crate) fn advance(&mut self, now: Instant) {
        if self.hung {
            return;
        }
        self.changed();
        self.boot.advance(now);
        while let Some(request) = self.doorbells.pop_due(now) {
            self.carry_out(request, now);
        }
        if let Some(change) = self.sleep.advance(now) {
            let asleep = change == Change::FellAsleep;
            self.statistics.sleeps += u64::from(asleep);
            if self.wifi {
                self.firmware.sleep(asleep, now);
            }
        }
        if self.wifi {
            self.firmware.advance_if_due(now);
            self.announce(now);
        }
    }
}
