//! Frames inside the chip, waiting for their confirm.
//!
//! An entry owns the frame, its credit and what the client wants to know when it comes back. It is found by the packet
//! id that travels with the frame (specification: file 20, section 12.2), and only if all 32 bits are those that were
//! sent: a confirm of an earlier use of the same entry, or a made-up one, matches nothing.

use crate::anomaly::Anomaly;
use crate::tx_window::TxSlot;
use bes_hal::{Instant, Memory, NoMemory};

/// Most frames in flight. The chip has about 30 buffers; more are not used.
pub const CAPACITY: usize = 64;

/// A frame inside the chip.
#[derive(Debug)]
pub struct Entry<F, G> {
    /// The frame; `None` once it was given back because its confirm did not come.
    pub frame: Option<F>,
    /// What the client stored with it.
    pub tag: G,
    /// The buffer it occupies.
    pub slot: TxSlot,
    /// When it went down.
    pub sent_at: Instant,
    packet: u32,
}

impl<F, G> Entry<F, G> {
    /// An entry for the table, which gives it its packet id.
    #[inline]
    pub(crate) const fn new(frame: F, tag: G, slot: TxSlot, now: Instant) -> Self {
        Self {
            frame: Some(frame),
            tag,
            slot,
            sent_at: now,
            packet: 0,
        }
    }
}

/// A free entry of the table, and the packet id that its next frame has.
#[derive(Debug)]
pub(crate) struct Vacancy {
    packet: u32,
}

impl Vacancy {
    /// To be written into the message.
    #[inline]
    pub(crate) const fn packet(&self) -> u32 {
        self.packet
    }

    /// Number of the entry.
    #[inline]
    pub(crate) const fn entry(&self) -> u8 {
        let [entry, ..] = self.packet.to_le_bytes();
        entry
    }
}

/// Routing bits of a packet id that the chip may look at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Route {
    /// Linux queue index, 0 to 3.
    pub queue: u8,
    /// Interface, 0 to 2.
    pub interface: u8,
    /// Link id, 0 to 14.
    pub link: u8,
}

/// The table of frames in flight.
pub struct InFlight<F, G, M: Memory> {
    entries: M::Table<Option<Entry<F, G>>>,
    /// Use count of each entry, never restarted, so that an old confirm cannot match a new frame.
    generations: [u8; CAPACITY],
    /// Bit n: entry n is free.
    free: u64,
    /// Entries whose frame was given back without a confirm.
    orphans: u16,
    /// Session number, in the packet ids.
    session: u8,
}

impl<F, G, M: Memory> InFlight<F, G, M> {
    /// An empty table.
    ///
    /// # Errors
    ///
    /// [`NoMemory`].
    pub fn new(memory: &mut M) -> Result<Self, NoMemory> {
        Ok(Self {
            entries: memory.table(CAPACITY, |_| None)?,
            generations: [0; CAPACITY],
            free: u64::MAX,
            orphans: 0,
            session: 0,
        })
    }

    /// Entries in use, those without a frame included.
    pub const fn len(&self) -> usize {
        // At most 64.
        #[allow(clippy::as_conversions)]
        let used = self.free.count_zeros() as usize;
        used
    }

    /// Whether no entry is in use.
    pub const fn is_empty(&self) -> bool {
        self.free == u64::MAX
    }

    /// Entries whose frame was given back without a confirm.
    pub const fn orphans(&self) -> u16 {
        self.orphans
    }

    /// Every entry in use: its packet id, when its frame went down, and whether the frame was given back without a
    /// confirm.
    pub fn iter(&self) -> impl Iterator<Item = (u32, Instant, bool)> + '_ {
        self.entries
            .iter()
            .flatten()
            .map(|entry| (entry.packet, entry.sent_at, entry.frame.is_none()))
    }

    /// Puts a frame into a free entry. Returns the entry's index and the packet id to write into the message.
    ///
    /// # Errors
    ///
    /// Everything comes back if the table is full.
    pub fn insert(
        &mut self,
        frame: F,
        tag: G,
        slot: TxSlot,
        route: Route,
        now: Instant,
    ) -> Result<(usize, u32), (F, G, TxSlot)> {
        let Some(vacancy) = self.vacancy(route) else {
            return Err((frame, tag, slot));
        };
        let (index, packet) = (usize::from(vacancy.entry()), vacancy.packet());
        self.occupy(vacancy, Entry::new(frame, tag, slot, now));
        Ok((index, packet))
    }

    /// A free entry, if there is one. Asking changes nothing.
    #[inline]
    pub(crate) fn vacancy(&self, route: Route) -> Option<Vacancy> {
        let bit = self.free.trailing_zeros();
        let generation = self.generations.get(usize::try_from(bit).ok()?)?;
        let packet = bit
            | u32::from(generation.wrapping_add(1)) << 8
            | u32::from(route.queue & 0xF) << 16
            | u32::from(route.interface & 0xF) << 20
            | u32::from(route.link & 0xF) << 24
            | u32::from(self.session & 0xF) << 28;
        Some(Vacancy { packet })
    }

    /// Puts a frame into an entry that was found to be free; nothing else was put there since.
    #[inline]
    pub(crate) fn occupy(&mut self, vacancy: Vacancy, entry: Entry<F, G>) {
        let Vacancy { packet } = vacancy;
        let [index, generation, ..] = packet.to_le_bytes();
        let place = usize::from(index);
        if let (Some(place), Some(count)) =
            (self.entries.get_mut(place), self.generations.get_mut(place))
        {
            *count = generation;
            *place = Some(Entry { packet, ..entry });
            // A vacancy is the first free entry.
            self.free &= self.free.wrapping_sub(1);
        }
    }

    /// Takes out the entry of a confirmed packet.
    ///
    /// # Errors
    ///
    /// [`Anomaly::PacketIdOutOfRange`] if there is no such entry, [`Anomaly::StalePacketId`] if the entry is free or in
    /// use by another packet.
    pub fn take(&mut self, packet: u32) -> Result<Entry<F, G>, Anomaly> {
        let bit = packet & 0xFF;
        let entry = usize::try_from(bit)
            .ok()
            .and_then(|index| self.entries.get_mut(index))
            .ok_or(Anomaly::PacketIdOutOfRange(packet))?;
        match entry {
            Some(found) if found.packet == packet => {}
            _ => return Err(Anomaly::StalePacketId(packet)),
        }
        let taken = entry.take().ok_or(Anomaly::StalePacketId(packet))?;
        self.free |= 1_u64.wrapping_shl(bit);
        if taken.frame.is_none() {
            self.orphans = self.orphans.saturating_sub(1);
        }
        Ok(taken)
    }

    /// The frame of an entry.
    pub fn frame(&self, index: usize) -> Option<&F> {
        self.entries.get(index)?.as_ref()?.frame.as_ref()
    }

    /// The frame of an entry, to be changed.
    pub fn frame_mut(&mut self, index: usize) -> Option<&mut F> {
        self.entries.get_mut(index)?.as_mut()?.frame.as_mut()
    }

    /// Takes the frame of one entry sent at or before `limit` and leaves the entry with its credit: the chip may still
    /// answer. `None` if there is no such entry.
    pub fn take_overdue(&mut self, limit: Instant) -> Option<(F, G)>
    where
        G: Copy,
    {
        for entry in self.entries.iter_mut().flatten() {
            if entry.sent_at <= limit {
                if let Some(frame) = entry.frame.take() {
                    self.orphans = self.orphans.saturating_add(1);
                    return Some((frame, entry.tag));
                }
            }
        }
        None
    }

    /// When the oldest frame still waiting for its confirm went down.
    pub fn oldest(&self) -> Option<Instant> {
        self.entries
            .iter()
            .flatten()
            .filter(|entry| entry.frame.is_some())
            .map(|entry| entry.sent_at)
            .min()
    }

    /// How many frames carry a tag that `matches`.
    pub fn count_where(&self, matches: impl Fn(&G) -> bool) -> usize {
        self.entries
            .iter()
            .flatten()
            .filter(|entry| entry.frame.is_some() && matches(&entry.tag))
            .count()
    }

    /// Removes any one entry; for the end of a session. Afterwards no packet id of it matches.
    pub fn pop(&mut self) -> Option<Entry<F, G>> {
        let bit = (!self.free).trailing_zeros();
        let popped = usize::try_from(bit)
            .ok()
            .and_then(|index| self.entries.get_mut(index))
            .and_then(Option::take);
        match popped {
            Some(entry) => {
                self.free |= 1_u64.wrapping_shl(bit);
                Some(entry)
            }
            None => {
                self.orphans = 0;
                self.session = self.session.wrapping_add(1);
                None
            }
        }
    }
}

#[cfg(test)]
#[allow(clippy::arithmetic_side_effects)]
mod tests {
    use super::*;
    use crate::tx_window::TxWindow;
    use bes_hal::memory::Heap;
    use proptest::prelude::*;

    const ROUTE: Route = Route {
        queue: 2,
        interface: 1,
        link: 3,
    };

    fn table<F, G>() -> InFlight<F, G, Heap> {
        InFlight::new(&mut Heap).unwrap()
    }

    fn window() -> TxWindow {
        let mut window = TxWindow::new();
        window.open(100);
        window
    }

    #[test]
    fn packet_id_carries_the_documented_fields() {
        let (mut window, mut table) = (window(), table());
        let (_, packet) = table
            .insert('a', (), window.take().unwrap(), ROUTE, Instant::ZERO)
            .unwrap();
        assert_eq!(packet & 0xFF, 0);
        assert_eq!(packet >> 16 & 0xF, 2);
        assert_eq!(packet >> 20 & 0xF, 1);
        assert_eq!(packet >> 24 & 0xF, 3);
    }

    #[test]
    fn d46_a_confirm_of_an_old_generation_matches_nothing() {
        let (mut window, mut table) = (window(), table());
        let (_, old) = table
            .insert('a', (), window.take().unwrap(), ROUTE, Instant::ZERO)
            .unwrap();
        assert_eq!(table.take(old).unwrap().frame, Some('a'));
        let (_, new) = table
            .insert('b', (), window.take().unwrap(), ROUTE, Instant::ZERO)
            .unwrap();
        assert_eq!(new & 0xFF, old & 0xFF, "the same entry is used again");
        assert_eq!(table.take(old).unwrap_err(), Anomaly::StalePacketId(old));
        assert_eq!(table.take(new).unwrap().frame, Some('b'));
    }

    #[test]
    fn a_confirm_of_an_earlier_session_matches_nothing() {
        let (mut window, mut table) = (window(), table());
        let (_, old) = table
            .insert('a', (), window.take().unwrap(), ROUTE, Instant::ZERO)
            .unwrap();
        while table.pop().is_some() {}
        assert!(table.is_empty());
        for _ in 0..255 {
            let (_, packet) = table
                .insert('b', (), window.take().unwrap(), ROUTE, Instant::ZERO)
                .unwrap();
            window.release(table.take(packet).unwrap().slot);
        }
        let (_, new) = table
            .insert('c', (), window.take().unwrap(), ROUTE, Instant::ZERO)
            .unwrap();
        assert_eq!(
            new & 0xFFFF,
            old & 0xFFFF,
            "even with the generation wrapped to the same value"
        );
        assert!(table.take(old).is_err());
    }

    #[test]
    fn a_full_table_gives_everything_back() {
        let (mut window, mut table) = (window(), table());
        for n in 0..CAPACITY {
            table
                .insert(n, (), window.take().unwrap(), ROUTE, Instant::ZERO)
                .unwrap();
        }
        assert_eq!(table.len(), CAPACITY);
        let (frame, (), slot) = table
            .insert(99, (), window.take().unwrap(), ROUTE, Instant::ZERO)
            .unwrap_err();
        assert_eq!(frame, 99);
        window.release(slot);
        assert_eq!(usize::from(window.outstanding()), CAPACITY);
    }

    #[test]
    fn an_overdue_frame_comes_back_and_its_credit_waits_for_the_late_confirm() {
        let (mut window, mut table) = (window(), table());
        let (_, packet) = table
            .insert('a', 7, window.take().unwrap(), ROUTE, Instant::ZERO)
            .unwrap();
        assert!(table
            .take_overdue(Instant::ZERO)
            .is_some_and(|(frame, tag)| frame == 'a' && tag == 7));
        assert_eq!(table.orphans(), 1);
        let late = table.take(packet).unwrap();
        assert!(late.frame.is_none());
        window.release(late.slot);
        assert_eq!((window.outstanding(), table.orphans()), (0, 0));
    }

    proptest! {
        #[test]
        fn arbitrary_confirms_take_out_only_what_was_sent(ids: Vec<u32>) {
            let (mut window, mut table) = (window(), table());
            let mut sent = Vec::new();
            for n in 0..20_u32 {
                sent.push(table.insert(n, (), window.take().unwrap(), ROUTE, Instant::ZERO).unwrap().1);
            }
            for id in ids {
                prop_assert_eq!(table.take(id).is_ok(), sent.contains(&id));
                sent.retain(|known| *known != id);
            }
            prop_assert_eq!(table.len(), sent.len());
        }
    }
}
