// SPDX-License-Identifier: GPL-2.0-only

//! A stack above the device that only switches it on: what stands above until mac80211 does.

use crate::abstractions::bus_thread::Bell;
use crate::bus::{Driver, Upper};
use crate::function::BurstMemory;
use crate::log::Shown;
use crate::tables::Tables;
use bes_hal::frame::{NoRoom, RxBuffer, TxFrame};
use bes_hal::sdio::SdioFunction;
use bes_hal::stack::{RxPart, Stack};
use bes_mac80211::device::DeviceState;
use bes_mac80211::event::Event;
use bes_mac80211::request::{Request, Token};
use bes_mac80211::rx::RxStatus;
use bes_mac80211::tx::TxStatus;
use bes_mac80211::types::MacAddress;
use kernel::device::Device;
use kernel::prelude::*;
use kernel::sync::aref::ARef;
use kernel::sync::Arc;

/// Bytes of a burst.
pub(crate) struct Burst(KVec<u8>);

impl BurstMemory for Burst {
    fn allocate(len: usize) -> Option<Self> {
        KVec::from_elem(0, len, GFP_KERNEL).ok().map(Self)
    }
}

impl RxBuffer for Burst {
    fn bytes(&self) -> &[u8] {
        &self.0
    }

    fn bytes_mut(&mut self) -> &mut [u8] {
        &mut self.0
    }
}

/// There are no frames.
pub(crate) enum NoFrame {}

impl TxFrame for NoFrame {
    fn bytes(&self) -> &[u8] {
        match *self {}
    }

    fn bytes_mut(&mut self) -> &mut [u8] {
        match *self {}
    }

    fn push(&mut self, _: usize) -> Result<(), NoRoom> {
        match *self {}
    }

    fn pull(&mut self, _: usize) {
        match *self {}
    }

    fn put(&mut self, _: usize) -> Result<(), NoRoom> {
        match *self {}
    }

    fn trim(&mut self, _: usize) {
        match *self {}
    }
}

/// See the [module](self).
pub(crate) struct BootOnly {
    device: ARef<Device>,
    told: Option<DeviceState>,
}

impl Stack for BootOnly {
    type Frame = NoFrame;
    type Buffer = Burst;
    type Memory = Tables;
    type RxStatus = RxStatus;
    type TxStatus = TxStatus;
    type Event = Event;

    fn deliver(&mut self, _: Burst, _: &[RxPart<RxStatus>]) {}

    fn tx_status(&mut self, frame: NoFrame, _: TxStatus) {
        match frame {}
    }

    fn notify(&mut self, _: Event) {}

    fn allocate(&mut self, _: &[u8]) -> Option<NoFrame> {
        None
    }
}

impl Upper for BootOnly {
    type Registration = ();

    fn new(_: Arc<Bell>, device: ARef<Device>, _: MacAddress) -> Result<Self> {
        Ok(Self { device, told: None })
    }

    fn register(&mut self, driver: &mut Driver<Self>) -> Result {
        let now = driver.transport().function().now();
        driver
            .request(Token(1), Request::Start, now)
            .map_err(crate::errno::of_request)
    }

    fn take_over(&mut self, _: &mut Driver<Self>) {}

    fn settle(&mut self, driver: &mut Driver<Self>) {
        let state = driver.state();
        if self.told != Some(state) {
            self.told = Some(state);
            dev_info!(self.device, "{}\n", Shown(state));
        }
    }

    fn close(&mut self) {}
}
