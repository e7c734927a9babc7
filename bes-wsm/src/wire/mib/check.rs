//! What every object must pass.

/// `data_both_ways!(Type, minimum, bytes, value)`: the data is read as the value and the value written as the data;
/// cut at every length nothing panics and what is shorter than `minimum` is `Truncated`; buffers that are too small
/// are refused; the value can be shown.
macro_rules! data_both_ways {
    ($type:ty, $minimum:expr, $bytes:expr, $value:expr) => {{
        use $crate::wire::mib::Mib;
        use $crate::wire::WireError;
        let capture = $bytes;
        let bytes: &[u8] = &capture;
        assert_eq!(<$type>::parse_data(bytes), Ok($value));
        let value = <$type>::parse_data(bytes).unwrap();
        let mut out = [0xAA; 2048];
        let size = value.emit_data(&mut out).unwrap();
        assert_eq!(&out[..size], bytes);
        for room in 0..bytes.len() {
            assert_eq!(value.emit_data(&mut out[..room]), Err(WireError::NoRoom));
        }
        for cut in 0..bytes.len() {
            let result = <$type>::parse_data(&bytes[..cut]);
            if cut < $minimum {
                assert_eq!(result.err(), Some(WireError::Truncated), "cut at {cut}");
            }
        }
        assert!(!value.to_string().is_empty());
    }};
}

/// `data_round_trips!(name, Type)`: a property test. Random data never panics, and whatever can be read is the same
/// after it was written and read again.
macro_rules! data_round_trips {
    ($name:ident, $type:ty) => {
        proptest::proptest! {
            #[test]
            fn $name(data in $crate::wire::check::body(200)) {
                use $crate::wire::mib::Mib;
                if let Ok(value) = <$type>::parse_data(&data) {
                    let mut out = [0xAA; 2048];
                    let size = value.emit_data(&mut out).unwrap();
                    proptest::prop_assert_eq!(<$type>::parse_data(&out[..size]), Ok(value));
                    let _text = value.to_string();
                }
            }
        }
    };
}

pub(crate) use {data_both_ways, data_round_trips};
