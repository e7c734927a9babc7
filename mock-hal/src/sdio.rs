//! The lower seam on the emulated bus.

use crate::card::{cccr, Command52, Silence, R5};
use crate::chip::Firmware;
use crate::clock::VirtualClock;
use crate::handle::{lock, Handle};
use crate::world::{Config, World};
use bes_hal::error::SdioError;
use bes_hal::frame::RxBuffer;
use bes_hal::sdio::{Cmd53, Direction, HostLimits, SdioFunction};
use bes_hal::time::Instant;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// The slot into which an emulated card is put.
#[derive(Clone, Copy, Debug)]
pub struct Card;

impl Card {
    /// Inserts a card: the driver gets the function, tests and programs get the handle.
    pub fn insert(config: Config, firmware: Box<dyn Firmware>) -> (EmulatedSdio, Handle) {
        let limits = config.limits;
        let world = World::new(config, firmware);
        let clock = world.clock().clone();
        let world = Arc::new(Mutex::new(world));
        (
            EmulatedSdio {
                world: world.clone(),
                clock,
                limits,
                pool: Arc::default(),
            },
            Handle::new(world),
        )
    }
}

/// Buffers that wait to be used again.
type Pool = Mutex<Vec<Vec<u8>>>;

/// Most buffers that are kept for later.
const POOLED: usize = 64;

fn pool(pool: &Pool) -> MutexGuard<'_, Vec<Vec<u8>>> {
    pool.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A burst buffer. Its memory goes back to the card it came from when it is dropped.
#[derive(Debug)]
pub struct BurstVec {
    memory: Vec<u8>,
    len: usize,
    home: Arc<Pool>,
}

impl RxBuffer for BurstVec {
    fn bytes(&self) -> &[u8] {
        &self.memory[..self.len]
    }

    fn bytes_mut(&mut self) -> &mut [u8] {
        &mut self.memory[..self.len]
    }
}

impl Drop for BurstVec {
    fn drop(&mut self) {
        let mut home = pool(&self.home);
        if home.len() < POOLED {
            home.push(std::mem::take(&mut self.memory));
        }
    }
}

/// Function 1 of an emulated card.
pub struct EmulatedSdio {
    world: Arc<Mutex<World>>,
    clock: VirtualClock,
    limits: HostLimits,
    pool: Arc<Pool>,
}

impl EmulatedSdio {
    fn world(&self) -> MutexGuard<'_, World> {
        lock(&self.world)
    }
}

fn judged(result: Result<R5, Silence>) -> Result<R5, SdioError> {
    let response = result.map_err(|silence| match silence {
        Silence::NoCard => SdioError::NoCard,
        Silence::NoResponse | Silence::NoData => SdioError::Timeout,
        Silence::Broken => SdioError::Crc,
    })?;
    let errors = response.errors();
    if errors & R5::ERROR != 0 {
        Err(SdioError::Card)
    } else if errors & R5::FUNCTION_NUMBER != 0 {
        Err(SdioError::Function)
    } else if errors & R5::OUT_OF_RANGE != 0 {
        Err(SdioError::OutOfRange)
    } else {
        Ok(response)
    }
}

fn access(
    world: &mut World,
    function: u8,
    address: u32,
    write: Option<u8>,
) -> Result<u8, SdioError> {
    let command = Command52 {
        write: write.is_some(),
        function,
        read_back: false,
        address,
        data: write.unwrap_or(0),
    };
    judged(world.command52(command.argument())).map(R5::data)
}

/// Bit of function 1 in the enable and ready registers.
const FUNCTION: u8 = 1 << 1;
/// How long the platform waits for the ready bit, as the CIS says.
const ENABLE_TIMEOUT: Duration = Duration::from_secs(1);
/// Pause between two looks at the ready bit.
const ENABLE_PAUSE: Duration = Duration::from_micros(100);

impl SdioFunction for EmulatedSdio {
    type Buffer = BurstVec;

    fn now(&self) -> Instant {
        self.clock.now()
    }

    fn limits(&self) -> HostLimits {
        self.limits
    }

    fn read_register(&mut self, address: u32) -> Result<u8, SdioError> {
        access(&mut self.world(), 1, address, None)
    }

    fn write_register(&mut self, address: u32, value: u8) -> Result<(), SdioError> {
        access(&mut self.world(), 1, address, Some(value)).map(drop)
    }

    fn allocate(&mut self, len: usize) -> Result<BurstVec, SdioError> {
        let mut memory = pool(&self.pool).pop().unwrap_or_default();
        if memory.len() < len {
            memory.resize(len, 0);
        }
        Ok(BurstVec {
            memory,
            len,
            home: self.pool.clone(),
        })
    }

    fn read_data(&mut self, command: Cmd53, buffer: &mut [u8]) -> Result<(), SdioError> {
        let argument = command.argument(Direction::Read);
        judged(self.world().command53_read(argument, buffer)).map(drop)
    }

    fn write_data(&mut self, command: Cmd53, segments: &[&[u8]]) -> Result<(), SdioError> {
        let argument = command.argument(Direction::Write);
        judged(self.world().command53_write(argument, segments)).map(drop)
    }

    fn enable(&mut self) -> Result<(), SdioError> {
        let mut world = self.world();
        let world = &mut *world;
        let enabled = access(world, 0, cccr::IO_ENABLE, None)?;
        access(world, 0, cccr::IO_ENABLE, Some(enabled | FUNCTION))?;
        let deadline = world.now().after(ENABLE_TIMEOUT);
        while access(world, 0, cccr::IO_READY, None)? & FUNCTION == 0 {
            if deadline.is_due(world.now()) {
                return Err(SdioError::Timeout);
            }
            let next = world.now().after(ENABLE_PAUSE);
            world.advance_to(next);
        }
        // 512 bytes, low byte first.
        access(world, 0, cccr::FUNCTION_BLOCK_SIZE, Some(0))?;
        access(world, 0, cccr::FUNCTION_BLOCK_SIZE + 1, Some(2))?;
        access(world, 0, cccr::INTERRUPT_ENABLE, Some(FUNCTION | 1)).map(drop)
    }

    fn disable(&mut self) -> Result<(), SdioError> {
        let mut world = self.world();
        let world = &mut *world;
        access(world, 0, cccr::INTERRUPT_ENABLE, Some(0))?;
        access(world, 0, cccr::IO_ENABLE, Some(0)).map(drop)
    }

    fn take_interrupt(&mut self) -> bool {
        self.world().take_interrupt()
    }

    fn hold_tuning(&mut self, hold: bool) {
        self.world().hold_tuning(hold);
    }

    fn abort(&mut self) -> Result<(), SdioError> {
        access(&mut self.world(), 0, cccr::ABORT, Some(1)).map(drop)
    }

    fn retune(&mut self) -> Result<(), SdioError> {
        let mut world = self.world();
        world.retune();
        Ok(())
    }

    fn set_wake_line(&mut self, asserted: bool) {
        self.world().set_wake_line(asserted);
    }

    fn set_power(&mut self, on: bool) -> Result<(), SdioError> {
        let mut world = self.world();
        if !world.config().power_switch {
            return Err(SdioError::Unsupported);
        }
        world.set_power(on);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chip::ScriptedFirmware;

    fn card() -> (EmulatedSdio, Handle) {
        Card::insert(Config::default(), Box::<ScriptedFirmware>::default())
    }

    #[test]
    fn the_seam_can_be_sent_to_another_thread() {
        fn sent<T: Send>(_: &T) {}
        let (sdio, handle) = card();
        sent(&sdio);
        sent(&handle);
    }

    #[test]
    fn a_function_that_is_not_enabled_is_refused() {
        let (mut sdio, _) = card();
        assert_eq!(sdio.read_register(0x10C), Err(SdioError::Card));
        sdio.enable().expect("it can be enabled");
        assert_eq!(sdio.read_register(0x10C), Ok(0));
        sdio.disable().expect("it can be disabled");
        assert_eq!(sdio.read_register(0x10C), Err(SdioError::Card));
    }

    #[test]
    fn a_card_that_is_gone_fails_every_command_until_it_is_back() {
        let (mut sdio, handle) = card();
        sdio.enable().expect("it can be enabled");
        handle.set_present(false);
        assert_eq!(sdio.read_register(0x10C), Err(SdioError::NoCard));
        assert_eq!(sdio.enable(), Err(SdioError::NoCard));
        handle.set_present(true);
        assert_eq!(sdio.read_register(0x10C), Err(SdioError::Card));
        sdio.enable().expect("it can be enabled again");
    }

    #[test]
    fn a_platform_without_power_switch_says_so() {
        let config = Config {
            power_switch: false,
            ..Config::default()
        };
        let (mut sdio, _) = Card::insert(config, Box::<ScriptedFirmware>::default());
        assert_eq!(sdio.set_power(false), Err(SdioError::Unsupported));
    }

    #[test]
    fn power_off_and_on_is_a_new_card() {
        let (mut sdio, handle) = card();
        sdio.enable().expect("it can be enabled");
        handle.with_chip(Chip::hang);
        sdio.set_power(false).expect("there is a switch");
        assert_eq!(sdio.read_register(0x10C), Err(SdioError::NoCard));
        sdio.set_power(true).expect("there is a switch");
        sdio.enable().expect("it can be enabled again");
        assert!(!handle.with_chip(|chip| chip.is_hung()));
    }

    #[test]
    fn a_buffer_is_used_again_after_it_was_dropped() {
        let (mut sdio, _) = card();
        let first = sdio.allocate(26_112).expect("memory");
        let address = first.bytes().as_ptr();
        drop(first);
        let second = sdio.allocate(512).expect("memory");
        assert_eq!(second.bytes().len(), 512);
        assert_eq!(second.bytes().as_ptr(), address);
    }

    #[test]
    fn every_command_costs_its_time() {
        let (mut sdio, handle) = card();
        sdio.enable().expect("it can be enabled");
        let before = handle.now();
        sdio.read_register(0x10C).expect("it is enabled");
        assert_eq!(handle.now().since(before), Duration::from_micros(8));
        assert_eq!(sdio.now(), handle.now());
    }

    use crate::chip::Chip;
}
