//! Who hears a frame, who acknowledges it, and what its sender is told.

use super::{address_at, ChipRadio, Ether};
use crate::emu::hwsim::{self, control, Address, Delivery, Fate, Rate};
use crate::emu::lane::{self, Lane, Waiting};
use crate::emu::rates;
use mock_hal::air::{Heard, PhyRate};

/// Most frames that wait for a chip; one whose firmware is dead takes none.
const HEARD: usize = 512;

/// What a delivery is numbered with, so that a refusal tells whose and where: the radio, counted from 1, below the
/// frequency in MHz.
pub(super) fn sequence_of(radio: usize, frequency: u16) -> u32 {
    let radio = u16::try_from(radio + 1).unwrap_or(u16::MAX);
    u32::from(frequency) << 16 | u32::from(radio)
}

impl Ether {
    /// Whether somebody on the channel has this address.
    pub(super) fn acknowledges(&self, receiver: Address, frequency: u16, rate: PhyRate) -> bool {
        self.chips.iter().any(|chip| {
            chip.address == Some(receiver) && chip.is_on(frequency) && chip.receives(rate)
        }) || self
            .radios
            .iter()
            .any(|radio| radio.frequency == Some(frequency) && radio.addresses.contains(&receiver))
    }

    /// How many frames may go in one A-MPDU: what was agreed with a chip; between radios the agreements are theirs and
    /// nobody else knows them.
    pub(super) fn window(&self, sender: Address, receiver: Address, tid: u8) -> usize {
        let chip = self
            .chips
            .iter()
            .find(|chip| chip.address == Some(receiver));
        match chip {
            None => lane::AMPDU_FRAMES,
            Some(chip) => chip
                .agreements
                .iter()
                .find(|(peer, theirs, _)| *peer == sender && *theirs == tid)
                .map_or(1, |(_, _, window)| {
                    usize::from(*window).min(chip.room()).max(1)
                }),
        }
    }

    /// Hands a frame to every radio but its sender that may hear it: the owner of the address, or everybody. The kernel
    /// drops what a radio cannot hear because it is tuned elsewhere.
    pub(super) fn deliver_to_radios(
        &mut self,
        mpdu: &[u8],
        sender: Option<usize>,
        lane: &Lane,
        rate: PhyRate,
    ) {
        let Some(receiver) = address_at(mpdu, 4) else {
            return;
        };
        if mpdu.len() > hwsim::MAX_FRAME {
            self.counters.undeliverable += 1;
            return;
        }
        // The kernel takes no frame without a third address; what is behind a control frame is nobody's.
        let mut short = [0; hwsim::MIN_FRAME];
        let mpdu = match short.get_mut(..mpdu.len()) {
            Some(start) if mpdu.len() < hwsim::MIN_FRAME => {
                start.copy_from_slice(mpdu);
                &short[..]
            }
            _ => mpdu,
        };
        let group = receiver[0] & 1 != 0;
        if !group && self.chips.iter().any(|chip| chip.address == Some(receiver)) {
            return;
        }
        let owner = self
            .radios
            .iter()
            .position(|radio| radio.present && radio.addresses.contains(&receiver))
            .filter(|_| !group);
        let rate = rates::legacy_index(lane.band, rate);
        for (index, radio) in self.radios.iter().enumerate() {
            let hears = match owner {
                Some(owner) => owner == index,
                None => radio.present,
            };
            if !hears || Some(index) == sender {
                continue;
            }
            self.counters.to_radios += 1;
            let delivery = Delivery {
                radio: radio.address,
                mpdu,
                rate,
                signal_dbm: self.config.signal_dbm,
                frequency: lane.frequency,
            };
            let sequence = sequence_of(index, lane.frequency);
            hwsim::deliver(&mut self.out, self.config.family, sequence, &delivery);
        }
    }

    pub(super) fn deliver_to_chips(&mut self, heard: Heard, sender: Option<usize>, frequency: u16) {
        let rate = heard.rate;
        let listens = |index: usize, chip: &ChipRadio| {
            Some(index) != sender && chip.is_on(frequency) && chip.receives(rate)
        };
        let last = self
            .chips
            .iter()
            .enumerate()
            .rposition(|(index, chip)| listens(index, chip));
        let Some(last) = last else {
            return self.recycle(heard.frame);
        };
        for index in 0..last {
            if !listens(index, &self.chips[index]) {
                continue;
            }
            let mut copy = self.memory();
            copy.extend_from_slice(&heard.frame);
            self.hear(
                index,
                Heard {
                    frame: copy,
                    ..heard
                },
            );
        }
        self.hear(last, heard);
    }

    pub(super) fn hear(&mut self, index: usize, heard: Heard) {
        self.counters.to_chips += 1;
        let chip = &mut self.chips[index];
        chip.frames.1 += 1;
        chip.heard.push_back(heard);
        chip.dirty |= self.acting != Some(index);
        if chip.heard.len() > HEARD {
            if let Some(oldest) = chip.heard.pop_front() {
                self.recycle(oldest.frame);
            }
        }
    }

    /// Tells a radio what became of its frame.
    pub(super) fn tell(&mut self, frame: &Waiting, acked: bool) {
        let mut flags = frame.flags & control::NO_ACK;
        let mut rates = [Rate::NONE; hwsim::RATES];
        if acked {
            flags |= control::ACKED;
        }
        if acked || frame.receiver()[0] & 1 != 0 {
            rates[0] = Rate {
                tries: 1,
                ..frame.rates[0]
            };
        } else {
            rates = frame.rates;
        }
        let fate = Fate {
            radio: self.radios[frame.radio].address,
            cookie: frame.cookie,
            flags,
            signal_dbm: self.config.signal_dbm,
            rates,
        };
        hwsim::tell(&mut self.out, self.config.family, 0, &fate);
    }
}
