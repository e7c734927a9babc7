//! Several drivers, each with its own chip, in one air: who gets how much of it.
//!
//! Every station runs in a thread of its own and meets the others only in the air, which keeps them in step
//! ([`mock_hal::air::shared`]): the figures are the same in every run. Airtime is what the air itself has counted.

use bes_hal::Instant;
use bes_mac80211::types::MacAddress;
use bes_sim::rig::{Rig, Setup, Upload};
use bes_sim::scene::{home, Scene, OPEN};
use bes_sim::transfer::FLOW;
use mock_hal::air::traffic::{Flow, Pace};
use mock_hal::air::{Air, AirCounters, Radio, SharedAir, Width};

/// Everybody is connected by then, and everything runs.
const BEGIN: Instant = Instant::from_millis(3_000);
const END: Instant = Instant::from_millis(5_000);

/// What a station does.
#[derive(Clone, Copy, PartialEq)]
enum Task {
    /// It sends MSDUs of so many bytes, as fast as its driver takes them.
    Up(usize),
    /// The access point sends it MSDUs of so many bytes, as fast as it can.
    Down(usize),
}

/// What a station got.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Share {
    /// Airtime in seconds.
    airtime: f64,
    /// Times that it had the channel.
    exchanges: u64,
    /// Frames that arrived.
    frames: u64,
}

fn address(station: usize) -> MacAddress {
    MacAddress([0x02, 0, 0, 0, 0x01, station as u8])
}

fn snapshot(rig: &Rig, air: &SharedAir, station: usize, task: Task) -> (AirCounters, u64) {
    let counters = air.as_seen_by(station, |air| air.counters());
    let frames = match task {
        Task::Up(_) => rig.stack.counters.tx_acked,
        Task::Down(_) => rig.stack.counters.rx_data_frames,
    };
    (counters, frames)
}

/// One station from power-on to the end.
fn station(number: usize, task: Task, air: &SharedAir, radio: Radio) -> Share {
    let mut setup = Setup::new(Air::new(1));
    setup.seed = 1 + number as u64;
    setup.device.address = address(number);
    let mut rig = Rig::sharing(setup, radio);
    rig.bring_up().expect("the chip starts");
    rig.scan(&[6], &[]).expect("the scan ends");
    rig.connect(OPEN, None).expect("it connects");
    if let Task::Up(msdu) = task {
        rig.upload = Some(Upload {
            msdu,
            interval: None,
            next: rig.now(),
            made: 0,
        });
    }
    rig.run_for(BEGIN.since(rig.now()));
    let (before, first) = snapshot(&rig, air, number, task);
    rig.run_for(END.since(rig.now()));
    let (after, last) = snapshot(&rig, air, number, task);
    assert_eq!(rig.handle.all_violations(), [""; 0]);
    assert_eq!(rig.device.bottom_half().leaked_credits(), 0);
    assert_eq!(rig.device.anomalies().total(), 0);
    let airtime = match task {
        Task::Up(_) => after.station_airtime - before.station_airtime,
        Task::Down(_) => after.delivery_airtime - before.delivery_airtime,
    };
    Share {
        airtime: airtime.as_secs_f64(),
        exchanges: after.exchanges - before.exchanges,
        frames: last - first,
    }
}

/// Lets stations with these tasks compete in one network.
fn compete(tasks: &[Task]) -> Vec<Share> {
    let Scene { mut air, open, .. } = home(3, false, Width::Ht20);
    for (number, task) in tasks.iter().enumerate() {
        if let Task::Down(msdu) = *task {
            let flow = Flow {
                number: FLOW + number as u32,
                tid: 0,
                octets: msdu - 8,
                pace: Pace::Saturated,
                limit: None,
            };
            air.access_point_mut(open)
                .start_flow(address(number).0, flow, Instant::ZERO);
        }
    }
    let (air, radios) = SharedAir::new(air, tasks.len());
    std::thread::scope(|scope| {
        let stations: Vec<_> = tasks
            .iter()
            .zip(radios)
            .enumerate()
            .map(|(number, (task, radio))| {
                let air = &air;
                scope.spawn(move || station(number, *task, air, radio))
            })
            .collect();
        let joined = stations.into_iter().map(|station| station.join());
        joined
            .map(|share| share.expect("a station's story"))
            .collect()
    })
}

/// Everybody's part is within 10 % of an equal one.
#[track_caller]
fn assert_equal(parts: impl IntoIterator<Item = f64>) {
    let parts: Vec<f64> = parts.into_iter().collect();
    let mean = parts.iter().sum::<f64>() / parts.len() as f64;
    assert!(
        mean > 0.0 && parts.iter().all(|part| (part / mean - 1.0).abs() <= 0.1),
        "{parts:?}"
    );
}

/// The channel was used nearly all the time: there was something to share.
#[track_caller]
fn assert_saturated(shares: &[Share], least: f64) {
    let used: f64 = shares.iter().map(|share| share.airtime).sum();
    let share = used / END.since(BEGIN).as_secs_f64();
    println!("{shares:?}: {share:.3}");
    assert!((least..=1.001).contains(&share), "{share}: {shares:#?}");
}

#[test]
fn equal_stations_that_send_get_equal_airtime() {
    let shares = compete(&[Task::Up(1500); 2]);
    assert_saturated(&shares, 0.8);
    assert_equal(shares.iter().map(|share| share.airtime));
    assert_equal(shares.iter().map(|share| share.frames as f64));
}

#[test]
fn equal_stations_that_receive_get_equal_airtime() {
    let shares = compete(&[Task::Down(1500); 2]);
    assert_saturated(&shares, 0.8);
    assert_equal(shares.iter().map(|share| share.airtime));
    assert_equal(shares.iter().map(|share| share.frames as f64));
}

#[test]
fn equal_stations_with_short_frames_get_equal_airtime() {
    for tasks in [[Task::Up(100); 2], [Task::Down(100); 2]] {
        let shares = compete(&tasks);
        assert_saturated(&shares, 0.6);
        assert_equal(shares.iter().map(|share| share.airtime));
    }
}

#[test]
fn three_stations_share_as_two_do() {
    let shares = compete(&[Task::Up(1500); 3]);
    assert_saturated(&shares, 0.8);
    assert_equal(shares.iter().map(|share| share.airtime));
}

/// The channel is given out by turns, not by time: what another station gets is not up to a driver. Short frames cost a station
/// some of its turns, because all 30 buffers of its chip go into one A-MPDU and have to be filled again; not more than that.
#[test]
fn short_frames_beside_long_ones_get_the_channel_nearly_as_often() {
    let shares = compete(&[Task::Up(100), Task::Up(1500)]);
    assert_saturated(&shares, 0.8);
    let [short, long] = shares[..] else {
        panic!("two stations")
    };
    assert!(4 * short.exchanges >= 3 * long.exchanges, "{shares:?}");
    assert!(short.frames > long.frames, "{shares:?}");
}

#[test]
fn a_competition_is_the_same_in_every_run() {
    let tasks = [Task::Up(1500), Task::Down(700)];
    assert_eq!(compete(&tasks), compete(&tasks));
}
