// SPDX-License-Identifier: GPL-2.0-only

//! What `vsdio.ko` and the process behind `/dev/vsdioN` say to each other.
//!
//! The kernel module includes this very file, so there is one truth. All fields have a fixed size, no structure has
//! padding, every reserved field is zero, numbers are in the machine's own byte order. The rules around it are in
//! `docs/vsdio.md`.

/// Version of this file. [`Insert::version`] must name it.
pub const PROTOCOL_VERSION: u32 = 1;

/// Bytes of the data area, which is mapped at offset 0 of the device.
pub const DATA_SIZE: usize = 256 * 1024;

/// Most blocks of one CMD53: its count field has nine bits, and 0 means "for ever".
pub const MAX_BLOCKS: u32 = 511;

/// Longest block. The count field of a CMD53 in byte mode also ends here.
pub const MAX_BLOCK_SIZE: u32 = 2048;

/// Slowest clock a card may ask for, in Hz.
pub const MIN_CLOCK: u32 = 100_000;

/// Fastest clock a card may ask for, in Hz. High speed is 50 MHz; nothing faster is emulated.
pub const MAX_CLOCK: u32 = 50_000_000;

/// Longest deadline of a command, in milliseconds.
pub const MAX_DEADLINE_MS: u32 = 60_000;

/// [`Insert::flags`]: the host has four data lines.
pub const INSERT_FOUR_BIT: u32 = 1 << 0;
/// [`Insert::flags`]: the host can do high speed (up to 50 MHz).
pub const INSERT_HIGH_SPEED: u32 = 1 << 1;
/// [`Insert::flags`]: the kernel may switch the card off while no driver uses it.
pub const INSERT_POWER_OFF_UNUSED: u32 = 1 << 2;
/// [`Insert::flags`]: threads in [`EXCHANGE`] keep running while the system is put to sleep, as the hardware would.
pub const INSERT_AWAKE_IN_SUSPEND: u32 = 1 << 3;
/// All flags of [`Insert::flags`].
pub const INSERT_FLAGS: u32 =
    INSERT_FOUR_BIT | INSERT_HIGH_SPEED | INSERT_POWER_OFF_UNUSED | INSERT_AWAKE_IN_SUSPEND;

/// Argument of [`INSERT`].
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Insert {
    /// In: [`PROTOCOL_VERSION`].
    pub version: u32,
    /// In: `INSERT_*`.
    pub flags: u32,
    /// In: most blocks of one command, 1 to [`MAX_BLOCKS`]. 1: no block mode.
    pub max_blocks: u32,
    /// In: longest block in bytes, 1 to [`MAX_BLOCK_SIZE`].
    pub max_block_size: u32,
    /// In: most bytes of one command, `max_block_size` to [`DATA_SIZE`].
    pub max_request: u32,
    /// In: slowest clock in Hz; the kernel looks for the card at the highest of 400, 300, 200 and 100 kHz that
    /// suits, and then at the slower ones down to this.
    pub min_clock: u32,
    /// In: fastest clock in Hz, `min_clock` to [`MAX_CLOCK`].
    pub max_clock: u32,
    /// In: milliseconds a command may wait for its answer, up to [`MAX_DEADLINE_MS`]. 0: the module's default.
    pub deadline_ms: u32,
    /// Out: number N of the kernel's host, `/sys/class/mmc_host/mmcN`.
    pub host: u32,
    /// Zero.
    pub reserved: [u32; 7],
}

/// [`Answer::status`]: there is no answer in this exchange; it only waits.
pub const STATUS_NONE: u32 = 0;
/// [`Answer::status`]: the command went well.
pub const STATUS_OK: u32 = 1;
/// [`Answer::status`]: the card did not respond to the command (`-ETIMEDOUT`).
pub const STATUS_COMMAND_TIMEOUT: u32 = 2;
/// [`Answer::status`]: the response arrived broken (`-EILSEQ`).
pub const STATUS_COMMAND_CRC: u32 = 3;
/// [`Answer::status`]: response given, but the data did not come or was not taken (`-ETIMEDOUT`).
pub const STATUS_DATA_TIMEOUT: u32 = 4;
/// [`Answer::status`]: response given, but the data arrived broken (`-EILSEQ`).
pub const STATUS_DATA_CRC: u32 = 5;

/// Level of the interrupt: as it is.
pub const INTERRUPT_KEEP: u32 = 0;
/// Level of the interrupt: not asserted.
pub const INTERRUPT_LOW: u32 = 1;
/// Level of the interrupt: asserted.
pub const INTERRUPT_HIGH: u32 = 2;
/// Argument of [`INTERRUPT`], together with a level: makes a waiting [`EXCHANGE`] return.
pub const INTERRUPT_WAKE: u32 = 1 << 8;

/// Timeout of an exchange that has none.
pub const WAIT_FOREVER: u64 = u64::MAX;

/// First half of [`Exchange`], read by the kernel.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Answer {
    /// Which command is answered: [`Event::id`]. Zero with [`STATUS_NONE`].
    pub id: u64,
    /// Nanoseconds to wait for the next event. 0: not at all. [`WAIT_FOREVER`].
    pub timeout_ns: u64,
    /// `STATUS_*`.
    pub status: u32,
    /// Bytes of data that moved: with [`STATUS_OK`] exactly what the command asked for, with `STATUS_DATA_*` at most
    /// that, else 0.
    pub length: u32,
    /// Response: word 0 alone for a short one (R1, R4, R5, R6: the 32 bits between command index and CRC), all four,
    /// highest first, for a long one. Ignored where there is none.
    pub response: [u32; 4],
    /// `INTERRUPT_KEEP`, `_LOW` or `_HIGH`; holds from before the command ends.
    pub interrupt: u32,
    /// Zero.
    pub reserved: u32,
}

/// [`Bus::power`]: the card has no power.
pub const POWER_OFF: u32 = 0;
/// [`Bus::power`]: the voltage rises, the clock stands still.
pub const POWER_UP: u32 = 1;
/// [`Bus::power`]: the card has power.
pub const POWER_ON: u32 = 2;

/// [`Bus::timing`]: default speed.
pub const TIMING_DEFAULT: u32 = 0;
/// [`Bus::timing`]: high speed.
pub const TIMING_HIGH_SPEED: u32 = 1;

/// How the host drives the bus.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Bus {
    /// Counts changes to any field below. Wraps.
    pub changes: u32,
    /// Counts how often the power was taken away. Wraps. A card that sees a new number starts from reset.
    pub power_losses: u32,
    /// `POWER_*`.
    pub power: u32,
    /// Hz; 0 while the clock stands still.
    pub clock: u32,
    /// Data lines: 1 or 4.
    pub width: u32,
    /// `TIMING_*`.
    pub timing: u32,
}

/// [`Event::kind`]: nothing happened until the timeout, a signal or [`INTERRUPT_WAKE`].
pub const EVENT_NONE: u32 = 0;
/// [`Event::kind`]: a command wants an answer.
pub const EVENT_COMMAND: u32 = 1;
/// [`Event::kind`]: [`Event::bus`] changed. Comes before the next command.
pub const EVENT_BUS: u32 = 2;

/// [`Event::response_type`]: the command has no response.
pub const RESPONSE_NONE: u32 = 0;
/// [`Event::response_type`]: 48 bits on the wire.
pub const RESPONSE_SHORT: u32 = 1;
/// [`Event::response_type`]: 136 bits on the wire.
pub const RESPONSE_LONG: u32 = 2;

/// [`Event::direction`]: no data.
pub const DIRECTION_NONE: u32 = 0;
/// [`Event::direction`]: card to host. The answer's data lies in the data area from its start.
pub const DIRECTION_READ: u32 = 1;
/// [`Event::direction`]: host to card. The data lies in the data area from its start.
pub const DIRECTION_WRITE: u32 = 2;

/// Second half of [`Exchange`], written by the kernel.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Event {
    /// Names the command in its answer. Never 0, never used twice for one card.
    pub id: u64,
    /// `EVENT_*`. The fields from `opcode` to `blocks` belong to [`EVENT_COMMAND`] and are else zero.
    pub kind: u32,
    /// Command index, 0 to 63.
    pub opcode: u32,
    /// The 32-bit argument.
    pub argument: u32,
    /// `RESPONSE_*`.
    pub response_type: u32,
    /// `DIRECTION_*`.
    pub direction: u32,
    /// Bytes of a block; in byte mode of the whole transfer.
    pub block_size: u32,
    /// Number of blocks; 1 in byte mode, 0 without data.
    pub blocks: u32,
    /// The bus as it is now.
    pub bus: Bus,
    /// Commands of this card that no answer met before the deadline. Saturates.
    pub expired: u32,
    /// Answers of this card that were refused. Saturates.
    pub refused: u32,
    /// Zero.
    pub reserved: u32,
}

/// Argument of [`EXCHANGE`].
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Exchange {
    /// From the process.
    pub answer: Answer,
    /// From the kernel.
    pub event: Event,
}

const TYPE: u32 = 0xBB;
const READ_WRITE: u32 = 3;

const fn number(direction: u32, nr: u32, size: usize) -> u32 {
    // The layout of `asm-generic/ioctl.h`: direction, size, type, number. The sizes are below 200.
    direction << 30 | (size as u32) << 16 | TYPE << 8 | nr
}

/// `ioctl`: puts the card in. Argument: pointer to [`Insert`].
pub const INSERT: u32 = number(READ_WRITE, 0, core::mem::size_of::<Insert>());

/// `ioctl`: answers a command, if there is an answer, and waits for the next event. Pointer to [`Exchange`].
pub const EXCHANGE: u32 = number(READ_WRITE, 1, core::mem::size_of::<Exchange>());

/// `ioctl`: sets the level of the card's interrupt, from any thread. The argument is the number itself: `INTERRUPT_*`.
pub const INTERRUPT: u32 = number(0, 2, 0);

const _: () = {
    assert!(core::mem::size_of::<Insert>() == 64);
    assert!(core::mem::size_of::<Answer>() == 48);
    assert!(core::mem::size_of::<Bus>() == 24);
    assert!(core::mem::size_of::<Event>() == 72);
    assert!(core::mem::size_of::<Exchange>() == 120);
    assert!(core::mem::offset_of!(Insert, host) == 32);
    assert!(core::mem::offset_of!(Answer, response) == 24);
    assert!(core::mem::offset_of!(Answer, interrupt) == 40);
    assert!(core::mem::offset_of!(Event, bus) == 36);
    assert!(core::mem::offset_of!(Event, expired) == 60);
    assert!(core::mem::offset_of!(Exchange, event) == 48);
};
