//! The codec against bytes of a real kernel: Linux 7.2.13, `mac80211_hwsim` with two radios, x86-64.

use super::hwsim::{self, Event, Rate};
use super::netlink::{control, Message, Messages, Writer};

fn bytes(hex: &str) -> Vec<u8> {
    let digits: Vec<u8> = hex.bytes().filter(u8::is_ascii_hexdigit).collect();
    digits
        .chunks(2)
        .map(|pair| {
            let pair = std::str::from_utf8(pair).expect("digits");
            u8::from_str_radix(pair, 16).expect("digits")
        })
        .collect()
}

/// Answer to the question for the family.
const FAMILY: &str =
    "f400000010000000010000001e00000001020000130002004d414338303231315f485753494d00000600010017000000\
     08000300010000000800040000000000080005001f00000090000600140001000800010001000000080002001a000000\
     140002000800010002000000080002000a000000140003000800010003000000080002000a0000001400040008000100\
     04000000080002001a000000140005000800010005000000080002001a00000014000600080001000600000008000200\
     0e00000014000700080001000b000000080002000a0000001c00070018000100080002000b0000000b000100636f6e66\
     69670000";
/// Part of the dump of radios.
const RADIOS: &str =
    "3400000017000200020000001e0000000601000008000a0000000000080009000100000004000e000800110070687930\
     04001f003400000017000200020000001e0000000601000008000a0001000000080009000100000004000e0008001100\
     7068793104001f00";
/// End of that dump.
const DONE: &str = "1400000003000200020000001e00000000000000";
/// Answer to the registration.
const REGISTERED: &str = "2400000002000001030000001e0000000000000014000000170005000300000000000000";
/// Answer to a second registration.
const BUSY: &str =
    "2800000002000000030000001e000000f0ffffff1400000017000500030000000000000001010000";
/// An interface came up.
const ADDED: &str =
    "2c000000170000000000000000000000070100000a00020042000000000000000a0001000200000000000000";
/// An address is used no more.
const REMOVED: &str =
    "2c000000170000000000000000000000080100000a00020042000000000000000a0001000200000000000000";
/// A radio sends a probe request.
const PROBE: &str =
    "e0000000170000000000000000000000020100000a00020042000000000000008700030040000000ffffffffffff0200\
     00000000ffffffffffff0000000178010802040b160c12182432043048606c0301012d1afe131bffff00000000000000\
     0000000100000000000000000000ff16230178c81a400002bfce0000000000000000fafffaffff116c07007c0000feff\
     ff7f01008888880000ff0c98100000000000c000000000000800040002000000080013006c0900000c0007000001ff00\
     ff00ff0010001500000000ff0000ff0000ff00000c0008000100000000000000";

/// Number of the family in that kernel.
const NUMBER: u16 = 23;
const RADIO: [u8; 6] = [0x42, 0, 0, 0, 0, 0];
const INTERFACE: [u8; 6] = [0x02, 0, 0, 0, 0, 0];

fn events(hex: &str, check: impl Fn(&[Event<'_>])) {
    let datagram = bytes(hex);
    let events: Vec<Event<'_>> = Messages(&datagram)
        .filter_map(|message| hwsim::parse(NUMBER, &message))
        .collect();
    check(&events);
    // Cut anywhere: nothing is found that is not whole, and nothing panics.
    for len in 0..datagram.len() {
        for message in Messages(&datagram[..len]) {
            let _ = hwsim::parse(NUMBER, &message);
        }
        let _ = control::answer(&datagram[..len], hwsim::GROUP);
    }
}

#[test]
fn the_family_and_its_group_are_found() {
    let family = control::answer(&bytes(FAMILY), hwsim::GROUP)
        .expect("an answer")
        .expect("no error");
    assert_eq!((family.number, family.group), (NUMBER, Some(11)));
    let other = control::answer(&bytes(FAMILY), "other");
    assert_eq!(
        other.and_then(Result::ok).and_then(|found| found.group),
        None
    );
}

#[test]
fn what_asks_for_the_family_is_what_the_kernel_takes() {
    let mut writer = Writer::default();
    control::ask(&mut writer, hwsim::FAMILY, 1);
    assert_eq!(
        writer.bytes(),
        bytes("28000000100001000100000000000000 03010000 130002004d414338303231315f485753494d0000")
    );
}

#[test]
fn radios_are_told_by_number() {
    events(RADIOS, |events| {
        assert_eq!(events, [Event::Radio { id: 0 }, Event::Radio { id: 1 }]);
    });
    assert_eq!(Messages(&bytes(DONE)).next(), Some(Message::Done));
    assert_eq!(hwsim::default_address(0), RADIO);
    assert_eq!(hwsim::default_address(0x0102), [0x42, 0, 0, 1, 2, 0]);
}

#[test]
fn answers_name_their_request() {
    events(REGISTERED, |events| {
        assert_eq!(
            events,
            [Event::Answer {
                sequence: 3,
                code: 0
            }]
        );
    });
    events(BUSY, |events| {
        assert_eq!(
            events,
            [Event::Answer {
                sequence: 3,
                code: -16
            }]
        );
    });
}

#[test]
fn addresses_come_and_go() {
    let (radio, address) = (RADIO, INTERFACE);
    events(ADDED, |events| {
        assert_eq!(events, [Event::AddressAdded { radio, address }]);
    });
    events(REMOVED, |events| {
        assert_eq!(events, [Event::AddressRemoved { radio, address }]);
    });
}

#[test]
fn a_frame_comes_with_its_rates_and_its_channel() {
    events(PROBE, |events| {
        let [Event::Frame(frame)] = events else {
            panic!("{events:?}");
        };
        assert_eq!(frame.radio, RADIO);
        assert_eq!(frame.frequency, 2412);
        assert_eq!(frame.mpdu.len(), 131);
        assert_eq!(frame.mpdu[..4], [0x40, 0, 0, 0]);
        assert_eq!(frame.mpdu[10..16], INTERFACE);
        assert_eq!(frame.flags, hwsim::control::NO_ACK);
        assert_eq!(frame.cookie, 1);
        assert_eq!(frame.rates[0].index, 0);
        assert_eq!(frame.rates[1].index, -1);
        assert_eq!(frame.rates[1].tries, 0);
    });
}

#[test]
fn a_message_of_another_family_is_nobody_s() {
    let datagram = bytes(PROBE);
    let message = Messages(&datagram).next().expect("a message");
    assert_eq!(hwsim::parse(NUMBER + 1, &message), None);
}

#[test]
fn what_is_sent_has_the_form_of_what_comes() {
    let mut writer = Writer::default();
    let mpdu = [0x80; 40];
    hwsim::deliver(
        &mut writer,
        NUMBER,
        5,
        &hwsim::Delivery {
            radio: RADIO,
            mpdu: &mpdu,
            rate: 3,
            signal_dbm: -45,
            frequency: 2412,
        },
    );
    let fate = hwsim::Fate {
        radio: RADIO,
        cookie: 7,
        flags: hwsim::control::ACKED,
        signal_dbm: -45,
        rates: [
            Rate {
                index: 7,
                tries: 1,
                flags: 0,
            },
            Rate::NONE,
            Rate::NONE,
            Rate::NONE,
        ],
    };
    hwsim::tell(&mut writer, NUMBER, 0, &fate);
    let expected = [
        "64000000 1700 0100 05000000 00000000 02010000 0a00010042000000000000002c000300",
        &"80".repeat(40),
        "0800050003000000 08000600d3ffffff 080013006c090000",
        "48000000 1700 0100 00000000 00000000 03010000 0a000200420000000000 0000",
        "0800040004000000 08000600d3ffffff 0c0007000701ff00ff00ff00 0c0008000700000000000000",
    ];
    assert_eq!(writer.bytes(), bytes(&expected.concat()));
}
