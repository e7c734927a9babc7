//! 0x100C: counters of the lower MAC, 22 words.
//!
//! Source: file 21, section 3.2.

use super::prelude::*;

/// The table: field, offset, name.
macro_rules! counters {
    ($($field:ident = $offset:literal => $name:literal,)+) => {
        #[derive(FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
        #[repr(C)]
        struct Wire {
            $($field: U32,)+
        }

        const_assert_eq!(size_of::<Wire>(), 88);
        $(const_assert_eq!(offset_of!(Wire, $field), $offset);)+

        /// Counters of the lower MAC.
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
        pub struct Counters {
            $(#[doc = $name] pub $field: u32,)+
        }

        impl Counters {
            /// Reads the data.
            ///
            /// # Errors
            ///
            /// [`WireError::Truncated`].
            pub fn parse_data(data: &[u8]) -> Result<Self, WireError> {
                let (wire, _) = prefix::<Wire>(data)?;
                Ok(Self { $($field: wire.$field.get(),)+ })
            }

            /// Every counter with its name, in the order of the wire.
            pub const fn named(&self) -> [(&'static str, u32); 22] {
                [$(($name, self.$field),)+]
            }
        }

        impl Mib for Counters {
            const ID: MibId = MibId::COUNTERS_TABLE;

            fn emit_data(&self, out: &mut [u8]) -> Result<usize, WireError> {
                emit_data(&Wire { $($field: U32::new(self.$field),)+ }, out)
            }
        }
    };
}

counters! {
    plcp_errors = 0 => "PLCP errors",
    fcs_errors = 4 => "FCS errors",
    tx_packets = 8 => "TX packets",
    rx_packets = 12 => "RX packets",
    rx_packet_errors = 16 => "RX packet errors",
    rx_decryption_failures = 20 => "RX decryption failures",
    rx_mic_failures = 24 => "RX MIC failures",
    rx_no_key_failures = 28 => "RX no-key failures",
    tx_multicast_frames = 32 => "TX multicast frames",
    tx_frames_ok = 36 => "TX frames ok",
    tx_frame_failures = 40 => "TX frame failures",
    tx_frames_retried = 44 => "TX frames retried",
    tx_frames_multi_retried = 48 => "TX frames retried more than once",
    rx_duplicates = 52 => "RX duplicates",
    rts_successes = 56 => "RTS successes",
    rts_failures = 60 => "RTS failures",
    ack_failures = 64 => "ACK failures",
    rx_multicast_frames = 68 => "RX multicast frames",
    rx_frames_ok = 72 => "RX frames ok",
    rx_cmac_icv_errors = 76 => "RX CMAC ICV errors",
    rx_cmac_replays = 80 => "RX CMAC replays",
    rx_mgmt_ccmp_replays = 84 => "RX management CCMP replays",
}

impl fmt::Display for Counters {
    /// Those that are not 0.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("counters")?;
        self.named()
            .into_iter()
            .filter(|(_, count)| *count != 0)
            .try_for_each(|(name, count)| write!(f, ", {name} {count}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::mib::check::data_both_ways;

    #[test]
    fn they_are_read_and_written_in_their_order() {
        let bytes: Vec<u8> = (1..=22_u32).flat_map(u32::to_le_bytes).collect();
        let counters = Counters::parse_data(&bytes).unwrap();
        let values: Vec<u32> = counters.named().iter().map(|(_, value)| *value).collect();
        assert_eq!(values, (1..=22).collect::<Vec<_>>());
        assert_eq!(counters.rx_no_key_failures, 8);
        data_both_ways!(Counters, 88, bytes.clone(), counters);
    }

    #[test]
    fn only_those_that_counted_are_shown() {
        let counters = Counters {
            fcs_errors: 3,
            ..Counters::default()
        };
        assert_eq!(counters.to_string(), "counters, FCS errors 3");
    }
}
