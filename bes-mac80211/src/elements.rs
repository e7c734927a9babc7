//! The elements of a management frame: id, length, content, one after the other.
//!
//! The air writes them, so nothing about them is trusted: the walk ends at the first element that does not fit, and
//! never reads beyond the bytes it was given (file 30, D34).

/// Service set identifier.
pub const SSID: u8 = 0;
/// Supported rates.
pub const RATES: u8 = 1;
/// DSSS parameters: the channel.
pub const DSSS: u8 = 3;
/// Traffic indication map.
pub const TIM: u8 = 5;
/// Country.
pub const COUNTRY: u8 = 7;
/// ERP information.
pub const ERP: u8 = 42;
/// HT capabilities.
pub const HT_CAPABILITIES: u8 = 45;
/// RSN.
pub const RSN: u8 = 48;
/// Extended supported rates.
pub const EXTENDED_RATES: u8 = 50;
/// HT operation.
pub const HT_OPERATION: u8 = 61;
/// Management MIC.
pub const MMIE: u8 = 76;
/// Vendor specific.
pub const VENDOR: u8 = 221;

/// Walks over elements; see [`elements`].
#[derive(Clone, Debug)]
pub struct Elements<'a> {
    rest: &'a [u8],
}

impl<'a> Elements<'a> {
    /// What was not walked over: empty after a walk over well-formed elements, else it begins with the one that does
    /// not fit.
    pub const fn rest(&self) -> &'a [u8] {
        self.rest
    }

    /// The content of the first element with this id.
    pub fn find_id(mut self, wanted: u8) -> Option<&'a [u8]> {
        self.find(|(id, _)| *id == wanted)
            .map(|(_, content)| content)
    }
}

impl<'a> Iterator for Elements<'a> {
    type Item = (u8, &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        let ([id, len], behind) = self.rest.split_first_chunk()?;
        let (content, rest) = behind.split_at_checked(usize::from(*len))?;
        self.rest = rest;
        Some((*id, content))
    }
}

impl core::iter::FusedIterator for Elements<'_> {}

/// The elements in `bytes`: ids and contents.
pub const fn elements(bytes: &[u8]) -> Elements<'_> {
    Elements { rest: bytes }
}

#[cfg(test)]
#[allow(clippy::arithmetic_side_effects)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn elements_are_walked_in_order() {
        let bytes = [0, 2, b'h', b'i', 3, 1, 6, 1, 0];
        let found: Vec<_> = elements(&bytes).collect();
        assert_eq!(found, [(SSID, &b"hi"[..]), (DSSS, &[6]), (RATES, &[])]);
        assert_eq!(elements(&bytes).find_id(DSSS), Some(&[6][..]));
        assert_eq!(elements(&bytes).find_id(TIM), None);
    }

    /// File 30, D34.
    #[test]
    fn d34_the_walk_ends_before_an_element_that_reaches_beyond_the_end() {
        let bytes = [3, 1, 6, 0, 3, b'h', b'i'];
        let mut walk = elements(&bytes);
        assert_eq!(walk.next(), Some((DSSS, &[6][..])));
        assert_eq!(walk.next(), None);
        assert_eq!(walk.next(), None);
        assert_eq!(walk.rest(), [0, 3, b'h', b'i']);
        assert_eq!(elements(&[0]).next(), None);
    }

    proptest! {
        #[test]
        fn contents_and_rest_are_exactly_the_bytes(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            let mut walk = elements(&bytes);
            let mut sum = 0;
            for (_, content) in walk.by_ref() {
                sum += content.len() + 2;
            }
            prop_assert_eq!(sum + walk.rest().len(), bytes.len());
        }
    }
}
