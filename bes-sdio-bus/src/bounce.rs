//! How pieces of a write get onto the bus. The platform's limits decide it once, when the transport is made.
//!
//! | host | way | copies |
//! |---|---|---|
//! | takes a list of pieces | the list goes to the platform as it is | none |
//! | takes one piece | they are put together in one buffer of the platform | each byte once |
//!
//! What is read is never copied: it is one piece in either case.

use bes_hal::frame::RxBuffer;
use bes_hal::sdio::{Count, HostLimits, SdioFunction};
use bes_hal::SdioError;

/// Bytes of the longest write: 16 slots of the largest size, in whole blocks.
const LONGEST: usize = 51 * Count::BLOCK_SIZE;

/// The way, and what belongs to it.
#[derive(Debug)]
pub(crate) enum WritePath<B> {
    /// The pieces where they are.
    Scattered,
    /// Through a buffer, which the platform gives with the first write and which is used again for each.
    Bounced(Option<B>),
}

impl<B: RxBuffer> WritePath<B> {
    /// The way for a host.
    pub(crate) const fn for_host(limits: HostLimits) -> Self {
        if limits.max_segments > 1 {
            Self::Scattered
        } else {
            Self::Bounced(None)
        }
    }

    /// The buffer, with the pieces in it one after the other; `None` if they go as they are.
    ///
    /// # Errors
    ///
    /// [`SdioError::NoMemory`]; also if they are longer than any write of the protocol.
    pub(crate) fn collect<S: SdioFunction<Buffer = B>>(
        &mut self,
        function: &mut S,
        segments: &[&[u8]],
    ) -> Result<Option<&[u8]>, SdioError> {
        let place = match self {
            Self::Bounced(place) if segments.len() > 1 => place,
            _ => return Ok(None),
        };
        let buffer = match place {
            Some(buffer) => buffer,
            None => place.insert(function.allocate(LONGEST)?),
        };
        let mut rest = buffer.bytes_mut();
        let mut len = 0_usize;
        for segment in segments {
            let (target, behind) = rest
                .split_at_mut_checked(segment.len())
                .ok_or(SdioError::NoMemory)?;
            target.copy_from_slice(segment);
            len = len.saturating_add(segment.len());
            rest = behind;
        }
        Ok(buffer.bytes().get(..len))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bes_hal::frame::ArrayBuffer;

    #[test]
    fn the_way_follows_from_what_the_host_says() {
        let path = |max_segments| {
            WritePath::<ArrayBuffer<4>>::for_host(HostLimits {
                max_segments,
                ..HostLimits::default()
            })
        };
        for few in [0, 1] {
            assert!(matches!(path(few), WritePath::Bounced(None)));
        }
        for many in [2, 64] {
            assert!(matches!(path(many), WritePath::Scattered));
        }
    }
}
