//! Status codes of confirms and indications.
//!
//! Source: file 20, section 4.1.

use super::code::open_enum;

open_enum! {
    /// What the chip says about how something went. Data, not an error, until a layer decides.
    pub enum Status: u32 {
        /// It worked.
        Success = 0 => "success",
        /// It did not work.
        Failure = 1 => "failure",
        /// A parameter was not acceptable.
        InvalidParameter = 2 => "invalid parameter",
        /// Not possible in this mode of the device.
        WrongMode = 3 => "wrong device mode",
        /// A received frame could not be decrypted.
        DecryptionFailure = 4 => "decryption failure",
        /// The Michael MIC of a received frame is wrong.
        MicFailure = 5 => "MIC failure",
        /// A frame was sent as often as allowed and never acknowledged.
        RetryLimit = 6 => "retry limit exceeded",
        /// A frame waited too long.
        LifetimeExceeded = 7 => "lifetime exceeded",
        /// The link to the access point is lost.
        LinkLost = 8 => "link lost",
        /// An encrypted frame was received and there is no key for it.
        NoKey = 9 => "no key",
        /// A jammer was detected while sending.
        Jammer = 10 => "jammer detected",
        /// The frame was not sent: the host must send it again later.
        Requeue = 11 => "requeue",
    }
}

impl Status {
    /// Whether it worked.
    pub const fn is_success(self) -> bool {
        matches!(self, Self::Success)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_codes_have_names_and_unknown_ones_survive() {
        for raw in 0..=11 {
            let status = Status::from_raw(raw);
            assert!(!matches!(status, Status::Unknown(_)));
            assert_eq!(status.raw(), raw);
        }
        for raw in [12, 0xffff_ffff] {
            assert_eq!(Status::from_raw(raw), Status::Unknown(raw));
            assert_eq!(Status::from_raw(raw).raw(), raw);
        }
        assert_eq!(Status::from_raw(77).to_string(), "unknown(77)");
        assert!(Status::Success.is_success());
        assert!(!Status::Requeue.is_success());
    }
}
