//! Keys: new ones under traffic; and ciphers that the chip does not know, which are the stack's business: nothing is told
//! to the chip, and frames pass as they are.

use crate::common::{ms, setup, Story, CHANNEL};
use bes_hal::Duration;
use bes_mac80211::key::KeyParameters;
use bes_mac80211::request::Request;
use bes_mac80211::types::{AccessCategory, Cipher};
use bes_sim::rig::ADDRESS;
use mock_hal::air::{Air, AirConfig, ApConfig, Channel};

/// A protected QoS data frame under a cipher that nobody here knows; `down` from the access point.
fn sealed(bssid: [u8; 6], down: bool, number: u8) -> Vec<u8> {
    let mut frame = vec![0x88, if down { 0x42 } else { 0x41 }, 0, 0];
    let (first, second) = if down {
        (ADDRESS.0, bssid)
    } else {
        (bssid, ADDRESS.0)
    };
    frame.extend(first);
    frame.extend(second);
    frame.extend([0x02, 0, 0, 0, 0, 9]);
    frame.extend([number << 4, 0, 0, 0]);
    frame.extend([number, 0, 0, 0x20, 0, 0, 0, 0]);
    frame.extend((0..60).map(|byte: u8| byte.wrapping_mul(7) ^ number));
    frame
}

#[test]
fn d26_frames_under_a_cipher_of_the_stack_pass_in_both_directions_as_they_are() {
    let mut story = Story::connected();
    let ap = story.ap;
    let interface = story.rig.interface.expect("there is one");
    let limit = Duration::from_secs(5);
    story
        .rig
        .request(Request::KeyInSoftware(interface), limit)
        .expect("taken");
    // With any data key the chip would refuse protected frames that it has none for: it gets none.
    let group = KeyParameters::new(Cipher::Ccmp, None, 1, &[7; 16]).expect("a key");
    assert!(story
        .rig
        .request(Request::SetKey(interface, group), limit)
        .is_err());
    let management = KeyParameters::new(Cipher::AesCmac, None, 4, &[7; 16]).expect("a key");
    story
        .rig
        .request(Request::SetKey(interface, management), limit)
        .expect("management frames are the chip's");
    let bssid = story.rig.air(|air| air.access_point(ap).bssid());
    story.rig.stack.kept = Some(Vec::new());
    for number in 1..=10 {
        let frame = sealed(bssid, true, number);
        story
            .rig
            .air(|air| air.access_point_mut(ap).send_raw(frame));
        story.rig.run_for(ms(20));
    }
    let kept = story.rig.stack.kept.take().expect("frames were kept");
    let arrived: Vec<_> = kept
        .iter()
        .filter(|kept| kept.frame.get(1).is_some_and(|flags| flags & 0x40 != 0))
        .collect();
    assert_eq!(arrived.len(), 10);
    for (kept, number) in arrived.iter().zip(1..) {
        let sent = sealed(bssid, true, number);
        assert_eq!(kept.frame[26..], sent[26..], "frame {number}");
        let protection = kept.status.protection;
        assert!(!protection.decrypted && !protection.iv_stripped && !protection.mic_stripped);
    }
    let not_decrypted = story.rig.device.statistics().rx_total().not_decrypted;
    assert_eq!(not_decrypted, 10);
    // And down.
    let acked = story.rig.stack.counters.tx_acked;
    for number in 1..=10 {
        let frame = story.rig.stack.frame(&sealed(bssid, false, number));
        let info = story.rig.info(AccessCategory::BestEffort, true, None);
        assert!(story.rig.transmit(frame, info).is_ok());
        story.rig.run_for(ms(20));
    }
    assert_eq!(story.rig.stack.counters.tx_acked, acked + 10);
    // The next connection starts with the chip's ciphers again.
    story.rig.disconnect().expect("left");
    let vif = story.rig.device.interface(interface).expect("it is there");
    assert!(!vif.software_cipher);
}

/// File 50, section 3, item 6: no frame is sent between two keys.
#[test]
fn p6_a_new_pairwise_key_costs_no_frame() {
    let mut air = Air::new(AirConfig {
        seed: 1,
        ..AirConfig::default()
    });
    let ap = air.add_access_point(ApConfig::wpa2(
        "keys",
        Channel::ht20(CHANNEL),
        "correct horse",
    ));
    let mut story = Story::with(setup(air), ap);
    story.rig.bring_up().expect("the chip comes up");
    story.rig.scan(&[CHANNEL], &[]).expect("the scan ends");
    story
        .rig
        .connect("keys", Some("correct horse"))
        .expect("the passphrase is right");
    let key = |story: &Story| {
        let view = story.rig.air(|air| air.access_point(ap).station(ADDRESS.0));
        view.and_then(|view| view.temporal_key)
    };
    for round in 0..5 {
        let before = key(&story);
        let outcome = story.exchange_with(ms(600), |story| {
            story.rig.run_for(ms(100 + round * 7));
            let now = story.rig.now();
            let begun = story
                .rig
                .air(|air| air.access_point_mut(ap).rekey_pairwise(ADDRESS.0, now));
            assert!(begun);
        });
        outcome.assert_intact(&format!("round {round}"));
        assert!(story.rig.stack.station.is_connected(), "round {round}");
        assert_ne!(key(&story), before, "round {round}");
        assert_eq!(story.lmac(|lmac| lmac.keys()), 2, "round {round}");
    }
    let counters = story.rig.air(|air| air.access_point(ap).counters());
    assert_eq!((counters.undecryptable, counters.replays), (0, 0));
    assert_eq!(story.rig.handle.all_violations(), Vec::<String>::new());
    story.assert_good("after five pairwise keys");
}
