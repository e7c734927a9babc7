//! Power save of one station, as its access point sees it (IEEE 802.11-2016, section 11.2.3).
//!
//! A station that dozes gets nothing but what it asks for: one frame per PS-Poll, or a service period per trigger
//! frame (U-APSD). What waits shows in the traffic indication map of every beacon.

use super::elements::id;

/// Access category, in the order in which access points serve them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Category {
    /// Voice.
    Voice,
    /// Video.
    Video,
    /// Best effort.
    BestEffort,
    /// Background.
    Background,
}

impl Category {
    /// The category of a traffic identifier.
    pub const fn of_tid(tid: u8) -> Self {
        match tid & 7 {
            1 | 2 => Self::Background,
            0 | 3 => Self::BestEffort,
            4 | 5 => Self::Video,
            _ => Self::Voice,
        }
    }

    /// Its bit in the QoS information of a station.
    const fn bit(self) -> u8 {
        match self {
            Self::Voice => 1,
            Self::Video => 2,
            Self::Background => 4,
            Self::BestEffort => 8,
        }
    }
}

/// Power-save state of one station.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PowerSave {
    dozing: bool,
    polled: bool,
    /// Categories that are delivered in service periods.
    delivery: u8,
    max_service: u8,
    /// Frames left in the service period.
    service: u8,
}

impl PowerSave {
    /// A station that is awake. `qos_info`: of its WMM element, or zero.
    pub fn new(qos_info: u8) -> Self {
        Self {
            delivery: qos_info & 15,
            max_service: match qos_info >> 5 & 3 {
                0 => 16,
                limit => 2 * limit,
            },
            ..Self::default()
        }
    }

    /// Whether the station dozes between what it asks for.
    pub fn is_dozing(&self) -> bool {
        self.dozing
    }

    /// The power-management bit of a frame that ended an exchange.
    pub fn set_dozing(&mut self, dozing: bool) {
        self.dozing = dozing;
        if !dozing {
            self.polled = false;
            self.service = 0;
        }
    }

    /// A PS-Poll arrived.
    pub fn poll(&mut self) {
        self.polled = self.dozing;
    }

    /// A QoS frame with this traffic identifier arrived. Returns whether it starts a service period.
    pub fn trigger(&mut self, tid: u8) -> bool {
        let triggers =
            self.dozing && self.service == 0 && self.delivery & Category::of_tid(tid).bit() != 0;
        if triggers {
            self.service = self.max_service;
        }
        triggers
    }

    /// Whether frames of this category are delivered in service periods.
    pub fn is_delivered(&self, category: Category) -> bool {
        self.delivery & category.bit() != 0
    }

    /// Whether a frame of this category may be sent now. A poll fetches what is not delivered in service periods, unless
    /// everything is.
    pub fn may_send(&self, category: Category) -> bool {
        !self.dozing
            || (self.polled && self.shows(category))
            || (self.service > 0 && self.is_delivered(category))
    }

    /// Frames left in the service period.
    pub fn service(&self) -> u8 {
        self.service
    }

    /// Whether a PS-Poll waits for its answer.
    pub fn is_polled(&self) -> bool {
        self.polled
    }

    /// A frame was sent to the dozing station; `last`: with the end-of-service-period bit.
    pub fn handle_sent(&mut self, last: bool) {
        self.polled = false;
        self.service = if last {
            0
        } else {
            self.service.saturating_sub(1)
        };
    }

    /// Whether what waits in `category` shows in the traffic indication map: what is delivered in service periods does
    /// so only if everything is.
    pub fn shows(&self, category: Category) -> bool {
        self.dozing && (self.delivery == 15 || !self.is_delivered(category))
    }
}

/// Appends a traffic indication map. `waiting`: association ids of the stations for which something waits.
pub fn append_tim(
    body: &mut Vec<u8>,
    dtim_count: u8,
    dtim_period: u8,
    group: bool,
    waiting: impl Iterator<Item = u16>,
) {
    let mut bitmap = [0; 251];
    let (mut first, mut last) = (250, 0);
    for aid in waiting {
        let octet = usize::from(aid / 8).min(250);
        bitmap[octet] |= 1 << (aid % 8);
        first = first.min(octet);
        last = last.max(octet);
    }
    // The partial map starts at an even octet; without anything waiting it is one zero octet.
    let first = if first > last { 0 } else { first & !1 };
    body.extend_from_slice(&[
        id::TIM,
        (4 + last - first) as u8,
        dtim_count,
        dtim_period,
        first as u8 | u8::from(group),
    ]);
    body.extend_from_slice(&bitmap[first..=last]);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tim(group: bool, waiting: &[u16]) -> Vec<u8> {
        let mut body = Vec::new();
        append_tim(&mut body, 1, 3, group, waiting.iter().copied());
        body
    }

    #[test]
    fn the_map_is_as_short_as_the_standard_allows() {
        assert_eq!(tim(false, &[]), [5, 4, 1, 3, 0, 0]);
        assert_eq!(tim(true, &[1]), [5, 4, 1, 3, 1, 2]);
        assert_eq!(tim(false, &[9, 1]), [5, 5, 1, 3, 0, 2, 2]);
        // Octets 2 and 3: the offset is written as an even number of octets.
        assert_eq!(tim(true, &[24]), [5, 5, 1, 3, 3, 0, 1]);
    }

    #[test]
    fn a_dozing_station_gets_one_frame_per_poll() {
        let mut ps = PowerSave::new(0);
        assert!(ps.may_send(Category::BestEffort));
        ps.set_dozing(true);
        assert!(!ps.may_send(Category::Voice));
        assert!(!ps.trigger(6));
        ps.poll();
        assert!(ps.may_send(Category::BestEffort));
        ps.handle_sent(false);
        assert!(!ps.may_send(Category::BestEffort));
        ps.set_dozing(false);
        assert!(ps.may_send(Category::BestEffort));
    }

    #[test]
    fn a_trigger_opens_a_service_period_for_its_categories_only() {
        // Voice is delivered, two frames per period.
        let mut ps = PowerSave::new(0x21);
        ps.set_dozing(true);
        assert!(!ps.trigger(0));
        assert!(ps.trigger(6));
        assert!(ps.may_send(Category::Voice) && !ps.may_send(Category::BestEffort));
        ps.handle_sent(false);
        ps.handle_sent(true);
        assert!(!ps.may_send(Category::Voice));
        assert!(!ps.shows(Category::Voice) && ps.shows(Category::BestEffort));
        // A poll fetches what no service period delivers.
        ps.poll();
        assert!(!ps.may_send(Category::Voice) && ps.may_send(Category::BestEffort));
    }
}
