//! What the chip tells without being asked, received frames apart.
//!
//! Every message is checked once, here; what does not belong becomes an anomaly with its kind (specification: file 20,
//! sections 13 and 14; file 31, section 12).

use crate::control::Control;
use crate::event::{Event, PowerSaveFault, SignalLevel};
use crate::wake::WakeReason;
use bes_hal::{Instant, Memory};
use bes_pm::ledger::Owner;
use bes_pm::psm::{Heard, Indication, ModeError};
use bes_pm::reason::Reason;
use bes_wsm::anomaly::Anomaly;
use bes_wsm::wire::bluetooth::BluetoothReport;
use bes_wsm::wire::channel::ChannelSwitchDone;
use bes_wsm::wire::event::{Event as WireEvent, EventIndication};
use bes_wsm::wire::pm::{PsmMode, SetPowerModeResult};
use bes_wsm::wire::scan::ScanComplete;
use bes_wsm::wire::{Confirm, Dbm, Header, InterfaceId, MessageId, Status, WireError};

/// Takes an indication.
///
/// # Errors
///
/// What is wrong with it.
pub(crate) fn handle<M: Memory>(
    control: &mut Control<M>,
    message: &[u8],
    now: Instant,
) -> Result<(), Anomaly> {
    let header = Header::parse(message).map_err(|error| malformed(MessageId::EXCEPTION, error))?;
    let id = header.id();
    let bad = |error| malformed(id, error);
    match id {
        // The bottom half acts on these two.
        MessageId::STARTUP | MessageId::EXCEPTION => Ok(()),
        MessageId::SCAN_COMPLETE => {
            let complete = ScanComplete::parse(message).map_err(bad)?;
            control
                .scan
                .handle_complete(&control.world, complete.status, now)
        }
        MessageId::CHANNEL_SWITCH_DONE => {
            let done = ChannelSwitchDone::parse(message).map_err(bad)?;
            control.world.handle_switch(id)?;
            if done.status.is_success() {
                Ok(())
            } else {
                // Nothing more will come, so what waits goes on; the chip may be on another channel than it should.
                Err(Anomaly::Refused(id))
            }
        }
        MessageId::EVENT => {
            let interface = header.interface().map_err(bad)?;
            let event = EventIndication::parse(message).map_err(bad)?;
            handle_event(control, interface, event.event(), event.data, now)
        }
        MessageId::SET_PM_RESULT => {
            let interface = header.interface().map_err(bad)?;
            let result = SetPowerModeResult::parse(message).map_err(bad)?;
            let indication = match (result.status, result.mode) {
                (Status::Success, mode) if mode.is_power_save() => Indication::PowerSave,
                (Status::Success, PsmMode::Active) => Indication::Active,
                _ => Indication::Failed,
            };
            let Some(vif) = control.world.vif_mut(interface) else {
                return Err(Anomaly::UnknownInterface(id));
            };
            match vif.power_save.handle_indication(indication, now) {
                Heard::Expected => Ok(()),
                Heard::Refused => Err(Anomaly::Refused(MessageId::SET_PM)),
                Heard::OutOfTurn => Err(Anomaly::UnexpectedIndication(id)),
            }
        }
        MessageId::BLUETOOTH_ACTIVITY => {
            let report = BluetoothReport::parse(message).map_err(bad)?;
            control.world.coex.handle_bluetooth(report.activity);
            Ok(())
        }
        MessageId::BLUETOOTH_WAKE_UP => Ok(()),
        // Of the catalogue, but nobody asked for it: access points and P2P find are not in use.
        MessageId::SUSPEND_RESUME_TX | MessageId::FIND_COMPLETE => {
            Err(Anomaly::UnexpectedIndication(id))
        }
        _ => Err(Anomaly::UnknownMessage(id)),
    }
}

const fn malformed(id: MessageId, error: WireError) -> Anomaly {
    match error {
        WireError::Truncated | WireError::ShortLength(_) => Anomaly::Truncated(id),
        WireError::Interface(_) => Anomaly::UnknownInterface(id),
        _ => Anomaly::Malformed(id),
    }
}

fn handle_event<M: Memory>(
    control: &mut Control<M>,
    id: InterfaceId,
    event: WireEvent,
    data: u32,
    now: Instant,
) -> Result<(), Anomaly> {
    let scanning = control.scan.is_running();
    let world = &mut control.world;
    let unexpected = Err(Anomaly::UnexpectedIndication(MessageId::EVENT));
    let Some(vif) = world.vif_mut(id) else {
        return Err(Anomaly::UnknownInterface(MessageId::EVENT));
    };
    match event {
        WireEvent::BssLost if vif.connection.is_associated() => {
            vif.beacon_loss.handle_lost(scanning, now);
            world.host.note(id, WakeReason::Disconnect);
            Ok(())
        }
        // It may cross an unjoin.
        WireEvent::BssLost => Ok(()),
        WireEvent::BssRegained => {
            vif.beacon_loss.reset();
            Ok(())
        }
        WireEvent::SignalThreshold(rcpi) => {
            let dbm = i16::from(rcpi / 2).saturating_sub(110);
            let signal = Dbm(i8::try_from(dbm).unwrap_or(i8::MIN));
            // Compared with what was asked for; without it there is nothing to report (file 31, C21).
            let Some(cqm) = vif.cqm else {
                return unexpected;
            };
            let level = if signal <= cqm.threshold {
                SignalLevel::Low
            } else {
                SignalLevel::High
            };
            world.tell(Event::Signal {
                interface: id,
                level,
                signal,
            });
            Ok(())
        }
        WireEvent::PsModeError(error) => {
            if vif
                .power_save
                .handle_mode_error(ModeError::from(error.raw()))
            {
                world
                    .power
                    .touch(Reason::BadPowerSave, Owner::Interface(id.raw()), now);
                world.tell(Event::PowerSaveUnsupported {
                    interface: id,
                    fault: PowerSaveFault::AccessPoint,
                });
            }
            Ok(())
        }
        WireEvent::Inactivity(links) => {
            // Only links 1 to 14 name a station; the C driver took whatever bit was lowest (file 31, C33; file 20, D8).
            let mut known = false;
            for link in links.iter() {
                known = true;
                world.tell(Event::StationInactive {
                    interface: id,
                    link,
                });
            }
            if known {
                Ok(())
            } else {
                let [low, ..] = data.to_le_bytes();
                Err(Anomaly::UnknownLink(low))
            }
        }
        // Its codes are not known (file 20, section 13.1); what came with it says more.
        WireEvent::WakeUp { .. } => {
            world.host.note(id, WakeReason::Other);
            Ok(())
        }
        WireEvent::Error(_) | WireEvent::Radar | WireEvent::BtInactive | WireEvent::BtActive => {
            Ok(())
        }
        WireEvent::Unknown(_) => unexpected,
    }
}
