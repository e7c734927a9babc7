//! Where frames of the stack come in: what may be sent in which state of an interface (specification: file 30,
//! section 3.6; file 31, section 8.1).

use crate::mpdu::{receiver, FrameControl};
use crate::queue::FifoId;
use crate::session::Core;
use crate::tx::{self, TxRefused};
use crate::types::TxInfo;
use crate::vif::Connection;
use bes_hal::frame::TxFrame;
use bes_hal::{Instant, Memory};
use bes_pm::ledger::Owner;
use bes_pm::reason::Reason;
use bes_wsm::wire::InterfaceId;

impl<F: TxFrame, M: Memory> Core<F, M> {
    /// Takes a frame of the stack.
    #[inline(always)]
    pub(crate) fn transmit(
        &mut self,
        interface: InterfaceId,
        frame: F,
        info: TxInfo,
        now: Instant,
    ) -> Result<(), (F, TxRefused)> {
        let fifo = FifoId::new(interface, info.access_category);
        let bytes = frame.bytes();
        // No closures: what is not inlined costs a frame more than its work.
        let outline = match tx::check(bytes, &info) {
            Ok(outline) => outline,
            Err(refused) => {
                self.stats.count_refused(fifo);
                return Err((frame, refused));
            }
        };
        let held = match self.admit(interface, bytes, now) {
            Ok(held) => held,
            Err(refused) => {
                self.stats.count_refused(fifo);
                return Err((frame, refused));
            }
        };
        self.control
            .world
            .power
            .touch(Reason::Tx, Owner::Interface(interface.raw()), now);
        let taken = if held {
            self.hold(interface, frame, info)
        } else {
            self.queues.push(fifo, frame, info, outline, now)
        };
        match taken {
            Ok(()) => {
                self.stats.count_queued(fifo);
                Ok(())
            }
            Err(frame) => {
                self.stats.count_refused(fifo);
                Err((frame, TxRefused::QueueFull))
            }
        }
    }

    /// Keeps a frame until its interface has joined. One is enough: the stack repeats it when it is lost.
    #[cold]
    fn hold(&mut self, interface: InterfaceId, frame: F, info: TxInfo) -> Result<(), F> {
        match self.held.get_mut(interface.index()) {
            Some(slot @ None) => {
                *slot = Some((frame, info));
                Ok(())
            }
            _ => Err(frame),
        }
    }

    /// Whether a frame may be sent in the state of its interface; `true` if it has to wait for a join.
    #[inline(always)]
    fn admit(
        &mut self,
        interface: InterfaceId,
        frame: &[u8],
        now: Instant,
    ) -> Result<bool, TxRefused> {
        if !FrameControl::of(frame).is_data() {
            return self.admit_management(interface, frame, now);
        }
        let vif = self.control.world.vif(interface);
        match vif.map(|vif| &vif.connection) {
            Some(Connection::Associated { bssid } | Connection::Joined { bssid, .. })
                if Some(*bssid) == receiver(frame) =>
            {
                Ok(false)
            }
            Some(_) => Err(TxRefused::NotJoined),
            None => Err(TxRefused::NotRunning),
        }
    }

    /// The same for a frame that is not data.
    #[cold]
    fn admit_management(
        &mut self,
        interface: InterfaceId,
        frame: &[u8],
        now: Instant,
    ) -> Result<bool, TxRefused> {
        let limit = self.control.world.config.join_limit;
        let vif = self
            .control
            .world
            .vif_mut(interface)
            .ok_or(TxRefused::NotRunning)?;
        let control = FrameControl::of(frame);
        let to = receiver(frame);
        let generic = vif.is_generic();
        match control.kind() {
            FrameControl::AUTHENTICATION
            | FrameControl::ASSOCIATION_REQUEST
            | FrameControl::REASSOCIATION_REQUEST => match &mut vif.connection {
                Connection::Joined { bssid, until } if Some(*bssid) == to => {
                    // The attempt goes on.
                    *until = now.after(limit);
                    Ok(false)
                }
                Connection::Associated { bssid } if Some(*bssid) == to => Ok(false),
                Connection::Joining { bssid } if Some(*bssid) == to => Ok(true),
                _ if control.kind() != FrameControl::AUTHENTICATION || generic => {
                    Err(TxRefused::NotJoined)
                }
                _ => match vif.known_bss {
                    Some(bss) if Some(bss.bssid) == to => {
                        vif.work.join = Some(bss);
                        Ok(true)
                    }
                    _ => Err(TxRefused::NotJoined),
                },
            },
            FrameControl::DEAUTHENTICATION => {
                if vif.connection.is_joined() && vif.connection.joined_bssid() == to {
                    vif.work.unjoin = true;
                }
                Ok(false)
            }
            _ => Ok(false),
        }
    }
}
