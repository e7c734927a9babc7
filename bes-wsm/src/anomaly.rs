//! What should not happen but does not end the session: counted by kind, the last ones kept for a look.

use crate::wire::MessageId;
use bes_hal::transport::BurstDefect;
use bes_hal::Instant;
use core::fmt;

macro_rules! anomalies {
    ($($(#[$doc:meta])* $name:ident $(($($field:ident: $type:ty),+))? = $text:literal;)+) => {
        /// Something that the specification does not allow, survived.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Anomaly {
            $($(#[$doc])* $name $(($($type),+))?,)+
        }

        /// Kind of an [`Anomaly`], without its details.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum AnomalyKind {
            $($(#[$doc])* $name,)+
        }

        impl Anomaly {
            /// The kind.
            pub const fn kind(&self) -> AnomalyKind {
                match self {
                    $(Self::$name { .. } => AnomalyKind::$name,)+
                }
            }
        }

        impl AnomalyKind {
            /// Every kind, in the order in which they are counted.
            pub const ALL: &'static [Self] = &[$(Self::$name,)+];
        }

        impl fmt::Display for AnomalyKind {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(match self {
                    $(Self::$name => $text,)+
                })
            }
        }

        impl fmt::Display for Anomaly {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}", self.kind())?;
                match self {
                    $(Self::$name $(($($field),+))? => {
                        $($(write!(f, " {}", Detail($field))?;)+)?
                    })+
                }
                Ok(())
            }
        }
    };
}

/// Prints a detail: numbers in hexadecimal, everything else as it prints itself.
struct Detail<T>(T);

impl fmt::Display for Detail<&u32> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#010x}", self.0)
    }
}

impl fmt::Display for Detail<&u8> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

impl fmt::Display for Detail<&MessageId> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

impl fmt::Display for Detail<&BurstDefect> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "({})", self.0)
    }
}

anomalies! {
    /// A burst is malformed behind its last good message.
    BurstDefect(defect: BurstDefect) = "malformed burst";
    /// A message whose id the protocol does not know, or whose class a chip does not send.
    UnknownMessage(id: MessageId) = "unknown message";
    /// A message is shorter than its layout.
    Truncated(id: MessageId) = "truncated message";
    /// A message is long enough, but a value in it is impossible.
    Malformed(id: MessageId) = "malformed message";
    /// A message names an interface above 2.
    UnknownInterface(id: MessageId) = "message for an unknown interface";
    /// A message names a link above 14, or one that does not exist.
    UnknownLink(link: u8) = "message for an unknown link";
    /// An indication that nobody waits for.
    UnexpectedIndication(id: MessageId) = "unexpected indication";
    /// An indication that was due did not come; what waited for it went on without.
    MissingIndication(id: MessageId) = "missing indication";
    /// A confirm while no command is outstanding.
    ConfirmWithoutRequest(id: MessageId) = "confirm without a request";
    /// A confirm for another command than the outstanding one.
    ConfirmForOther(id: MessageId) = "confirm for another command";
    /// The outstanding command was answered, but not in the form of its confirm.
    BadConfirm(id: MessageId) = "unusable confirm";
    /// A transmit confirm whose packet id names no entry.
    PacketIdOutOfRange(packet: u32) = "packet id out of range";
    /// A transmit confirm for a packet that is not in flight (any more).
    StalePacketId(packet: u32) = "confirm of a packet that is not in flight";
    /// A transmit confirm came after its frame had been given up.
    LateConfirm(packet: u32) = "late transmit confirm";
    /// A transmit confirm did not come; the frame was given back as failed.
    LostConfirm = "lost transmit confirm";
    /// A look that was due anyway found a burst whose interrupt nobody had seen: it was lost, or is on its way. The look takes
    /// the interrupt away (file 10, section 7.4), so nobody can tell; on a busy machine a few are usual.
    LostInterrupt = "interrupt lost, or overtaken by a look";
    /// The chip stayed undecided about its announcement.
    Unsettled = "announcement did not settle";
    /// An MCU message that is neither confirm nor indication.
    McuLabel(label: u32) = "MCU message with an unknown label";
    /// The chip returned another MAC address than the one it was given.
    AddressChanged = "chip changed the MAC address";
    /// A received frame was too short, or its description impossible.
    BadFrame = "bad received frame";
    /// The chip refused a request.
    Refused(id: MessageId) = "request refused";
}

/// A recorded anomaly.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Record {
    /// When.
    pub at: Instant,
    /// What.
    pub anomaly: Anomaly,
}

/// How many records are kept.
const KEPT: usize = 16;

/// Anomalies of one device, counted.
#[derive(Clone, Debug)]
pub struct Anomalies {
    counts: [u32; AnomalyKind::ALL.len()],
    last: [Option<Record>; KEPT],
    next: usize,
}

impl Default for Anomalies {
    fn default() -> Self {
        Self {
            counts: [0; AnomalyKind::ALL.len()],
            last: [None; KEPT],
            next: 0,
        }
    }
}

impl Anomalies {
    /// Counts and keeps an anomaly.
    pub fn record(&mut self, anomaly: Anomaly, at: Instant) {
        if let Some(count) = AnomalyKind::ALL
            .iter()
            .position(|kind| *kind == anomaly.kind())
            .and_then(|index| self.counts.get_mut(index))
        {
            *count = count.saturating_add(1);
        }
        if let Some(entry) = self.last.get_mut(self.next % KEPT) {
            *entry = Some(Record { at, anomaly });
        }
        self.next = self.next.wrapping_add(1);
    }

    /// How many of a kind there were.
    pub fn count(&self, kind: AnomalyKind) -> u32 {
        AnomalyKind::ALL
            .iter()
            .position(|known| *known == kind)
            .and_then(|index| self.counts.get(index))
            .copied()
            .unwrap_or(0)
    }

    /// How many there were in all.
    pub fn total(&self) -> u32 {
        self.counts
            .iter()
            .fold(0, |sum, count| sum.saturating_add(*count))
    }

    /// Kinds that occurred, with their counts.
    pub fn iter(&self) -> impl Iterator<Item = (AnomalyKind, u32)> + '_ {
        AnomalyKind::ALL
            .iter()
            .copied()
            .zip(self.counts.iter().copied())
            .filter(|(_, count)| *count > 0)
    }

    /// The last records, oldest first.
    pub fn records(&self) -> impl Iterator<Item = Record> + '_ {
        let start = self.next % KEPT;
        let (newer, older) = self.last.split_at(start);
        older.iter().chain(newer).flatten().copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn anomalies_are_counted_by_kind_and_the_last_are_kept_in_order() {
        let mut anomalies = Anomalies::default();
        for n in 0..20 {
            anomalies.record(
                Anomaly::StalePacketId(n),
                Instant::from_millis(u64::from(n)),
            );
        }
        anomalies.record(Anomaly::LostInterrupt, Instant::from_millis(20));
        assert_eq!(anomalies.count(AnomalyKind::StalePacketId), 20);
        assert_eq!(anomalies.total(), 21);
        assert_eq!(anomalies.iter().count(), 2);
        let records: Vec<_> = anomalies.records().collect();
        assert_eq!(records.len(), KEPT);
        assert_eq!(records[0].anomaly, Anomaly::StalePacketId(5));
        assert_eq!(records[15].anomaly, Anomaly::LostInterrupt);
    }

    #[test]
    fn an_anomaly_prints_its_kind_and_its_detail() {
        assert_eq!(
            Anomaly::StalePacketId(0x0002_0005).to_string(),
            "confirm of a packet that is not in flight 0x00020005"
        );
        assert_eq!(
            Anomaly::LostInterrupt.to_string(),
            "interrupt lost, or overtaken by a look"
        );
    }
}
