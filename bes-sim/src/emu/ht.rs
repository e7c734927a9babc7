//! What stations say of their HT abilities, and the rate that follows.
//!
//! `mac80211_hwsim` cannot report aggregates, and without that mac80211's rate control learns nothing once a block ack
//! agreement stands: it would send at the rate it began with for ever. On this medium nothing is lost, so the rate on
//! which any rate control would settle is known: the highest that both ends announced.

use super::hwsim::Address;
use mock_hal::air::{PhyRate, Width};

/// Most stations that are remembered.
const STATIONS: usize = 64;

mod element {
    pub(super) const HT_CAPABILITIES: u8 = 45;
    pub(super) const HT_OPERATION: u8 = 61;
}

/// Fixed fields before the elements, by frame control.
const fn elements_at(kind: u8) -> Option<usize> {
    match kind {
        // Beacon and probe response: time stamp, interval, capabilities.
        0x80 | 0x50 => Some(24 + 12),
        // Association request: capabilities, interval.
        0x00 => Some(24 + 4),
        // Reassociation request: also the current access point.
        0x20 => Some(24 + 10),
        _ => None,
    }
}

/// What a station announced.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Abilities {
    wide: bool,
    short_gi_20: bool,
    short_gi_40: bool,
    /// It is an access point whose network is 20 MHz wide.
    narrow_network: bool,
}

/// What all stations announced.
#[derive(Clone, Debug, Default)]
pub struct Announced {
    stations: Vec<(Address, Abilities)>,
}

impl Announced {
    /// Looks at a frame that may announce something.
    pub fn look(&mut self, mpdu: &[u8]) {
        let Some(&control) = mpdu.first() else {
            return;
        };
        let Some(start) = elements_at(control) else {
            return;
        };
        let (Some(sender), Some(mut rest)) = (mpdu.get(10..16), mpdu.get(start..)) else {
            return;
        };
        let Ok(sender) = Address::try_from(sender) else {
            return;
        };
        let mut found = None;
        let mut narrow = false;
        while let [id, len, tail @ ..] = rest {
            let Some(content) = tail.get(..usize::from(*len)) else {
                break;
            };
            match (*id, content) {
                (element::HT_CAPABILITIES, [low, ..]) => {
                    found = Some(Abilities {
                        wide: low & 0x02 != 0,
                        short_gi_20: low & 0x20 != 0,
                        short_gi_40: low & 0x40 != 0,
                        narrow_network: false,
                    });
                }
                // No secondary channel, or nobody may use it.
                (element::HT_OPERATION, [_, subset, ..]) => {
                    narrow = subset & 0x03 == 0 || subset & 0x04 == 0;
                }
                _ => {}
            }
            rest = &tail[usize::from(*len)..];
        }
        if let Some(abilities) = found {
            self.set(
                sender,
                Abilities {
                    narrow_network: narrow,
                    ..abilities
                },
            );
        }
    }

    fn set(&mut self, station: Address, abilities: Abilities) {
        match self
            .stations
            .iter_mut()
            .find(|(known, _)| *known == station)
        {
            Some((_, known)) => *known = abilities,
            None => {
                if self.stations.len() == STATIONS {
                    self.stations.remove(0);
                }
                self.stations.push((station, abilities));
            }
        }
    }

    fn of(&self, station: Address) -> Option<Abilities> {
        self.stations
            .iter()
            .find(|(known, _)| *known == station)
            .map(|(_, abilities)| *abilities)
    }

    /// The rate between two stations; `None` if one of them has announced nothing.
    pub fn best(&self, sender: Address, receiver: Address) -> Option<PhyRate> {
        let (sender, receiver) = (self.of(sender)?, self.of(receiver)?);
        let wide =
            sender.wide && receiver.wide && !sender.narrow_network && !receiver.narrow_network;
        Some(PhyRate::Ht {
            mcs: 7,
            width: if wide { Width::Ht40 } else { Width::Ht20 },
            short_gi: if wide {
                sender.short_gi_40 && receiver.short_gi_40
            } else {
                sender.short_gi_20 && receiver.short_gi_20
            },
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const AP: Address = [2, 0, 0, 0, 0, 0];
    const STA: Address = [2, 0, 0, 0, 1, 0];

    fn frame(kind: u8, sender: Address, fixed: usize, elements: &[u8]) -> Vec<u8> {
        let mut frame = vec![kind, 0, 0, 0];
        for address in [[0xFF; 6], sender, sender] {
            frame.extend_from_slice(&address);
        }
        frame.resize(24 + fixed, 0);
        frame.extend_from_slice(elements);
        frame
    }

    fn beacon(operation: u8) -> Vec<u8> {
        frame(
            0x80,
            AP,
            12,
            &[0, 1, b'a', 45, 2, 0x6E, 0, 61, 3, 36, operation, 0],
        )
    }

    #[test]
    fn both_ends_and_the_network_decide() {
        let mut announced = Announced::default();
        announced.look(&beacon(0x05));
        assert_eq!(announced.best(AP, STA), None);
        announced.look(&frame(0x00, STA, 4, &[45, 2, 0x6E, 0]));
        let rate = |announced: &Announced| announced.best(AP, STA).map(PhyRate::units_100k);
        assert_eq!(rate(&announced), Some(1500));
        announced.look(&beacon(0x00));
        assert_eq!(rate(&announced), Some(722));
        announced.look(&beacon(0x05));
        announced.look(&frame(0x20, STA, 10, &[45, 2, 0x02, 0]));
        assert_eq!(rate(&announced), Some(1350));
    }

    #[test]
    fn cut_frames_and_lists_announce_what_is_whole() {
        let whole = frame(0x00, STA, 4, &[45, 2, 0x6E, 0, 61, 9, 1]);
        for len in 0..whole.len() {
            let mut announced = Announced::default();
            announced.look(&whole[..len]);
            assert_eq!(announced.of(STA).is_some(), len >= 32, "cut to {len}");
        }
    }
}
