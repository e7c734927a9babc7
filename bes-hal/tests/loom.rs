//! Every interleaving of the doorbell, tried by `loom`: no wake-up is lost, exactly one caller wakes the owner, and
//! what was queued before a ring is seen by the owner that takes the reason.
//!
//! Run by `cargo xtask test`, or by hand: `RUSTFLAGS="--cfg loom" cargo test -p bes-hal --test loom --release`.
#![cfg(loom)]

use bes_hal::doorbell::{Doorbell, Reasons};
use loom::sync::atomic::{AtomicUsize, Ordering};
use loom::sync::{Arc, Notify};
use loom::thread;

const PRODUCERS: [Reasons; 2] = [Reasons::INTERRUPT, Reasons::FRAME];

struct Shared {
    bell: Doorbell,
    /// Stands for the scheduler: wakes the owner.
    wake: Notify,
    /// One queue for each producer. `Relaxed`: only the doorbell orders them.
    queues: [AtomicUsize; 2],
    wakers: AtomicUsize,
}

impl Shared {
    fn new() -> Arc<Self> {
        Arc::new(Self {
            bell: Doorbell::new(),
            wake: Notify::new(),
            queues: [AtomicUsize::new(0), AtomicUsize::new(0)],
            wakers: AtomicUsize::new(0),
        })
    }

    fn produce(&self, producer: usize) {
        self.queues[producer].store(1, Ordering::Relaxed);
        if self.bell.ring(PRODUCERS[producer]) {
            self.wakers.fetch_add(1, Ordering::Relaxed);
            self.wake.notify();
        }
    }
}

fn spawn_producers(shared: &Arc<Shared>) -> Vec<thread::JoinHandle<()>> {
    (0..PRODUCERS.len())
        .map(|producer| {
            let shared = Arc::clone(shared);
            thread::spawn(move || shared.produce(producer))
        })
        .collect()
}

/// A lost wake-up leaves the owner waiting for ever, which loom reports as a deadlock.
#[test]
fn no_wake_up_is_lost_and_what_was_queued_before_the_ring_is_seen() {
    loom::model(|| {
        let shared = Shared::new();
        let producers = spawn_producers(&shared);
        let mut seen = [false; 2];
        let mut rests = 0;
        while seen != [true; 2] {
            shared.wake.wait();
            loop {
                let reasons = shared.bell.answer();
                for (producer, reason) in PRODUCERS.into_iter().enumerate() {
                    if reasons.has(reason) {
                        assert_eq!(shared.queues[producer].load(Ordering::Relaxed), 1);
                        assert!(!seen[producer], "a reason was taken twice");
                        seen[producer] = true;
                    }
                }
                if shared.bell.rest() {
                    rests += 1;
                    break;
                }
            }
        }
        for producer in producers {
            producer.join().unwrap();
        }
        // Each time the owner rested, at most one caller was told to wake it; loom's scheduler also wakes it for
        // nothing, as a real one may.
        assert!(shared.wakers.load(Ordering::Relaxed) <= rests);
    });
}

#[test]
fn of_all_who_ring_while_the_owner_rests_exactly_one_wakes_it() {
    loom::model(|| {
        let shared = Shared::new();
        for producer in spawn_producers(&shared) {
            producer.join().unwrap();
        }
        assert_eq!(shared.wakers.load(Ordering::Relaxed), 1);
        let reasons = shared.bell.answer();
        assert!(PRODUCERS.into_iter().all(|reason| reasons.has(reason)));
    });
}

/// The owner goes to rest while others ring: either it stays awake, or exactly one of them wakes it again.
#[test]
fn a_ring_during_rest_is_either_seen_or_wakes() {
    loom::model(|| {
        let shared = Shared::new();
        assert!(shared.bell.ring(Reasons::REQUEST));
        let producers = spawn_producers(&shared);
        let first = shared.bell.answer();
        let rested = shared.bell.rest();
        for producer in producers {
            producer.join().unwrap();
        }
        let wakers = shared.wakers.load(Ordering::Relaxed);
        let missing = PRODUCERS.into_iter().any(|reason| !first.has(reason));
        assert_eq!(wakers, usize::from(rested && missing));
        let all = first.with(shared.bell.answer());
        assert!(PRODUCERS.into_iter().all(|reason| all.has(reason)));
    });
}
