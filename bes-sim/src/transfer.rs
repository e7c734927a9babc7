//! Saturated transfers, measured.

use crate::report::Transfer;
use crate::rig::{Rig, Upload, ADDRESS};
use bes_hal::sdio::SdioFunction;
use bes_hal::{Duration, Instant};
use mock_hal::air::traffic::{Flow, Pace};
use mock_hal::air::ApId;
use mock_hal::{BurstVec, Statistics};

/// Bytes of an MSDU with LLC/SNAP, unless a program says otherwise.
pub const MSDU: usize = 1500;

/// Number of the generated downlink flow.
pub const FLOW: u32 = 7;

/// Counters of everything that a transfer is measured by.
#[derive(Clone)]
struct Snapshot {
    at: Instant,
    bus: Statistics,
    rx_frames: u64,
    rx_bytes: u64,
    tx_frames: u64,
    tx_bytes: u64,
    bursts: u64,
    received: u64,
    batches: u64,
    sent: u64,
    wakeups: u64,
    deliveries: u64,
}

fn snapshot<S: SdioFunction<Buffer = BurstVec>>(rig: &Rig<S>) -> Snapshot {
    let owner = rig.device.bottom_half().stats();
    let counters = &rig.stack.counters;
    Snapshot {
        at: rig.now(),
        bus: rig.handle.statistics(),
        rx_frames: counters.rx_data_frames,
        rx_bytes: counters.rx_data_bytes,
        tx_frames: counters.tx_acked,
        tx_bytes: counters.tx_acked_bytes,
        bursts: owner.rx_bursts,
        received: owner.rx_frames,
        batches: owner.tx_batches,
        sent: owner.tx_frames,
        wakeups: rig.wakeups,
        deliveries: counters.deliveries,
    }
}

fn per(count: u64, of: u64, factor: f64) -> f64 {
    if of == 0 {
        0.0
    } else {
        factor * count as f64 / of as f64
    }
}

fn measured<S: SdioFunction<Buffer = BurstVec>>(
    rig: &Rig<S>,
    from: &Snapshot,
    down: bool,
) -> Transfer {
    let to = snapshot(rig);
    let seconds = to.at.since(from.at).as_secs_f64();
    let commands = to.bus.since(&from.bus).commands();
    let (frames, bytes, packed, packs) = if down {
        (
            to.rx_frames - from.rx_frames,
            to.rx_bytes - from.rx_bytes,
            to.received - from.received,
            to.bursts - from.bursts,
        )
    } else {
        (
            to.tx_frames - from.tx_frames,
            to.tx_bytes - from.tx_bytes,
            to.sent - from.sent,
            to.batches - from.batches,
        )
    };
    let rate = bytes as f64 / seconds;
    let raw = rig
        .handle
        .with(|world| world.config().timing.raw_bytes_per_second());
    Transfer {
        frames,
        mib_per_s: rate / f64::from(1 << 20),
        bus_efficiency: raw.map_or(0.0, |raw| rate / raw),
        frames_per_burst: per(packed, packs, 1.0),
        bus_commands_per_frame: per(commands, frames, 1.0),
        wakeups_per_1000_frames: per(to.wakeups - from.wakeups, frames, 1000.0),
        dispatches_per_1000_frames: per(to.deliveries - from.deliveries, frames, 1000.0),
    }
}

/// How long a transfer runs before it is measured.
const WARM_UP: Duration = Duration::from_millis(300);

/// The access point sends as much as it can.
pub fn download<S: SdioFunction<Buffer = BurstVec>>(
    rig: &mut Rig<S>,
    from: ApId,
    msdu: usize,
    time: Duration,
) -> Transfer {
    start_download(rig, from, msdu, Pace::Saturated);
    rig.run_for(WARM_UP);
    let start = snapshot(rig);
    rig.run_for(time);
    let transfer = measured(rig, &start, true);
    rig.air(|air| air.access_point_mut(from).stop_flow(FLOW));
    rig.run_for(WARM_UP);
    transfer
}

/// Starts the downlink flow.
pub fn start_download<S: SdioFunction<Buffer = BurstVec>>(
    rig: &mut Rig<S>,
    from: ApId,
    msdu: usize,
    pace: Pace,
) {
    let now = rig.now();
    // An MSDU is LLC/SNAP and EtherType, 8 bytes, and the packet.
    let flow = Flow {
        number: FLOW,
        tid: 0,
        octets: msdu - 8,
        pace,
        limit: None,
    };
    rig.air(|air| air.access_point_mut(from).start_flow(ADDRESS.0, flow, now));
}

/// The station sends as much as it can.
pub fn upload<S: SdioFunction<Buffer = BurstVec>>(
    rig: &mut Rig<S>,
    msdu: usize,
    time: Duration,
) -> Transfer {
    rig.upload = Some(Upload {
        msdu,
        interval: None,
        next: rig.now(),
        made: 0,
    });
    rig.run_for(WARM_UP);
    let start = snapshot(rig);
    rig.run_for(time);
    let transfer = measured(rig, &start, false);
    rig.upload = None;
    rig.run_for(WARM_UP);
    transfer
}
