//! Old networks: WEP and TKIP, done by the chip, with an access point that does the same (file 20, section 10; file 30,
//! section 5.5). The keys are put in by hand on both sides, as no handshake of today makes them.

use crate::common::{ms, setup, Story, CHANNEL};
use bes_hal::Duration;
use bes_mac80211::key::KeyParameters;
use bes_mac80211::request::Request;
use bes_mac80211::types::{AccessCategory, Cipher, HardwareKey, MacAddress};
use bes_sim::rig::ADDRESS;
use mock_hal::air::{Air, AirConfig, ApConfig, Channel, Cipher as AirCipher, Flow, Pace, Security};
use mock_hal::cipher::tkip::TkipKey;

fn connected(security: Security) -> Story {
    let mut air = Air::new(AirConfig {
        seed: 1,
        ..AirConfig::default()
    });
    let ap = air.add_access_point(ApConfig {
        security,
        ht: false,
        ..ApConfig::open("old", Channel::ht20(CHANNEL))
    });
    let mut story = Story::with(setup(air), ap);
    story.rig.bring_up().expect("the chip comes up");
    story.rig.scan(&[CHANNEL], &[]).expect("the scan ends");
    story.rig.connect("old", None).expect("it is open to join");
    story
}

fn set_key(story: &mut Story, key: KeyParameters) {
    let interface = story.rig.interface.expect("there is one");
    let limit = Duration::from_secs(5);
    story
        .rig
        .request(Request::SetKey(interface, key), limit)
        .expect("the chip takes the key");
}

/// An IPv4 packet to the network behind the access point, with a hole for the cipher in front of it.
fn up(bssid: [u8; 6], hole: usize, number: u8) -> Vec<u8> {
    let mut frame = vec![0x88, 0x41, 0, 0];
    frame.extend(bssid);
    frame.extend(ADDRESS.0);
    frame.extend(bssid);
    frame.extend([0, number, 0, 0]);
    frame.extend(vec![0; hole]);
    frame.extend([0xAA, 0xAA, 3, 0, 0, 0, 8, 0, 0x45]);
    frame.extend((0..90).map(|byte: u8| byte ^ number));
    frame
}

/// Twenty packets in each direction, at the same time: all of them arrive, opened by the other side.
fn both_ways(story: &mut Story, key: HardwareKey, hole: usize) {
    let ap = story.ap;
    let (bssid, before) = story.rig.air(|air| {
        let access_point = air.access_point(ap);
        (access_point.bssid(), access_point.counters())
    });
    let now = story.rig.now();
    let flow = Flow {
        number: 90,
        limit: Some(20),
        pace: Pace::Every(ms(10)),
        ..Flow::default()
    };
    story
        .rig
        .air(|air| air.access_point_mut(ap).start_flow(ADDRESS.0, flow, now));
    story.rig.stack.kept = Some(Vec::new());
    let acked = story.rig.stack.counters.tx_acked;
    for number in 1..=20 {
        let frame = story.rig.stack.frame(&up(bssid, hole, number));
        let category = AccessCategory::BestEffort;
        let info = story.rig.info(category, true, Some(key));
        assert!(story.rig.transmit(frame, info).is_ok(), "frame {number}");
        story.rig.run_for(ms(15));
    }
    story.rig.run_for(ms(200));
    assert_eq!(story.rig.stack.counters.tx_acked, acked + 20);
    let after = story.rig.air(|air| air.access_point(ap).counters());
    assert_eq!(after.received_msdus, before.received_msdus + 20);
    assert_eq!(after.undecryptable, 0);
    let kept = story.rig.stack.kept.take().expect("frames were kept");
    let arrived: Vec<_> = kept
        .iter()
        .filter(|kept| kept.frame.get(1).is_some_and(|flags| flags & 0x40 != 0))
        .collect();
    assert_eq!(arrived.len(), 20);
    for kept in arrived {
        let protection = kept.status.protection;
        assert!(protection.decrypted && protection.iv_stripped);
        assert_eq!(kept.frame[26..34], [0xAA, 0xAA, 3, 0, 0, 0, 8, 0]);
    }
    let statistics = story.rig.device.statistics();
    assert_eq!(statistics.rx_total().not_decrypted, 0);
}

#[test]
fn a_wep_network_is_served_by_the_chip_under_whichever_default_key_a_frame_names() {
    for (length, index) in [(5, 0), (13, 3)] {
        let secret: Vec<u8> = (0..length).map(|byte| 0x40 + byte).collect();
        let mut story = connected(Security::Wep {
            key: secret.clone(),
            id: index,
        });
        let key = KeyParameters::new(Cipher::Wep, None, index, &secret).expect("a key");
        set_key(&mut story, key);
        let cipher = Cipher::Wep;
        both_ways(&mut story, HardwareKey { cipher, index }, 4);
        assert_eq!(story.rig.handle.all_violations(), Vec::<String>::new());
    }
}

#[test]
fn a_tkip_network_is_served_by_the_chip_in_both_directions() {
    let mut story = connected(Security::Open);
    let ap = story.ap;
    let bssid = story.rig.air(|air| air.access_point(ap).bssid());
    // As the stack has it: the key, then the integrity key of what goes up, then that of what comes down.
    let pairwise: Vec<u8> = (0..32).collect();
    let group = [0x77; 32];
    let octets = |from: usize| core::array::from_fn(|at| pairwise[from + at]);
    let behind = TkipKey {
        temporal: core::array::from_fn(|at| pairwise[at]),
        send_mic: octets(24),
        receive_mic: octets(16),
    };
    let for_all = TkipKey {
        temporal: [0x77; 16],
        send_mic: [0x77; 8],
        receive_mic: [0x77; 8],
    };
    story.rig.air(|air| {
        air.access_point_mut(ap).install_keys(
            ADDRESS.0,
            AirCipher::Tkip(behind),
            (AirCipher::Tkip(for_all), 1),
        )
    });
    let peer = Some(MacAddress(bssid));
    let key = KeyParameters::new(Cipher::Tkip, peer, 0, &pairwise).expect("a key");
    set_key(&mut story, key);
    let key = KeyParameters::new(Cipher::Tkip, None, 1, &group).expect("a key");
    set_key(&mut story, key);
    let key = HardwareKey {
        cipher: Cipher::Tkip,
        index: 0,
    };
    both_ways(&mut story, key, 8);
    assert_eq!(story.lmac(|lmac| lmac.counters().rx_mic_failures), 0);
    assert_eq!(story.rig.handle.all_violations(), Vec::<String>::new());
}
