//! What every message must pass: a byte capture read and written, cut at every length, random bytes.

use super::header::{Header, InterfaceId};
use super::id::MessageId;
use proptest::prelude::*;

/// A message with a right header and whatever body.
pub(crate) fn message(id: MessageId, body: &[u8]) -> Vec<u8> {
    let len = body.len() + 4;
    let mut bytes = vec![0; 4];
    Header::new(id, InterfaceId::One, u16::try_from(len).unwrap())
        .emit(&mut bytes)
        .unwrap();
    bytes.extend_from_slice(body);
    bytes
}

/// Bytes as the wire has them more often than not: many of them are small.
pub(crate) fn body(max: usize) -> impl Strategy<Value = Vec<u8>> {
    let byte = prop_oneof![4 => Just(0_u8), 4 => 0_u8..6, 1 => any::<u8>()];
    prop_oneof![
        3 => proptest::collection::vec(byte, 0..max),
        1 => proptest::collection::vec(any::<u8>(), 0..max),
    ]
}

/// `both_ways!(Type, minimum, bytes, value)`: the bytes are read as the value, the value is written as the bytes; cut
/// at every length, with and without the header telling, nothing panics and what is shorter than `minimum` is
/// `Truncated`; every buffer that is too small is refused; the value can be shown, and a trace shows the same.
macro_rules! both_ways {
    ($type:ty, $minimum:expr, $bytes:expr, $value:expr) => {{
        use $crate::wire::header::{stamp_sequence, Header, InterfaceId};
        use $crate::wire::WireError;
        let capture = $bytes;
        let bytes: &[u8] = &capture;
        let value = $value;
        assert_eq!(<$type>::parse(bytes), Ok(value));
        let value = <$type>::parse(bytes).unwrap();

        let header = Header::parse(bytes).unwrap();
        let interface = header.interface().unwrap_or(InterfaceId::Zero);
        let mut out = [0xAA; 2048];
        let len = value.emit(interface, &mut out).unwrap();
        stamp_sequence(&mut out, header.sequence()).unwrap();
        assert_eq!(&out[..len], bytes);
        for room in 0..bytes.len() {
            assert_eq!(
                value.emit(interface, &mut out[..room]),
                Err(WireError::NoRoom)
            );
        }

        for cut in 0..bytes.len() {
            assert_eq!(
                <$type>::parse(&bytes[..cut]).err(),
                Some(WireError::Truncated)
            );
        }
        for cut in 4..bytes.len() {
            let mut shorter = bytes[..cut].to_vec();
            shorter[..2].copy_from_slice(&u16::try_from(cut).unwrap().to_le_bytes());
            let result = <$type>::parse(&shorter);
            if cut < $minimum {
                assert_eq!(result.err(), Some(WireError::Truncated), "cut at {cut}");
            }
        }
        assert!(!value.to_string().is_empty());
    }};
}

/// `round_trips!(Type, id)`: a property test. Random bodies under the right id never panic, and whatever can be read
/// is the same after it was written and read again.
macro_rules! round_trips {
    ($type:ty, $id:expr) => {
        proptest::proptest! {
            #[test]
            fn what_can_be_read_survives_writing_and_reading(
                body in $crate::wire::check::body(320)
            ) {
                let message = $crate::wire::check::message($id, &body);
                if let Ok(value) = <$type>::parse(&message) {
                    let mut out = [0xAA; 2048];
                    let interface = $crate::wire::header::InterfaceId::One;
                    let len = value.emit(interface, &mut out).unwrap();
                    proptest::prop_assert_eq!(<$type>::parse(&out[..len]), Ok(value));
                    let _text = value.to_string();
                }
            }
        }
    };
}

pub(crate) use {both_ways, round_trips};
