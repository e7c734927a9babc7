//! What the bottom half counted: the performance story of the driver.

/// Counters of one owner. They wrap.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Interrupts taken.
    pub interrupts: u64,
    /// Bursts received.
    pub rx_bursts: u64,
    /// Messages in them.
    pub rx_messages: u64,
    /// Receive indications among them.
    pub rx_frames: u64,
    /// Batches sent.
    pub tx_batches: u64,
    /// Data frames in them.
    pub tx_frames: u64,
    /// Commands in them.
    pub tx_commands: u64,
    /// Transmit confirms that matched a frame.
    pub tx_confirms: u64,
    /// Commands that were confirmed.
    pub command_confirms: u64,
    /// How long they took from transfer to confirm, together, in microseconds.
    pub command_micros: u64,
}
