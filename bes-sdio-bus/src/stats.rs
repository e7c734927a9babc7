//! Counters of the transport.

/// What crossed the bus and what went wrong on it, since the transport was made. All counters wrap.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// CMD52, successful or not.
    pub cmd52: u64,
    /// CMD53, successful or not.
    pub cmd53: u64,
    /// Commands that repeated a failed one.
    pub retries: u64,
    /// Announcements with the toggle of the one before.
    pub stale_announcements: u64,
    /// Empty announcements that the chip did not confirm, and receive passes put off until the wake line settles.
    pub unsettled_looks: u64,
    /// Data bytes read, padding included.
    pub bytes_read: u64,
    /// Data bytes written, padding included.
    pub bytes_written: u64,
    /// Bytes that were copied on their way to the bus, padding included, because the host takes one piece only.
    pub bytes_copied: u64,
    /// Bursts received.
    pub bursts_received: u64,
    /// Messages received in good order.
    pub messages_received: u64,
    /// Bursts with a defect.
    pub burst_defects: u64,
    /// Transfers with messages sent.
    pub transfers_sent: u64,
    /// Messages sent.
    pub messages_sent: u64,
    /// Doorbells rung.
    pub handshake_rounds: u64,
    /// Download messages that the chip answered.
    pub boot_messages: u64,
    /// Bytes of content that the chip took in download messages.
    pub boot_bytes: u64,
    /// Download procedures that had to be run again.
    pub boot_reruns: u64,
    /// Times that re-tuning was put on hold.
    pub tune_holds: u64,
    /// Transfers that were aborted because they failed half-way.
    pub aborts: u64,
    /// Times that the bus was tuned again because too many commands failed.
    pub retunes: u64,
    /// CMD53 that failed, repeated or not.
    pub data_failures: u64,
    /// Wake-line references taken twice or released without being held.
    pub wake_line_anomalies: u64,
}

/// Adds one to a counter.
pub(crate) fn count(counter: &mut u64) {
    *counter = counter.wrapping_add(1);
}

/// Adds `amount` to a counter.
pub(crate) fn count_by(counter: &mut u64, amount: usize) {
    *counter = counter.wrapping_add(u64::try_from(amount).unwrap_or(u64::MAX));
}
