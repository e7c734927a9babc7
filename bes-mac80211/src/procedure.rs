//! How procedures of several commands run: each says its next message and takes its answer.
//!
//! A procedure is a list of steps. For each step it writes a message, skips it, or waits; the answer of the chip moves it
//! on. It owns the configuration of the chip until it is over: no other procedure runs between its steps (C:
//! `conf_lock`; specification: file 31, section 15.3).

use crate::association::Association;
use crate::channel_change::ChannelChange;
use crate::error::RequestError;
use crate::interface::{AddInterface, RemoveInterface};
use crate::interface_reset::InterfaceReset;
use crate::join::Join;
use crate::key_install::{InstallKey, RemoveKey};
use crate::power::{SleepMessages, WakeMessages};
use crate::request::Response;
use crate::setting::{ReadCounters, Setting};
use crate::startup::Startup;
use crate::unjoin::Unjoin;
use crate::world::World;
use bes_hal::{Instant, Memory};
use bes_wsm::client::CommandError;
use bes_wsm::wire::{Header, MessageId, Status, WireError, HEADER_LEN};

/// What a procedure wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Next {
    /// Send the message of this length.
    Send(usize),
    /// Nothing until this time, or until something happens.
    Wait(Instant),
    /// It is over.
    Done(Result<Response, RequestError>),
}

/// What a step is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// A message of this length.
    Send(usize),
    /// Not needed.
    Skip,
    /// Not yet.
    Wait(Instant),
    /// Done without a message; the next step sees what happened until then.
    Turn(Instant),
    /// The procedure cannot go on.
    Fail(RequestError),
}

impl From<Result<usize, WireError>> for Step {
    fn from(emitted: Result<usize, WireError>) -> Self {
        match emitted {
            Ok(len) => Self::Send(len),
            Err(_) => Self::Fail(RequestError::Invalid),
        }
    }
}

/// The answer to a step's message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Answer<'a> {
    /// The chip did it. The whole confirm.
    Success(&'a [u8]),
    /// It did not.
    Refused(MessageId, Status),
    /// There is no answer.
    Failed(CommandError),
}

impl<'a> Answer<'a> {
    /// Sorts the answer of the bottom half. A confirm without a status word is malformed, which counts as a refusal.
    pub(crate) fn new(result: Result<&'a [u8], CommandError>) -> Self {
        let message = match result {
            Ok(message) => message,
            Err(error) => return Self::Failed(error),
        };
        let Ok(header) = Header::parse(message) else {
            return Self::Refused(MessageId::WRITE_MIB, Status::Failure);
        };
        let id = header.id();
        // The MCU's confirm has a label where others have their status.
        if id.raw() & 0x0C00 == 0x0C00 {
            return Self::Success(message);
        }
        let status = message
            .get(HEADER_LEN..)
            .and_then(|rest| rest.first_chunk::<4>())
            .map_or(Status::Failure, |word| {
                Status::from_raw(u32::from_le_bytes(*word))
            });
        if status.is_success() {
            Self::Success(message)
        } else {
            Self::Refused(id.request(), status)
        }
    }

    /// Success, or why not. For steps that a procedure cannot do without.
    pub(crate) fn required(self) -> Result<&'a [u8], RequestError> {
        match self {
            Self::Success(message) => Ok(message),
            Self::Refused(message, status) => Err(RequestError::Refused { message, status }),
            Self::Failed(error) => Err(error.into()),
        }
    }

    /// For steps that a procedure can do without: a refusal is counted, only a dead session ends it.
    pub(crate) fn optional<M: Memory>(self, world: &mut World<M>) -> Result<(), RequestError> {
        match self {
            Self::Success(_) => Ok(()),
            Self::Refused(message, status) => {
                world.note_refused(message, status);
                Ok(())
            }
            Self::Failed(error) => Err(error.into()),
        }
    }
}

/// Position in a list of steps, and how it went so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Cursor {
    at: usize,
    failed: Option<RequestError>,
}

impl Cursor {
    /// The step at the cursor.
    pub(crate) fn step<S: Copy>(&self, steps: &[S]) -> Option<S> {
        steps.get(self.at).copied()
    }

    /// Goes on to the next step.
    pub(crate) fn advance(&mut self) {
        self.at = self.at.saturating_add(1);
    }

    /// Takes the outcome of a step: on to the next one, or the end.
    pub(crate) fn settle(&mut self, outcome: Result<(), RequestError>) {
        match outcome {
            Ok(()) => self.advance(),
            Err(error) => self.failed = Some(error),
        }
    }

    /// Runs through the steps until one sends or waits.
    pub(crate) fn next<S: Copy>(
        &mut self,
        steps: &[S],
        response: Response,
        mut message: impl FnMut(S) -> Step,
    ) -> Next {
        loop {
            if let Some(error) = self.failed {
                return Next::Done(Err(error));
            }
            let Some(step) = self.step(steps) else {
                return Next::Done(Ok(response));
            };
            match message(step) {
                Step::Send(len) => return Next::Send(len),
                Step::Wait(until) => return Next::Wait(until),
                Step::Turn(at) => {
                    self.advance();
                    return Next::Wait(at);
                }
                Step::Skip => self.advance(),
                Step::Fail(error) => self.failed = Some(error),
            }
        }
    }
}

/// A procedure under way.
#[derive(Debug)]
pub(crate) enum Procedure {
    Startup(Startup),
    AddInterface(AddInterface),
    RemoveInterface(RemoveInterface),
    Join(Join),
    Unjoin(Unjoin),
    Association(Association),
    ChannelChange(ChannelChange),
    InstallKey(InstallKey),
    RemoveKey(RemoveKey),
    Setting(Setting),
    ReadCounters(ReadCounters),
    Sleep(SleepMessages),
    Wake(WakeMessages),
    InterfaceReset(InterfaceReset),
}

impl Procedure {
    /// What to do next; a message is written into `out`.
    pub(crate) fn next<M: Memory>(
        &mut self,
        world: &mut World<M>,
        now: Instant,
        out: &mut [u8],
    ) -> Next {
        match self {
            Self::Startup(procedure) => procedure.next(world, out),
            Self::AddInterface(procedure) => procedure.next(world, out),
            Self::RemoveInterface(procedure) => procedure.next(world, now, out),
            Self::Join(procedure) => procedure.next(world, now, out),
            Self::Unjoin(procedure) => procedure.next(world, now, out),
            Self::Association(procedure) => procedure.next(world, now, out),
            Self::ChannelChange(procedure) => procedure.next(world, now, out),
            Self::InstallKey(procedure) => procedure.next(world, out),
            Self::RemoveKey(procedure) => procedure.next(world, now, out),
            Self::Setting(procedure) => procedure.next(world, out),
            Self::ReadCounters(procedure) => procedure.next(out),
            Self::Sleep(procedure) => procedure.next(world, now, out),
            Self::Wake(procedure) => procedure.next(world, out),
            Self::InterfaceReset(procedure) => procedure.next(world, out),
        }
    }

    /// The answer to the message.
    pub(crate) fn answer<M: Memory>(
        &mut self,
        world: &mut World<M>,
        answer: Answer<'_>,
        now: Instant,
    ) {
        match self {
            Self::Startup(procedure) => procedure.answer(world, answer),
            Self::AddInterface(procedure) => procedure.answer(world, answer),
            Self::RemoveInterface(procedure) => procedure.answer(world, answer),
            Self::Join(procedure) => procedure.answer(world, answer, now),
            Self::Unjoin(procedure) => procedure.answer(world, answer),
            Self::Association(procedure) => procedure.answer(world, answer),
            Self::ChannelChange(procedure) => procedure.answer(world, answer),
            Self::InstallKey(procedure) => procedure.answer(world, answer),
            Self::RemoveKey(procedure) => procedure.answer(world, answer),
            Self::Setting(procedure) => procedure.answer(world, answer, now),
            Self::ReadCounters(procedure) => procedure.answer(answer),
            Self::Sleep(procedure) => procedure.answer(world, answer, now),
            Self::Wake(procedure) => procedure.answer(world, answer),
            Self::InterfaceReset(procedure) => procedure.answer(world, answer),
        }
    }
}
