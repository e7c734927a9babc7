//! What is copied on the way to the bus.

use crate::common::{air, ms, setup, Story, CHANNEL, OPEN};
use bes_sim::rig::Rig;

/// A host with a scatter list: the driver copies nothing on either path.
#[test]
fn a_host_with_a_scatter_list_copies_nothing() {
    let (air, ap) = air();
    let mut rig = Rig::new(setup(air));
    rig.bring_up().expect("the chip comes up");
    rig.scan(&[CHANNEL], &[]).expect("a scan");
    rig.connect(OPEN, None).expect("joined");
    let up = bes_sim::transfer::upload(&mut rig, 1500, ms(50));
    let down = bes_sim::transfer::download(&mut rig, ap, 1500, ms(50));
    assert!(up.frames > 100 && down.frames > 100);
    let stats = rig.device.bottom_half().transport().stats();
    assert!(stats.messages_sent > 100);
    assert_eq!(stats.bytes_copied, 0);
}

/// A host without one: what goes down is copied once, and what comes up is not.
#[test]
fn a_host_without_one_copies_each_message_once() {
    let mut story = Story::connected();
    let before = story.rig.device.bottom_half().transport().stats();
    story.exchange(ms(200)).assert_intact("bounced");
    let after = story.rig.device.bottom_half().transport().stats();
    let copied = after.bytes_copied - before.bytes_copied;
    let written = after.bytes_written - before.bytes_written;
    assert_eq!(copied, written);
    assert_eq!(story.rig.handle.all_violations(), Vec::<String>::new());
}
