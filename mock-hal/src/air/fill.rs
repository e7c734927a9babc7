//! Filling a PPDU with data: what failed before, then what is new, alone or as an A-MPDU.

use super::block_ack::distance;
use super::downlink::{Burst, Pool};
use super::frame::{append_downlink, set_sequence, Msdu, ETHERTYPE_IPV4};
use super::station::{Outgoing, Purpose, Station, StationState, TxAgreement};
use super::traffic::{append_packet, Stamp};
use super::{airtime, ccmp};
use super::{Address, PhyRate};
use bes_hal::time::Instant;

/// Most MPDUs in an A-MPDU.
const MAX_AMPDU: u16 = 64;

/// What a data frame is made from besides its station.
pub(super) struct Makes<'a> {
    pub(super) bssid: Address,
    pub(super) ipv4: [u8; 4],
    pub(super) station_ipv4: [u8; 4],
    pub(super) protected: bool,
    /// The counter of frames without QoS.
    pub(super) sequence: &'a mut u16,
}

/// Fills a burst with data: first what failed before, then what is new, as far as window, length, airtime and room
/// allow. At least one frame, if any waits.
pub(super) fn fill(
    station: &mut Station,
    tid: u8,
    now: Instant,
    room: usize,
    pool: &mut Pool,
    burst: &mut Burst,
    mut makes: Makes<'_>,
) {
    station.hand_over_if_due(now);
    let at = usize::from(tid & 7);
    let tries = station.pending[at].front().map_or(0, |frame| frame.tries);
    burst.rate = station.rate_after(tries);
    let window = match (station.tx[at], burst.rate, station.ps.is_dozing()) {
        (TxAgreement::Active { window }, PhyRate::Ht { .. }, false) => window.clamp(1, MAX_AMPDU),
        _ => 1,
    };
    // 4 ms, the usual limit, hold 50 octets for every 100 kbit/s.
    let airtime_octets = burst.rate.units_100k() as usize * 50;
    let max_octets = station
        .ht
        .map_or(0, |peer| peer.ampdu_octets)
        .min(airtime_octets);
    let reserved = station.pending[at]
        .iter()
        .filter(|frame| frame.is_generated())
        .count();
    let mut room = room.saturating_sub(reserved);
    let mut octets = 0;
    let mut start = None;
    while burst.frames.len() < usize::from(window) {
        let frame = if let Some(front) = station.pending[at].front() {
            let first = burst.frames.is_empty();
            let longer = octets + airtime::DELIMITER + front.bytes.len() + airtime::FCS;
            let Purpose::Data { sequence, .. } = front.purpose else {
                break;
            };
            let inside = start.is_none_or(|start| distance(start, sequence) < window);
            if !first && (longer > max_octets || !inside) {
                break;
            }
            station.pending[at].pop_front()
        } else {
            let first = burst.frames.is_empty();
            let inside = start.is_none_or(|start| distance(start, station.sequence[at]) < window);
            if !first && !inside {
                break;
            }
            build(station, tid, now, &mut room, pool, &mut makes)
        };
        let Some(frame) = frame else {
            break;
        };
        let padded = airtime::DELIMITER + frame.bytes.len() + airtime::FCS;
        if !burst.frames.is_empty() && octets + padded > max_octets {
            // Built, but too long for this one: it is the first of the next.
            station.pending[at].push_front(frame);
            break;
        }
        octets += padded.next_multiple_of(4);
        if let (None, Purpose::Data { sequence, .. }) = (start, frame.purpose) {
            start = Some(sequence);
        }
        burst.frames.push(frame);
    }
    burst.ampdu = window > 1 && burst.frames.len() > 1;
}

/// Makes the next data frame: from the queue, else from a flow.
fn build(
    station: &mut Station,
    tid: u8,
    now: Instant,
    room: &mut usize,
    pool: &mut Pool,
    makes: &mut Makes<'_>,
) -> Option<Outgoing> {
    let at = usize::from(tid & 7);
    let protected = station.keys.is_some();
    let (mut bytes, flow) = if let Some(msdu) = station.queues[at].pop_front() {
        let mut bytes = pool.take();
        append_downlink(
            &mut bytes,
            makes.bssid,
            &msdu.as_msdu(),
            station.qos,
            protected,
        );
        (bytes, None)
    } else {
        if station.state != StationState::Authorized || makes.protected && !protected {
            return None;
        }
        let count = station.flows.len();
        let flow = (0..count)
            .map(|turn| (station.next_flow + turn) % count)
            .find(|&flow| {
                let flow = &station.flows[flow];
                flow.flow.tid & 7 == tid && flow.ready(now, *room) == Some(now)
            })?;
        station.next_flow = flow + 1;
        *room = room.saturating_sub(1);
        (generate(station, flow, now, pool, makes), Some(flow))
    };
    let sequence = if station.qos {
        let sequence = station.sequence[at];
        station.sequence[at] = (sequence + 1) & 0x0FFF;
        sequence
    } else {
        *makes.sequence = (*makes.sequence + 1) & 0x0FFF;
        *makes.sequence
    };
    set_sequence(&mut bytes, sequence);
    if let Some(keys) = &mut station.keys {
        keys.sent += 1;
        keys.key.encrypt(&mut bytes, keys.sent, 0);
    }
    Some(Outgoing::new(
        bytes,
        Purpose::Data {
            tid,
            sequence,
            flow,
        },
    ))
}

/// Makes the next packet of a flow.
fn generate(
    station: &mut Station,
    flow: usize,
    now: Instant,
    pool: &mut Pool,
    makes: &Makes<'_>,
) -> Vec<u8> {
    let (destination, qos, protected) = (station.address, station.qos, station.keys.is_some());
    let running = &mut station.flows[flow];
    let tid = running.flow.tid;
    let template = match &running.template {
        Some((built, template)) if *built == protected => template,
        _ => {
            let mut template = Vec::new();
            let msdu = Msdu {
                destination,
                source: makes.bssid,
                tid,
                ethertype: ETHERTYPE_IPV4,
                payload: &[],
            };
            append_downlink(&mut template, makes.bssid, &msdu, qos, protected);
            append_packet(
                &mut template,
                running.flow.octets,
                makes.ipv4,
                makes.station_ipv4,
            );
            &running.template.insert((protected, template)).1
        }
    };
    let mut bytes = pool.take();
    bytes.extend_from_slice(template);
    let header = 24 + if qos { 2 } else { 0 } + if protected { ccmp::HEADER } else { 0 } + 8;
    let (sequence, made) = running.make(now);
    Stamp {
        flow: running.flow.number,
        sequence,
        made,
    }
    .write(&mut bytes[header..]);
    bytes
}
