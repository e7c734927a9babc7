//! An association that goes on elsewhere: on another channel, because its access point announced that it moves, or with
//! another width. SWITCH_CHANNEL and its indication (specification: file 31, sections 1.2 and 9).
//!
//! | outcome | then |
//! |---|---|
//! | accepted, and the indication came | the new channel is home; its first beacon passes the filter |
//! | refused, another width | the request fails, the old width stays |
//! | refused, another channel | the access point is gone from here: the connection is reported as lost |
//! | no indication | needs recovery |
//!
//! Frames wait from the request to the indication and go out on the new channel. The reference follows no announcement at
//! all: it loses its access point and finds it again by a scan (file 31, section 1.3).

use crate::command;
use crate::error::RequestError;
use crate::event::{Event, LossReason};
use crate::join::switched;
use crate::procedure::{Answer, Cursor, Next, Step};
use crate::request::Response;
use crate::types::{Channel, ChannelType};
use crate::world::World;
use bes_hal::{Instant, Memory};
use bes_wsm::wire::InterfaceId;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum ChangeStep {
    SwitchChannel,
    Switched,
}

const STEPS: &[ChangeStep] = &[ChangeStep::SwitchChannel, ChangeStep::Switched];

/// Moves associations to a channel and width.
#[derive(Debug)]
pub(crate) struct ChannelChange {
    id: InterfaceId,
    /// `None`: where it is.
    channel: Option<Channel>,
    channel_type: ChannelType,
    cursor: Cursor,
}

/// The first association that is not on this channel with this width.
fn elsewhere<M: Memory>(
    world: &World<M>,
    channel: Channel,
    channel_type: ChannelType,
) -> Option<InterfaceId> {
    let mut associated = world.vifs().filter(|vif| vif.connection.is_associated());
    let away = associated.find(|vif| {
        let width = vif.association.map(|association| association.channel_type);
        vif.home != Some(channel) || width != Some(channel_type)
    });
    away.map(|vif| vif.id)
}

impl ChannelChange {
    /// Another width on the channel of an association.
    pub(crate) fn width<M: Memory>(
        world: &World<M>,
        id: InterfaceId,
        channel_type: ChannelType,
    ) -> Result<Self, RequestError> {
        let vif = world.vif(id).ok_or(RequestError::NoInterface)?;
        if !vif.connection.is_associated() {
            return Err(RequestError::NotJoined);
        }
        Ok(Self {
            id,
            channel: None,
            channel_type,
            cursor: Cursor::default(),
        })
    }

    /// Another channel, for every association: the chip has one. `None` if none is elsewhere.
    pub(crate) fn channel<M: Memory>(
        world: &World<M>,
        channel: Channel,
        channel_type: ChannelType,
    ) -> Option<Self> {
        Some(Self {
            id: elsewhere(world, channel, channel_type)?,
            channel: Some(channel),
            channel_type,
            cursor: Cursor::default(),
        })
    }

    /// Whether an association would have to move.
    pub(crate) fn is_needed<M: Memory>(
        world: &World<M>,
        channel: Channel,
        channel_type: ChannelType,
    ) -> bool {
        elsewhere(world, channel, channel_type).is_some()
    }

    pub(crate) fn next<M: Memory>(
        &mut self,
        world: &mut World<M>,
        now: Instant,
        out: &mut [u8],
    ) -> Next {
        let (id, wanted, channel) = (self.id, self.channel_type, self.channel);
        self.cursor.next(STEPS, Response::Done, |step| match step {
            ChangeStep::SwitchChannel => {
                let Some(vif) = world.vif(id) else {
                    return Step::Fail(RequestError::NoInterface);
                };
                let Some(home) = vif.home else {
                    return Step::Skip;
                };
                let width = vif.association.map(|association| association.channel_type);
                let target = channel.unwrap_or(home);
                if target == home && width == Some(wanted) {
                    return Step::Skip;
                }
                world.begin_switch(now);
                command::switch_channel(out, id, target, wanted).into()
            }
            ChangeStep::Switched => switched(world, now),
        })
    }

    pub(crate) fn answer<M: Memory>(&mut self, world: &mut World<M>, answer: Answer<'_>) {
        match answer {
            Answer::Refused(..) => {
                world.switch_refused();
                if let Some(channel) = self.channel {
                    lose(world, channel);
                }
            }
            Answer::Success(_) => match self.channel {
                Some(channel) => moved(world, channel, self.channel_type),
                None => {
                    let vif = world.vif_mut(self.id);
                    if let Some(association) = vif.and_then(|vif| vif.association.as_mut()) {
                        association.channel_type = self.channel_type;
                    }
                }
            },
            Answer::Failed(_) => {}
        }
        self.cursor.settle(answer.required().map(|_| ()));
    }
}

/// The access points have gone to a channel that the chip does not go to.
fn lose<M: Memory>(world: &mut World<M>, channel: Channel) {
    for id in InterfaceId::ALL {
        let left_behind = world
            .vif(id)
            .is_some_and(|vif| vif.connection.is_associated() && vif.home != Some(channel));
        if left_behind {
            world.tell(Event::ConnectionLost {
                interface: id,
                reason: LossReason::ChannelSwitch,
            });
        }
    }
}

/// The channel is home now.
fn moved<M: Memory>(world: &mut World<M>, channel: Channel, channel_type: ChannelType) {
    let mut left = false;
    for vif in world.vifs_mut() {
        if !vif.connection.is_associated() {
            continue;
        }
        if let Some(association) = &mut vif.association {
            association.channel_type = channel_type;
        }
        if vif.home == Some(channel) {
            continue;
        }
        left = true;
        vif.home = Some(channel);
        if let Some(bss) = &mut vif.known_bss {
            bss.channel = channel;
        }
        // The stack waits for a beacon on the new channel, whatever is in it.
        vif.filters.beacon_seen = false;
        vif.filters.sent = None;
        vif.work.filters = true;
        vif.beacon_loss.reset();
    }
    if left {
        world.statistics.channel_switches = world.statistics.channel_switches.saturating_add(1);
    }
}
