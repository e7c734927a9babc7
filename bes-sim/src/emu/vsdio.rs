//! The kernel's virtual SDIO host as a source of commands.

use super::source::{Command, CommandSource, Event, InterruptLine, Status};
use anyhow::{anyhow, bail, Result};
use std::path::PathBuf;
use std::time::Duration;
use vsdio_device as vsdio;

/// The card's end of `/dev/vsdioN`.
pub struct VsdioSource {
    device: vsdio::Device,
    /// The command that waits for its answer.
    outstanding: Option<vsdio::Command>,
    power_losses: u32,
}

impl VsdioSource {
    /// Puts the card in. `Err` says in one sentence what is in the way.
    ///
    /// # Errors
    ///
    /// No such device, no right to it, another card in the slot.
    pub fn open(number: usize) -> Result<Self> {
        let path = PathBuf::from(format!("/dev/vsdio{number}"));
        if !path.exists() {
            bail!(
                "there is no {}: modprobe vsdio{}",
                path.display(),
                if number == 0 {
                    String::new()
                } else {
                    format!(" cards={}", number + 1)
                }
            );
        }
        let limits = vsdio::Limits {
            // A card does not sleep with its host: the host's drivers talk to it on their way to sleep and back.
            awake_in_suspend: true,
            ..vsdio::Limits::default()
        };
        let device = vsdio::Device::open(&path, &limits).map_err(|error| match error {
            vsdio::Error::InUse(_) => {
                anyhow!(
                    "{} already has a card: stop the other emulator",
                    path.display()
                )
            }
            other => anyhow!(other),
        })?;
        Ok(Self {
            power_losses: device.bus().power_losses,
            device,
            outstanding: None,
        })
    }

    /// Number N of the kernel's host, `/sys/class/mmc_host/mmcN`.
    pub fn host(&self) -> u32 {
        self.device.host()
    }

    /// The interrupt line.
    pub fn interrupt(&self) -> Box<dyn InterruptLine> {
        Box::new(VsdioInterrupt(self.device.interrupt()))
    }
}

impl CommandSource for VsdioSource {
    fn exchange(
        &mut self,
        answer: Option<Status>,
        level: Option<bool>,
        wait: Option<Duration>,
    ) -> Result<Event> {
        let wait = wait.map_or(vsdio::Wait::Forever, vsdio::Wait::For);
        let ended = answer.and_then(|status| {
            let command = self.outstanding.take()?;
            let answer = vsdio::Answer::new(&command, outcome(status, command.length()));
            Some(match level {
                Some(level) => answer.with_interrupt(level),
                None => answer,
            })
        });
        let event = match (ended, level) {
            (None, Some(level)) => self.device.exchange_interrupt(level, wait),
            (ended, _) => self.device.exchange(ended, wait),
        };
        let event = match event {
            Ok(event) => event,
            Err(vsdio::Error::Stale) => return Ok(Event::Refused),
            Err(error) => return Err(anyhow!(error)),
        };
        let losses = self.device.bus().power_losses;
        let lost = losses != self.power_losses;
        self.power_losses = losses;
        Ok(match event {
            vsdio::Event::Command(command) => {
                self.outstanding = Some(command);
                Event::Command(Command {
                    opcode: command.opcode,
                    argument: command.argument,
                    length: command.length(),
                })
            }
            vsdio::Event::Bus(_) | vsdio::Event::Nothing if lost => Event::PowerLost,
            vsdio::Event::Bus(_) | vsdio::Event::Nothing => Event::Nothing,
        })
    }

    fn data(&mut self) -> &mut [u8] {
        self.device.data_mut()
    }
}

/// The end of a command with so many bytes of data, in the host's words.
fn outcome(status: Status, length: usize) -> vsdio::Status {
    match status {
        Status::Done(word) => vsdio::Status::Ok(word),
        Status::NoResponse => vsdio::Status::CommandTimeout,
        Status::BrokenResponse => vsdio::Status::CommandCrc,
        // Only what has data can fail at it.
        Status::NoData(_) | Status::BrokenData(_) if length == 0 => vsdio::Status::CommandTimeout,
        Status::NoData(word) => vsdio::Status::DataTimeout(word, 0),
        Status::BrokenData(word) => vsdio::Status::DataCrc(word, 0),
    }
}

/// The interrupt line of a card in its slot.
struct VsdioInterrupt(vsdio::Interrupt);

impl InterruptLine for VsdioInterrupt {
    fn set(&self, asserted: bool) -> Result<()> {
        Ok(self.0.set(asserted)?)
    }

    fn wake(&self) -> Result<()> {
        Ok(self.0.wake()?)
    }
}
