//! What the driver counts is what the chip and the access point count.

use crate::common::{air, ms, setup, Story};
use bes_hal::Duration;
use bes_mac80211::figures::NAMES;
use bes_mac80211::request::{Request, Response};

/// Figures by name, with the chip's own counters in them.
fn figures(story: &mut Story) -> impl Fn(&str) -> u64 {
    let interface = story.rig.interface.expect("there is one");
    let counters = story
        .rig
        .request(Request::ReadCounters, Duration::from_secs(5))
        .expect("read");
    let Response::Counters(counters) = counters else {
        panic!("{counters:?}");
    };
    let values = story.rig.device.figures(interface, Some(counters));
    move |name| {
        let at = NAMES.iter().position(|other| *other == name);
        values[at.expect("a figure")]
    }
}

#[test]
fn figures_are_those_of_the_chip_and_of_the_air() {
    for loss in [0.0, 0.1] {
        let (mut air, ap) = air();
        air.set_loss(loss);
        let mut story = Story::with(setup(air), ap);
        story.connect();
        story.start_traffic();
        story.rig.run_for(ms(800));
        story.stop_traffic();
        let figure = figures(&mut story);
        let (chip, point) = (
            story.lmac(|lmac| *lmac.counters()),
            story.rig.air(|air| air.access_point(ap).counters()),
        );
        let counters = story.rig.stack.counters;
        // Down: what the stack gave is what the driver took, and each ended once.
        assert_eq!(figure("tx_queued"), counters.tx_given, "loss {loss}");
        assert_eq!(figure("tx_acked"), counters.tx_acked, "loss {loss}");
        assert_eq!(
            figure("tx_queued"),
            figure("tx_acked") + figure("tx_not_acked") + figure("tx_expired"),
            "loss {loss}"
        );
        // Frames that the driver makes itself count as sent; the chip confirmed every one.
        assert_eq!(
            figure("tx_sent"),
            u64::from(chip.tx_confirmed),
            "loss {loss}"
        );
        // The chip's counters as it has them.
        assert_eq!(figure("chip_tx_ok"), u64::from(chip.tx_success));
        assert_eq!(figure("chip_tx_ack_failures"), u64::from(chip.ack_failures));
        assert_eq!(figure("chip_rx_ok"), u64::from(chip.rx_success));
        // Attempts that the access point did not acknowledge: the statuses tell each of them.
        if loss > 0.0 {
            assert!(
                figure("tx_ack_failures") > 50,
                "{}",
                figure("tx_ack_failures")
            );
        }
        // The access point received what was acknowledged, each once.
        assert!(point.received_msdus >= story.rig.stack.counters.tx_acked / 2);
        assert_eq!(figure("rx_frames"), counters.rx_frames, "loss {loss}");
        assert_eq!(figure("joins"), 1);
        assert_eq!(figure("anomalies"), 0);
    }
}
