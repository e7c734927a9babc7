//! The transport: whole messages in both directions while Wi-Fi is on (file 10, sections 5 and 6).
//!
//! A receive pass is one CMD52 for the announcement and one CMD53 for the burst; a send is one CMD53. The life cycle
//! is in the module `life_cycle`.

use crate::announcement::Announcement;
use crate::boot::FactoryReport;
use crate::bus::{is_transient, next_chunk, Bus};
use crate::config::{Config, FirmwareType};
use crate::dpd::Dpd;
use crate::factory::Factory;
use crate::life_cycle::{Job, Wifi};
use crate::regs::{self, Status};
use crate::rx_batch;
use crate::stats::{count, count_by, Stats};
use crate::toggle::Toggle;
use crate::tx_batch::{self, Gather, SlotSize};
use crate::wake_line::{Anomaly, Drive, LineState, Owner, WakeLine};
use bes_hal::firmware::FirmwareSource;
use bes_hal::frame::RxBuffer;
use bes_hal::sdio::{Cmd53, Count, HostLimits, SdioFunction};
use bes_hal::transport::{
    Burst, Health, Progress, Reception, SlotClass, Transition, Transport, MAX_BATCH,
};
#[cfg(doc)]
use bes_hal::BootError;
use bes_hal::{Instant, SdioError, TransportError};

/// Fruitless looks at the announcement in one pass (file 10, section 5.2).
const LOOKS: u8 = 7;

/// A burst that was announced and not read completely yet.
struct Pending<B> {
    len: usize,
    /// Bytes that are in the buffer already; more than none only on hosts that need several commands.
    read: usize,
    buffer: Option<B>,
}

/// SDIO transport of one chip.
///
/// The calibration block (15 KiB) lies in a burst buffer of the platform.
pub struct SdioTransport<S: SdioFunction, F> {
    pub(crate) bus: Bus<S>,
    pub(crate) firmware: F,
    pub(crate) config: Config,
    pub(crate) line: WakeLine,
    pub(crate) dpd: Dpd<S::Buffer>,
    pub(crate) factory: Option<Factory>,
    pub(crate) factory_report: FactoryReport,
    pub(crate) job: Job,
    pub(crate) wifi: Wifi,
    pub(crate) booted: bool,
    /// Bluetooth was on when that was known last.
    pub(crate) bluetooth: bool,
    /// The function was enabled since the power was last known to be off.
    pub(crate) used: bool,
    /// The MCU was told that it may sleep, and not to be awake since.
    pub(crate) asleep: bool,
    /// The MCU was told to stay awake, and not that it may sleep since.
    pub(crate) mcu_active: bool,
    pub(crate) boot_progress: (usize, usize),
    pub(crate) may_receive: bool,
    pub(crate) may_send: bool,
    announcement_toggle: Toggle,
    rx_toggle: Toggle,
    tx_toggle: Toggle,
    pending: Option<Pending<S::Buffer>>,
    /// Messages of the batch that failed which the chip has for certain: transfers before the one that failed.
    sent: usize,
    /// Most slots of one transfer, for each code of a slot size.
    slots: [u8; 4],
}

impl<S: SdioFunction, F: FirmwareSource> SdioTransport<S, F> {
    /// A transport that knows nothing of the chip yet; [`Transition::Boot`] comes first.
    pub fn new(function: S, firmware: F, config: Config) -> Self {
        let bus = Bus::new(function, config.timing);
        let slots = slots_per_transfer(bus.limits, config.firmware);
        Self {
            bus,
            firmware,
            config,
            line: WakeLine::default(),
            dpd: Dpd::default(),
            factory: None,
            factory_report: FactoryReport::Untried,
            job: Job::Idle,
            wifi: Wifi::Off,
            booted: false,
            bluetooth: false,
            used: false,
            asleep: false,
            mcu_active: false,
            boot_progress: (0, 0),
            may_receive: false,
            may_send: false,
            announcement_toggle: Toggle::default(),
            rx_toggle: Toggle::default(),
            tx_toggle: Toggle::default(),
            pending: None,
            sent: 0,
            slots,
        }
    }

    /// The platform's function.
    pub fn function(&self) -> &S {
        &self.bus.function
    }

    /// The platform's function, for what only the platform can do.
    pub fn function_mut(&mut self) -> &mut S {
        &mut self.bus.function
    }

    /// Where the firmware files come from.
    pub fn firmware(&self) -> &F {
        &self.firmware
    }

    /// Where the firmware files come from, to give it other files for the next boot. Not to be used while a boot is
    /// under way.
    pub fn firmware_mut(&mut self) -> &mut F {
        &mut self.firmware
    }

    /// The settings.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// Counters since the transport was made.
    pub fn stats(&self) -> Stats {
        self.bus.stats
    }

    /// Bytes of content that the boot under way, or the last one, has sent and has to send. (0, 0) before its first
    /// poll.
    pub fn boot_progress(&self) -> (usize, usize) {
        self.boot_progress
    }

    /// What became of the factory data in the last boot.
    pub fn factory_report(&self) -> FactoryReport {
        self.factory_report
    }

    /// The factory data of the last boot, if its text was good.
    pub fn factory(&self) -> Option<&Factory> {
        self.factory.as_ref()
    }

    /// The calibration block that the chip measured, 15124 bytes, if there is one.
    pub fn dpd(&self) -> Option<&[u8]> {
        self.dpd.block()
    }

    /// Gives the next boot a calibration block that was saved earlier.
    ///
    /// # Errors
    ///
    /// [`BootError::CalibrationData`] if its size, version or checksum is wrong (file 11, section 7), or
    /// [`SdioError::NoMemory`]; then there is none.
    pub fn restore_dpd(&mut self, block: &[u8]) -> Result<(), TransportError> {
        let function = &mut self.bus.function;
        self.dpd.restore(block, |len| function.allocate(len))
    }

    /// State of the wake line.
    pub fn wake_line(&self) -> LineState {
        self.line.state()
    }

    /// Takes a reference to the wake line for `owner`, for system suspend and resume. The chip can be used
    /// `line_settle` after the first reference was taken.
    ///
    /// # Errors
    ///
    /// [`Anomaly::TakenTwice`]; it is counted too.
    pub fn take_wake_line(&mut self, owner: Owner, now: Instant) -> Result<(), Anomaly> {
        let settle = self.config.timing.line_settle;
        let drive = self.line.take(owner, now, settle);
        self.drive(drive)
    }

    /// Releases the reference of `owner`.
    ///
    /// # Errors
    ///
    /// [`Anomaly::NotHeld`]; it is counted too.
    pub fn release_wake_line(&mut self, owner: Owner) -> Result<(), Anomaly> {
        let drive = self.line.release(owner);
        self.drive(drive)
    }

    fn drive(&mut self, drive: Result<Drive, Anomaly>) -> Result<(), Anomaly> {
        match drive {
            Ok(Drive::Keep) => {}
            Ok(Drive::Assert) => self.bus.function.set_wake_line(true),
            Ok(Drive::Release) => self.bus.function.set_wake_line(false),
            Err(anomaly) => {
                count(&mut self.bus.stats.wake_line_anomalies);
                return Err(anomaly);
            }
        }
        Ok(())
    }

    /// Forgets everything about messages under way: all toggles 0, no burst pending, re-tuning allowed.
    pub(crate) fn restart_traffic(&mut self) {
        self.announcement_toggle = Toggle::default();
        self.rx_toggle = Toggle::default();
        self.tx_toggle = Toggle::default();
        self.pending = None;
        self.sent = 0;
        self.slots = slots_per_transfer(self.bus.limits, self.config.firmware);
        self.bus.hold_tuning(false);
    }

    /// Makes sure that the MCU is awake for a receive pass; `false` if it is not yet.
    ///
    /// A receive pass wakes by the line alone, without a request (file 10, section 9.2).
    #[cold]
    fn wake_for_receive(&mut self) -> bool {
        let now = self.bus.function.now();
        if self.line.settled(now).is_ok() {
            return true;
        }
        if !self.line.is_held_by(Owner::Receive) {
            // Cannot be taken twice: it is not held.
            let _ = self.take_wake_line(Owner::Receive, now);
        }
        let settled = self.line.settled(now).is_ok();
        if !settled {
            count(&mut self.bus.stats.unsettled_looks);
        }
        settled
    }

    /// Ends a receive pass.
    fn rest_after_receive(&mut self) {
        if self.line.is_held_by(Owner::Receive) {
            // Is held.
            let _ = self.release_wake_line(Owner::Receive);
        }
    }

    /// One transfer. Not inlined: its list of segments takes room on the stack only while it is used.
    #[inline(never)]
    fn write(&mut self, messages: &[&[u8]], slot: SlotSize) -> Result<(), TransportError> {
        let command = slot
            .command(messages.len(), self.tx_toggle)
            .ok_or(TransportError::BadBatch)?;
        let mut gather = Gather::EMPTY;
        gather.fill(messages, slot)?;
        self.bus.hold_tuning(true);
        self.bus.write_data(command, gather.segments())?;
        self.tx_toggle.advance();
        count(&mut self.bus.stats.transfers_sent);
        count_by(&mut self.bus.stats.messages_sent, messages.len());
        Ok(())
    }

    /// Looks for an announcement: the length of a burst, `Some(0)` if there is nothing, `None` if it is not clear.
    ///
    /// A look is one attempt. One that fails and may do better the next time is a fruitless look like any other: the
    /// announcement stays until its data is read. If all of them fail, the bus is to blame (trap T24).
    fn look(&mut self) -> Result<Option<usize>, TransportError> {
        let mut failure = None;
        let mut failures: u8 = 0;
        for _ in 0..LOOKS {
            let byte = match self.bus.read_once(regs::LENGTH_HIGH) {
                Ok(byte) => byte,
                Err(error) if is_transient(error) => {
                    failure = Some(error);
                    failures = failures.saturating_add(1);
                    count(&mut self.bus.stats.retries);
                    continue;
                }
                Err(error) => return Err(error.into()),
            };
            match Announcement::parse(byte, self.announcement_toggle) {
                Announcement::Burst(blocks) => {
                    self.announcement_toggle.advance();
                    return Ok(Some(usize::from(blocks).saturating_mul(Count::BLOCK_SIZE)));
                }
                Announcement::Oversized(blocks) => {
                    return Err(TransportError::Oversized(
                        u32::from(blocks).saturating_mul(512),
                    ));
                }
                Announcement::Stale => count(&mut self.bus.stats.stale_announcements),
                Announcement::Nothing => match self.bus.read_once(regs::LENGTH_LOW) {
                    Ok(flags) if flags & regs::EMPTY_IS_GENUINE != 0 => return Ok(Some(0)),
                    Err(error) if !is_transient(error) => return Err(error.into()),
                    _ => count(&mut self.bus.stats.unsettled_looks),
                },
            }
        }
        match failure {
            Some(error) if failures == LOOKS => Err(error.into()),
            _ => Ok(None),
        }
    }

    /// Reads an announced burst. After an error it stays pending, with the same toggle, so the next pass goes on where
    /// this one failed, whether the chip thinks that it moved the data or not.
    fn read_burst(
        &mut self,
        mut pending: Pending<S::Buffer>,
    ) -> Result<Burst<S::Buffer>, TransportError> {
        let mut buffer = match pending.buffer.take() {
            Some(buffer) => buffer,
            None => match self.bus.function.allocate(pending.len) {
                Ok(buffer) => buffer,
                Err(error) => {
                    self.pending = Some(pending);
                    return Err(error.into());
                }
            },
        };
        while pending.read < pending.len {
            let (moves, len) =
                next_chunk(self.bus.limits, pending.len.saturating_sub(pending.read));
            let command = Cmd53 {
                address: self.rx_toggle.address_bit() | u32::from(len),
                count: moves,
            };
            let end = pending.read.saturating_add(moves.bytes());
            let result = match buffer.bytes_mut().get_mut(pending.read..end) {
                Some(target) => self.bus.read_data(command, target),
                None => Err(SdioError::NoMemory),
            };
            self.bus.hold_tuning(false);
            if let Err(error) = result {
                if error != SdioError::NoMemory {
                    pending.buffer = Some(buffer);
                }
                self.pending = Some(pending);
                return Err(error.into());
            }
            self.rx_toggle.advance();
            pending.read = pending.read.saturating_add(usize::from(len));
        }
        let bytes = buffer.bytes().get(..pending.len).unwrap_or(&[]);
        let (messages, defect) = rx_batch::split(bytes);
        let stats = &mut self.bus.stats;
        count(&mut stats.bursts_received);
        count_by(&mut stats.messages_received, messages.as_slice().len());
        if defect.is_some() {
            count(&mut stats.burst_defects);
        }
        Ok(Burst {
            buffer,
            messages,
            defect,
        })
    }
}

/// Most slots of one transfer on this host, for each code of a slot size; 0 if it can do none.
fn slots_per_transfer(limits: HostLimits, firmware: FirmwareType) -> [u8; 4] {
    let by_firmware = match firmware {
        FirmwareType::Signal => MAX_BATCH,
        FirmwareType::NoSignal | FirmwareType::BluetoothTest => 1,
    };
    // Each slot needs a segment for the message and one for the zeros behind it. With one segment they are put together.
    let by_segments = match limits.max_segments {
        0 | 1 => MAX_BATCH,
        segments => usize::from(segments >> 1),
    };
    [
        SlotSize::S512,
        SlotSize::S1024,
        SlotSize::S1536,
        SlotSize::S1632,
    ]
    .map(|slot| {
        let most = slot
            .slots_in(limits.max_blocks)
            .min(by_segments)
            .min(by_firmware);
        if limits.multi_block {
            u8::try_from(most).unwrap_or(u8::MAX)
        } else {
            0
        }
    })
}

impl<S: SdioFunction, F: FirmwareSource> Transport for SdioTransport<S, F> {
    type Buffer = S::Buffer;

    fn now(&self) -> Instant {
        self.bus.function.now()
    }

    /// While a transition is under way an interrupt is also kept for after it, because the chip may have raised it for
    /// what the transition does not look at.
    fn take_interrupt(&mut self) -> bool {
        if matches!(self.job, Job::Idle) {
            return self.bus.take_interrupt();
        }
        let raised = self.bus.function.take_interrupt();
        self.bus.interrupt |= raised;
        raised
    }

    /// Works during every transition but those that switch Wi-Fi, the boot and power off. While the device sleeps, the
    /// first call asserts the wake line and says `Unsettled` until the line has settled; `Empty` releases it.
    ///
    /// After [`TransportError::Bus`] the next call repeats what failed with the same toggle.
    fn receive(&mut self) -> Result<Reception<S::Buffer>, TransportError> {
        if !self.may_receive {
            return Err(TransportError::WrongState);
        }
        if self.line.state() != LineState::Asserted && !self.wake_for_receive() {
            return Ok(Reception::Unsettled);
        }
        let pending = match self.pending.take() {
            Some(pending) => pending,
            None => match self.look() {
                Ok(Some(0)) => {
                    self.rest_after_receive();
                    return Ok(Reception::Empty);
                }
                Ok(Some(len)) => Pending {
                    len,
                    read: 0,
                    buffer: None,
                },
                Ok(None) => return Ok(Reception::Unsettled),
                Err(error) => {
                    self.rest_after_receive();
                    return Err(error);
                }
            },
        };
        match self.read_burst(pending) {
            Ok(burst) => Ok(Reception::Burst(burst)),
            Err(error) => {
                self.rest_after_receive();
                Err(error)
            }
        }
    }

    fn slot_class(&self, message: &[u8]) -> Result<SlotClass, TransportError> {
        let class = tx_batch::slot_class(message)?;
        // A host whose longest transfer is shorter than the slot cannot send it at all.
        match self.slots.get(usize::from(class.index)) {
            Some(0) | None => Err(TransportError::MessageTooLong(
                u32::try_from(message.len()).unwrap_or(u32::MAX),
            )),
            Some(_) => Ok(class),
        }
    }

    /// One transfer, or several on a host whose limits or a firmware that demands it. A host without multi-block
    /// commands cannot send: [`SdioError::Unsupported`] (file 10, section 2).
    ///
    /// After [`TransportError::Bus`] it is not known whether the chip has the messages. Sending the *same* batch again is
    /// right in both cases, because it carries the same toggle, and nothing else may be sent before; another batch may be
    /// taken for a duplicate.
    fn send(&mut self, batch: &[&[u8]]) -> Result<(), TransportError> {
        if !self.may_send {
            return Err(TransportError::WrongState);
        }
        let slot = tx_batch::first_slot(batch)?;
        let most = self
            .slots
            .get(usize::from(slot.code()))
            .map_or(0, |slots| usize::from(*slots));
        if most == 0 {
            return Err(SdioError::Unsupported.into());
        }
        // Of a batch that is sent again, only what failed.
        let due = batch.get(self.sent..).unwrap_or(&[]);
        // One transfer looks at its messages itself. Of several, none is made before all messages are known to be good.
        if due.len() > most {
            tx_batch::common_slot(batch)?;
        }
        for part in due.chunks(most) {
            self.write(part, slot)?;
            self.sent = self.sent.saturating_add(part.len());
        }
        self.sent = 0;
        Ok(())
    }

    /// An announced burst stays due: it is read again from its beginning, with the same toggle. On a host that needs
    /// several commands for a burst it goes on with the one that failed, because each has a toggle of its own.
    fn abort(&mut self) -> Result<(), TransportError> {
        self.bus.hold_tuning(false);
        self.bus.function.abort()?;
        self.bus.interrupt = true;
        count(&mut self.bus.stats.aborts);
        Ok(())
    }

    fn retune(&mut self) -> Result<(), TransportError> {
        self.bus.hold_tuning(false);
        self.bus.function.retune()?;
        count(&mut self.bus.stats.retunes);
        Ok(())
    }

    fn health(&self) -> Health {
        Health {
            transfers: self.bus.stats.cmd53,
            failures: self.bus.stats.data_failures,
        }
    }

    fn has_bluetooth(&mut self) -> bool {
        if let Ok(status) = self.bus.status() {
            self.bluetooth = status.has(Status::BT_READY);
        }
        self.bluetooth
    }

    fn begin(&mut self, transition: Transition, now: Instant) -> Result<(), TransportError> {
        self.begin_job(transition, now)
    }

    fn poll(&mut self, now: Instant) -> Result<Progress, TransportError> {
        self.poll_job(now)
    }

    fn reset(&mut self) {
        self.abandon();
    }
}
