//! Transmit request 0x0004 (file 20, section 12.1) and the record that confirms it (sections 12.5 and 12.6).

use super::{u32_at, u8_at};

/// A transmit request, fields in place, frame behind.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Transmit<'a> {
    /// Opaque; returned in the confirmation.
    pub(crate) packet_id: u32,
    /// First rate of the series.
    pub(crate) max_rate: u8,
    /// WSM queue: 0 best effort, 1 background, 2 video, 3 voice.
    pub(crate) queue: u8,
    /// Peer station in AP mode.
    pub(crate) link: u8,
    /// Rate policy index.
    pub(crate) policy: u8,
    /// Lifetime counts from reception instead of from the first attempt.
    pub(crate) expires_from_reception: bool,
    /// Lifetime in TU; 0 is the chip's default.
    pub(crate) expire: u32,
    /// HT word: to be ignored in favour of the rate id (obligation 15).
    pub(crate) ht: u32,
    /// The MPDU without FCS.
    pub(crate) frame: &'a [u8],
}

/// Offset of the frame if there are no shift bytes.
pub(crate) const HEADER: usize = 24;

/// The packet id of a request that is long enough to have one.
pub(crate) fn packet_id(message: &[u8]) -> Option<u32> {
    (message.len() >= 8).then(|| u32_at(message, 4))
}

impl<'a> Transmit<'a> {
    /// Reads a request, cut to its length; `None` if the frame would not even have its first address.
    pub(crate) fn parse(message: &'a [u8]) -> Option<Self> {
        let flags = u8_at(message, 11);
        let start = HEADER + if flags & 0x80 != 0 { 2 } else { 0 };
        let frame = message.get(start..).filter(|frame| frame.len() >= 10)?;
        let queue = u8_at(message, 9);
        Some(Self {
            packet_id: u32_at(message, 4),
            max_rate: u8_at(message, 8),
            queue: queue & 3,
            link: queue >> 2,
            policy: flags >> 4 & 7,
            expires_from_reception: flags & 1 != 0,
            expire: u32_at(message, 16),
            ht: u32_at(message, 20),
            frame,
        })
    }
}

/// Flags of a [`TxConfirm`] (file 20, section 12.5).
pub(crate) mod flags {
    pub(crate) const AGGREGATED: u16 = 1;
    pub(crate) const REQUEUE: u16 = 1 << 1;
    pub(crate) const NO_ACK: u16 = 1 << 2;
    pub(crate) const BLOCK_ACK: u16 = 3 << 2;
}

/// What became of a frame.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct TxConfirm {
    pub(crate) packet_id: u32,
    pub(crate) status: u32,
    /// Rate id of the last attempt.
    pub(crate) rate: u8,
    pub(crate) ack_failures: u8,
    pub(crate) flags: u16,
    /// From the first attempt to the end, in microseconds.
    pub(crate) media_delay: u32,
    /// From reception to the first attempt, in microseconds.
    pub(crate) queue_delay: u32,
}

impl TxConfirm {
    /// Size in bytes.
    pub(crate) const SIZE: usize = 20;

    /// Appends the record.
    pub(crate) fn emit(&self, message: &mut Vec<u8>) {
        message.extend_from_slice(&self.packet_id.to_le_bytes());
        message.extend_from_slice(&self.status.to_le_bytes());
        message.extend_from_slice(&[self.rate, self.ack_failures]);
        message.extend_from_slice(&self.flags.to_le_bytes());
        message.extend_from_slice(&self.media_delay.to_le_bytes());
        message.extend_from_slice(&self.queue_delay.to_le_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::super::hex;
    use super::*;

    /// File 20, section 20.7.
    const EXAMPLE: &str = "7c00044005000200150000100000000000000000010000000801000000
        1a2b3c4d5e02112233445500 1a2b3c4d5f1000aaaa03000000080000010203 0405060708090a0b0c0d0e0f
        101112131415161718191a1b1c1d1e1f202122232425262728292a2b2c2d2e2f30313233343536373839
        3a3b3c3d3e3f40414243";

    #[test]
    fn the_worked_example_gives_its_fields() {
        let message = hex(EXAMPLE);
        assert_eq!(message.len(), 124);
        let transmit = Transmit::parse(&message).unwrap();
        assert_eq!(transmit.packet_id, 0x0002_0005);
        assert_eq!(transmit.max_rate, 21);
        assert_eq!((transmit.queue, transmit.link), (0, 0));
        assert_eq!(transmit.policy, 1);
        assert_eq!(transmit.ht, 1);
        assert_eq!(transmit.expire, 0);
        assert_eq!(transmit.frame.len(), 100);
        assert_eq!(transmit.frame[..2], [0x08, 0x01]);
    }

    #[test]
    fn shift_bytes_move_the_frame_and_short_frames_are_refused() {
        let mut message = hex(EXAMPLE);
        message[11] |= 0x80;
        message.splice(24..24, [0xAA, 0xBB]);
        let transmit = Transmit::parse(&message).unwrap();
        assert_eq!(transmit.frame[..2], [0x08, 0x01]);
        for len in 0..36 {
            assert!(Transmit::parse(&message[..len]).is_none());
        }
        assert_eq!(packet_id(&message[..8]), Some(0x0002_0005));
        assert_eq!(packet_id(&message[..7]), None);
    }
}
