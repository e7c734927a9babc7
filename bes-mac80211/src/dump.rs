//! A device core dump: what somebody wants to know who was not there when it happened.
//!
//! Text, in sections. It is written at the moment of a failure, before anything is given back, into memory that was handed
//! in when the device was made; a dump that is longer is cut and says so. One per incident: the first failure that costs a
//! connection, or what somebody asked for.
//!
//! | section | what |
//! |---|---|
//! | `bes2600 core dump 1` | version of this format |
//! | `[failure]` | time, state of the device, what failed, what was done about it |
//! | `[recovery]` | the ladder: every rung with its counter and its last reason |
//! | `[diagnosis]` | what was wrong before, if anything was |
//! | `[exception]` | registers and text of the firmware, if it told of its end |
//! | `[interfaces]` | interfaces, what they are joined to, keys without their secrets |
//! | `[power]` | what keeps the chip awake |
//! | `[queues]` | frames that wait, credits, frames inside the chip with their age |
//! | `[counters]` | frames, scans, commands, messages |
//! | `[anomalies]` | what was not as it should be |
//! | `[messages]` | the last messages that were not frames, oldest first |
//!
//! Nothing in it is secret: no key material, no content of frames.

use bes_hal::{Instant, Memory, NoMemory};
use bes_wsm::message_log::MessageLog;
use bes_wsm::wire::exception::Exception;
use bes_wsm::wire::{Confirm as _, Header, MessageId};
use core::fmt::{self, Write};

/// Most bytes of a dump.
pub const SIZE: usize = 16 * 1024;

/// Said at the end of one that is longer.
const CUT: &[u8] = b"\n[cut]\n";

/// Memory of a dump, and the last one.
pub(crate) struct Dump<M: Memory> {
    text: Option<M::Table<u8>>,
    len: usize,
    /// How many were written.
    count: u32,
    at: Option<Instant>,
}

impl<M: Memory> Dump<M> {
    pub(crate) fn new(memory: &mut M) -> Result<Self, NoMemory> {
        Ok(Self {
            text: Some(memory.table(SIZE, |_| 0)?),
            len: 0,
            count: 0,
            at: None,
        })
    }

    /// The memory, to write a new dump into. It is given back with [`fill`](Self::fill).
    pub(crate) fn take(&mut self) -> Option<M::Table<u8>> {
        self.text.take()
    }

    pub(crate) fn fill(&mut self, text: M::Table<u8>, len: usize, at: Instant) {
        self.text = Some(text);
        self.len = len;
        self.count = self.count.saturating_add(1);
        self.at = Some(at);
    }

    pub(crate) fn text(&self) -> Option<&[u8]> {
        self.at?;
        self.text.as_ref()?.get(..self.len)
    }

    pub(crate) const fn count(&self) -> u32 {
        self.count
    }
}

/// Writes into memory of fixed size; what does not fit is left out.
pub(crate) struct Writer<'a> {
    text: &'a mut [u8],
    len: usize,
    cut: bool,
}

impl<'a> Writer<'a> {
    pub(crate) fn new(text: &'a mut [u8]) -> Self {
        Self {
            text,
            len: 0,
            cut: false,
        }
    }

    /// Ends it; says how long it is.
    pub(crate) fn finish(self) -> usize {
        if !self.cut {
            return self.len;
        }
        let end = self.text.len();
        let start = self.len.min(end.saturating_sub(CUT.len()));
        let mut at = start;
        // Back to where a character begins.
        while at > 0 && self.text.get(at).is_some_and(|byte| byte & 0xC0 == 0x80) {
            at = at.saturating_sub(1);
        }
        let place = self.text.get_mut(at..).unwrap_or_default();
        for (to, from) in place.iter_mut().zip(CUT) {
            *to = *from;
        }
        at.saturating_add(CUT.len()).min(end)
    }
}

impl Write for Writer<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let place = self.text.get_mut(self.len..).unwrap_or_default();
        if self.cut || place.len() < text.len() {
            self.cut = true;
            return Err(fmt::Error);
        }
        for (to, from) in place.iter_mut().zip(text.as_bytes()) {
            *to = *from;
        }
        self.len = self.len.saturating_add(text.len());
        Ok(())
    }
}

/// Writes what the firmware told of its end, if it is among the last messages.
pub(crate) fn write_exception<M: Memory>(log: &MessageLog<M>, out: &mut impl Write) -> fmt::Result {
    let told = log.iter().filter(|logged| {
        Header::parse(logged.bytes).is_ok_and(|header| header.id() == MessageId::EXCEPTION)
    });
    let Some(logged) = told.last() else {
        return Ok(());
    };
    writeln!(out, "[exception]")?;
    let Ok(exception) = Exception::parse(logged.bytes) else {
        return writeln!(out, "{} bytes that are none of an exception", logged.len);
    };
    writeln!(out, "at {}: {exception}", logged.at)?;
    for (line, registers) in exception.registers.chunks(4).enumerate() {
        write!(out, "r{:<3}", line.saturating_mul(4))?;
        for register in registers {
            write!(out, " {register:08x}")?;
        }
        writeln!(out)?;
    }
    writeln!(
        out,
        "cpsr {:08x} spsr {:08x}",
        exception.cpsr, exception.spsr
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_that_is_too_long_is_cut_and_says_so() {
        let mut memory = [0xFF; 32];
        let mut writer = Writer::new(&mut memory);
        assert!(write!(writer, "0123456789").is_ok());
        assert!(write!(writer, "0123456789 0123456789 0123456789").is_err());
        assert!(write!(writer, "x").is_err());
        let len = writer.finish();
        assert_eq!(&memory[..len], b"0123456789\n[cut]\n");

        let mut memory = [0; 12];
        let mut writer = Writer::new(&mut memory);
        assert!(write!(writer, "01234567é").is_ok());
        assert!(write!(writer, "0123456").is_err());
        let len = writer.finish();
        assert_eq!(&memory[..len], b"01234\n[cut]\n");
    }

    #[test]
    fn one_that_fits_is_left_alone() {
        let mut memory = [0; 8];
        let mut writer = Writer::new(&mut memory);
        assert!(write!(writer, "12345678").is_ok());
        assert_eq!(writer.finish(), 8);
    }
}
