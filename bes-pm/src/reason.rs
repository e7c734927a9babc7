//! Why the device must stay awake (specification: file 40, section 3.3). C: "busy events".

use bes_hal::Duration;
use core::fmt;

/// A reason to stay awake.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Reason {
    /// A scan is under way. C: `SCAN`.
    Scan,
    /// A join is under way. C: `JOIN`.
    Join,
    /// A frame was sent a moment ago. C: `TX`.
    Tx,
    /// Unicast data was received a moment ago. C: `RX`.
    Rx,
    /// The stack waits until the queues are empty. C: `FLUSH`.
    Flush,
    /// The radio remains on a channel. C: `ROC`.
    RemainOnChannel,
    /// A request waits for its confirm. C: `WSM_TX`.
    Request,
    /// A join or scan waits for its last message. C: `WSM_OPER`.
    Operation,
    /// The access point has gone quiet and supervision is running. C: `BSS_LOST`.
    BssLost,
    /// The station has joined and waits for an address. C: `GET_IP`.
    AwaitAddress,
    /// The user does not want power save while joined. C: `PS_ACTIVE`.
    PowerSaveOff,
    /// Frames are inside the chip. C: `LMAC_RSP`.
    FramesInChip,
    /// An access point is running on this device. C: `AP`.
    AccessPoint,
    /// An RF test is under way. C: `TEST_CMD`.
    RadioTest,
    /// Multicast is expected after a DTIM beacon. C: `MUL_REQ`.
    Multicast,
    /// A test-mode scan is under way. C: `ADV_SCAN`.
    TestScan,
    /// The access point has just disconnected the station. C: `DISCON`.
    Disconnect,
    /// A full queue waits for its oldest frame to expire. C: `QUEUE_GC`.
    QueueExpiry,
    /// The access point does not cope with power save. C: `AP_LP_BAD`.
    BadPowerSave,
}

/// Longest life of a hold that belongs to an exchange with the chip. A request that fails takes up to 12 s
/// (file 40, section 4.4); after that nothing can be waiting any more.
pub const EXCHANGE_LIFE: Duration = Duration::from_secs(15);

/// Longest life of a hold that belongs to an operation with several exchanges and time on the air.
pub const OPERATION_LIFE: Duration = Duration::from_secs(60);

/// Longest life of a hold that lasts as long as a setting does. The owner renews it while the setting stands, so that
/// an owner that vanished is found out.
pub const SETTING_LIFE: Duration = Duration::from_secs(600);

impl Reason {
    /// Number of reasons.
    pub const COUNT: usize = 19;

    /// Every reason, in the order of the specification's table.
    pub const ALL: [Self; Self::COUNT] = [
        Self::Scan,
        Self::Join,
        Self::Tx,
        Self::Rx,
        Self::Flush,
        Self::RemainOnChannel,
        Self::Request,
        Self::Operation,
        Self::BssLost,
        Self::AwaitAddress,
        Self::PowerSaveOff,
        Self::FramesInChip,
        Self::AccessPoint,
        Self::RadioTest,
        Self::Multicast,
        Self::TestScan,
        Self::Disconnect,
        Self::QueueExpiry,
        Self::BadPowerSave,
    ];

    /// The longest time that one hold for this reason may live without being renewed. No limit is infinite: a
    /// forgotten hold costs this much and is counted, it does not keep the device awake for ever
    /// (file 40, P5, P6, P7).
    pub const fn max_life(self) -> Duration {
        match self {
            Self::Request | Self::Flush | Self::FramesInChip => EXCHANGE_LIFE,
            Self::Scan
            | Self::Join
            | Self::RemainOnChannel
            | Self::Operation
            | Self::BssLost
            | Self::AwaitAddress
            | Self::RadioTest
            | Self::TestScan => OPERATION_LIFE,
            Self::PowerSaveOff | Self::AccessPoint => SETTING_LIFE,
            Self::Tx
            | Self::Rx
            | Self::Multicast
            | Self::Disconnect
            | Self::QueueExpiry
            | Self::BadPowerSave => EXCHANGE_LIFE,
        }
    }

    /// Position in a table with [`Reason::COUNT`] places.
    pub(crate) const fn index(self) -> usize {
        match self {
            Self::Scan => 0,
            Self::Join => 1,
            Self::Tx => 2,
            Self::Rx => 3,
            Self::Flush => 4,
            Self::RemainOnChannel => 5,
            Self::Request => 6,
            Self::Operation => 7,
            Self::BssLost => 8,
            Self::AwaitAddress => 9,
            Self::PowerSaveOff => 10,
            Self::FramesInChip => 11,
            Self::AccessPoint => 12,
            Self::RadioTest => 13,
            Self::Multicast => 14,
            Self::TestScan => 15,
            Self::Disconnect => 16,
            Self::QueueExpiry => 17,
            Self::BadPowerSave => 18,
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Scan => "scan",
            Self::Join => "join",
            Self::Tx => "frame sent",
            Self::Rx => "frame received",
            Self::Flush => "flush",
            Self::RemainOnChannel => "remain on channel",
            Self::Request => "request",
            Self::Operation => "operation",
            Self::BssLost => "BSS lost",
            Self::AwaitAddress => "waiting for an address",
            Self::PowerSaveOff => "power save off",
            Self::FramesInChip => "frames in the chip",
            Self::AccessPoint => "access point",
            Self::RadioTest => "RF test",
            Self::Multicast => "multicast after DTIM",
            Self::TestScan => "test scan",
            Self::Disconnect => "disconnected",
            Self::QueueExpiry => "queue expiry",
            Self::BadPowerSave => "access point bad at power save",
        })
    }
}

/// How long the timed reasons last, and the grace after every reason.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Times {
    /// Added to every timed reason, and how long the device stays awake after a hold was released.
    pub grace: Duration,
    /// After a frame was sent. Traffic with shorter gaps than this and the grace together prevents sleep altogether
    /// (file 40, P25), hence a setting.
    pub tx: Duration,
    /// After unicast data was received.
    pub rx: Duration,
    /// After a deauthentication or disassociation was received.
    pub disconnect: Duration,
    /// After the access point proved to be bad at power save.
    pub bad_power_save: Duration,
}

impl Default for Times {
    /// The figures of file 40, sections 3.2 and 3.3.
    fn default() -> Self {
        Self {
            grace: Duration::from_millis(50),
            tx: Duration::from_millis(1500),
            rx: Duration::from_millis(100),
            disconnect: Duration::from_millis(1500),
            bad_power_save: Duration::from_millis(100),
        }
    }
}

impl Times {
    /// How long `reason` lasts after it was touched, without the grace; zero if only the caller can know.
    pub const fn of(&self, reason: Reason) -> Duration {
        match reason {
            Reason::Tx => self.tx,
            Reason::Rx => self.rx,
            Reason::Disconnect => self.disconnect,
            Reason::BadPowerSave => self.bad_power_save,
            _ => Duration::ZERO,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reason_has_a_place_of_its_own() {
        for (place, reason) in Reason::ALL.into_iter().enumerate() {
            assert_eq!(reason.index(), place, "{reason}");
        }
    }

    #[test]
    fn no_reason_lives_for_ever() {
        for reason in Reason::ALL {
            assert!(reason.max_life() > Duration::ZERO);
            assert!(reason.max_life() <= SETTING_LIFE, "{reason}");
        }
    }

    #[test]
    fn a_sent_frame_holds_longest_of_the_timed_reasons() {
        let times = Times::default();
        assert_eq!(
            times.of(Reason::Tx) + times.grace,
            Duration::from_millis(1550)
        );
        assert_eq!(
            times.of(Reason::Rx) + times.grace,
            Duration::from_millis(150)
        );
        assert_eq!(times.of(Reason::Scan), Duration::ZERO);
    }
}
