//! Rate policies on their way to the chip: when they are sent, and when again after a refusal.

use crate::rate_policy::{RatePolicies, Upload};
use bes_hal::{Duration, Instant};
use bes_wsm::wire::mib::WriteMib;
use bes_wsm::wire::{InterfaceId, Request as _};

/// How long the chip may take to take over rate policies.
pub(crate) const UPLOAD_TIMEOUT: Duration = Duration::from_secs(6);
/// How long to wait before trying again after the chip refused them.
const UPLOAD_PAUSE: Duration = Duration::from_millis(100);

/// The one upload that is under way, or due.
#[derive(Debug)]
pub(crate) struct PolicyUpload {
    under_way: Option<Upload>,
    wanted: bool,
    after: Instant,
}

impl PolicyUpload {
    pub(crate) const fn new() -> Self {
        Self {
            under_way: None,
            wanted: false,
            after: Instant::ZERO,
        }
    }

    /// A frame waits for a policy. Whether nobody has said so before: then the command is to follow at once, not with the
    /// next message of the chip.
    pub(crate) fn want(&mut self) -> bool {
        let first = !self.wanted && self.under_way.is_none();
        self.wanted = true;
        first
    }

    /// The policies have changed: whether something is to be uploaded may have as well.
    pub(crate) fn refresh(&mut self, policies: &RatePolicies) {
        self.wanted = policies.needs_upload();
    }

    /// The message, if one is due.
    pub(crate) fn message(
        &mut self,
        policies: &mut RatePolicies,
        now: Instant,
        out: &mut [u8],
    ) -> Option<usize> {
        if !self.is_due(now) {
            return None;
        }
        self.wanted = false;
        let upload = policies.upload()?;
        // Policies belong to no interface; the message goes to 0 (file 21, section 2.19).
        match WriteMib(&upload).emit(InterfaceId::Zero, out) {
            Ok(len) => {
                self.under_way = Some(upload);
                Some(len)
            }
            Err(_) => {
                policies.upload_failed(&upload);
                None
            }
        }
    }

    /// Whether the chip has to answer one.
    pub(crate) const fn is_under_way(&self) -> bool {
        self.under_way.is_some()
    }

    /// The chip has answered a command. What it was, if it was the upload.
    pub(crate) fn take(&mut self) -> Option<Upload> {
        self.under_way.take()
    }

    /// Whether the chip accepted an upload.
    pub(crate) fn done(
        &mut self,
        policies: &mut RatePolicies,
        upload: &Upload,
        accepted: bool,
        now: Instant,
    ) {
        if accepted {
            policies.upload_confirmed(upload);
        } else {
            policies.upload_failed(upload);
            self.after = now.after(UPLOAD_PAUSE);
        }
        // Frames that still need one ask again.
        self.refresh(policies);
    }

    /// The session is over.
    pub(crate) fn abandon(&mut self, policies: &mut RatePolicies) {
        if let Some(upload) = self.under_way.take() {
            policies.upload_failed(&upload);
        }
        policies.reset();
        *self = Self::new();
    }

    /// Whether frames wait for an upload that may go out now.
    pub(crate) fn is_due(&self, now: Instant) -> bool {
        self.wanted && self.after.is_due(now)
    }

    /// When the pause after a refusal is over, if there is one.
    pub(crate) fn pause(&self, now: Instant) -> Option<Instant> {
        (self.after > now).then_some(self.after)
    }
}
