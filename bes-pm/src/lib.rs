//! Power management of the BES2600: why the device must stay awake, when it may sleep, and what becomes of it when
//! the chip does not answer.
//!
//! Three layers are easy to confuse (specification: file 40, section 1); each has its own module here.
//!
//! | layer | module |
//! |---|---|
//! | 802.11 power save of the station: what the access point is told | [`psm`] |
//! | the whole chip asleep: messages, then the bus handshake | [`device_state`], fed by [`ledger`] |
//! | system suspend and resume | [`suspend`] |
//!
//! This crate knows neither message bytes nor registers. [`device_state::DeviceMachine::poll`] says what has to be
//! done next ([`device_state::Action`]); the owner of the bus does it and reports back. Time is an argument.
//!
//! ```
//! use bes_hal::Instant;
//! use bes_pm::device_state::{Action, DeviceMachine, Step};
//! use bes_pm::ledger::Owner;
//! use bes_pm::reason::Reason;
//!
//! let mut machine = DeviceMachine::default();
//! let mut now = Instant::ZERO;
//! machine.start(now);
//! assert_eq!(machine.poll(now), Action::None);
//!
//! // Nobody needs the device: after the grace time it falls asleep, step by step.
//! now = machine.next_deadline(now).unwrap();
//! for step in [Step::SleepMessages, Step::TransportSleep] {
//!     let Action::Run(run) = machine.poll(now) else { panic!("nothing to do") };
//!     assert_eq!(run.step, step);
//!     machine.handle_step_done(run, Ok(()), now);
//! }
//! assert_eq!(machine.poll(now), Action::None);
//! assert!(machine.is_asleep());
//!
//! // A frame to send wakes it.
//! machine.ledger_mut().touch(Reason::Tx, Owner::Device, now);
//! let Action::Run(run) = machine.poll(now) else { panic!("nothing to do") };
//! assert_eq!(run.step, Step::TransportWake);
//! ```
#![cfg_attr(not(test), no_std)]

pub mod device_state;
pub mod error;
pub mod ledger;
pub mod psm;
pub mod reason;
pub mod suspend;

pub use error::{Anomaly, Cause, Verdict};
