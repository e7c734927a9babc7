//! Settings: one to five messages each, nothing to wait for.

use crate::association::{arp_template, neighbour_answered, neighbour_template};
use crate::command;
use crate::edca::EdcaParameters;
use crate::error::RequestError;
use crate::procedure::{Answer, Cursor, Next, Step};
use crate::request::{InterfaceKind, Response};
use crate::types::{AccessCategory, Dbm};
use crate::world::World;
use bes_hal::{Instant, Memory};
use bes_pm::psm::PmRequest;
use bes_wsm::wire::InterfaceId;

/// One of the five filter messages, in their order (specification: file 31, section 5.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FilterStep {
    Receive,
    BeaconTable,
    BeaconControl,
    Bssid,
    Groups,
}

/// The filters of an interface.
pub(crate) const FILTERS: &[FilterStep] = &[
    FilterStep::Receive,
    FilterStep::BeaconTable,
    FilterStep::BeaconControl,
    FilterStep::Bssid,
    FilterStep::Groups,
];

/// Writes one of the filter messages. Nothing is written for an interface that is not joined.
pub(crate) fn filter_message<M: Memory>(
    world: &World<M>,
    id: InterfaceId,
    step: FilterStep,
    out: &mut [u8],
) -> Step {
    let Some(vif) = world.vif(id) else {
        return Step::Skip;
    };
    if !vif.connection.is_joined() {
        return Step::Skip;
    }
    let wanted = &world.receive_filter;
    match step {
        FilterStep::Receive => command::receive_filter(out, id, wanted.rx_word()).into(),
        FilterStep::BeaconTable => {
            command::beacon_table(out, id, vif.kind == InterfaceKind::Station).into()
        }
        FilterStep::BeaconControl => {
            let control = wanted.beacon_control(vif.kind, vif.filters.beacon_seen);
            // Remembered per interface and forgotten with the chip's state (C22).
            if vif.filters.sent == Some(control) {
                return Step::Skip;
            }
            command::beacon_control(out, id, control).into()
        }
        FilterStep::Bssid => {
            command::bssid_filter_off(out, id, wanted.bssid_filter_off(vif.kind)).into()
        }
        FilterStep::Groups => command::groups(out, id, &world.groups).into(),
    }
}

/// Remembers what the chip took over.
pub(crate) fn filter_answered<M: Memory>(
    world: &mut World<M>,
    id: InterfaceId,
    step: Option<FilterStep>,
    answer: &Answer<'_>,
) {
    let wanted = world.receive_filter;
    if let (Some(FilterStep::BeaconControl), Answer::Success(_), Some(vif)) =
        (step, answer, world.vif_mut(id))
    {
        vif.filters.sent = Some(wanted.beacon_control(vif.kind, vif.filters.beacon_seen));
    }
}

/// What to set.
#[derive(Clone, Copy, Debug)]
enum What {
    Queue(AccessCategory),
    Filters,
    Power(Dbm),
    Rts(u32),
    SlotTime(bool),
    Signal,
    ArpTemplate,
    NeighbourTemplate,
    WepKey(u8),
    WakePeriod,
    Awake,
    PowerSave(PmRequest),
}

#[derive(Clone, Copy, Debug)]
enum SettingStep {
    Queue(AccessCategory),
    Edca,
    Uapsd,
    Filter(FilterStep),
    Only,
}

/// Sets something.
#[derive(Debug)]
pub(crate) struct Setting {
    id: InterfaceId,
    what: What,
    cursor: Cursor,
}

impl Setting {
    fn new(id: InterfaceId, what: What) -> Self {
        Self {
            id,
            what,
            cursor: Cursor::default(),
        }
    }

    /// Channel access of a category: SET_TX_QUEUE_PARAMETERS, SET_EDCA_PARAMETERS, MIB 0x1013. Nothing for the generic
    /// interface (file 31, section 5.3).
    pub(crate) fn queue<M: Memory>(
        world: &mut World<M>,
        id: InterfaceId,
        category: AccessCategory,
        parameters: EdcaParameters,
    ) -> Result<Self, RequestError> {
        let vif = world.vif_mut(id).ok_or(RequestError::NoInterface)?;
        vif.edca.set(category, parameters);
        vif.power_save.handle_uapsd(vif.edca.uapsd_flags() != 0);
        Ok(Self::new(id, What::Queue(category)))
    }

    /// The filters of an interface.
    pub(crate) fn filters(id: InterfaceId) -> Self {
        Self::new(id, What::Filters)
    }

    /// Transmit power.
    pub(crate) fn power(power: Dbm) -> Self {
        Self::new(InterfaceId::Zero, What::Power(power))
    }

    /// RTS threshold in bytes, 0 for off.
    pub(crate) fn rts(threshold: u32) -> Self {
        Self::new(InterfaceId::Zero, What::Rts(threshold))
    }

    /// Slot time.
    pub(crate) fn slot_time<M: Memory>(
        world: &World<M>,
        id: InterfaceId,
        short: bool,
    ) -> Result<Self, RequestError> {
        world.vif(id).ok_or(RequestError::NoInterface)?;
        Ok(Self::new(id, What::SlotTime(short)))
    }

    /// Signal threshold.
    pub(crate) fn signal(id: InterfaceId) -> Self {
        Self::new(id, What::Signal)
    }

    /// The ARP reply template.
    pub(crate) fn arp(id: InterfaceId) -> Self {
        Self::new(id, What::ArpTemplate)
    }

    /// The neighbour advertisement template.
    pub(crate) fn neighbours(id: InterfaceId) -> Self {
        Self::new(id, What::NeighbourTemplate)
    }

    /// The WEP default key.
    pub(crate) fn wep_key(id: InterfaceId, index: u8) -> Self {
        Self::new(id, What::WepKey(index))
    }

    /// The wake-up period after a change of the DTIM period.
    pub(crate) fn wake_period(id: InterfaceId) -> Self {
        Self::new(id, What::WakePeriod)
    }

    /// Active mode, whatever the chip believes.
    pub(crate) fn awake(id: InterfaceId) -> Self {
        Self::new(id, What::Awake)
    }

    /// 802.11 power save. The caller has told [`Vif::power_save`](crate::vif::Vif::power_save) that it is sent.
    pub(crate) fn power_save(id: InterfaceId, request: PmRequest) -> Self {
        Self::new(id, What::PowerSave(request))
    }

    fn steps(what: What) -> [Option<SettingStep>; 5] {
        match what {
            What::Queue(category) => [
                Some(SettingStep::Queue(category)),
                Some(SettingStep::Edca),
                Some(SettingStep::Uapsd),
                None,
                None,
            ],
            What::Filters => [
                FilterStep::Receive,
                FilterStep::BeaconTable,
                FilterStep::BeaconControl,
                FilterStep::Bssid,
                FilterStep::Groups,
            ]
            .map(|step| Some(SettingStep::Filter(step))),
            _ => [Some(SettingStep::Only), None, None, None, None],
        }
    }

    pub(crate) fn next<M: Memory>(&mut self, world: &mut World<M>, out: &mut [u8]) -> Next {
        let (id, what) = (self.id, self.what);
        self.cursor
            .next(&Self::steps(what), Response::Done, |step| match step {
                None => Step::Skip,
                Some(step) => message(world, id, what, step, out),
            })
    }

    pub(crate) fn answer<M: Memory>(
        &mut self,
        world: &mut World<M>,
        answer: Answer<'_>,
        now: Instant,
    ) {
        if let What::PowerSave(request) = self.what {
            let accepted = matches!(answer, Answer::Success(_));
            if let Some(vif) = world.vif_mut(self.id) {
                vif.power_save.handle_confirmed(request, accepted, now);
            }
            self.cursor.settle(answer.optional(world));
            return;
        }
        if let What::NeighbourTemplate = self.what {
            // The host answers itself, then: nothing that whoever told the addresses could change.
            neighbour_answered(world, self.id, &answer);
            self.cursor.settle(answer.optional(world));
            return;
        }
        let step = self.cursor.step(&Self::steps(self.what)).flatten();
        if let Some(SettingStep::Filter(step)) = step {
            filter_answered(world, self.id, Some(step), &answer);
        }
        if let Answer::Success(_) = answer {
            match self.what {
                What::Power(power) => {
                    world.tx_power = power;
                    world.tx_power_told = Some(power);
                }
                What::Rts(threshold) => {
                    world.rts = Some(threshold);
                    world.rts_told = Some(threshold);
                }
                What::WepKey(index) => {
                    if let Some(vif) = world.vif_mut(self.id) {
                        vif.wep_key = Some(index);
                    }
                }
                _ => {}
            }
        }
        // The stack asked for this one thing: it is told if the chip refuses it.
        self.cursor.settle(answer.required().map(|_| ()));
    }
}

fn message<M: Memory>(
    world: &World<M>,
    id: InterfaceId,
    what: What,
    step: SettingStep,
    out: &mut [u8],
) -> Step {
    match (step, what) {
        (SettingStep::Filter(step), _) => return filter_message(world, id, step, out),
        // Of the device, not of an interface.
        (_, What::Power(power)) => return command::power(out, id, power).into(),
        (_, What::Rts(threshold)) if world.rts_told == Some(threshold) => return Step::Skip,
        (_, What::Rts(threshold)) => return command::rts_threshold(out, threshold).into(),
        _ => {}
    }
    let Some(vif) = world.vif(id) else {
        return Step::Fail(RequestError::NoInterface);
    };
    match (step, what) {
        (SettingStep::Queue(_) | SettingStep::Edca | SettingStep::Uapsd, _) if vif.is_generic() => {
            Step::Skip
        }
        (SettingStep::Queue(category), _) => command::queue(out, id, category).into(),
        (SettingStep::Edca, _) => command::edca(out, id, &vif.edca).into(),
        (SettingStep::Uapsd, _) => command::uapsd(out, id, vif.edca.uapsd_flags()).into(),
        (SettingStep::Only, What::SlotTime(short)) => command::slot_time(out, id, short).into(),
        (SettingStep::Only, What::Signal) => command::signal_threshold(out, id, vif.cqm).into(),
        (SettingStep::Only, What::ArpTemplate) => arp_template(vif, out),
        (SettingStep::Only, What::NeighbourTemplate) => neighbour_template(vif, out),
        (SettingStep::Only, What::WepKey(index)) => command::wep_key(out, id, index).into(),
        (SettingStep::Only, What::WakePeriod) => {
            command::wake_period(out, id, vif.wake_periods(), 0).into()
        }
        (SettingStep::Only, What::Awake) => command::set_pm(out, id, PmRequest::ACTIVE).into(),
        (SettingStep::Only, What::PowerSave(request)) => command::set_pm(out, id, request).into(),
        _ => Step::Skip,
    }
}

/// Reads the chip's counters.
#[derive(Debug, Default)]
pub(crate) struct ReadCounters {
    result: Option<Result<Response, RequestError>>,
}

impl ReadCounters {
    pub(crate) fn next(&mut self, out: &mut [u8]) -> Next {
        match self.result {
            Some(result) => Next::Done(result),
            None => match command::read_counters(out) {
                Ok(len) => Next::Send(len),
                Err(_) => Next::Done(Err(RequestError::Invalid)),
            },
        }
    }

    pub(crate) fn answer(&mut self, answer: Answer<'_>) {
        self.result = Some(answer.required().and_then(|message| {
            command::counters(message)
                .map(Response::Counters)
                .ok_or(RequestError::Unsupported)
        }));
    }
}
