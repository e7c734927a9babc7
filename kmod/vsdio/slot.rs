// SPDX-License-Identifier: GPL-2.0-only

//! A device file: who may open it, and what its `ioctl`s do.

use crate::abi;
use crate::abstractions::char_device::{Operations, Readiness, Registration};
use crate::abstractions::described_device::DescribedDevice;
use crate::abstractions::mmc_host::{keep_thread_awake, Host, Limits};
use crate::abstractions::vsdio_abi::Errno;
use crate::abstractions::wait_queue::Poll;
use crate::card::{Card, ExchangeError};
use crate::command_slot::Refusal;
use kernel::mm::virt::VmaNew;
use kernel::prelude::*;
use kernel::sync::atomic::{Atomic, Full, Relaxed, Release};
use kernel::sync::{new_mutex, Arc, Mutex, SetOnce};
use kernel::uaccess::{UserPtr, UserSlice};

/// A place for one card.
pub(crate) struct Slot {
    shared: Arc<Shared>,
}

struct Shared {
    occupied: Atomic<bool>,
    deadline_ms: u32,
}

impl Slot {
    /// An empty slot. `deadline_ms`: for cards that do not say.
    ///
    /// # Errors
    ///
    /// `ENOMEM`.
    pub(crate) fn new(deadline_ms: u32) -> Result<Self> {
        let shared = Shared {
            occupied: Atomic::new(false),
            deadline_ms,
        };
        Ok(Self {
            shared: Arc::new(shared, GFP_KERNEL)?,
        })
    }

    /// Takes the slot.
    ///
    /// # Errors
    ///
    /// `EBUSY`: it is taken.
    fn occupy(&self) -> Result<Occupancy> {
        match self.shared.occupied.cmpxchg(false, true, Full) {
            Ok(_) => Ok(Occupancy(self.shared.clone())),
            Err(_) => Err(EBUSY),
        }
    }
}

/// The right to be a slot's card. Dropped, the slot is free.
struct Occupancy(Arc<Shared>);

impl Drop for Occupancy {
    fn drop(&mut self) {
        self.0.occupied.store(false, Release);
    }
}

/// An open device file. The fields are dropped in this order: no host without a card and a description, no free slot with a
/// host.
#[pin_data(PinnedDrop)]
pub(crate) struct Opened {
    host: SetOnce<Host<Card>>,
    card: Arc<Card>,
    awake_in_suspend: Atomic<bool>,
    #[pin]
    inserting: Mutex<()>,
    parent: DescribedDevice,
    occupancy: Occupancy,
}

#[pinned_drop]
impl PinnedDrop for Opened {
    fn drop(self: Pin<&mut Self>) {
        // First of all, so that nothing that the host's removal sends to the card waits for a process that is gone.
        self.card.remove();
    }
}

impl Opened {
    fn insert(&self, argument: UserPtr) -> Result {
        let user = UserSlice::new(argument, core::mem::size_of::<abi::Insert>());
        let (mut reader, mut writer) = user.reader_writer();
        let mut insert = reader.read::<abi::Insert>()?;
        if insert.version != abi::PROTOCOL_VERSION {
            return Err(Errno::ProtocolNotSupported.into());
        }
        let limits = limits(&insert).ok_or(EINVAL)?;

        let _inserting = self.inserting.lock();
        if self.host.as_ref().is_some() {
            return Err(EBUSY);
        }
        self.card.set_deadline(match insert.deadline_ms {
            0 => self.occupancy.0.deadline_ms,
            deadline_ms => deadline_ms,
        });
        let awake = insert.flags & abi::INSERT_AWAKE_IN_SUSPEND != 0;
        self.awake_in_suspend.store(awake, Relaxed);
        let host = Host::new(&self.parent, &limits, self.card.clone())?;
        insert.host = host.index();
        self.host.populate(host);
        // Too late to fail: the card is in, whether the process can read its number or not.
        writer.write(&insert)
    }

    fn exchange(&self, argument: UserPtr) -> Result {
        let host = self.host.as_ref().ok_or(Errno::NotConnected)?;
        let answer = UserSlice::new(
            argument.wrapping_byte_add(core::mem::offset_of!(abi::Exchange, answer)),
            core::mem::size_of::<abi::Answer>(),
        );
        let event = UserSlice::new(
            argument.wrapping_byte_add(core::mem::offset_of!(abi::Exchange, event)),
            core::mem::size_of::<abi::Event>(),
        );
        let answer = answer.reader().read::<abi::Answer>()?;
        self.stay_awake();
        let happened = self
            .card
            .exchange(host, &answer)
            .map_err(|error| match error {
                ExchangeError::Busy => EBUSY,
                ExchangeError::Refused(Refusal::Stale) => Errno::Stale.into(),
                ExchangeError::Refused(Refusal::Length) => EMSGSIZE,
                ExchangeError::Refused(Refusal::Invalid) => EINVAL,
            })?;
        event.writer().write(&happened)
    }

    /// The calling thread is a part of a card that stays awake when the system sleeps, if its process wants that.
    fn stay_awake(&self) {
        if self.awake_in_suspend.load(Relaxed) {
            keep_thread_awake();
        }
    }

    fn interrupt(&self, argument: usize) -> Result {
        let host = self.host.as_ref().ok_or(Errno::NotConnected)?;
        self.stay_awake();
        let wake = abi::INTERRUPT_WAKE as usize;
        let level = u32::try_from(argument & !wake).map_err(|_| EINVAL)?;
        match level {
            abi::INTERRUPT_KEEP => {}
            abi::INTERRUPT_LOW => self.card.set_interrupt(host, false),
            abi::INTERRUPT_HIGH => self.card.set_interrupt(host, true),
            _ => return Err(EINVAL),
        }
        if argument & wake != 0 {
            self.card.wake();
        }
        Ok(())
    }
}

impl Operations for Opened {
    type Device = Slot;
    type Ptr = Pin<KBox<Self>>;

    fn open(registration: &Registration<Self>) -> Result<Self::Ptr> {
        let occupancy = registration.data().occupy()?;
        let card = Card::new()?;
        KBox::pin_init(
            pin_init!(Self {
                host: SetOnce::new(),
                card,
                awake_in_suspend: Atomic::new(false),
                inserting <- new_mutex!((), "vsdio::inserting"),
                parent: DescribedDevice::by_name(registration.device()),
                occupancy,
            }),
            GFP_KERNEL,
        )
    }

    fn ioctl(file: Pin<&Self>, command: u32, argument: usize) -> Result {
        let pointer = UserPtr::from_addr(argument);
        match command {
            abi::EXCHANGE => file.exchange(pointer),
            abi::INTERRUPT => file.interrupt(argument),
            abi::INSERT => file.insert(pointer),
            _ => Err(ENOTTY),
        }
    }

    fn poll<'a>(file: Pin<&'a Self>, poll: Poll<'a>) -> Readiness {
        poll.register(file.get_ref().card.process());
        if file.host.as_ref().is_none() {
            Readiness::Error
        } else if file.card.has_event() {
            Readiness::Readable
        } else {
            Readiness::None
        }
    }

    fn mmap(file: Pin<&Self>, vma: &VmaNew, offset: u64) -> Result {
        if offset != 0 {
            return Err(EINVAL);
        }
        file.card.area().map(vma)
    }
}

/// The limits of a host that the process asks for, if all are within their ranges.
fn limits(insert: &abi::Insert) -> Option<Limits> {
    let flag = |flag: u32| insert.flags & flag != 0;
    let valid = insert.flags & !abi::INSERT_FLAGS == 0
        && insert.reserved == [0; 7]
        && (1..=abi::MAX_BLOCKS).contains(&insert.max_blocks)
        && (1..=abi::MAX_BLOCK_SIZE).contains(&insert.max_block_size)
        && (insert.max_block_size..=abi::DATA_SIZE as u32).contains(&insert.max_request)
        && (abi::MIN_CLOCK..=abi::MAX_CLOCK).contains(&insert.min_clock)
        && (insert.min_clock..=abi::MAX_CLOCK).contains(&insert.max_clock)
        && insert.deadline_ms <= abi::MAX_DEADLINE_MS;
    valid.then_some(Limits {
        min_clock: insert.min_clock,
        max_clock: insert.max_clock,
        max_request: insert.max_request,
        max_block_size: insert.max_block_size,
        max_blocks: insert.max_blocks,
        four_bit: flag(abi::INSERT_FOUR_BIT),
        high_speed: flag(abi::INSERT_HIGH_SPEED),
        power_off_unused: flag(abi::INSERT_POWER_OFF_UNUSED),
    })
}
