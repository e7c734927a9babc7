//! The driver as a kernel module would put it together, for `cargo xtask stack`: it is compiled and looked at, never run.
//!
//! Everything of the platform is a call that the compiler cannot see through, so what is measured is the driver alone.

use bes_hal::doorbell::Reasons;
use bes_hal::firmware::{FirmwareFile, FirmwareSource};
use bes_hal::frame::{NoRoom, RxBuffer, TxFrame};
use bes_hal::sdio::{Cmd53, HostLimits, SdioFunction};
use bes_hal::stack::{RxPart, Stack};
use bes_hal::{Instant, Memory, NoMemory, SdioError};
use bes_mac80211::config::DeviceConfig;
use bes_mac80211::device::Device;
use bes_mac80211::error::RequestError;
use bes_mac80211::event::Event;
use bes_mac80211::request::{Request, Token};
use bes_mac80211::rx::RxStatus;
use bes_mac80211::tx::{TxRefused, TxStatus};
use bes_mac80211::types::TxInfo;
use bes_sdio_bus::{Config, SdioTransport};
use bes_wsm::wire::InterfaceId;
use std::hint::black_box;

struct Function;
struct Files;
struct Above;
struct Kernel;
struct Skb(Box<[u8]>);
struct Pages(Box<[u8]>);

impl Memory for Kernel {
    type Table<T> = Box<[T]>;
    type Place<T> = Box<T>;

    #[inline(never)]
    fn table<T>(
        &mut self,
        count: usize,
        make: impl FnMut(usize) -> T,
    ) -> Result<Box<[T]>, NoMemory> {
        Ok((0..black_box(count)).map(make).collect())
    }

    #[inline(never)]
    fn place<T>(&mut self, value: T) -> Result<Box<T>, NoMemory> {
        Ok(Box::new(value))
    }
}

impl TxFrame for Skb {
    #[inline(never)]
    fn bytes(&self) -> &[u8] {
        black_box(&self.0)
    }
    #[inline(never)]
    fn bytes_mut(&mut self) -> &mut [u8] {
        black_box(&mut self.0)
    }
    #[inline(never)]
    fn push(&mut self, count: usize) -> Result<(), NoRoom> {
        black_box(Some(count)).map(|_| ()).ok_or(NoRoom)
    }
    #[inline(never)]
    fn pull(&mut self, count: usize) {
        black_box(count);
    }
    #[inline(never)]
    fn put(&mut self, count: usize) -> Result<(), NoRoom> {
        black_box(Some(count)).map(|_| ()).ok_or(NoRoom)
    }
    #[inline(never)]
    fn trim(&mut self, len: usize) {
        black_box(len);
    }
}

impl RxBuffer for Pages {
    #[inline(never)]
    fn bytes(&self) -> &[u8] {
        black_box(&self.0)
    }
    #[inline(never)]
    fn bytes_mut(&mut self) -> &mut [u8] {
        black_box(&mut self.0)
    }
}

impl SdioFunction for Function {
    type Buffer = Pages;

    #[inline(never)]
    fn now(&self) -> Instant {
        Instant::from_nanos(black_box(1))
    }
    #[inline(never)]
    fn limits(&self) -> HostLimits {
        black_box(HostLimits::default())
    }
    #[inline(never)]
    fn read_register(&mut self, address: u32) -> Result<u8, SdioError> {
        black_box(u8::try_from(address)).map_err(|_| SdioError::Crc)
    }
    #[inline(never)]
    fn write_register(&mut self, address: u32, value: u8) -> Result<(), SdioError> {
        black_box((address, value));
        black_box(Ok(()))
    }
    #[inline(never)]
    fn allocate(&mut self, len: usize) -> Result<Pages, SdioError> {
        black_box(Some(Pages(vec![0; len].into()))).ok_or(SdioError::NoMemory)
    }
    #[inline(never)]
    fn read_data(&mut self, command: Cmd53, buffer: &mut [u8]) -> Result<(), SdioError> {
        black_box((command, buffer));
        black_box(Ok(()))
    }
    #[inline(never)]
    fn write_data(&mut self, command: Cmd53, segments: &[&[u8]]) -> Result<(), SdioError> {
        black_box((command, segments));
        black_box(Ok(()))
    }
    #[inline(never)]
    fn enable(&mut self) -> Result<(), SdioError> {
        black_box(Ok(()))
    }
    #[inline(never)]
    fn disable(&mut self) -> Result<(), SdioError> {
        black_box(Ok(()))
    }
    #[inline(never)]
    fn take_interrupt(&mut self) -> bool {
        black_box(true)
    }
    #[inline(never)]
    fn hold_tuning(&mut self, hold: bool) {
        black_box(hold);
    }
    #[inline(never)]
    fn abort(&mut self) -> Result<(), SdioError> {
        black_box(Ok(()))
    }
    #[inline(never)]
    fn retune(&mut self) -> Result<(), SdioError> {
        black_box(Ok(()))
    }
    #[inline(never)]
    fn set_wake_line(&mut self, asserted: bool) {
        black_box(asserted);
    }
    #[inline(never)]
    fn set_power(&mut self, on: bool) -> Result<(), SdioError> {
        black_box(on);
        black_box(Ok(()))
    }
}

impl FirmwareSource for Files {
    #[inline(never)]
    fn file(&self, file: FirmwareFile) -> Option<&[u8]> {
        black_box(file);
        black_box(Some(&[]))
    }
}

impl Stack for Above {
    type Frame = Skb;
    type Buffer = Pages;
    type Memory = Kernel;
    type RxStatus = RxStatus;
    type TxStatus = TxStatus;
    type Event = Event;

    #[inline(never)]
    fn deliver(&mut self, buffer: Pages, frames: &[RxPart<RxStatus>]) {
        black_box((buffer, frames));
    }
    #[inline(never)]
    fn tx_status(&mut self, frame: Skb, status: TxStatus) {
        black_box((frame, status));
    }
    #[inline(never)]
    fn notify(&mut self, event: Event) {
        black_box(event);
    }
    #[inline(never)]
    fn allocate(&mut self, content: &[u8]) -> Option<Skb> {
        black_box(Some(Skb(content.into())))
    }
}

type Driver = Device<SdioTransport<Function, Files>, Above>;

#[inline(never)]
fn entry_new(config: DeviceConfig, memory: &mut Kernel) -> Result<Driver, NoMemory> {
    let transport = SdioTransport::new(Function, Files, Config::default());
    Device::new(transport, config, memory)
}

#[inline(never)]
fn entry_run(device: &mut Driver, stack: &mut Above) -> Option<Instant> {
    device.run(black_box(Reasons::INTERRUPT), stack)
}

#[inline(never)]
fn entry_request(device: &mut Driver, request: Request<'_>) -> Result<(), RequestError> {
    device.request(Token(black_box(1)), request, Instant::ZERO)
}

#[inline(never)]
fn entry_transmit(device: &mut Driver, frame: Skb, info: TxInfo) -> Result<(), (Skb, TxRefused)> {
    device.transmit(InterfaceId::Zero, frame, info, Instant::ZERO)
}

#[inline(never)]
fn entry_shutdown(device: &mut Driver, stack: &mut Above) {
    device.shutdown(stack);
}

fn main() {
    let config: DeviceConfig = black_box(None).unwrap();
    let mut device = entry_new(config, &mut Kernel).unwrap();
    let mut stack = Above;
    black_box(entry_run(&mut device, &mut stack));
    black_box(entry_request(&mut device, black_box(Request::Boot))).unwrap();
    let info: TxInfo = black_box(None).unwrap();
    let refused = entry_transmit(&mut device, Skb(Box::new([])), info);
    black_box(refused.is_ok());
    entry_shutdown(&mut device, &mut stack);
}
