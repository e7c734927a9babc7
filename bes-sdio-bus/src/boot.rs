//! The boot: from power to the main firmware with its subsystems off (file 11, sections 2 and 6).
//!
//! | stage | does | next |
//! |---|---|---|
//! | `Check` | finds and checks every file, before anything touches the bus | `PowerOff` or `PowerOn` |
//! | `PowerOff` | for a chip that was used before: off, 10 ms | `PowerOn` |
//! | `PowerOn` | power, wake line settled, function and interrupt enabled | `Download` |
//! | `Download` | two registers, factory block, then calibration image or saved DPD, then main image | itself, `Calibrate`, `Start` |
//! | `Calibrate` | polls DPD_READY | `Announced` |
//! | `Announced` | waits for the interrupt that announces the block | `Block` |
//! | `Block` | reads the block and checks it | `Download` of the main image |
//! | `Start` | polls MCU_READY | done, or `Bluetooth` |
//! | `Bluetooth` | switches Bluetooth on, if configured | done |

use crate::bus::{next_chunk, Bus};
use crate::config::{Config, FirmwareType};
use crate::download::{pending_length, try_again, Download, Plan};
use crate::dpd::{self, Dpd};
use crate::factory::{self, Factory, FactoryError};
use crate::handshake::{Handshake, Request};
use crate::image::Image;
use crate::regs::Status;
use crate::wake_line::WakeLine;
use bes_hal::firmware::{FirmwareFile, FirmwareSource};
use bes_hal::frame::RxBuffer;
use bes_hal::sdio::{Cmd53, SdioFunction};
use bes_hal::transport::{Progress, Transition};
use bes_hal::{BootError, Instant, SdioError, TransportError};

/// The two registers every boot starts with, as address and little-endian value (file 11, section 6). What they mean
/// is not known.
const REGISTERS: [(u32, [u8; 4]); 2] = [
    (0x4010_0000, 0x0080_2006_u32.to_le_bytes()),
    (0x4008_602C, 0x3E00_C000_u32.to_le_bytes()),
];

/// What became of the factory data.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum FactoryReport {
    /// No boot has come this far.
    #[default]
    Untried,
    /// There is no file: the chip works with its own defaults.
    Missing,
    /// The file cannot be used.
    Unusable(FactoryError),
    /// The file is good, and its block was not sent yet.
    Good,
    /// The block could not be sent; the boot went on.
    NotSent(TransportError),
    /// The chip has the block.
    Sent,
}

/// What a boot needs besides itself.
pub(crate) struct Environment<'a, S: SdioFunction, F> {
    pub(crate) bus: &'a mut Bus<S>,
    pub(crate) firmware: &'a F,
    pub(crate) config: &'a Config,
    pub(crate) line: &'a mut WakeLine,
    pub(crate) dpd: &'a mut Dpd<S::Buffer>,
    pub(crate) factory: &'a mut Option<Factory>,
    pub(crate) report: &'a mut FactoryReport,
    /// The chip was enabled before, so it may be in any state.
    pub(crate) used: &'a mut bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Item {
    Register(u8),
    Factory,
    Calibration,
    Dpd,
    Main,
}

#[derive(Clone, Copy, Debug)]
enum Stage {
    Check,
    PowerOff {
        until: Instant,
    },
    PowerOn,
    Download(Item, Download),
    Calibrate {
        next: Instant,
        until: Instant,
    },
    Announced {
        next: Instant,
        until: Instant,
    },
    Block {
        next: Instant,
        attempt: u8,
        read: usize,
    },
    Start {
        next: Instant,
        until: Instant,
    },
    Bluetooth(Handshake),
}

/// A boot under way.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Boot {
    stage: Stage,
    /// Bytes of the procedures that are complete.
    complete: usize,
    total: usize,
}

impl Boot {
    pub(crate) fn new() -> Self {
        Self {
            stage: Stage::Check,
            complete: 0,
            total: 0,
        }
    }

    /// Bytes of content sent and to be sent.
    pub(crate) fn progress(&self) -> (usize, usize) {
        let taken = match &self.stage {
            Stage::Download(_, download) => download.taken(),
            _ => 0,
        };
        (self.complete.saturating_add(taken), self.total)
    }

    /// Does what is due.
    pub(crate) fn poll<S: SdioFunction, F: FirmwareSource>(
        &mut self,
        env: &mut Environment<'_, S, F>,
        now: Instant,
    ) -> Result<Progress, TransportError> {
        // Each turn either waits or goes on to a later stage or item, so this ends.
        loop {
            match &mut self.stage {
                Stage::Check => {
                    self.total = check(env)?;
                    self.stage = if *env.used {
                        power_off(env, now)?
                    } else {
                        Stage::PowerOn
                    };
                }
                Stage::PowerOff { until } => {
                    if !until.is_due(now) {
                        return Ok(Progress::Pending(*until));
                    }
                    self.stage = Stage::PowerOn;
                }
                Stage::PowerOn => {
                    if let Err(until) = env.line.settled(now) {
                        return Ok(Progress::Pending(until));
                    }
                    power_on(env)?;
                    self.stage = start(Item::Register(0), env, false, now)?;
                }
                Stage::Download(item, download) => {
                    let item = *item;
                    let (_, _, content) =
                        content(item, env.firmware, env.config, env.dpd, env.factory)?;
                    let failed = match download.poll(env.bus, content, now) {
                        Ok(Progress::Pending(until)) => return Ok(Progress::Pending(until)),
                        Ok(Progress::Done) => None,
                        Err(error @ TransportError::Bus(SdioError::NoCard)) => return Err(error),
                        // Only the factory data are not needed (file 11, section 12).
                        Err(error) if item == Item::Factory => Some(error),
                        Err(error) => return Err(error),
                    };
                    if item == Item::Factory {
                        *env.report = failed.map_or(FactoryReport::Sent, FactoryReport::NotSent);
                    }
                    self.complete = self.complete.saturating_add(content.len());
                    self.stage = after(item, env, failed.is_some(), now)?;
                }
                Stage::Calibrate { next, until } => {
                    if !next.is_due(now) {
                        return Ok(Progress::Pending(*next));
                    }
                    // The look comes before the test of the limit, so the last one counts (trap B14).
                    let ready = match env.bus.status() {
                        Ok(status) => status.has(Status::DPD_READY),
                        Err(SdioError::Crc) => false,
                        Err(error) => return Err(error.into()),
                    };
                    if ready {
                        self.stage = Stage::Announced {
                            next: now.after(env.config.timing.answer_period),
                            until: now.after(env.config.timing.answer_limit),
                        };
                    } else if until.is_due(now) {
                        return Err(BootError::CalibrationTimeout.into());
                    } else {
                        *next = now.after(env.config.timing.calibration_period).min(*until);
                    }
                }
                Stage::Announced { next, until } => {
                    let over = until.is_due(now);
                    let raised = env.bus.take_interrupt();
                    if !raised && !next.is_due(now) {
                        return Ok(Progress::Pending(*next));
                    }
                    match pending_length(env.bus)? {
                        dpd::ANNOUNCED_LEN => {
                            self.stage = Stage::Block {
                                next: now,
                                attempt: 1,
                                read: 0,
                            };
                        }
                        0 if over => return Err(BootError::CalibrationTimeout.into()),
                        _ if over => return Err(BootError::CalibrationData.into()),
                        // A stray interrupt of before the announcement (trap B14): the right one is still to come.
                        _ => *next = now.after(env.config.timing.answer_period).min(*until),
                    }
                }
                Stage::Block {
                    next,
                    attempt,
                    read,
                } => {
                    if !next.is_due(now) {
                        return Ok(Progress::Pending(*next));
                    }
                    match read_block(env.bus, env.dpd, read) {
                        Ok(()) => {
                            env.dpd.accept()?;
                            self.stage = start(Item::Main, env, false, now)?;
                        }
                        Err(error) => {
                            (*next, *attempt) = try_again(env.bus, error, *attempt, now)?;
                        }
                    }
                }
                Stage::Start { next, until } => {
                    if !next.is_due(now) {
                        return Ok(Progress::Pending(*next));
                    }
                    if !env.bus.status()?.has(Status::MCU_READY) {
                        if !until.is_due(now) {
                            *next = now.after(env.config.timing.start_period).min(*until);
                            continue;
                        }
                        // The Bluetooth test firmware takes no requests, so it need not say that it would.
                        if env.config.firmware != FirmwareType::BluetoothTest {
                            return Err(TransportError::NotReady(Transition::Boot));
                        }
                    }
                    if !env.config.bluetooth_at_boot || env.config.firmware != FirmwareType::Signal
                    {
                        return Ok(Progress::Done);
                    }
                    self.stage = Stage::Bluetooth(Handshake::new(
                        Request::BtActive,
                        Transition::Boot,
                        now,
                        &env.config.timing,
                    ));
                }
                Stage::Bluetooth(handshake) => return handshake.poll(env.bus, now),
            }
        }
    }
}

/// Finds every file that will be needed; the number of bytes that will be sent.
fn check<S: SdioFunction, F: FirmwareSource>(
    env: &mut Environment<'_, S, F>,
) -> Result<usize, TransportError> {
    if !env.config.keep_dpd {
        env.dpd.clear();
    }
    (*env.factory, *env.report) = match env.firmware.file(FirmwareFile::Factory) {
        None => (None, FactoryReport::Missing),
        Some(text) => match Factory::parse(text, env.config.factory_crc_check) {
            Ok(factory) => (Some(factory), FactoryReport::Good),
            Err(error) => (None, FactoryReport::Unusable(error)),
        },
    };
    let first = first_image(env);
    let items = [
        Some(Item::Register(0)),
        Some(Item::Register(1)),
        env.factory.map(|_| Item::Factory),
        Some(first),
        (first != Item::Main).then_some(Item::Main),
    ];
    let mut total: usize = 0;
    for item in items.into_iter().flatten() {
        let (_, _, content) = content(item, env.firmware, env.config, env.dpd, env.factory)?;
        total = total.saturating_add(content.len());
    }
    Ok(total)
}

/// The first image of this boot (file 11, section 2).
fn first_image<S: SdioFunction, F>(env: &Environment<'_, S, F>) -> Item {
    if env.config.firmware == FirmwareType::BluetoothTest {
        Item::Main
    } else if env.dpd.block().is_some() {
        Item::Dpd
    } else {
        Item::Calibration
    }
}

/// What an item sends, where to, and how.
fn content<'a, B: RxBuffer, F: FirmwareSource>(
    item: Item,
    firmware: &'a F,
    config: &Config,
    dpd: &'a Dpd<B>,
    factory: &'a Option<Factory>,
) -> Result<(Plan, u32, &'a [u8]), BootError> {
    let image = |file| {
        let bytes = firmware.file(file).ok_or(BootError::FileMissing(file))?;
        let image = Image::parse(file, bytes)?;
        Ok((Plan::Image, image.load_address, image.content))
    };
    match item {
        Item::Register(number) => {
            let [first, second] = &REGISTERS;
            let (address, value) = if number == 0 { first } else { second };
            Ok((Plan::Register, *address, value))
        }
        Item::Factory => {
            let block = factory.as_ref().map(|factory| factory.block().as_slice());
            let block = block.ok_or(BootError::FileMissing(FirmwareFile::Factory))?;
            Ok((Plan::Memory, factory::ADDRESS, block))
        }
        Item::Dpd => {
            let block = dpd.block().ok_or(BootError::CalibrationData)?;
            Ok((Plan::Memory, dpd::ADDRESS, block))
        }
        Item::Calibration => image(FirmwareFile::Calibration),
        Item::Main => image(config.firmware.image()),
    }
}

/// Starts the download of `item`.
fn start<S: SdioFunction, F: FirmwareSource>(
    item: Item,
    env: &Environment<'_, S, F>,
    flush: bool,
    now: Instant,
) -> Result<Stage, TransportError> {
    let (plan, address, _) = content(item, env.firmware, env.config, env.dpd, env.factory)?;
    Ok(Stage::Download(
        item,
        Download::new(plan, address, flush, now),
    ))
}

/// What follows the download of `item`, which may have failed if it was the factory data.
fn after<S: SdioFunction, F: FirmwareSource>(
    item: Item,
    env: &Environment<'_, S, F>,
    failed: bool,
    now: Instant,
) -> Result<Stage, TransportError> {
    let timing = &env.config.timing;
    let next = match item {
        Item::Register(0) => Item::Register(1),
        Item::Register(_) if env.factory.is_some() => Item::Factory,
        Item::Register(_) | Item::Factory => first_image(env),
        Item::Dpd => Item::Main,
        Item::Calibration => {
            return Ok(Stage::Calibrate {
                next: now.after(timing.calibration_period),
                until: now.after(timing.calibration_limit),
            });
        }
        Item::Main => {
            let limit = if env.config.firmware == FirmwareType::BluetoothTest {
                timing.start_blind
            } else {
                timing.start_limit
            };
            // Not at once: the bit may still be that of the firmware before.
            return Ok(Stage::Start {
                next: now.after(timing.start_period),
                until: now.after(limit),
            });
        }
    };
    start(next, env, failed, now)
}

/// Takes a chip that was used before back to its loader: function off, and power off if the platform can.
fn power_off<S: SdioFunction, F>(
    env: &mut Environment<'_, S, F>,
    now: Instant,
) -> Result<Stage, TransportError> {
    // A chip that does not answer any more needs this most, so a failure is no reason to stop.
    let _ = env.bus.function.disable();
    match env.bus.function.set_power(false) {
        Ok(()) => Ok(Stage::PowerOff {
            until: now.after(env.config.timing.power_settle),
        }),
        Err(SdioError::Unsupported) => Ok(Stage::PowerOn),
        Err(error) => Err(error.into()),
    }
}

fn power_on<S: SdioFunction, F>(env: &mut Environment<'_, S, F>) -> Result<(), TransportError> {
    match env.bus.function.set_power(true) {
        Ok(()) | Err(SdioError::Unsupported) => {}
        Err(error) => return Err(error.into()),
    }
    *env.used = true;
    env.bus.enable()?;
    env.bus.limits = env.bus.function.limits();
    Ok(())
}

/// Reads the calibration block from `read` on, which counts the bytes that are in place.
fn read_block<S: SdioFunction>(
    bus: &mut Bus<S>,
    dpd: &mut Dpd<S::Buffer>,
    read: &mut usize,
) -> Result<(), SdioError> {
    let target = dpd.receive(|len| bus.function.allocate(len))?;
    while *read < dpd::BLOCK_LEN {
        let (moves, len) = next_chunk(bus.limits, dpd::BLOCK_LEN.saturating_sub(*read));
        let end = read.saturating_add(moves.bytes());
        let target = target.get_mut(*read..end).ok_or(SdioError::NoMemory)?;
        let command = Cmd53 {
            address: u32::from(len),
            count: moves,
        };
        bus.read_data_once(command, target)?;
        *read = read.saturating_add(usize::from(len));
    }
    Ok(())
}
