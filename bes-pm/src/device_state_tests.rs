//! Stories of the sleep machine, one per defect of the specification's table (file 40, section 7), and random ones.

#![allow(clippy::arithmetic_side_effects)]

use super::*;
use proptest::prelude::*;

fn at(millis: u64) -> Instant {
    Instant::from_millis(millis)
}

/// A started machine whose grace is over, and the time.
fn idle() -> (DeviceMachine, Instant) {
    let mut machine = DeviceMachine::default();
    machine.start(at(0));
    assert_eq!(machine.poll(at(0)), Action::None);
    (machine, at(50))
}

fn expect_run(machine: &mut DeviceMachine, now: Instant, step: Step) -> Run {
    match machine.poll(now) {
        Action::Run(run) if run.step == step => run,
        other => panic!("{step} was expected, not {other:?}"),
    }
}

fn pass(machine: &mut DeviceMachine, now: Instant, step: Step) {
    let run = expect_run(machine, now, step);
    machine.handle_step_done(run, Ok(()), now);
}

fn asleep() -> (DeviceMachine, Instant) {
    let (mut machine, now) = idle();
    pass(&mut machine, now, Step::SleepMessages);
    pass(&mut machine, now, Step::TransportSleep);
    assert!(machine.is_asleep());
    (machine, now)
}

fn touch(machine: &mut DeviceMachine, now: Instant) {
    machine.ledger_mut().touch(Reason::Tx, Owner::Device, now);
}

#[test]
fn an_idle_device_sleeps_and_a_frame_wakes_it() {
    let (mut machine, now) = asleep();
    assert_eq!(machine.next_deadline(now), None);
    touch(&mut machine, now);
    assert_eq!(machine.next_deadline(now), Some(now));
    pass(&mut machine, now, Step::TransportWake);
    assert!(!machine.is_awake());
    pass(&mut machine, now, Step::WakeMessages);
    assert!(machine.is_awake());
    assert_eq!(
        machine.next_deadline(now),
        Some(now.after(Duration::from_millis(1550)))
    );
    assert_eq!(machine.anomalies(), 0);
}

#[test]
fn a_device_that_may_not_sleep_stays_awake() {
    let (mut machine, now) = idle();
    machine.set_settings(Settings {
        sleep: false,
        ..Settings::default()
    });
    assert_eq!(machine.poll(now), Action::None);
    assert_eq!(machine.next_deadline(now), None);
}

/// P1: a reason that came while the machine was falling asleep was lost, with a frame in the queue.
#[test]
fn p1_a_reason_at_any_moment_of_falling_asleep_turns_it_round() {
    // Before the first step is handed out.
    let (mut machine, now) = idle();
    machine.turn(now);
    touch(&mut machine, now);
    assert_eq!(machine.poll(now), Action::None);
    assert!(machine.is_awake());

    // While the messages are under way.
    let (mut machine, now) = idle();
    let run = expect_run(&mut machine, now, Step::SleepMessages);
    touch(&mut machine, now);
    assert_eq!(machine.poll(now), Action::None);
    machine.handle_step_done(run, Ok(()), now);
    pass(&mut machine, now, Step::WakeMessages);
    assert!(machine.is_awake());

    // Between the messages and the handshake.
    let (mut machine, now) = idle();
    pass(&mut machine, now, Step::SleepMessages);
    touch(&mut machine, now);
    pass(&mut machine, now, Step::WakeMessages);
    assert!(machine.is_awake());

    // While the handshake is under way.
    let (mut machine, now) = idle();
    pass(&mut machine, now, Step::SleepMessages);
    let run = expect_run(&mut machine, now, Step::TransportSleep);
    touch(&mut machine, now);
    machine.handle_step_done(run, Ok(()), now);
    pass(&mut machine, now, Step::TransportWake);
    pass(&mut machine, now, Step::WakeMessages);
    assert!(machine.is_awake());
}

/// P2: the way down had five seconds of waiting in it, with transmission locked. Now it has no wait at all.
#[test]
fn p2_falling_asleep_waits_for_nothing_but_its_steps() {
    let (mut machine, now) = idle();
    pass(&mut machine, now, Step::SleepMessages);
    pass(&mut machine, now, Step::TransportSleep);
    assert!(machine.is_asleep());
}

#[test]
fn a_device_that_is_forced_sleeps_against_every_reason_and_wakes_when_it_may() {
    for sleep in [true, false] {
        let settings = Settings {
            sleep,
            ..Settings::default()
        };
        let mut machine = DeviceMachine::new(settings, crate::reason::Times::default());
        let now = at(0);
        machine.start(now);
        touch(&mut machine, now);
        machine.force_sleep(now);
        pass(&mut machine, now, Step::SleepMessages);
        touch(&mut machine, now);
        pass(&mut machine, now, Step::TransportSleep);
        touch(&mut machine, now);
        assert_eq!(machine.poll(now), Action::None);
        assert_eq!(machine.next_deadline(now), None);
        assert!(machine.is_asleep());
        machine.let_wake();
        pass(&mut machine, now, Step::TransportWake);
        pass(&mut machine, now, Step::WakeMessages);
        assert!(machine.is_awake());
    }
}

#[test]
fn a_forced_sleep_that_fails_is_tried_again_only_when_asked() {
    let (mut machine, now) = idle();
    machine.force_sleep(now);
    pass(&mut machine, now, Step::SleepMessages);
    let run = expect_run(&mut machine, now, Step::TransportSleep);
    machine.handle_step_done(run, Err(Cause::Transport), now);
    pass(&mut machine, now, Step::TransportWake);
    pass(&mut machine, now, Step::WakeMessages);
    assert_eq!(machine.next_deadline(now), None);
    assert_eq!(machine.poll(at(100_000)), Action::None);
    machine.force_sleep(now);
    pass(&mut machine, now, Step::SleepMessages);
}

/// P4: errors were ignored and the host believed the chip asleep.
#[test]
fn p4_a_failed_step_never_ends_asleep() {
    let later = Duration::from_secs(10);

    let (mut machine, now) = idle();
    let run = expect_run(&mut machine, now, Step::SleepMessages);
    machine.handle_step_done(run, Err(Cause::Request), now);
    pass(&mut machine, now, Step::WakeMessages);
    assert!(machine.is_awake());
    assert_eq!(machine.next_deadline(now), Some(now.after(later)));

    let (mut machine, now) = idle();
    pass(&mut machine, now, Step::SleepMessages);
    let run = expect_run(&mut machine, now, Step::TransportSleep);
    machine.handle_step_done(run, Err(Cause::Transport), now);
    pass(&mut machine, now, Step::TransportWake);
    pass(&mut machine, now, Step::WakeMessages);
    assert!(machine.is_awake());
    assert_eq!(
        machine.take_anomaly(),
        Some(Anomaly::StepFailed {
            step: Step::TransportSleep,
            cause: Cause::Transport
        })
    );

    for failing in [Step::TransportWake, Step::WakeMessages] {
        let (mut machine, now) = asleep();
        touch(&mut machine, now);
        if failing == Step::WakeMessages {
            pass(&mut machine, now, Step::TransportWake);
        }
        let run = expect_run(&mut machine, now, failing);
        machine.handle_step_done(run, Err(Cause::Transport), now);
        let verdict = Verdict {
            step: failing,
            cause: Cause::Transport,
        };
        assert_eq!(machine.poll(now), Action::Recover(verdict));
        assert_eq!(machine.poll(now), Action::None);
        assert_eq!(*machine.state(), State::Failed(verdict));
        machine.start(now);
        assert!(machine.is_awake());
    }
}

/// P19: the handshake was waited for without a limit.
#[test]
fn p19_every_step_is_given_up_and_its_late_result_is_not_anothers() {
    let (mut machine, now) = idle();
    let messages = expect_run(&mut machine, now, Step::SleepMessages);
    let now = machine.next_deadline(now).unwrap();
    let wake = expect_run(&mut machine, now, Step::WakeMessages);
    machine.handle_step_done(messages, Ok(()), now);
    assert!(!machine.is_awake());
    machine.handle_step_done(wake, Ok(()), now);
    assert!(machine.is_awake());
    assert_eq!(
        machine.take_anomaly(),
        Some(Anomaly::StepFailed {
            step: Step::SleepMessages,
            cause: Cause::TimedOut
        })
    );
    assert_eq!(
        machine.take_anomaly(),
        Some(Anomaly::LateResult(Step::SleepMessages))
    );

    let (mut machine, now) = asleep();
    touch(&mut machine, now);
    let _never_answered = expect_run(&mut machine, now, Step::TransportWake);
    let now = machine.next_deadline(now).unwrap();
    assert_eq!(
        machine.poll(now),
        Action::Recover(Verdict {
            step: Step::TransportWake,
            cause: Cause::TimedOut
        })
    );
}

/// P13: the result of a request of the wake sequence was thrown away.
#[test]
fn p13_the_cause_of_the_verdict_is_that_of_the_step_that_failed() {
    let (mut machine, now) = asleep();
    touch(&mut machine, now);
    pass(&mut machine, now, Step::TransportWake);
    let run = expect_run(&mut machine, now, Step::WakeMessages);
    machine.handle_step_done(run, Err(Cause::Request), now);
    let Action::Recover(verdict) = machine.poll(now) else {
        panic!("no verdict");
    };
    assert_eq!(
        verdict.to_string(),
        "needs recovery: wake messages failed: a request failed"
    );
}

#[test]
fn stopping_drops_every_reason_and_every_step() {
    let (mut machine, now) = idle();
    let run = expect_run(&mut machine, now, Step::SleepMessages);
    touch(&mut machine, now);
    machine.stop();
    assert_eq!(machine.poll(now), Action::None);
    assert_eq!(machine.next_deadline(now), None);
    assert!(!machine.ledger().is_busy(now));
    machine.handle_step_done(run, Ok(()), now);
    assert_eq!(*machine.state(), State::Stopped);
}

/// What happens in a random story.
#[derive(Clone, Debug)]
enum Event {
    Poll,
    Touch(usize),
    Take(usize, u64),
    Release,
    Dismiss,
    Done(Result<(), Cause>),
    OldDone,
    Later(u64),
    ToDeadline,
}

fn event() -> impl Strategy<Value = Event> {
    let result = prop_oneof![
        6 => Just(Ok(())),
        1 => Just(Err(Cause::TimedOut)),
        1 => Just(Err(Cause::Transport)),
        1 => Just(Err(Cause::Request)),
    ];
    prop_oneof![
        4 => Just(Event::Poll),
        1 => (0..Reason::COUNT).prop_map(Event::Touch),
        1 => (0..Reason::COUNT, 0u64..20_000).prop_map(|(reason, millis)| Event::Take(reason, millis)),
        2 => Just(Event::Release),
        1 => Just(Event::Dismiss),
        6 => result.prop_map(Event::Done),
        1 => Just(Event::OldDone),
        2 => (0u64..3_000).prop_map(Event::Later),
        3 => Just(Event::ToDeadline),
    ]
}

/// The owner of the bus in a random story.
struct World {
    machine: DeviceMachine,
    now: Instant,
    holds: std::vec::Vec<crate::ledger::Hold>,
    current: Option<Run>,
    old: Option<Run>,
}

impl World {
    /// Asks until there is nothing to do, and checks what must hold at every moment.
    fn poll(&mut self) -> Result<(), TestCaseError> {
        for _ in 0..8 {
            let action = self.machine.poll(self.now);
            let busy = self.machine.ledger().is_busy(self.now);
            match action {
                Action::None => {
                    prop_assert!(!(busy && self.machine.is_asleep()), "asleep and needed");
                    return Ok(());
                }
                Action::Run(run) => {
                    prop_assert!(
                        !(busy && matches!(run.step, Step::SleepMessages | Step::TransportSleep)),
                        "{} although needed",
                        run.step
                    );
                    self.old = self.current.replace(run);
                }
                Action::Recover(_) => {
                    self.machine.start(self.now);
                    self.current = None;
                }
            }
        }
        Err(TestCaseError::fail("there is always something to do"))
    }
}

proptest! {
    #[test]
    fn no_story_leaves_the_machine_stuck_or_asleep_while_needed(
        events in proptest::collection::vec(event(), 0..120),
        silent in any::<bool>(),
    ) {
        let mut machine = DeviceMachine::default();
        machine.start(Instant::ZERO);
        let mut world = World { machine, now: Instant::ZERO, holds: std::vec::Vec::new(), current: None, old: None };
        for event in events {
            let now = world.now;
            match event {
                Event::Poll => {}
                Event::Touch(reason) => world.machine.ledger_mut().touch(Reason::ALL[reason], Owner::Device, now),
                Event::Take(reason, millis) => {
                    let hold = world.machine.ledger_mut().take(
                        Reason::ALL[reason], Owner::Interface(0), now, Duration::from_millis(millis));
                    world.holds.push(hold);
                }
                Event::Release => if let Some(hold) = world.holds.pop() {
                    world.machine.ledger_mut().release(hold, now);
                },
                Event::Dismiss => world.machine.ledger_mut().dismiss(Owner::Interface(0), now),
                Event::Done(result) => if let Some(run) = world.current.take() {
                    world.machine.handle_step_done(run, result, now);
                },
                Event::OldDone => if let Some(run) = world.old.take() {
                    world.machine.handle_step_done(run, Ok(()), now);
                },
                Event::Later(millis) => world.now = now.after(Duration::from_millis(millis)),
                Event::ToDeadline => if let Some(deadline) = world.machine.next_deadline(now) {
                    world.now = deadline.max(now);
                },
            }
            world.poll()?;
        }
        // From here on nothing happens but time, and steps that either never end or end well.
        for _ in 0..64 {
            world.poll()?;
            match (silent, world.current.take()) {
                (false, Some(run)) => {
                    world.machine.handle_step_done(run, Ok(()), world.now);
                    world.poll()?;
                }
                _ => {
                    let Some(deadline) = world.machine.next_deadline(world.now) else { break };
                    world.now = deadline.max(world.now);
                }
            }
        }
        if silent {
            // A chip that never answers ends in a verdict each time and is started again; it is never believed asleep.
            prop_assert!(!matches!(world.machine.state(), State::Stopped));
        } else {
            prop_assert!(world.machine.is_asleep(), "{:?}", world.machine.state());
        }
    }
}
