//! Registers of function 1 and their bits (specification: file 10, sections 3.2 and 3.3).

/// Low byte of the length that waits (boot), "empty is genuine" in bit 0 (Wi-Fi).
pub const LENGTH_LOW: u32 = 0x000;
/// High byte of the length that waits (boot), announcement (Wi-Fi). Reading it acknowledges the interrupt.
pub const ANNOUNCEMENT: u32 = 0x001;
/// Free receive buffers of the loader.
pub const FREE_BUFFERS: u32 = 0x108;
/// Largest download message, low byte.
pub const MESSAGE_SIZE_LOW: u32 = 0x109;
/// Largest download message, high byte.
pub const MESSAGE_SIZE_HIGH: u32 = 0x10A;
/// Status bits.
pub const STATUS: u32 = 0x10C;
/// Doorbell, bits 7..0. Writing it with bit 0 set is the trigger.
pub const DOORBELL_LOW: u32 = 0x120;
/// Doorbell, bits 15..8.
pub const DOORBELL_HIGH: u32 = 0x121;
/// How the chip should wake the host.
pub const HOST_WAKEUP: u32 = 0x124;

/// Bits of [`STATUS`].
pub mod status {
    /// The firmware takes doorbells.
    pub const MCU_READY: u8 = 0x01;
    /// The calibration block is ready.
    pub const DPD_READY: u8 = 0x02;
    /// The Wi-Fi subsystem is on.
    pub const WIFI_READY: u8 = 0x04;
    /// The Bluetooth subsystem is on.
    pub const BLUETOOTH_READY: u8 = 0x08;
    /// The host holds the MCU awake.
    pub const MCU_AWAKE: u8 = 0x10;
    /// Bluetooth is out of low power.
    pub const BLUETOOTH_AWAKE: u8 = 0x20;
}

/// What a register is called, for traces.
pub fn name(address: u32) -> &'static str {
    match address {
        LENGTH_LOW => "LENGTH_LOW",
        ANNOUNCEMENT => "ANNOUNCEMENT",
        FREE_BUFFERS => "FREE_BUFFERS",
        MESSAGE_SIZE_LOW => "MESSAGE_SIZE_LOW",
        MESSAGE_SIZE_HIGH => "MESSAGE_SIZE_HIGH",
        STATUS => "STATUS",
        DOORBELL_LOW => "DOORBELL_LOW",
        DOORBELL_HIGH => "DOORBELL_HIGH",
        HOST_WAKEUP => "HOST_WAKEUP",
        _ => "unknown",
    }
}
