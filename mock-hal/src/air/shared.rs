//! One air for several radios: they hear the same access points, and they compete for the same channels.
//!
//! Each radio belongs to a chip with a driver and a clock of its own, usually in a thread of its own. A call of a radio waits
//! until every other radio has come as far in virtual time (the one with the lower number first at the same instant), so what
//! happens is in order of virtual time and the same in every run, however threads are scheduled. A radio that is dropped
//! holds nobody up.
//!
//! Contention is that of IEEE 802.11-2016, 10.22.2, for the best-effort category: whoever has sent draws a number of idle
//! slots out of CWmin and counts them down while the channel is idle. Two simplifications: the window does not grow after a
//! failure, and nobody collides, because the later of two in the same slot finds the channel busy. An access point draws
//! too, but its count does not stop while the channel is busy.
//!
//! What tests put on the air besides (recorded frames, clients) is heard by the first radio only.

use super::air_counters::AirCounters;
use super::airtime;
use super::medium::Air;
use super::{Address, Channel, Exchange, Heard, Outcome};
use crate::chip::lmac::Medium;
use bes_hal::time::{earliest, Instant};
use core::time::Duration;
use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

/// How far a radio may jump, at most: something may come for it that is not there yet.
const HORIZON: Duration = Duration::from_micros(50);

/// A clock that holds nobody up.
const GONE: Instant = Instant::from_nanos(u64::MAX);

/// What the air knows of a radio that is not the one whose turn it is.
#[derive(Debug)]
pub(super) struct RadioState {
    stations: Vec<Address>,
    tuned: Option<Channel>,
    heard: VecDeque<(Heard, bool)>,
    generated_heard: usize,
    room: usize,
    counters: AirCounters,
    wait: Duration,
}

impl Default for RadioState {
    fn default() -> Self {
        Self {
            stations: Vec::new(),
            tuned: None,
            heard: VecDeque::new(),
            generated_heard: 0,
            room: 64,
            counters: AirCounters::default(),
            wait: Duration::ZERO,
        }
    }
}

impl RadioState {
    pub(super) const fn tuned(&self) -> Option<Channel> {
        self.tuned
    }

    pub(super) const fn room(&self) -> usize {
        self.room.saturating_sub(self.generated_heard)
    }

    pub(super) fn count_down(&mut self, channel: u8, idle: Duration) {
        if self.tuned.is_some_and(|tuned| tuned.number == channel) {
            self.wait = self.wait.saturating_sub(idle);
        }
    }
}

impl Air {
    /// Several radios from now on.
    fn share(&mut self, radios: usize) {
        self.changed();
        self.radios.resize_with(radios, RadioState::default);
    }

    /// Whether there are several radios.
    pub(super) fn is_shared(&self) -> bool {
        !self.radios.is_empty()
    }

    /// Makes a radio the one whose turn it is; which one it was before.
    pub(super) fn select(&mut self, radio: usize) -> usize {
        let before = self.selected;
        if radio != before {
            self.exchange_state(before);
            self.exchange_state(radio);
            self.selected = radio;
        }
        before
    }

    /// What is in the air's own fields goes to the place of a radio, and the other way round.
    fn exchange_state(&mut self, radio: usize) {
        let state = &mut self.radios[radio];
        core::mem::swap(&mut self.stations, &mut state.stations);
        core::mem::swap(&mut self.tuned, &mut state.tuned);
        core::mem::swap(&mut self.heard, &mut state.heard);
        core::mem::swap(&mut self.generated_heard, &mut state.generated_heard);
        core::mem::swap(&mut self.room, &mut state.room);
        core::mem::swap(&mut self.counters, &mut state.counters);
        core::mem::swap(&mut self.wait, &mut state.wait);
    }

    /// Selects the radio to which a frame is addressed, if there is one; which one it was before.
    pub(super) fn select_receiver(&mut self, frame: &[u8]) -> usize {
        let receiver = frame.get(4..10).unwrap_or_default();
        let owner = self
            .radios
            .iter()
            .position(|radio| radio.stations.iter().any(|known| known == receiver));
        self.select(owner.unwrap_or(self.selected))
    }

    /// A group frame that the selected radio has heard, or not, comes to the others too.
    pub(super) fn tell_others(&mut self, heard: &Heard) {
        let selected = self.selected;
        for radio in 0..self.radios.len() {
            if radio == selected {
                continue;
            }
            self.select(radio);
            let there = self
                .tuned
                .is_some_and(|tuned| tuned.number == heard.channel)
                && self.receives(heard.rate);
            if there && !self.is_lost(heard.rate, heard.signal_dbm, heard.frame.len(), 0.0) {
                self.counters.heard += 1;
                self.push_heard((heard.clone(), false));
            }
        }
        self.select(selected);
    }

    /// The channel was used for so long by somebody who is none of the radios that are not selected.
    pub(super) fn others_waited(&mut self, time: Duration) {
        for radio in &mut self.radios {
            radio.counters.other_airtime += time;
        }
        if let Some(own) = self.radios.get_mut(self.selected) {
            own.counters = AirCounters::default();
        }
    }

    /// The channel was idle until `start`: everybody has counted slots.
    pub(super) fn count_down(&mut self, channel: u8, start: Instant) {
        if !self.is_shared() {
            return;
        }
        let idle = start.since(self.busy_of(channel));
        if self.tuned.is_some_and(|tuned| tuned.number == channel) {
            self.wait = self.wait.saturating_sub(idle);
        }
        for radio in &mut self.radios {
            radio.count_down(channel, idle);
        }
    }

    /// Idle slots that somebody has to wait for who has just sent.
    pub(super) fn draw(&mut self) -> Duration {
        if !self.is_shared() || self.config.unlimited {
            return Duration::ZERO;
        }
        airtime::SLOT * self.rng.u32(0..=airtime::CW_MIN)
    }

    /// What an exchange costs here: where waiting is drawn, its mean is no part of it.
    pub(super) fn without_mean_wait(&self, exchange: Duration) -> Duration {
        if self.is_shared() {
            exchange.saturating_sub(airtime::MEAN_BACKOFF)
        } else {
            exchange
        }
    }
}

/// The air and the clocks of its radios.
#[derive(Debug)]
struct Core {
    air: Air,
    clocks: Vec<Instant>,
}

impl Core {
    fn is_turn(&self, radio: usize) -> bool {
        let own = (self.clocks[radio], radio);
        let mut all = self.clocks.iter().copied().zip(0..);
        all.all(|other| own <= other)
    }
}

type Shared = Arc<(Mutex<Core>, Condvar)>;

/// An air that is shared; for those who look at it from outside.
#[derive(Clone, Debug)]
pub struct SharedAir(Shared);

/// One radio in a [`SharedAir`]: what a chip gets.
#[derive(Debug)]
pub struct Radio {
    shared: Shared,
    radio: usize,
}

fn lock(shared: &Shared) -> MutexGuard<'_, Core> {
    // A panic of another radio's thread is that one's failure.
    shared.0.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Waits until it is the turn of `radio`, which has come to `now`.
fn turn(shared: &Shared, radio: usize, now: Instant) -> MutexGuard<'_, Core> {
    let mut core = lock(shared);
    if core.clocks[radio] < now {
        core.clocks[radio] = now;
        shared.1.notify_all();
    }
    while !core.is_turn(radio) {
        core = shared.1.wait(core).unwrap_or_else(PoisonError::into_inner);
    }
    core.air.select(radio);
    core
}

impl SharedAir {
    /// Shares an air among so many radios, at least one. Every radio has to be given to a chip that runs, or dropped:
    /// the others wait for it.
    pub fn new(mut air: Air, radios: usize) -> (Self, Vec<Radio>) {
        let radios = radios.max(1);
        air.share(radios);
        let clocks = vec![Instant::ZERO; radios];
        let shared: Shared = Arc::new((Mutex::new(Core { air, clocks }), Condvar::new()));
        let radios = (0..radios).map(|radio| Radio {
            shared: Arc::clone(&shared),
            radio,
        });
        let radios = radios.collect();
        (Self(shared), radios)
    }

    /// Looks at the air when it is the turn of `radio`, so that what is seen is the same in every run.
    ///
    /// # Panics
    ///
    /// If there are not so many radios.
    pub fn as_seen_by<R>(&self, radio: usize, look: impl FnOnce(&mut Air) -> R) -> R {
        look(&mut turn(&self.0, radio, Instant::ZERO).air)
    }
}

impl Drop for Radio {
    fn drop(&mut self) {
        lock(&self.shared).clocks[self.radio] = GONE;
        self.shared.1.notify_all();
    }
}

impl Radio {
    /// When it is this radio's turn, at the time to which it has come.
    fn now(&self) -> MutexGuard<'_, Core> {
        self.at(Instant::ZERO)
    }

    fn at(&self, now: Instant) -> MutexGuard<'_, Core> {
        turn(&self.shared, self.radio, now)
    }
}

impl Medium for Radio {
    fn set_station_address(&mut self, address: [u8; 6]) {
        self.now().air.set_station_address(address);
    }

    fn tune(&mut self, channel: Option<Channel>, now: Instant) {
        self.at(now).air.tune(channel, now);
    }

    fn exchange(&mut self, exchange: &Exchange<'_>, now: Instant) -> Outcome {
        self.at(now).air.exchange(exchange, now)
    }

    fn busy_until(&self) -> Instant {
        self.now().air.busy_until()
    }

    fn set_receive_room(&mut self, frames: usize) -> bool {
        let air = &mut self.now().air;
        let had_room = air.has_room();
        air.set_receive_room(frames);
        air.has_room() != had_room
    }

    fn set_block_ack(&mut self, peer: [u8; 6], tid: u8, from_station: bool, window: u8) {
        self.now()
            .air
            .set_block_ack(peer, tid, from_station, window);
    }

    fn next_event(&self) -> Option<Instant> {
        let core = self.now();
        let horizon = core.clocks[self.radio].after(HORIZON);
        earliest(core.air.next_event(), Some(horizon))
    }

    fn advance(&mut self, now: Instant) {
        self.at(now).air.advance(now);
    }

    fn pop_heard(&mut self) -> Option<Heard> {
        self.now().air.pop_heard()
    }

    fn damaged(&self) -> u64 {
        self.now().air.counters().damaged
    }

    fn recycle(&mut self, buffer: Vec<u8>) {
        self.now().air.recycle(buffer);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::air::{ApConfig, PhyRate};

    const RATE: PhyRate = PhyRate::Ofdm(24);

    fn shared(radios: usize) -> (SharedAir, Vec<Radio>) {
        let mut air = Air::new(5);
        air.add_access_point(ApConfig::open("here", Channel::ht20(6)));
        SharedAir::new(air, radios)
    }

    fn address(radio: usize) -> Address {
        [2, 0, 0, 0, 9, radio as u8]
    }

    /// A radio that has something to send all the time, as the firmware does it: the times at which it had the channel.
    fn saturate(mut radio: Radio, until: Instant) -> Vec<(Instant, Instant)> {
        let mut now = Instant::ZERO;
        radio.set_station_address(address(radio.radio));
        radio.tune(Some(Channel::ht20(6)), now);
        let frame = [0xFF; 300];
        let exchange = Exchange {
            frames: &[&frame],
            rate: RATE,
            rts: false,
        };
        let mut had = Vec::new();
        while now < until {
            radio.advance(now);
            let free = radio.busy_until();
            if free > now {
                now = radio
                    .next_event()
                    .map_or(free, |next| next.min(free))
                    .max(now.after(Duration::from_nanos(1)));
                continue;
            }
            let end = now.after(radio.exchange(&exchange, now).airtime);
            had.push((now, end));
            now = end;
        }
        had
    }

    fn race(radios: usize) -> Vec<Vec<(Instant, Instant)>> {
        let (_air, radios) = shared(radios);
        std::thread::scope(|scope| {
            let races: Vec<_> = radios
                .into_iter()
                .map(|radio| scope.spawn(|| saturate(radio, Instant::from_millis(300))))
                .collect();
            races.into_iter().map(|race| race.join().unwrap()).collect()
        })
    }

    #[test]
    fn radios_have_the_channel_one_after_the_other_and_equally_often() {
        let raced = race(3);
        let counts: Vec<usize> = raced.iter().map(Vec::len).collect();
        let mean = counts.iter().sum::<usize>() / 3;
        assert!(mean > 100, "{counts:?}");
        assert!(
            counts.iter().all(|count| count.abs_diff(mean) * 10 <= mean),
            "{counts:?}"
        );
        let mut all: Vec<_> = raced.concat();
        all.sort_unstable();
        for pair in all.windows(2) {
            assert!(pair[0].1 <= pair[1].0, "two at once: {pair:?}");
        }
    }

    #[test]
    fn threads_do_not_show_in_what_happens() {
        let first = race(2);
        for _ in 0..5 {
            assert_eq!(race(2), first);
        }
    }

    #[test]
    fn beacons_come_to_every_radio_on_the_channel() {
        let (air, radios) = shared(3);
        let tuned = [Channel::ht20(6), Channel::ht20(6), Channel::ht20(11)];
        let heard = std::thread::scope(|scope| {
            let races: Vec<_> = radios
                .into_iter()
                .zip(tuned)
                .map(|(mut radio, channel)| {
                    scope.spawn(move || {
                        radio.tune(Some(channel), Instant::ZERO);
                        let mut heard = 0;
                        for millis in 1..=1000 {
                            radio.advance(Instant::from_millis(millis));
                            while radio.pop_heard().is_some() {
                                heard += 1;
                            }
                        }
                        heard
                    })
                })
                .collect();
            let heard: Vec<u32> = races.into_iter().map(|race| race.join().unwrap()).collect();
            heard
        });
        assert!((9..=10).contains(&heard[0]), "{heard:?}");
        assert_eq!(heard, [heard[0], heard[0], 0]);
        drop(air);
    }

    #[test]
    fn a_radio_that_is_gone_holds_nobody_up() {
        let (air, mut radios) = shared(2);
        drop(radios.pop());
        let had = saturate(radios.remove(0), Instant::from_millis(20));
        assert!(had.len() > 20);
        let counters = air.as_seen_by(0, |air| air.counters());
        assert_eq!(counters.exchanges, had.len() as u64);
    }
}
