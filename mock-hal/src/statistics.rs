//! Counters of one emulated card.

use bes_hal::transport::MAX_BATCH;
use std::time::Duration;

/// What happened so far. Nothing here ever goes back.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Statistics {
    /// CMD52 reads, both functions.
    pub register_reads: u64,
    /// CMD52 writes, both functions.
    pub register_writes: u64,
    /// CMD53 reads.
    pub data_reads: u64,
    /// CMD53 writes.
    pub data_writes: u64,
    /// Bytes that CMD53 reads moved, padding included.
    pub bytes_read: u64,
    /// Bytes that CMD53 writes moved, padding included.
    pub bytes_written: u64,
    /// Time the bus was busy.
    pub busy: Duration,
    /// Bursts announced to the host.
    pub bursts: u64,
    /// Messages in them.
    pub messages_up: u64,
    /// Bytes of these messages, without padding.
    pub message_bytes_up: u64,
    /// Messages of the firmware that no burst can hold, dropped.
    pub messages_too_long: u64,
    /// How many bursts had so many messages.
    pub messages_per_burst: [u64; MAX_BATCH + 1],
    /// Transfers of messages accepted from the host.
    pub transfers: u64,
    /// Messages in them.
    pub messages_down: u64,
    /// Bytes of these messages, without padding.
    pub message_bytes_down: u64,
    /// How many transfers had so many messages.
    pub messages_per_transfer: [u64; MAX_BATCH + 1],
    /// Reads that repeated the burst before, because their data toggle had not changed.
    pub repeated_reads: u64,
    /// Writes dropped as duplicates, because their data toggle had not changed.
    pub duplicate_writes: u64,
    /// Rising edges of the interrupt line.
    pub interrupts: u64,
    /// Rings of the doorbell that had to wake its owner.
    pub wakeups: u64,
    /// Times the wake line was asserted.
    pub wake_line_asserted: u64,
    /// Times the chip asserted the host-wake line.
    pub host_wakes: u64,
    /// Times the chip fell asleep.
    pub sleeps: u64,
    /// Commands that a drifted or cut-off bus has spoiled.
    pub crc_errors: u64,
    /// Times the bus was tuned again.
    pub tunings: u64,
    /// Download messages taken by the loader.
    pub boot_messages: u64,
    /// Bytes of DATA messages taken by the loader.
    pub boot_bytes: u64,
}

impl Statistics {
    /// Bus commands of all kinds.
    pub fn commands(&self) -> u64 {
        self.register_reads + self.register_writes + self.data_reads + self.data_writes
    }

    /// What happened since `earlier`, a copy of this card's statistics.
    #[must_use]
    pub fn since(&self, earlier: &Self) -> Self {
        let spread = |now: &[u64; MAX_BATCH + 1], then: &[u64; MAX_BATCH + 1]| {
            std::array::from_fn(|index| now[index] - then[index])
        };
        Self {
            register_reads: self.register_reads - earlier.register_reads,
            register_writes: self.register_writes - earlier.register_writes,
            data_reads: self.data_reads - earlier.data_reads,
            data_writes: self.data_writes - earlier.data_writes,
            bytes_read: self.bytes_read - earlier.bytes_read,
            bytes_written: self.bytes_written - earlier.bytes_written,
            busy: self.busy.saturating_sub(earlier.busy),
            bursts: self.bursts - earlier.bursts,
            messages_up: self.messages_up - earlier.messages_up,
            message_bytes_up: self.message_bytes_up - earlier.message_bytes_up,
            messages_too_long: self.messages_too_long - earlier.messages_too_long,
            messages_per_burst: spread(&self.messages_per_burst, &earlier.messages_per_burst),
            transfers: self.transfers - earlier.transfers,
            messages_down: self.messages_down - earlier.messages_down,
            message_bytes_down: self.message_bytes_down - earlier.message_bytes_down,
            messages_per_transfer: spread(
                &self.messages_per_transfer,
                &earlier.messages_per_transfer,
            ),
            repeated_reads: self.repeated_reads - earlier.repeated_reads,
            duplicate_writes: self.duplicate_writes - earlier.duplicate_writes,
            interrupts: self.interrupts - earlier.interrupts,
            wakeups: self.wakeups - earlier.wakeups,
            wake_line_asserted: self.wake_line_asserted - earlier.wake_line_asserted,
            host_wakes: self.host_wakes - earlier.host_wakes,
            sleeps: self.sleeps - earlier.sleeps,
            crc_errors: self.crc_errors - earlier.crc_errors,
            tunings: self.tunings - earlier.tunings,
            boot_messages: self.boot_messages - earlier.boot_messages,
            boot_bytes: self.boot_bytes - earlier.boot_bytes,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_difference_counts_only_what_is_new() {
        let earlier = Statistics {
            register_reads: 3,
            data_reads: 1,
            ..Statistics::default()
        };
        let mut later = earlier.clone();
        later.register_reads += 2;
        later.messages_per_burst[16] += 1;
        let new = later.since(&earlier);
        assert_eq!(new.commands(), 2);
        assert_eq!(new.messages_per_burst[16], 1);
    }
}
