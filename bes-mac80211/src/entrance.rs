//! Where frames of the stack come in: what may be sent in which state of an interface (specification: file 30,
//! section 3.6; file 31, section 8.1).

use crate::mpdu::{receiver, FrameControl};
use crate::queue::FifoId;
use crate::session::Core;
use crate::tx::{self, Outline, TxRefused};
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
        let bytes = frame.bytes();
        let control = FrameControl::of(bytes);
        if !control.is_data() {
            return self.transmit_other(interface, frame, info, now);
        }
        let fifo = FifoId::new(interface, info.access_category);
        let outline = match tx::check_as(bytes, control, &info)
            .and_then(|outline| self.admit_data(interface, bytes).map(|()| outline))
        {
            Ok(outline) => outline,
            Err(refused) => {
                self.stats.count_refused(fifo);
                return Err((frame, refused));
            }
        };
        self.note_sending(interface, now);
        self.take_in(fifo, frame, info, outline, now)
    }

    /// The same for a frame that is not data.
    #[inline(never)]
    fn transmit_other(
        &mut self,
        interface: InterfaceId,
        frame: F,
        info: TxInfo,
        now: Instant,
    ) -> Result<(), (F, TxRefused)> {
        let fifo = FifoId::new(interface, info.access_category);
        let bytes = frame.bytes();
        let admitted = tx::check(bytes, &info)
            .and_then(|outline| Ok((outline, self.admit_management(interface, bytes, now)?)));
        let (outline, held) = match admitted {
            Ok(admitted) => admitted,
            Err(refused) => {
                self.stats.count_refused(fifo);
                return Err((frame, refused));
            }
        };
        self.note_sending(interface, now);
        if !held {
            return self.take_in(fifo, frame, info, outline, now);
        }
        match self.hold(interface, frame, info) {
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

    #[inline(always)]
    fn note_sending(&mut self, interface: InterfaceId, now: Instant) {
        self.control
            .world
            .power
            .touch(Reason::Tx, Owner::Interface(interface.raw()), now);
    }

    /// Puts a frame into its queue.
    #[inline(always)]
    fn take_in(
        &mut self,
        fifo: FifoId,
        frame: F,
        info: TxInfo,
        outline: Outline,
        now: Instant,
    ) -> Result<(), (F, TxRefused)> {
        match self.queues.push(fifo, frame, info, outline, now) {
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

    /// Whether a data frame may be sent in the state of its interface.
    #[inline(always)]
    fn admit_data(&self, interface: InterfaceId, frame: &[u8]) -> Result<(), TxRefused> {
        let vif = self
            .control
            .world
            .vif(interface)
            .ok_or(TxRefused::NotRunning)?;
        match &vif.connection {
            Connection::Associated { bssid } | Connection::Joined { bssid, .. }
                if Some(*bssid) == receiver(frame) =>
            {
                Ok(())
            }
            _ => Err(TxRefused::NotJoined),
        }
    }

    /// The same for a frame that is not data; `true` if it has to wait for a join.
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
