//! Sequence numbers: two classes in each direction, three bits each (specification: file 20, section 2.4).

/// Class of a message for sequence numbering.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SequenceClass {
    /// The Wi-Fi lower MAC: requests, confirms and indications.
    Lmac,
    /// The other core of the chip.
    Mcu,
}

impl SequenceClass {
    /// Class of a message by its id.
    pub const fn of(id: u16) -> Self {
        if id & 0x0C00 == 0x0C00 {
            Self::Mcu
        } else {
            Self::Lmac
        }
    }
}

/// Position of the sequence number in the id.
const SHIFT: u32 = 13;
const MODULO: u16 = 8;

/// The counters of one direction.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sequence {
    lmac: u16,
    mcu: u16,
}

impl Sequence {
    /// Both counters at zero, as after each start of the Wi-Fi subsystem.
    pub const START: Self = Self { lmac: 0, mcu: 0 };

    #[inline]
    fn counter(&mut self, id: u16) -> &mut u16 {
        match SequenceClass::of(id) {
            SequenceClass::Lmac => &mut self.lmac,
            SequenceClass::Mcu => &mut self.mcu,
        }
    }

    /// The id with the next sequence number of its class; the counter advances.
    #[inline]
    pub fn stamp(&mut self, id: u16) -> u16 {
        let counter = self.counter(id);
        let stamped = id & !(0b111 << SHIFT) | *counter << SHIFT;
        *counter = counter.wrapping_add(1) % MODULO;
        stamped
    }

    /// The same in the first four bytes of a message that is known to belong to the lower MAC: length and id.
    #[inline]
    pub(crate) fn stamp_start(&mut self, start: u32) -> u32 {
        let stamped = start & 0x1FFF_FFFF | u32::from(self.lmac).wrapping_shl(29);
        self.lmac = self.lmac.wrapping_add(1) % MODULO;
        stamped
    }

    /// Accepts a received id if it carries the number that is due; otherwise the counter stays.
    ///
    /// # Errors
    ///
    /// The number that was due.
    #[inline]
    pub fn check(&mut self, id: u16) -> Result<(), u8> {
        let counter = self.counter(id);
        if id >> SHIFT != *counter {
            // At most 7 by construction.
            return Err(u8::try_from(*counter).unwrap_or(0));
        }
        *counter = counter.wrapping_add(1) % MODULO;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn classes_count_on_their_own_and_wrap_at_eight() {
        let mut sequence = Sequence::START;
        for n in 0..10_u16 {
            assert_eq!(sequence.stamp(0x0004) >> 13, n % 8);
        }
        assert_eq!(sequence.stamp(0x0C27), 0x0C27);
        assert_eq!(sequence.stamp(0x0C27), 0x2C27);
    }

    #[test]
    fn interface_bits_do_not_change_the_class() {
        // File 10, section 5.6 names this trap: the C driver tests the class with interface bits in the mask.
        assert_eq!(SequenceClass::of(0x0C27 | 2 << 6), SequenceClass::Mcu);
        assert_eq!(SequenceClass::of(0x0404 | 2 << 6), SequenceClass::Lmac);
    }

    #[test]
    fn a_wrong_number_is_refused_and_the_counter_stays() {
        let mut sequence = Sequence::START;
        assert_eq!(sequence.check(0x0801), Ok(()));
        assert_eq!(sequence.check(0x4406), Err(1));
        assert_eq!(sequence.check(0x2406), Ok(()));
    }
}
