//! Where frames leave for the chip: which may go, and what each of them needs before.

use crate::airtime::estimate;
use crate::control::Control;
use crate::encapsulation::{encapsulate, template, TxContext};
use crate::policy_upload::PolicyUpload;
use crate::queue::{Departed, Departure, FifoId, FifoSet, FrameNumber, Loader, Record, Removed};
use crate::rate_policy::{Acquisition, RatePolicies};
use crate::scheduler::Turn;
use crate::session::Core;
use crate::tx::TxRefused;
use crate::types::Cipher;
use bes_hal::frame::TxFrame;
use bes_hal::{Instant, Memory};
use bes_wsm::client::{FrameSink, Offer, Outgoing};
use bes_wsm::wire::tx::{TransmitConfirm, TransmitTemplate};
use bes_wsm::wire::{InterfaceId, RatePolicyIndex};

/// Longest time that a frame is taken to occupy the air with all its attempts, in microseconds.
const LONGEST_ON_AIR: u32 = 50_000;

/// Why a turn ended.
pub(crate) enum TurnEnd<F> {
    /// All that it allowed was sent, or nothing is left.
    Over,
    /// The sink has enough.
    Enough,
    /// The first frame waits for something; so do those behind it.
    Waits,
    /// The first frame cannot be sent after all.
    Refused(Removed<F>, TxRefused),
    /// The sink did not take a frame.
    Unsendable(F, FrameNumber),
}

impl<F: TxFrame, M: Memory> Core<F, M> {
    /// The FIFOs that have frames which may leave now.
    #[inline]
    pub(crate) fn ready(&self) -> FifoSet {
        let mut ready = self.queues.waiting();
        for id in InterfaceId::ALL {
            if ready.row(id) != 0 && !self.control.may_send(id) {
                ready = ready.minus(FifoSet::of_interface(id));
            }
        }
        ready
    }

    /// A frame needed more air than one attempt at its first rate: its interface pays for what the chip says.
    #[cold]
    pub(crate) fn note_repetition(&mut self, number: FrameNumber, confirm: &TransmitConfirm) {
        if let Some(record) = self.queues.away(number) {
            let charged = estimate(record.rate, record.outline.len);
            // Nobody's frame is on the air for longer; a chip that says so does not stop its interface for good.
            let taken = confirm.media_delay_us.min(LONGEST_ON_AIR);
            self.scheduler
                .repeated(record.fifo.interface, taken.saturating_sub(charged));
        }
    }

    /// So many frames of an interface went to the chip.
    pub(crate) fn count_out(&mut self, interface: InterfaceId, frames: usize) {
        if let Some(count) = self.in_chip.get_mut(interface.index()) {
            *count = count.saturating_add(frames);
        }
    }

    pub(crate) fn context(&self, interface: InterfaceId, now: Instant) -> TxContext {
        let world = &self.control.world;
        let greenfield = world
            .vif(interface)
            .and_then(|vif| vif.association.as_ref())
            .and_then(|association| association.ht.as_ref())
            .is_some_and(|ht| ht.greenfield);
        TxContext {
            greenfield,
            bluetooth: world.config.coexistence,
            millis: now.as_millis(),
        }
    }

    /// Sends what a turn allows.
    #[inline(always)]
    pub(crate) fn serve(
        &mut self,
        turn: Turn,
        ready: FifoSet,
        context: &TxContext,
        sink: &mut impl FrameSink<F, FrameNumber>,
    ) -> TurnEnd<F> {
        let fifo = turn.fifo;
        let (mut frames, mut bytes, mut airtime) = (0_u16, 0_u32, 0_u32);
        let mut template = None;
        let end = loop {
            let mut loader = Encapsulate {
                fifo,
                template: &mut template,
                control: &mut self.control,
                policies: &mut self.policies,
                upload: &mut self.upload,
                stirred: &mut self.stirred,
                context,
            };
            match self.queues.depart(fifo, &mut loader) {
                Departed::Gone {
                    number,
                    frame,
                    len,
                    link,
                    rate,
                } => {
                    frames = frames.wrapping_add(1);
                    bytes = bytes.wrapping_add(u32::from(len));
                    // No batch has as many frames as it takes to leave the range.
                    airtime = airtime.wrapping_add(estimate(rate, len));
                    let outgoing = Outgoing {
                        frame,
                        tag: number,
                        queue: fifo.access_category.number(),
                        interface: fifo.interface,
                        link: link.raw(),
                    };
                    match sink.offer(outgoing) {
                        Offer::More => {
                            if frames >= turn.frames || airtime >= turn.airtime {
                                break TurnEnd::Over;
                            }
                        }
                        Offer::Enough => break TurnEnd::Enough,
                        Offer::Unsendable(frame, number) => {
                            break TurnEnd::Unsendable(frame, number)
                        }
                    }
                }
                Departed::Stayed if self.queues.waiting().has(fifo) => break TurnEnd::Waits,
                Departed::Stayed => break TurnEnd::Over,
                Departed::Refused(removed, refused) => break TurnEnd::Refused(removed, refused),
            }
        };
        if frames > 0 {
            self.stats.count_sent(fifo, frames, bytes);
            self.scheduler.charge(fifo, frames, airtime, ready);
            self.count_out(fifo.interface, usize::from(frames));
        }
        end
    }
}

/// Makes the message around a frame, unless something has to happen first.
struct Encapsulate<'a, M: Memory> {
    fifo: FifoId,
    /// What the frames with one policy have in common.
    template: &'a mut Option<(RatePolicyIndex, TransmitTemplate)>,
    control: &'a mut Control<M>,
    policies: &'a mut RatePolicies,
    upload: &'a mut PolicyUpload,
    stirred: &'a mut bool,
    context: &'a TxContext,
}

impl<F: TxFrame, M: Memory> Loader<F> for Encapsulate<'_, M> {
    #[inline(always)]
    fn load(&mut self, frame: &mut F, record: &mut Record) -> Departure {
        if record.info.key.is_some_and(|key| key.cipher == Cipher::Wep) && !self.has_wep_key(record)
        {
            return Departure::Stay;
        }
        let (series, band) = (record.info.rates, record.info.band);
        if !self.policies.acquire_latest(series, band) {
            match self.policies.acquire(series, band) {
                Acquisition::Ready(_) => *self.template = None,
                Acquisition::NeedsUpload => {
                    *self.stirred |= self.upload.want();
                    return Departure::Stay;
                }
                Acquisition::Exhausted => return Departure::Stay,
            }
        }
        let policy = self.policies.latest();
        let known = self
            .template
            .as_ref()
            .is_some_and(|(of, _)| *of == policy.index);
        if !known {
            *self.template = Some((policy.index, template(self.fifo, policy, self.context)));
        }
        let Some((_, template)) = self.template else {
            // It was put there just now.
            return Departure::Stay;
        };
        match encapsulate(frame, record, policy, template, self.context) {
            Ok(()) => Departure::Go,
            Err(refused) => {
                let index = policy.index;
                self.policies.release(index);
                Departure::Refuse(refused)
            }
        }
    }
}

impl<M: Memory> Encapsulate<'_, M> {
    /// Whether the chip's one WEP default key is that of a frame; if not, it is asked to change it.
    #[cold]
    fn has_wep_key(&mut self, record: &Record) -> bool {
        let Some(key) = record.info.key else {
            return true;
        };
        let vif = self.control.world.vif_mut(record.fifo.interface);
        let Some(vif) = vif.filter(|vif| vif.wep_key != Some(key.index)) else {
            return true;
        };
        *self.stirred |= vif.work.wep_key != Some(key.index);
        vif.work.wep_key = Some(key.index);
        false
    }
}
