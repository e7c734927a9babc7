//! The scan: a list of channels, cut into requests by [`ScanPolicy`](crate::scan_policy::ScanPolicy).
//!
//! | phase | what happens | next |
//! |---|---|---|
//! | template | probe request template is written | narrow; over if refused |
//! | narrow, narrowed | a 40 MHz association goes to 20 MHz, indication awaited | plan |
//! | plan | next request is chosen, channels refused too often are left out | power, or restore at the end |
//! | power | transmit power, if it differs | start |
//! | starting | START_SCAN awaits its confirm | running; plan if refused |
//! | running | the chip scans; its end is awaited | home while joined, else plan; stop when too late |
//! | home | data flows on the home channel for a moment | plan |
//! | stop, stopping | STOP_SCAN, and the end that is still due | restore; without an end: needs recovery |
//! | restore, widen, widened | power and width as they were | idle |
//!
//! Configuration commands run freely in running, stopping and home; the other phases own the configuration. A refused
//! request of several channels is repeated channel by channel; a refused channel is skipped, and the results of the
//! others are kept (specification: file 31, section 7; file 50, section 3).

use crate::address::is_group;
use crate::command;
use crate::error::RequestError;
use crate::event::Event;
use crate::join::switched;
use crate::procedure::{Answer, Next, Step};
use crate::request::{
    Response, ScanChannel, ScanRequest, Ssid, Token, MAX_SCAN_CHANNELS, MAX_SCAN_SSIDS,
};
use crate::scan_policy::{Batch, Circumstances};
use crate::template::{self, PROBE_REQUEST_LEN};
use crate::types::{Channel, ChannelType, MacAddress};
use crate::world::World;
use bes_hal::{Instant, Memory, NoMemory};
use bes_wsm::anomaly::Anomaly;
use bes_wsm::recovery::RecoveryReason;
use bes_wsm::wire::{InterfaceId, MessageId, Status};

/// Where a scan stands; see the [module](self).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ScanPhase {
    /// No scan.
    Idle,
    /// Waits for its turn.
    Queued,
    /// Template due or being written.
    Template,
    /// Width due to be narrowed.
    Narrow,
    /// Narrowing under way.
    Narrowed,
    /// Next request due to be chosen.
    Plan,
    /// The chip says it is still joined; a reset is due.
    Reset,
    /// Power due.
    Power,
    /// Request due.
    Start,
    /// Request awaits its confirm.
    Starting,
    /// The chip scans.
    Running {
        /// When it is stopped.
        until: Instant,
    },
    /// To be stopped.
    Stop,
    /// Stopped; the end is due.
    Stopping {
        /// When it must have come.
        until: Instant,
    },
    /// On the home channel between two requests.
    Home {
        /// When the next one is due.
        until: Instant,
    },
    /// Power due to be restored.
    Restore,
    /// Width due to be restored.
    Widen,
    /// Widening under way.
    Widened,
    /// Due to be told.
    Finish,
}

/// The request that the phase is about.
#[derive(Debug)]
struct Job {
    token: Token,
    interface: InterfaceId,
    channels: [ScanChannel; MAX_SCAN_CHANNELS],
    count: usize,
    ssids: [Ssid; MAX_SCAN_SSIDS],
    ssid_count: usize,
    no_cck: bool,
    source: Option<MacAddress>,
    /// Index of the next channel.
    at: usize,
    /// Channels below this index go one by one.
    singly_below: usize,
    batch: Option<Batch>,
    narrowed: Option<(InterfaceId, Channel, ChannelType)>,
    power_changed: bool,
    reset_tried: bool,
    /// When the request went out.
    sent_at: Instant,
    ended_early: Option<Status>,
    refused: u8,
    aborted: bool,
    cancelled: bool,
}

/// The scan of a device.
pub struct Scan<M: Memory> {
    phase: ScanPhase,
    job: Option<Job>,
    /// The probe request of the job, and how long it is.
    template: M::Table<u8>,
    template_len: usize,
    canceller: Option<Token>,
}

/// The chip's answer when its lower MAC is still joined (file 50, section 3.2).
const STATUS_STILL_JOINED: u32 = 13;

impl<M: Memory> Scan<M> {
    pub(crate) fn new(memory: &mut M) -> Result<Self, NoMemory> {
        Ok(Self {
            phase: ScanPhase::Idle,
            job: None,
            template: memory.table(PROBE_REQUEST_LEN, |_| 0)?,
            template_len: 0,
            canceller: None,
        })
    }

    /// Where it stands.
    pub const fn phase(&self) -> ScanPhase {
        self.phase
    }

    /// Channel that is scanned now, or the first of several.
    pub fn channel(&self) -> Option<Channel> {
        let job = self.job.as_ref()?;
        let first = job.batch?.first;
        Some(job.channels.get(first)?.channel)
    }

    /// Whether there is a scan, waiting or running.
    pub fn is_active(&self) -> bool {
        self.phase != ScanPhase::Idle
    }

    /// Whether a scan is under way that joins and unjoins have to wait for.
    pub(crate) fn is_running(&self) -> bool {
        !matches!(self.phase, ScanPhase::Idle | ScanPhase::Queued)
    }

    /// Whether the chip may be on another channel, so that frames have to wait.
    pub fn is_off_channel(&self) -> bool {
        matches!(
            self.phase,
            ScanPhase::Starting
                | ScanPhase::Running { .. }
                | ScanPhase::Stop
                | ScanPhase::Stopping { .. }
        )
    }

    /// Whether its next step needs the configuration.
    pub(crate) fn wants_channel(&self) -> bool {
        !matches!(
            self.phase,
            ScanPhase::Idle
                | ScanPhase::Queued
                | ScanPhase::Running { .. }
                | ScanPhase::Stopping { .. }
                | ScanPhase::Home { .. }
        )
    }

    /// Interface that asked.
    pub fn interface(&self) -> Option<InterfaceId> {
        self.job.as_ref().map(|job| job.interface)
    }

    /// Takes over a request; it waits for its turn.
    pub(crate) fn accept(
        &mut self,
        token: Token,
        interface: InterfaceId,
        request: &ScanRequest<'_>,
    ) -> Result<(), RequestError> {
        if self.is_active() {
            return Err(RequestError::Busy);
        }
        if request.ssids.len() > MAX_SCAN_SSIDS {
            return Err(RequestError::Invalid);
        }
        if request
            .source
            .is_some_and(|source| is_group(source) || source == MacAddress([0; 6]))
        {
            return Err(RequestError::Invalid);
        }
        let first = *request.channels.first().ok_or(RequestError::Invalid)?;
        let mut channels = [first; MAX_SCAN_CHANNELS];
        channels
            .get_mut(..request.channels.len())
            .ok_or(RequestError::Invalid)?
            .copy_from_slice(request.channels);
        // One empty SSID means any network, which is no SSID for the chip (file 31, section 7.1).
        let wildcard = request.ssids.len() == 1
            && request
                .ssids
                .first()
                .is_some_and(|ssid| ssid.as_bytes().is_empty());
        let mut ssids = [Ssid::default(); MAX_SCAN_SSIDS];
        let ssid_count = if wildcard { 0 } else { request.ssids.len() };
        for (slot, ssid) in ssids.iter_mut().zip(request.ssids) {
            *slot = *ssid;
        }
        self.template_len = template::probe_request(&mut self.template, request.elements)
            .ok_or(RequestError::Invalid)?;
        self.job = Some(Job {
            token,
            interface,
            channels,
            count: request.channels.len(),
            ssids,
            ssid_count,
            no_cck: request.no_cck,
            source: request.source,
            at: 0,
            singly_below: 0,
            batch: None,
            narrowed: None,
            power_changed: false,
            reset_tried: false,
            sent_at: Instant::ZERO,
            ended_early: None,
            refused: 0,
            aborted: false,
            cancelled: false,
        });
        self.phase = ScanPhase::Queued;
        Ok(())
    }

    /// Its turn has come.
    pub(crate) fn begin(&mut self, world: &mut World<M>) {
        if self.phase != ScanPhase::Queued {
            return;
        }
        let own = self
            .interface()
            .and_then(|interface| world.vif(interface))
            .map(|vif| (vif.address, vif.connection.joined_bssid().is_none()));
        let (Some((own, free)), Some(job)) = (own, &self.job) else {
            // The interface is gone: nothing stays locked or busy (file 31, C7).
            self.refuse(world, RequestError::NoInterface);
            return;
        };
        let cancelled = job.cancelled;
        let source = job.source.filter(|_| free).unwrap_or(own);
        template::set_source(&mut self.template, source);
        if cancelled {
            self.refuse(world, RequestError::Aborted);
            self.tell_canceller(world);
            return;
        }
        self.phase = ScanPhase::Template;
    }

    /// The request is answered with an error, and there was no scan.
    fn refuse(&mut self, world: &mut World<M>, error: RequestError) {
        self.phase = ScanPhase::Idle;
        if let Some(job) = self.job.take() {
            world.tell(Event::Completed {
                token: job.token,
                result: Err(error),
            });
        }
    }

    /// Ends the scan as soon as possible. `token` is answered when it has ended.
    pub(crate) fn cancel(&mut self, world: &mut World<M>, token: Option<Token>) {
        if let Some(earlier) = core::mem::replace(&mut self.canceller, token) {
            world.tell(Event::Completed {
                token: earlier,
                result: Ok(Response::Done),
            });
        }
        match &mut self.job {
            None => self.tell_canceller(world),
            Some(job) => {
                job.cancelled = true;
                job.aborted = true;
                match self.phase {
                    ScanPhase::Running { .. } => self.phase = ScanPhase::Stop,
                    ScanPhase::Home { .. } => self.phase = ScanPhase::Restore,
                    ScanPhase::Queued => self.begin(world),
                    _ => {}
                }
            }
        }
    }

    fn tell_canceller(&mut self, world: &mut World<M>) {
        if let Some(token) = self.canceller.take() {
            world.tell(Event::Completed {
                token,
                result: Ok(Response::Done),
            });
        }
    }

    /// What to do next; a message is written into `out`.
    pub(crate) fn next(&mut self, world: &mut World<M>, now: Instant, out: &mut [u8]) -> Next {
        // Every turn of the loop either returns or moves on to a later phase or channel.
        loop {
            let Some(job) = &mut self.job else {
                self.phase = ScanPhase::Idle;
                return Next::Done(Ok(Response::Done));
            };
            match self.phase {
                ScanPhase::Idle | ScanPhase::Queued | ScanPhase::Starting => {
                    return Next::Wait(Instant::NEVER)
                }
                ScanPhase::Running { until }
                | ScanPhase::Stopping { until }
                | ScanPhase::Home { until } => return Next::Wait(until),
                ScanPhase::Template => {
                    let frame = self.template.get(..self.template_len).unwrap_or(&[]);
                    let [first, ..] = job.channels;
                    match command::probe_request(out, first.channel.band(), frame) {
                        Ok(len) => return Next::Send(len),
                        Err(_) => self.refuse(world, RequestError::Invalid),
                    }
                }
                ScanPhase::Narrow => {
                    let wide = world.vifs().find_map(|vif| {
                        let association = vif.association?;
                        let wide = association.channel_type.is_40_mhz();
                        (wide && vif.connection.is_associated()).then_some((
                            vif.id,
                            vif.home?,
                            association.channel_type,
                        ))
                    });
                    let Some((id, home, _)) = wide else {
                        self.phase = ScanPhase::Plan;
                        continue;
                    };
                    job.narrowed = wide;
                    world.begin_switch(now);
                    if let Ok(len) = command::switch_channel(out, id, home, ChannelType::NoHt) {
                        return Next::Send(len);
                    }
                    world.switch_refused();
                    self.phase = ScanPhase::Plan;
                }
                ScanPhase::Narrowed | ScanPhase::Widened => match switched(world, now) {
                    Step::Wait(until) => return Next::Wait(until),
                    Step::Fail(_) => return Next::Wait(Instant::NEVER),
                    _ if self.phase == ScanPhase::Narrowed => self.phase = ScanPhase::Plan,
                    _ => self.phase = ScanPhase::Finish,
                },
                ScanPhase::Plan => self.phase = job.plan(world, now),
                ScanPhase::Reset => match command::reset(out, InterfaceId::Zero) {
                    Ok(len) => return Next::Send(len),
                    Err(_) => self.phase = ScanPhase::Restore,
                },
                ScanPhase::Power => {
                    let Some(batch) = job.batch else {
                        self.phase = ScanPhase::Plan;
                        continue;
                    };
                    let told = world.tx_power_told.unwrap_or(world.tx_power);
                    if batch.passive || told == batch.power {
                        self.phase = ScanPhase::Start;
                        continue;
                    }
                    match command::power(out, InterfaceId::Zero, batch.power) {
                        Ok(len) => return Next::Send(len),
                        Err(_) => self.phase = ScanPhase::Start,
                    }
                }
                ScanPhase::Start => {
                    let emitted = job.start_message(world, out);
                    job.ended_early = None;
                    match emitted {
                        Some(len) => {
                            job.sent_at = now;
                            self.phase = ScanPhase::Starting;
                            return Next::Send(len);
                        }
                        None => {
                            job.aborted = true;
                            self.phase = ScanPhase::Restore;
                        }
                    }
                }
                // Scans run on interface 0, so they are stopped there (file 31, C11).
                ScanPhase::Stop => match command::stop_scan(out) {
                    Ok(len) => return Next::Send(len),
                    Err(_) => self.phase = ScanPhase::Restore,
                },
                ScanPhase::Restore => {
                    if !job.power_changed || world.tx_power_told == Some(world.tx_power) {
                        self.phase = ScanPhase::Widen;
                        continue;
                    }
                    job.power_changed = false;
                    match command::power(out, InterfaceId::Zero, world.tx_power) {
                        Ok(len) => return Next::Send(len),
                        Err(_) => self.phase = ScanPhase::Widen,
                    }
                }
                ScanPhase::Widen => {
                    let Some((id, home, width)) = job.narrowed.take() else {
                        self.phase = ScanPhase::Finish;
                        continue;
                    };
                    world.begin_switch(now);
                    if let Ok(len) = command::switch_channel(out, id, home, width) {
                        return Next::Send(len);
                    }
                    world.switch_refused();
                    self.phase = ScanPhase::Finish;
                }
                ScanPhase::Finish => {
                    self.finish(world, now);
                    return Next::Done(Ok(Response::Done));
                }
            }
        }
    }

    fn finish(&mut self, world: &mut World<M>, now: Instant) {
        self.phase = ScanPhase::Idle;
        let Some(job) = self.job.take() else {
            return;
        };
        let connected = world.vifs().any(|vif| vif.connection.is_associated());
        world.coex.handle_scan_end(connected);
        for vif in world.vifs_mut() {
            vif.beacon_loss.handle_scan_end(now);
        }
        if job.aborted {
            world.statistics.scans_aborted = world.statistics.scans_aborted.saturating_add(1);
        }
        world.tell(Event::ScanCompleted {
            interface: job.interface,
            aborted: job.aborted,
            refused_channels: job.refused,
        });
        self.tell_canceller(world);
    }

    /// The answer to the message.
    pub(crate) fn answer(&mut self, world: &mut World<M>, answer: Answer<'_>, now: Instant) {
        let Some(job) = &mut self.job else {
            return;
        };
        if let Answer::Failed(_) = answer {
            // The session is over; `abort` tells the stack.
            return;
        }
        match self.phase {
            ScanPhase::Template => match answer.required() {
                Ok(_) => {
                    world.tell(Event::Completed {
                        token: job.token,
                        result: Ok(Response::Done),
                    });
                    world.statistics.scans_started =
                        world.statistics.scans_started.saturating_add(1);
                    world.coex.handle_scan();
                    self.phase = ScanPhase::Narrow;
                }
                // Nothing stays busy (file 31, C5).
                Err(error) => {
                    self.refuse(world, error);
                    self.tell_canceller(world);
                }
            },
            ScanPhase::Narrow | ScanPhase::Widen => {
                if let Answer::Refused(message, status) = answer {
                    world.switch_refused();
                    world.note_refused(message, status);
                }
                self.phase = if self.phase == ScanPhase::Narrow {
                    ScanPhase::Narrowed
                } else {
                    ScanPhase::Widened
                };
            }
            ScanPhase::Reset => {
                let _ended_with_the_session = answer.optional(world);
                world.ask(crate::world::Effect::ForgetPolicies);
                self.phase = ScanPhase::Start;
            }
            ScanPhase::Power => {
                if let (Answer::Success(_), Some(batch)) = (answer, job.batch) {
                    world.tx_power_told = Some(batch.power);
                    job.power_changed = true;
                } else {
                    let _ended_with_the_session = answer.optional(world);
                }
                self.phase = ScanPhase::Start;
            }
            ScanPhase::Starting => self.phase = job.started(world, answer, now),
            ScanPhase::Stop => {
                let _ended_with_the_session = answer.optional(world);
                self.phase = ScanPhase::Stopping {
                    until: now.after(world.config.scan.stop_limit),
                };
            }
            ScanPhase::Restore => {
                if let Answer::Success(_) = answer {
                    world.tx_power_told = Some(world.tx_power);
                } else {
                    let _ended_with_the_session = answer.optional(world);
                }
                self.phase = ScanPhase::Widen;
            }
            _ => {}
        }
    }

    /// The chip reports the end of a request.
    pub(crate) fn handle_complete(
        &mut self,
        world: &World<M>,
        status: Status,
        now: Instant,
    ) -> Result<(), Anomaly> {
        let unexpected = Err(Anomaly::UnexpectedIndication(MessageId::SCAN_COMPLETE));
        let Some(job) = &mut self.job else {
            return unexpected;
        };
        match self.phase {
            // Before its confirm: remembered until that comes.
            ScanPhase::Starting if job.ended_early.is_none() => {
                job.ended_early = Some(status);
                Ok(())
            }
            ScanPhase::Running { .. } => {
                self.phase = job.batch_ended(world, status, now);
                Ok(())
            }
            ScanPhase::Stop | ScanPhase::Stopping { .. } => {
                self.phase = ScanPhase::Restore;
                Ok(())
            }
            _ => unexpected,
        }
    }

    /// What is due by time.
    pub(crate) fn tick(&mut self, world: &mut World<M>, now: Instant) {
        match self.phase {
            ScanPhase::Running { until } if until.is_due(now) => {
                world.statistics.scan_timeouts = world.statistics.scan_timeouts.saturating_add(1);
                world.note(Anomaly::MissingIndication(MessageId::SCAN_COMPLETE));
                world.diagnosis.leaked(now);
                if let Some(job) = &mut self.job {
                    job.aborted = true;
                    job.cancelled = true;
                }
                self.phase = ScanPhase::Stop;
            }
            // A chip that loses ends took the stop, so it does not scan any more (file 50, section 4, candidate 6).
            ScanPhase::Stopping { until }
                if until.is_due(now) && world.diagnosis.loses_ends(now) =>
            {
                world.note(Anomaly::MissingIndication(MessageId::SCAN_COMPLETE));
                self.phase = ScanPhase::Restore;
            }
            ScanPhase::Stopping { until } if until.is_due(now) => {
                world.give_up(RecoveryReason::IndicationTimeout(MessageId::SCAN_COMPLETE));
            }
            ScanPhase::Home { until } if until.is_due(now) => self.phase = ScanPhase::Plan,
            _ => {}
        }
    }

    pub(crate) fn next_deadline(&self) -> Option<Instant> {
        match self.phase {
            ScanPhase::Running { until }
            | ScanPhase::Stopping { until }
            | ScanPhase::Home { until } => Some(until),
            _ => None,
        }
    }

    /// The session is over.
    pub(crate) fn abort(&mut self, world: &mut World<M>) {
        let running = !matches!(
            self.phase,
            ScanPhase::Idle | ScanPhase::Queued | ScanPhase::Template
        );
        if running {
            if let Some(job) = self.job.take() {
                world.statistics.scans_aborted = world.statistics.scans_aborted.saturating_add(1);
                world.tell(Event::ScanCompleted {
                    interface: job.interface,
                    aborted: true,
                    refused_channels: job.refused,
                });
            }
        }
        self.refuse(world, RequestError::Aborted);
        self.tell_canceller(world);
    }
}

impl Job {
    /// Chooses the next request.
    fn plan<M: Memory>(&mut self, world: &mut World<M>, now: Instant) -> ScanPhase {
        if self.cancelled {
            return ScanPhase::Restore;
        }
        let list = self.channels.get(..self.count).unwrap_or(&[]);
        if world.diagnosis.leaves_scans_out(now) {
            let rest = list.len().saturating_sub(self.at);
            world.statistics.channels_left_out = world
                .statistics
                .channels_left_out
                .saturating_add(u64::try_from(rest).unwrap_or(0));
            self.refused = self
                .refused
                .saturating_add(u8::try_from(rest).unwrap_or(u8::MAX));
            self.at = self.count;
            return ScanPhase::Restore;
        }
        while let Some(channel) = list.get(self.at) {
            if !world.refused.is_left_out(channel.channel, now) {
                break;
            }
            self.at = self.at.saturating_add(1);
            self.refused = self.refused.saturating_add(1);
            world.statistics.channels_left_out =
                world.statistics.channels_left_out.saturating_add(1);
        }
        let circumstances = Circumstances {
            joined: world
                .vifs()
                .any(|vif| vif.connection.joined_bssid().is_some()),
            singly: self.at < self.singly_below,
            power: world.tx_power,
            bluetooth: world.coex.bluetooth_time(),
        };
        self.batch = world
            .config
            .scan
            .batch(list, self.at, circumstances, |channel| {
                world.refused.is_left_out(channel, now)
            });
        if self.batch.is_some() {
            ScanPhase::Power
        } else {
            ScanPhase::Restore
        }
    }

    fn start_message<M: Memory>(&self, world: &World<M>, out: &mut [u8]) -> Option<usize> {
        let batch = self.batch?;
        let joined = world
            .vifs()
            .any(|vif| vif.connection.joined_bssid().is_some());
        let losing = world.vifs().any(|vif| vif.beacon_loss.is_active());
        let parameters = command::ScanParameters {
            batch,
            background: joined,
            force_background: joined || losing,
            // The C driver drops it for background scans (file 31, C10).
            second_mac: self.interface != InterfaceId::Zero,
            no_cck: self.no_cck,
            probes: if batch.passive {
                0
            } else {
                world.config.scan.probes
            },
            probe_delay: world.config.scan.probe_delay,
        };
        let channels = self
            .channels
            .iter()
            .skip(batch.first)
            .take(batch.count)
            .map(|channel| channel.channel);
        let ssids = self.ssids.get(..self.ssid_count)?;
        command::start_scan(out, &parameters, channels, ssids).ok()
    }

    /// START_SCAN was answered.
    fn started<M: Memory>(
        &mut self,
        world: &mut World<M>,
        answer: Answer<'_>,
        now: Instant,
    ) -> ScanPhase {
        let Some(batch) = self.batch else {
            return ScanPhase::Restore;
        };
        if let Answer::Refused(_, status) = answer {
            return self.start_refused(world, &batch, status, now);
        }
        world.statistics.scan_requests = world.statistics.scan_requests.saturating_add(1);
        world.diagnosis.scan_accepted();
        for channel in self.channels.iter().skip(batch.first).take(batch.count) {
            world.refused.handle_accepted(channel.channel);
        }
        if let Some(status) = self.ended_early.take() {
            return self.batch_ended(world, status, now);
        }
        if self.cancelled {
            return ScanPhase::Stop;
        }
        let joined = world.vifs().any(|vif| vif.connection.is_joined());
        ScanPhase::Running {
            until: now.after(world.config.scan.time_limit(&batch, joined)),
        }
    }

    fn start_refused<M: Memory>(
        &mut self,
        world: &mut World<M>,
        batch: &Batch,
        status: Status,
        now: Instant,
    ) -> ScanPhase {
        world.statistics.scan_refusals = world.statistics.scan_refusals.saturating_add(1);
        if self.ended_early.take().is_some() {
            // An end without a beginning.
            world.note(Anomaly::UnexpectedIndication(MessageId::SCAN_COMPLETE));
        }
        let joined = world
            .vifs()
            .any(|vif| vif.connection.joined_bssid().is_some());
        if status.raw() == STATUS_STILL_JOINED && !joined && !self.reset_tried {
            self.reset_tried = true;
            return ScanPhase::Reset;
        }
        if batch.count > 1 {
            self.singly_below = batch.first.saturating_add(batch.count);
            return ScanPhase::Plan;
        }
        if let Some(channel) = self.channels.get(batch.first).copied() {
            let policy = world.config.scan;
            world.diagnosis.scan_refused(now.since(self.sent_at), now);
            world
                .refused
                .handle_refused(channel.channel, status, &policy, now);
        }
        self.refused = self.refused.saturating_add(1);
        self.at = batch.first.saturating_add(1);
        ScanPhase::Plan
    }

    /// A request is over. A status that says it failed makes the scan incomplete (file 31, C6).
    fn batch_ended<M: Memory>(
        &mut self,
        world: &World<M>,
        status: Status,
        now: Instant,
    ) -> ScanPhase {
        if !status.is_success() {
            self.aborted = true;
        }
        if let Some(batch) = self.batch.take() {
            self.at = batch.first.saturating_add(batch.count);
        }
        if self.cancelled || self.at >= self.count {
            return ScanPhase::Restore;
        }
        if world.vifs().any(|vif| vif.connection.is_joined()) {
            ScanPhase::Home {
                until: now.after(world.config.scan.home_time),
            }
        } else {
            ScanPhase::Plan
        }
    }
}

#[cfg(test)]
#[allow(clippy::arithmetic_side_effects)]
#[path = "scan_tests.rs"]
mod tests;
