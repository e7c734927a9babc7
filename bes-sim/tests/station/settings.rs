//! Settings of the stack reach the chip, and a scan gives back what it borrowed.

use crate::common::{air, ms, setup, Story, CHANNEL};
use bes_hal::Duration;
use bes_mac80211::request::{Request, ScanChannel, ScanRequest};
use bes_mac80211::types::{Channel, Dbm, MacAddress};
use mock_hal::air::Msdu;

const LIMIT: Duration = Duration::from_secs(5);

fn word(story: &Story, mib: u16) -> Option<u32> {
    story.lmac(|lmac| {
        let data = lmac.mib(0, mib)?;
        Some(u32::from_le_bytes(data.get(..4)?.try_into().ok()?))
    })
}

/// Transmit power as the chip was told, in dBm.
fn power(story: &Story) -> Option<u32> {
    word(story, 0x0006).map(|tenths| tenths / 10)
}

/// File 31, C2; file 50, section 3, item 11: the chip is told what the stack says, not 20 dBm.
#[test]
fn c2_the_power_is_the_stacks_in_a_scan_and_after_it() {
    let mut story = Story::connected();
    for dbm in [12, 17, 3, 20] {
        story
            .rig
            .request(Request::TxPower(Dbm(dbm)), LIMIT)
            .expect("taken");
        assert_eq!(power(&story), u32::try_from(dbm).ok());
    }
    story
        .rig
        .request(Request::TxPower(Dbm(14)), LIMIT)
        .expect("taken");
    // Regulation allows less on one channel, and more on another than the stack wants.
    let channels = [(1, 8), (CHANNEL.into(), 30), (11, 8)].map(|(number, max_power)| ScanChannel {
        channel: Channel::new(number).expect("a channel"),
        passive: false,
        max_power: Dbm(max_power),
    });
    let request = ScanRequest {
        channels: &channels,
        ssids: &[],
        elements: &[],
        no_cck: false,
        source: None,
    };
    let interface = story.rig.interface.expect("there is one");
    story
        .rig
        .request(Request::Scan(interface, &request), LIMIT)
        .expect("the scan starts");
    let mut told = Vec::new();
    story.rig.run_until(Duration::from_secs(10), |rig| {
        let now = rig.lmac(|lmac| lmac.mib(0, 0x0006).map(<[u8]>::to_vec));
        if told.last() != Some(&now) {
            told.push(now);
        }
        !rig.device.scan().is_active()
    });
    let told: Vec<_> = told.iter().flatten().map(|data| data[0] / 10).collect();
    assert_eq!(told, [14, 8, 14, 8, 14]);
    // Leaving does not forget it either.
    story.rig.disconnect().expect("left");
    assert_eq!(power(&story), Some(14));
    assert_eq!(story.rig.handle.all_violations(), Vec::<String>::new());
}

/// File 50, section 3, item 11: some channels refuse 20 dBm.
#[test]
fn p11_a_power_that_the_chip_refuses_is_reported_and_costs_nothing_else() {
    let (air, ap) = air();
    let mut settings = setup(air);
    settings.lmac.highest_power = Some(150);
    let mut story = Story::with(settings, ap);
    story.connect();
    assert!(story.rig.request(Request::TxPower(Dbm(20)), LIMIT).is_err());
    story
        .rig
        .request(Request::TxPower(Dbm(15)), LIMIT)
        .expect("taken");
    assert_eq!(power(&story), Some(15));
    story.assert_good("refused power");
    // Scans and the way out want the power of the stack again, not the refused one.
    story.rig.scan(&[1, CHANNEL], &[]).expect("the scan ends");
    story.rig.disconnect().expect("left");
    assert_eq!(power(&story), Some(15));
    story.connect_again();
    story.assert_good("after a refused power");
}

#[test]
fn the_rts_threshold_follows_the_stack() {
    let mut story = Story::connected();
    for (threshold, told) in [(Some(500), 500), (None, 0), (Some(2347), 2347)] {
        story
            .rig
            .request(Request::RtsThreshold(threshold), LIMIT)
            .expect("taken");
        assert_eq!(word(&story, 0x0007), Some(told));
        story.assert_good("another threshold");
    }
    // A connection does not put its own default over it.
    story.rig.disconnect().expect("left");
    story.connect_again();
    assert_eq!(word(&story, 0x0007), Some(2347));
}

impl Story {
    fn connect_again(&mut self) {
        self.rig.scan(&[CHANNEL], &[]).expect("the scan ends");
        self.rig
            .connect(crate::common::OPEN, None)
            .expect("joined again");
    }
}

/// Group frames that came up, of one sent to each address.
fn heard(story: &mut Story, groups: &[[u8; 6]]) -> Vec<bool> {
    let ap = story.ap;
    story.rig.stack.kept = Some(Vec::new());
    for group in groups {
        let payload = [0x45; 40];
        story.rig.air(|air| {
            air.access_point_mut(ap).send(&Msdu {
                destination: *group,
                source: [0x02, 0, 0, 0, 0, 9],
                tid: 0,
                ethertype: 0x0800,
                payload: &payload,
            })
        });
    }
    story.rig.run_for(ms(600));
    let kept = story.rig.stack.kept.take().expect("frames were kept");
    groups
        .iter()
        .map(|group| {
            kept.iter()
                .any(|kept| kept.frame.get(4..10) == Some(&group[..]) && kept.frame[0] & 0x0C == 8)
        })
        .collect()
}

#[test]
fn group_frames_pass_as_they_are_subscribed_and_all_of_them_beyond_eight() {
    let (air, ap) = air();
    let mut story = Story::with(setup(air), ap);
    story.connect();
    let group = |last| [0x01, 0, 0x5E, 0, 0, last];
    let sent = [group(1), group(2), group(9), [0xFF; 6]];
    let list: Vec<_> = (1..=9).map(|last| MacAddress(group(last))).collect();
    let subscribe = |story: &mut Story, count: usize| {
        story
            .rig
            .request(Request::Multicast(&list[..count]), LIMIT)
            .expect("taken");
        story.rig.run_for(ms(50));
    };
    subscribe(&mut story, 2);
    assert_eq!(heard(&mut story, &sent), [true, true, false, true]);
    subscribe(&mut story, 1);
    assert_eq!(heard(&mut story, &sent), [true, false, false, true]);
    subscribe(&mut story, 8);
    assert_eq!(heard(&mut story, &sent), [true, true, false, true]);
    // The chip has no room for nine: the filter is off.
    subscribe(&mut story, 9);
    assert_eq!(heard(&mut story, &sent), [true; 4]);
    // A new connection begins with the same subscriptions.
    subscribe(&mut story, 1);
    story.rig.disconnect().expect("left");
    story.connect_again();
    story.rig.run_for(ms(300));
    assert_eq!(heard(&mut story, &sent), [true, false, false, true]);
    assert_eq!(story.rig.handle.all_violations(), Vec::<String>::new());
}
