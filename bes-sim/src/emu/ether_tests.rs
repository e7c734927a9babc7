//! The rules of the medium, with events as the kernel would send them.

use super::ether::{Ether, EtherConfig};
use super::hwsim::{control, rate_flag, Address, Event, Frame, Rate};
use super::netlink::{Attributes, Message, Messages};
use bes_hal::{Duration, Instant};
use mock_hal::air::{Channel, Exchange, PhyRate, Width};

const FAMILY: u16 = 23;
const AP_RADIO: Address = [0x42, 0, 0, 0, 0, 0];
const STA_RADIO: Address = [0x42, 0, 0, 0, 1, 0];
const AP: Address = [2, 0, 0, 0, 0, 0];
const STA: Address = [2, 0, 0, 0, 1, 0];
const CHIP: Address = [2, 0xBE, 0, 0, 0, 1];
const FREQUENCY: u16 = 2437;
const SIX: Channel = Channel::ht20(6);

/// A frame of `kind` with a body; data carries TID 0.
fn mpdu(kind: u8, receiver: Address, sender: Address, body: usize) -> Vec<u8> {
    let mut frame = vec![kind, 0, 0, 0];
    for address in [receiver, sender, AP] {
        frame.extend_from_slice(&address);
    }
    frame.extend_from_slice(&[0, 0]);
    frame.resize(frame.len() + body, 0);
    frame
}

const BEACON: u8 = 0x80;
const AUTHENTICATION: u8 = 0xB0;
const QOS: u8 = 0x88;

const LEGACY: Rate = Rate {
    index: 4,
    tries: 2,
    flags: 0,
};
const MCS_7: Rate = Rate {
    index: 7,
    tries: 2,
    flags: rate_flag::MCS,
};

struct Air {
    ether: Ether,
    cookie: u64,
}

/// What the kernel got.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Got {
    /// Radio, first byte of the frame, frequency.
    Frame(Address, u8, u32),
    /// Radio, cookie, flags, index and tries of the first rate.
    Fate(Address, u64, u32, (u8, u8)),
}

impl Air {
    fn new(limited: bool, chips: usize) -> Self {
        let config = EtherConfig {
            family: FAMILY,
            limited,
            signal_dbm: -45,
            best_rates: false,
        };
        Self {
            ether: Ether::new(config, chips),
            cookie: 0,
        }
    }

    /// A radio sends; returns the cookie.
    fn send(&mut self, radio: Address, mpdu: &[u8], rate: Rate, at: Instant) -> u64 {
        self.cookie += 1;
        let group = mpdu[4] & 1 != 0;
        let frame = Frame {
            radio,
            mpdu,
            flags: if group { control::NO_ACK } else { 0 },
            cookie: self.cookie,
            frequency: FREQUENCY,
            rates: [rate, Rate::NONE, Rate::NONE, Rate::NONE],
        };
        self.ether.handle(&Event::Frame(frame), at);
        self.cookie
    }

    /// Everything that was sent to the kernel.
    fn got(&mut self) -> Vec<Got> {
        let writer = self.ether.outgoing();
        let got = Messages(writer.bytes()).map(|message| {
            let Message::Generic {
                family: FAMILY,
                command,
                attributes,
            } = message
            else {
                panic!("{message:?}");
            };
            let find = |kind: u16| {
                Attributes(attributes.0)
                    .find(|(found, _)| *found == kind)
                    .map(|(_, content)| content.to_vec())
            };
            let number = |kind: u16| {
                u32::from_ne_bytes(find(kind).expect("a number").try_into().expect("4 bytes"))
            };
            let address =
                |kind: u16| Address::try_from(find(kind).expect("an address")).expect("6 bytes");
            match command {
                2 => Got::Frame(address(1), find(3).expect("a frame")[0], number(19)),
                3 => {
                    let cookie = find(8).expect("a cookie").try_into().expect("8 bytes");
                    let rates = find(7).expect("rates");
                    Got::Fate(
                        address(2),
                        u64::from_ne_bytes(cookie),
                        number(4),
                        (rates[0], rates[1]),
                    )
                }
                other => panic!("command {other}"),
            }
        });
        let got = got.collect();
        writer.clear();
        got
    }

    /// Lets everything happen; returns when it was over.
    fn settle(&mut self, chip: usize, now: Instant) -> Instant {
        self.settle_until(chip, now, Instant::from_millis(10_000))
    }

    /// The same, but not what comes later than `limit`.
    fn settle_until(&mut self, chip: usize, mut now: Instant, limit: Instant) -> Instant {
        while let Some(at) = self.ether.chip_event(chip).filter(|at| *at <= limit) {
            now = now.max(at);
            self.ether.advance_chip(chip, now);
        }
        now
    }

    /// First bytes of the frames a chip heard.
    fn heard(&mut self, chip: usize) -> Vec<u8> {
        std::iter::from_fn(|| self.ether.pop_heard(chip))
            .map(|heard| heard.frame[0])
            .collect()
    }
}

#[test]
fn between_radios_a_frame_reaches_the_other_and_its_sender_is_told() {
    let mut air = Air::new(false, 0);
    // The station shows itself first; nobody else is known yet.
    let first = air.send(
        STA_RADIO,
        &mpdu(0x40, [0xFF; 6], STA, 40),
        LEGACY,
        Instant::ZERO,
    );
    air.ether.advance_orphans(Instant::ZERO);
    assert_eq!(
        air.got(),
        [Got::Fate(STA_RADIO, first, control::NO_ACK, (4, 1))]
    );
    let second = air.send(
        AP_RADIO,
        &mpdu(AUTHENTICATION, STA, AP, 6),
        LEGACY,
        Instant::ZERO,
    );
    air.ether.advance_orphans(Instant::ZERO);
    assert_eq!(
        air.got(),
        [
            Got::Frame(STA_RADIO, AUTHENTICATION, 2437),
            Got::Fate(AP_RADIO, second, control::ACKED, (4, 1)),
        ]
    );
    let beacon = air.send(
        AP_RADIO,
        &mpdu(BEACON, [0xFF; 6], AP, 60),
        LEGACY,
        Instant::ZERO,
    );
    air.ether.advance_orphans(Instant::ZERO);
    assert_eq!(
        air.got(),
        [
            Got::Frame(STA_RADIO, BEACON, 2437),
            Got::Fate(AP_RADIO, beacon, control::NO_ACK, (4, 1)),
        ]
    );
}

#[test]
fn nobody_acknowledges_for_an_address_that_is_not_there() {
    let mut air = Air::new(false, 0);
    let fates = |air: &mut Air| {
        air.ether.advance_orphans(Instant::ZERO);
        air.got()
            .into_iter()
            .filter_map(|got| match got {
                Got::Fate(_, _, flags, tries) => Some((flags, tries.1)),
                Got::Frame(..) => None,
            })
            .collect::<Vec<_>>()
    };
    air.send(
        AP_RADIO,
        &mpdu(AUTHENTICATION, STA, AP, 6),
        LEGACY,
        Instant::ZERO,
    );
    // Not acknowledged, and everything was tried.
    assert_eq!(fates(&mut air), [(0, 2)]);
    let added = Event::AddressAdded {
        radio: STA_RADIO,
        address: STA,
    };
    air.ether.handle(&added, Instant::ZERO);
    air.send(
        AP_RADIO,
        &mpdu(AUTHENTICATION, STA, AP, 6),
        LEGACY,
        Instant::ZERO,
    );
    // It exists, but nobody knows on which channel.
    assert_eq!(fates(&mut air), [(0, 2)]);
    air.send(
        STA_RADIO,
        &mpdu(AUTHENTICATION, AP, STA, 6),
        LEGACY,
        Instant::ZERO,
    );
    assert_eq!(fates(&mut air), [(control::ACKED, 1)]);
    air.send(
        AP_RADIO,
        &mpdu(AUTHENTICATION, STA, AP, 6),
        LEGACY,
        Instant::ZERO,
    );
    assert_eq!(fates(&mut air), [(control::ACKED, 1)]);
    // That it hears nothing on another channel says nothing about this one.
    let elsewhere = Event::Answer {
        sequence: 2462 << 16 | 2,
        code: -22,
    };
    air.ether.handle(&elsewhere, Instant::ZERO);
    air.send(
        AP_RADIO,
        &mpdu(AUTHENTICATION, STA, AP, 6),
        LEGACY,
        Instant::ZERO,
    );
    assert_eq!(fates(&mut air), [(control::ACKED, 1)]);
    // The kernel says that the station's radio, the second, is not on the channel.
    let refused = Event::Answer {
        sequence: u32::from(FREQUENCY) << 16 | 2,
        code: -22,
    };
    air.ether.handle(&refused, Instant::ZERO);
    air.send(
        AP_RADIO,
        &mpdu(AUTHENTICATION, STA, AP, 6),
        LEGACY,
        Instant::ZERO,
    );
    assert_eq!(fates(&mut air), [(0, 2)]);
    assert_eq!(air.ether.counters().refused, 2);
}

#[test]
fn a_chip_hears_its_channel_and_acknowledges_its_address() {
    let mut air = Air::new(false, 2);
    air.ether.set_station_address(0, CHIP);
    air.ether.tune(0, Some(SIX));
    air.ether.tune(1, Some(Channel::ht20(11)));
    let cookie = air.send(
        AP_RADIO,
        &mpdu(AUTHENTICATION, CHIP, AP, 6),
        LEGACY,
        Instant::ZERO,
    );
    assert_eq!(air.ether.take_dirty(), Some(0));
    assert_eq!(air.ether.take_dirty(), None);
    air.settle(0, Instant::ZERO);
    assert_eq!(air.heard(0), [AUTHENTICATION]);
    assert!(air.heard(1).is_empty());
    // No radio gets what is for the chip.
    assert_eq!(
        air.got(),
        [Got::Fate(AP_RADIO, cookie, control::ACKED, (4, 1))]
    );
    air.ether.tune(0, None);
    air.send(
        AP_RADIO,
        &mpdu(AUTHENTICATION, CHIP, AP, 6),
        LEGACY,
        Instant::ZERO,
    );
    air.ether.advance_orphans(Instant::ZERO);
    assert!(air.heard(0).is_empty());
    let got = air.got();
    assert!(
        matches!(got[..], [Got::Fate(AP_RADIO, _, 0, (4, 2))]),
        "{got:?}"
    );
}

#[test]
fn a_chip_s_frames_reach_the_radio_that_owns_the_address_and_the_other_chips() {
    let mut air = Air::new(false, 2);
    for chip in 0..2 {
        air.ether.tune(chip, Some(SIX));
    }
    air.send(
        AP_RADIO,
        &mpdu(BEACON, [0xFF; 6], AP, 60),
        LEGACY,
        Instant::ZERO,
    );
    air.settle(0, Instant::ZERO);
    assert_eq!((air.heard(0), air.heard(1)), (vec![BEACON], vec![BEACON]));
    air.got();
    let frame = mpdu(AUTHENTICATION, AP, CHIP, 6);
    let nobody = mpdu(AUTHENTICATION, STA, CHIP, 6);
    let exchange = Exchange {
        frames: &[&frame, &nobody],
        rate: PhyRate::Ofdm(6),
        rts: false,
    };
    let outcome = air.ether.exchange(0, &exchange, Instant::ZERO);
    assert_eq!((outcome.acked, outcome.airtime), (1, Duration::ZERO));
    assert_eq!(air.got(), [Got::Frame(AP_RADIO, AUTHENTICATION, 2437)]);
    assert_eq!(air.heard(1), [AUTHENTICATION, AUTHENTICATION]);
    assert!(air.heard(0).is_empty());
    let too_long = mpdu(QOS, AP, CHIP, 2400);
    let exchange = Exchange {
        frames: &[&too_long],
        ..exchange
    };
    assert_eq!(air.ether.exchange(0, &exchange, Instant::ZERO).acked, 0);
    assert_eq!(air.ether.counters().undeliverable, 1);
    // PS-poll is shorter than what the kernel takes.
    let poll = &mpdu(0xA4, AP, CHIP, 0)[..16];
    let exchange = Exchange {
        frames: &[poll],
        ..exchange
    };
    assert_eq!(air.ether.exchange(0, &exchange, Instant::ZERO).acked, 1);
    assert_eq!(air.got(), [Got::Frame(AP_RADIO, 0xA4, 2437)]);
}

#[test]
fn frames_under_an_agreement_share_the_air_up_to_window_and_room() {
    let mut air = Air::new(true, 1);
    air.ether.set_station_address(0, CHIP);
    air.ether.tune(0, Some(SIX));
    let data = mpdu(QOS, CHIP, AP, 1_400);
    let burst = |air: &mut Air| {
        for _ in 0..10 {
            air.send(AP_RADIO, &data, MCS_7, Instant::ZERO);
        }
        // Long before those that find no place are too old.
        air.settle_until(0, Instant::ZERO, Instant::from_millis(500));
        let before = air.ether.counters();
        let heard: Vec<_> = std::iter::from_fn(|| air.ether.pop_heard(0)).collect();
        air.got();
        (before.flights, heard)
    };
    let (flights, heard) = burst(&mut air);
    assert_eq!((flights, heard.len()), (10, 10));
    assert!(heard.iter().all(|heard| !heard.ampdu));
    air.ether.set_block_ack(0, AP, 0, false, 8);
    let (flights, heard) = burst(&mut air);
    assert_eq!((flights, heard.len()), (12, 10));
    assert!(heard[0].ampdu && heard[0].first_of_ampdu && !heard[0].last_of_ampdu);
    assert!(heard[7].last_of_ampdu && heard[8].first_of_ampdu);
    // Only three places: three frames fly, the others wait for places, not for the air.
    air.ether.set_receive_room(0, 3);
    let (flights, heard) = burst(&mut air);
    assert_eq!((flights, heard.len()), (13, 3));
    // Three left, three taken: there is room for three more; the chip has told nothing else.
    air.ether.set_receive_room(0, 64);
    let end = air.settle(0, Instant::ZERO);
    assert_eq!(air.heard(0).len(), 7);
    assert!(end > Instant::ZERO);
}

#[test]
fn a_frame_that_finds_no_place_for_long_fails() {
    let mut air = Air::new(true, 1);
    air.ether.set_station_address(0, CHIP);
    air.ether.tune(0, Some(SIX));
    air.ether.set_receive_room(0, 0);
    air.send(AP_RADIO, &mpdu(QOS, CHIP, AP, 100), MCS_7, Instant::ZERO);
    // Management goes past it.
    air.send(
        AP_RADIO,
        &mpdu(BEACON, [0xFF; 6], AP, 60),
        LEGACY,
        Instant::ZERO,
    );
    let end = air.settle(0, Instant::ZERO);
    assert_eq!(air.heard(0), [BEACON]);
    assert!(end >= Instant::from_millis(2_000), "{end}");
    assert_eq!(air.ether.counters().outdated, 1);
}

#[test]
fn the_air_limits_what_radios_send_and_what_chips_send() {
    let mut air = Air::new(true, 1);
    air.ether.set_station_address(0, CHIP);
    air.ether.tune(0, Some(SIX));
    air.ether.set_block_ack(0, AP, 0, false, 64);
    for _ in 0..100 {
        air.send(AP_RADIO, &mpdu(QOS, CHIP, AP, 1_474), MCS_7, Instant::ZERO);
    }
    air.ether.set_receive_room(0, 100);
    let end = air.settle(0, Instant::ZERO);
    // 150 000 octets at 65 Mbit/s take 18.5 ms; headers, acknowledgements and access not more than 15 % of that.
    assert_eq!(air.heard(0).len(), 100);
    assert!(end > Instant::from_micros(18_500), "{end}");
    assert!(end < Instant::from_micros(21_300), "{end}");
    // The chip waits for its turn, and its own airtime counts.
    let frame = mpdu(AUTHENTICATION, AP, CHIP, 6);
    let exchange = Exchange {
        frames: &[&frame],
        rate: PhyRate::Ofdm(6),
        rts: false,
    };
    let outcome = air.ether.exchange(0, &exchange, Instant::ZERO);
    assert_eq!(outcome.acked, 1);
    assert!(Instant::ZERO.after(outcome.airtime) > end);
    assert_eq!(
        air.ether.busy_until(0),
        Instant::ZERO.after(outcome.airtime)
    );
}

#[test]
fn a_narrow_chip_does_not_hear_wide_frames() {
    let mut air = Air::new(false, 1);
    air.ether.set_station_address(0, CHIP);
    let wide = Rate {
        flags: rate_flag::MCS | rate_flag::WIDTH_40,
        ..MCS_7
    };
    for (width, hears) in [(Width::Ht20, 0), (Width::Ht40, 1)] {
        air.ether.tune(0, Some(Channel::new(6, width)));
        air.send(AP_RADIO, &mpdu(QOS, CHIP, AP, 100), wide, Instant::ZERO);
        air.settle(0, Instant::ZERO);
        assert_eq!(air.heard(0).len(), hears);
    }
}

#[test]
fn a_chip_that_does_not_look_after_its_channel_holds_nobody_up_for_long() {
    let mut air = Air::new(false, 1);
    air.ether.tune(0, Some(SIX));
    air.send(
        AP_RADIO,
        &mpdu(BEACON, [0xFF; 6], AP, 60),
        LEGACY,
        Instant::ZERO,
    );
    let due = air.ether.orphan_event().expect("the beacon");
    assert_eq!(due, Instant::from_millis(50));
    air.ether.advance_orphans(Instant::from_millis(49));
    assert_eq!(air.got(), []);
    air.ether.advance_orphans(due);
    assert_eq!(air.got().len(), 1);
}

#[test]
fn radios_come_and_go() {
    let mut air = Air::new(false, 0);
    for id in 0..2 {
        air.ether.handle(&Event::Radio { id }, Instant::ZERO);
    }
    assert_eq!(air.ether.radios(), 2);
    // A radio that was never heard still gets what is for everybody: it may only listen.
    air.send(
        AP_RADIO,
        &mpdu(BEACON, [0xFF; 6], AP, 60),
        LEGACY,
        Instant::ZERO,
    );
    air.ether.advance_orphans(Instant::ZERO);
    assert_eq!(air.got()[0], Got::Frame(STA_RADIO, BEACON, 2437));
    air.ether.handle(&Event::RadioGone { id: 1 }, Instant::ZERO);
    assert_eq!(air.ether.radios(), 1);
    air.send(
        AP_RADIO,
        &mpdu(BEACON, [0xFF; 6], AP, 60),
        LEGACY,
        Instant::ZERO,
    );
    air.ether.advance_orphans(Instant::ZERO);
    assert_eq!(air.got().len(), 1);
}

#[test]
fn data_between_ht_stations_goes_at_their_best_rate_whatever_the_kernel_tries() {
    let mut air = Air::new(true, 1);
    air.ether = Ether::new(
        EtherConfig {
            family: FAMILY,
            limited: true,
            signal_dbm: -45,
            best_rates: true,
        },
        1,
    );
    air.ether.set_station_address(0, CHIP);
    air.ether.tune(0, Some(SIX));
    air.ether.set_block_ack(0, AP, 0, false, 64);
    // HT capabilities: short guard interval at 20 MHz.
    let mut beacon = mpdu(BEACON, [0xFF; 6], AP, 12);
    beacon.extend_from_slice(&[45, 2, 0x20, 0]);
    air.send(AP_RADIO, &beacon, LEGACY, Instant::ZERO);
    let mut request = mpdu(0x00, AP, CHIP, 4);
    request.extend_from_slice(&[45, 2, 0x20, 0]);
    let exchange = Exchange {
        frames: &[&request],
        rate: PhyRate::Ofdm(6),
        rts: false,
    };
    air.settle(0, Instant::ZERO);
    air.ether.exchange(0, &exchange, Instant::ZERO);
    air.heard(0);
    for _ in 0..2 {
        air.send(AP_RADIO, &mpdu(QOS, CHIP, AP, 900), LEGACY, Instant::ZERO);
    }
    // A frame that is no data keeps its rate.
    air.send(
        AP_RADIO,
        &mpdu(AUTHENTICATION, CHIP, AP, 6),
        LEGACY,
        Instant::ZERO,
    );
    air.settle(0, Instant::ZERO);
    let heard: Vec<_> = std::iter::from_fn(|| air.ether.pop_heard(0))
        .map(|heard| (heard.rate.units_100k(), heard.ampdu))
        .collect();
    assert_eq!(heard, [(722, true), (722, true), (60, false)]);
}
