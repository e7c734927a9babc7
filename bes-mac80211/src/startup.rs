//! The messages after the chip reported its start: collected confirms on, then the configuration, for both interfaces.
//!
//! MIB 0x1024 on interface 0 and 1, CONFIGURATION on interface 0 and 1 (specification: file 20, section 16.5, "Start";
//! file 31, section 2.1).

use crate::command;
use crate::error::RequestError;
use crate::procedure::{Answer, Cursor, Next};
use crate::request::Response;
use crate::types::MacAddress;
use crate::world::World;
use bes_hal::Memory;
use bes_wsm::anomaly::Anomaly;
use bes_wsm::wire::InterfaceId;

#[derive(Clone, Copy, Debug)]
enum StartStep {
    CollectConfirms(InterfaceId),
    Configuration(InterfaceId),
}

const STEPS: &[StartStep] = &[
    StartStep::CollectConfirms(InterfaceId::Zero),
    StartStep::CollectConfirms(InterfaceId::One),
    StartStep::Configuration(InterfaceId::Zero),
    StartStep::Configuration(InterfaceId::One),
];

/// Start of the Wi-Fi subsystem, after the chip reported its start.
#[derive(Debug, Default)]
pub(crate) struct Startup {
    cursor: Cursor,
}

impl Startup {
    pub(crate) fn next<M: Memory>(&mut self, world: &mut World<M>, out: &mut [u8]) -> Next {
        let config = &world.config;
        self.cursor.next(STEPS, Response::Done, |step| match step {
            StartStep::CollectConfirms(interface) => {
                command::collect_confirms(out, interface).into()
            }
            // Both carry the address of the device. The C driver lets the first confirm overwrite it, so that a chip
            // that answers something else changes the second message (file 20, D31).
            StartStep::Configuration(interface) => {
                command::configuration(out, interface, config.address, config.parameters).into()
            }
        })
    }

    pub(crate) fn answer<M: Memory>(&mut self, world: &mut World<M>, answer: Answer<'_>) {
        let outcome = match self.cursor.step(STEPS) {
            // Single confirms work as well.
            Some(StartStep::CollectConfirms(_)) | None => answer.optional(world),
            Some(StartStep::Configuration(_)) => self.configured(world, answer),
        };
        self.cursor.settle(outcome);
    }

    fn configured<M: Memory>(
        &self,
        world: &mut World<M>,
        answer: Answer<'_>,
    ) -> Result<(), RequestError> {
        let message = answer.required()?;
        match command::configured_address(message) {
            Some(address) if address == world.config.address => {}
            Some(MacAddress(_)) => world.note(Anomaly::AddressChanged),
            None => world.note(Anomaly::Truncated(
                bes_wsm::wire::MessageId::CONFIGURATION.confirm(),
            )),
        }
        Ok(())
    }
}
