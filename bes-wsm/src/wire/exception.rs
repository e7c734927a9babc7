//! The firmware has crashed.
//!
//! | offset | size | field |
//! |---|---|---|
//! | 4 | 4 | reason |
//! | 8 | 48 | R0 to R11 |
//! | 56 | 16 | R12, SP, LR, PC |
//! | 72 | 8 | CPSR, SPSR |
//! | 80 | 48 | text: the source file of an assertion, whose line is R1 |
//!
//! Source: file 20, section 15.8.

use super::prelude::*;
use super::unit::Text;

const TEXT_LEN: usize = 48;

#[derive(FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
struct Wire {
    header: RawHeader,
    reason: U32,
    registers: [U32; 16],
    cpsr: U32,
    spsr: U32,
    text: [u8; TEXT_LEN],
}

const_assert_eq!(size_of::<Wire>(), 128);
const_assert_eq!(offset_of!(Wire, cpsr), 72);
const_assert_eq!(offset_of!(Wire, text), 80);

open_enum! {
    /// Why the firmware stopped. From 4 on it was an assertion.
    pub enum ExceptionReason: u32 {
        /// Undefined instruction.
        UndefinedInstruction = 0 => "undefined instruction",
        /// Prefetch abort.
        PrefetchAbort = 1 => "prefetch abort",
        /// Data abort.
        DataAbort = 2 => "data abort",
        /// Not known to the firmware either.
        Unexplained = 3 => "unexplained",
        /// Assertion.
        Assertion = 4 => "assertion",
    }
}

/// State of the chip's CPU at a crash.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Exception<'a> {
    /// Why.
    pub reason: ExceptionReason,
    /// R0 to R12, SP, LR, PC.
    pub registers: [u32; 16],
    /// Program status.
    pub cpsr: u32,
    /// Saved program status.
    pub spsr: u32,
    /// Source file of an assertion, without its padding.
    pub text: &'a [u8],
}

impl Exception<'_> {
    /// Id of the message.
    pub const ID: MessageId = MessageId::EXCEPTION;

    /// Where the firmware was.
    pub const fn program_counter(&self) -> u32 {
        let [.., pc] = self.registers;
        pc
    }

    /// Source line of an assertion.
    pub const fn line(&self) -> u32 {
        let [_, r1, ..] = self.registers;
        r1
    }

    /// Whether it was an assertion: reason 4 or above.
    pub const fn is_assertion(&self) -> bool {
        self.reason.raw() >= 4
    }

    /// Writes the indication and returns its length. A text longer than 48 bytes is cut.
    ///
    /// # Errors
    ///
    /// [`WireError::NoRoom`].
    pub fn emit(&self, interface: InterfaceId, out: &mut [u8]) -> Result<usize, WireError> {
        let mut text = [0; TEXT_LEN];
        for (to, from) in text.iter_mut().zip(self.text) {
            *to = *from;
        }
        let wire = Wire {
            header: RawHeader::BLANK,
            reason: U32::new(self.reason.raw()),
            registers: self.registers.map(U32::new),
            cpsr: U32::new(self.cpsr),
            spsr: U32::new(self.spsr),
            text,
        };
        emit(Self::ID, interface, &wire, &[], out)
    }
}

impl<'a> Confirm<'a> for Exception<'a> {
    fn parse(message: &'a [u8]) -> Result<Self, WireError> {
        let (wire, _) = fixed::<Wire>(message, Self::ID)?;
        let end = wire.text.iter().position(|byte| *byte == 0);
        let text = wire.text.get(..end.unwrap_or(TEXT_LEN));
        Ok(Self {
            reason: ExceptionReason::from_raw(wire.reason.get()),
            registers: wire.registers.map(U32::get),
            cpsr: wire.cpsr.get(),
            spsr: wire.spsr.get(),
            text: text.unwrap_or(&[]),
        })
    }
}

impl fmt::Display for Exception<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "firmware exception: {}, PC {:#010x}",
            self.reason,
            self.program_counter()
        )?;
        if self.is_assertion() {
            write!(f, ", {} line {}", Text(self.text), self.line())?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::check::{both_ways, round_trips};

    #[test]
    fn it_is_read_and_written() {
        let mut bytes = vec![0x80, 0x00, 0x00, 0x08, 4, 0, 0, 0];
        for register in 0..18_u32 {
            bytes.extend_from_slice(&(register | 0x1000).to_le_bytes());
        }
        bytes.extend_from_slice(b"lmac.c");
        bytes.resize(128, 0);
        let mut registers = [0; 16];
        for (number, register) in (0x1000..).zip(&mut registers) {
            *register = number;
        }
        let exception = Exception {
            reason: ExceptionReason::Assertion,
            registers,
            cpsr: 0x1010,
            spsr: 0x1011,
            text: b"lmac.c",
        };
        both_ways!(Exception<'_>, 128, bytes.clone(), exception);
        assert_eq!(
            exception.to_string(),
            "firmware exception: assertion, PC 0x0000100f, lmac.c line 4097"
        );
    }

    round_trips!(Exception<'_>, MessageId::EXCEPTION);
}
