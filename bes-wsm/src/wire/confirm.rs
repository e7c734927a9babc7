//! Whether the answer to a command has the form of its confirm. Who asked for it still reads it; this is what lets a
//! bad one be counted in one place.
//!
//! Source: file 20, section 5, and section 18 (checks before every field).

use super::configuration::ConfigurationConfirm;
use super::error::WireError;
use super::generic::{BareConfirm, GenericConfirm};
use super::header::{Class, Header};
use super::id::MessageId;
use super::join::JoinConfirm;
use super::mcu::McuMessage;
use super::mib::ReadMibConfirm;
use super::multicast_forwarding::RequestBuffersConfirm;
use super::Confirm;

/// Checks the confirm of a command, of either class. What follows the status is looked at only if the status is
/// "success": a chip that refuses may say no more.
///
/// # Errors
///
/// What is wrong with it; [`WireError::Id`] if it is no confirm.
pub fn check(message: &[u8]) -> Result<(), WireError> {
    let id = Header::parse(message)?.id();
    match id.class() {
        Class::Mcu => {
            return match McuMessage::parse(message)? {
                McuMessage::Confirm(_) => Ok(()),
                McuMessage::Indication(_) => Err(WireError::Id(id)),
            }
        }
        Class::Confirm => {}
        Class::Request | Class::Indication => return Err(WireError::Id(id)),
    }
    match id.request() {
        MessageId::RELEASE_BUFFER | MessageId::CPU_SLEEP => {
            return BareConfirm::parse(message).map(drop)
        }
        MessageId::REQUEST_BUFFERS => return RequestBuffersConfirm::parse(message).map(drop),
        _ => {}
    }
    if !GenericConfirm::parse(message)?.status.is_success() {
        return Ok(());
    }
    match id.request() {
        MessageId::READ_MIB => ReadMibConfirm::parse(message).map(drop),
        MessageId::CONFIGURATION => ConfigurationConfirm::parse(message).map(drop),
        MessageId::JOIN => JoinConfirm::parse(message).map(drop),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::check::message;
    use proptest::prelude::*;

    #[test]
    fn a_confirm_without_status_is_bad_unless_it_has_none() {
        assert_eq!(check(&[4, 0, 0x06, 0x04]), Err(WireError::Truncated));
        assert_eq!(check(&[8, 0, 0x06, 0x04, 0, 0, 0, 0]), Ok(()));
        assert_eq!(check(&[4, 0, 0x24, 0x04]), Ok(()));
    }

    #[test]
    fn a_refusal_may_be_short_and_a_success_may_not() {
        let id = MessageId::CONFIGURATION.confirm();
        assert_eq!(check(&message(id, &[1, 0, 0, 0])), Ok(()));
        assert_eq!(check(&message(id, &[0; 4])), Err(WireError::Truncated));
        assert_eq!(check(&message(id, &[0; 40])), Ok(()));
    }

    #[test]
    fn what_is_no_confirm_is_told() {
        let id = MessageId::SCAN_COMPLETE;
        assert_eq!(check(&message(id, &[0; 8])), Err(WireError::Id(id)));
        assert!(check(&message(MessageId::WRITE_MIB, &[0; 8])).is_err());
    }

    proptest! {
        #[test]
        fn any_bytes_can_be_checked(bytes in proptest::collection::vec(any::<u8>(), 0..80)) {
            // The answer does not matter here, that there is one does.
            let _answer = check(&bytes);
        }
    }
}
