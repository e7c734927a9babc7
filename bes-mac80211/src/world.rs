//! What every procedure of the control plane reads and changes. One value per device; no frames in it.

use crate::coex::Coex;
use crate::config::DeviceConfig;
use crate::control_statistics::ControlStatistics;
use crate::diagnosis::Diagnosis;
use crate::event::Event;
use crate::filter::GroupFilter;
use crate::host_sleep::HostSleep;
use crate::key::KeyTable;
use crate::power::Power;
use crate::request::ReceiveFilter;
use crate::ring::{LargeRing, SmallRing};
use crate::scan_policy::RefusedChannels;
use crate::session::place_default;
use crate::types::Dbm;
use crate::vif::Vif;
use bes_hal::{Instant, Memory, NoMemory};
use bes_wsm::anomaly::Anomaly;
use bes_wsm::recovery::RecoveryReason;
use bes_wsm::wire::{InterfaceId, MessageId, Status};

/// What the control plane wants of the data path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Effect {
    /// Give back the queued frames of an interface.
    Flush(InterfaceId),
    /// The chip forgot its rate policies (file 50, section 3.5).
    ForgetPolicies,
    /// Queue the authentication frame that waited for the join.
    ReleaseHeld(InterfaceId),
    /// Give back the authentication frame that waited for the join.
    DropHeld(InterfaceId),
    /// Send a null frame to the access point.
    SendNull(InterfaceId),
    /// Attempts per frame.
    RetryLimits {
        /// Short frames.
        short: u8,
        /// Long frames.
        long: u8,
    },
}

/// A channel switch under way. Exactly one indication ends it (file 31, section 16); until then nothing is sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum ChannelSwitch {
    /// None.
    #[default]
    Idle,
    /// Requested; ends when the indication comes.
    Waiting {
        /// When it must have come.
        until: Instant,
    },
}

/// Events that may wait for the stack.
const EVENTS: usize = 64;

/// The largest pieces of a world. They are made first, while nothing else of it lies on the stack.
pub(crate) struct Pieces<M: Memory> {
    power: M::Place<Power>,
    refused: M::Place<RefusedChannels>,
    diagnosis: M::Place<Diagnosis>,
}

impl<M: Memory> Pieces<M> {
    pub(crate) fn new(config: &DeviceConfig, memory: &mut M) -> Result<Self, NoMemory> {
        Ok(Self {
            power: Power::placed(config.idle_sleep, memory)?,
            refused: place_default(memory)?,
            diagnosis: place_default(memory)?,
        })
    }
}

/// State shared by the procedures.
pub(crate) struct World<M: Memory> {
    pub(crate) config: DeviceConfig,
    pub(crate) vifs: M::Table<Option<Vif>>,
    pub(crate) keys: KeyTable,
    pub(crate) coex: M::Place<Coex>,
    pub(crate) events: LargeRing<Event, M>,
    pub(crate) effects: SmallRing<Effect, 32>,
    pub(crate) anomalies: SmallRing<Anomaly, 16>,
    pub(crate) channel_switch: ChannelSwitch,
    /// Sleep.
    pub(crate) power: M::Place<Power>,
    /// Sleep of the host.
    pub(crate) host: M::Place<HostSleep>,
    /// Transmit power that the stack set.
    pub(crate) tx_power: Dbm,
    /// Transmit power that the chip was told.
    pub(crate) tx_power_told: Option<Dbm>,
    /// RTS threshold of the stack in bytes; `None` if it never set one.
    pub(crate) rts: Option<u32>,
    pub(crate) rts_told: Option<u32>,
    pub(crate) receive_filter: ReceiveFilter,
    pub(crate) groups: GroupFilter,
    pub(crate) refused: M::Place<RefusedChannels>,
    pub(crate) statistics: ControlStatistics,
    /// What is wrong, if anything.
    pub(crate) diagnosis: M::Place<Diagnosis>,
    /// Frames of each interface that are queued or inside the chip; the data path keeps it up to date.
    pub(crate) backlog: [usize; 3],
    /// Those of them that are inside the chip.
    pub(crate) in_chip: [usize; 3],
    /// Frames of the interface must wait: its join or the end of its unjoin is under way.
    pub(crate) hold: [bool; 3],
    /// The session cannot go on.
    pub(crate) verdict: Option<RecoveryReason>,
}

impl<M: Memory> World<M> {
    /// A world where it stays.
    #[inline(never)]
    pub(crate) fn placed(
        config: DeviceConfig,
        pieces: Pieces<M>,
        memory: &mut M,
    ) -> Result<M::Place<Self>, NoMemory> {
        let world = Self {
            config,
            vifs: memory.table(InterfaceId::ALL.len(), |_| None)?,
            keys: KeyTable::default(),
            coex: memory.place(Coex::new(config.coexistence))?,
            events: LargeRing::within(memory, EVENTS)?,
            effects: SmallRing::new(),
            anomalies: SmallRing::new(),
            channel_switch: ChannelSwitch::Idle,
            power: pieces.power,
            host: memory.place(HostSleep::new())?,
            tx_power: config.power,
            tx_power_told: None,
            rts: None,
            rts_told: None,
            receive_filter: ReceiveFilter::default(),
            groups: GroupFilter::default(),
            refused: pieces.refused,
            statistics: ControlStatistics::default(),
            diagnosis: pieces.diagnosis,
            backlog: [0; 3],
            in_chip: [0; 3],
            hold: [false; 3],
            verdict: None,
        };
        memory.place(world)
    }

    /// The chip forgets everything: interfaces, keys, and what it was told. Counters and settings of the stack stay.
    pub(crate) fn reset(&mut self) {
        for vif in &mut *self.vifs {
            *vif = None;
        }
        self.keys.clear();
        self.coex.restart();
        self.effects.clear();
        self.channel_switch = ChannelSwitch::Idle;
        self.tx_power_told = None;
        self.rts_told = None;
        self.refused.clear();
        self.hold = [false; 3];
        self.verdict = None;
        self.diagnosis.handle_restart();
    }

    #[inline]
    pub(crate) fn vif(&self, id: InterfaceId) -> Option<&Vif> {
        self.vifs.get(id.index())?.as_ref()
    }

    #[inline]
    pub(crate) fn vif_mut(&mut self, id: InterfaceId) -> Option<&mut Vif> {
        self.vifs.get_mut(id.index())?.as_mut()
    }

    /// Every interface. None is missed because another is absent (file 31, C12).
    pub(crate) fn vifs(&self) -> impl Iterator<Item = &Vif> {
        self.vifs.iter().flatten()
    }

    pub(crate) fn vifs_mut(&mut self) -> impl Iterator<Item = &mut Vif> {
        self.vifs.iter_mut().flatten()
    }

    pub(crate) fn set_hold(&mut self, id: InterfaceId, hold: bool) {
        if let Some(entry) = self.hold.get_mut(id.index()) {
            *entry = hold;
        }
    }

    pub(crate) fn backlog_of(&self, id: InterfaceId) -> usize {
        self.backlog.get(id.index()).copied().unwrap_or(0)
    }

    pub(crate) fn in_chip_of(&self, id: InterfaceId) -> usize {
        self.in_chip.get(id.index()).copied().unwrap_or(0)
    }

    /// Tells the stack, as soon as the bus is not in use.
    pub(crate) fn tell(&mut self, event: Event) {
        if self.events.push(event).is_err() {
            self.statistics.events_lost = self.statistics.events_lost.saturating_add(1);
        }
    }

    /// Asks the data path.
    pub(crate) fn ask(&mut self, effect: Effect) {
        // The data path takes them after every call; there are never more than a few.
        let _room = self.effects.push(effect);
    }

    pub(crate) fn note(&mut self, anomaly: Anomaly) {
        let _room = self.anomalies.push(anomaly);
    }

    /// A command that the procedure can do without was refused.
    pub(crate) fn note_refused(&mut self, message: MessageId, _status: Status) {
        self.statistics.refused_commands = self.statistics.refused_commands.saturating_add(1);
        self.note(Anomaly::Refused(message));
    }

    /// The session cannot go on; the first reason stands.
    pub(crate) fn give_up(&mut self, reason: RecoveryReason) {
        self.verdict.get_or_insert(reason);
    }

    /// A SWITCH_CHANNEL goes out: nothing is sent until its indication came.
    pub(crate) fn begin_switch(&mut self, now: Instant) {
        self.channel_switch = ChannelSwitch::Waiting {
            until: now.after(self.config.switch_limit),
        };
    }

    /// The chip refused it: no indication will come.
    pub(crate) fn switch_refused(&mut self) {
        self.channel_switch = ChannelSwitch::Idle;
    }

    /// The indication of a channel switch.
    pub(crate) fn handle_switch(&mut self, message: MessageId) -> Result<(), Anomaly> {
        if self.channel_switch == ChannelSwitch::Idle {
            return Err(Anomaly::UnexpectedIndication(message));
        }
        self.channel_switch = ChannelSwitch::Idle;
        Ok(())
    }

    /// When the indication must have come, if one is due.
    pub(crate) const fn switch_deadline(&self) -> Option<Instant> {
        match self.channel_switch {
            ChannelSwitch::Idle => None,
            ChannelSwitch::Waiting { until } => Some(until),
        }
    }
}
