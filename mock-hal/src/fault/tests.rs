//! The faults, each against a function that only counts what reaches it.

use super::*;
use bes_hal::sdio::Count;

/// Counts the commands that reach it. 0x001 reads 1, 0x000 reads 0.
#[derive(Default)]
struct Probe {
    register_reads: u32,
    register_writes: u32,
    data_reads: u32,
    data_writes: u32,
    interrupt: bool,
}

impl SdioFunction for Probe {
    type Buffer = bes_hal::frame::ArrayBuffer<512>;

    fn now(&self) -> Instant {
        Instant::ZERO
    }
    fn limits(&self) -> HostLimits {
        HostLimits::default()
    }
    fn read_register(&mut self, address: u32) -> Result<u8, SdioError> {
        self.register_reads += 1;
        Ok(u8::from(address == 1))
    }
    fn write_register(&mut self, _: u32, _: u8) -> Result<(), SdioError> {
        self.register_writes += 1;
        Ok(())
    }
    fn allocate(&mut self, _: usize) -> Result<Self::Buffer, SdioError> {
        Err(SdioError::NoMemory)
    }
    fn read_data(&mut self, _: Cmd53, buffer: &mut [u8]) -> Result<(), SdioError> {
        self.data_reads += 1;
        buffer.fill(0);
        buffer[0] = 8;
        Ok(())
    }
    fn write_data(&mut self, _: Cmd53, _: &[&[u8]]) -> Result<(), SdioError> {
        self.data_writes += 1;
        Ok(())
    }
    fn enable(&mut self) -> Result<(), SdioError> {
        Ok(())
    }
    fn disable(&mut self) -> Result<(), SdioError> {
        Ok(())
    }
    fn take_interrupt(&mut self) -> bool {
        self.interrupt
    }
    fn hold_tuning(&mut self, _: bool) {}
    fn set_wake_line(&mut self, _: bool) {}
    fn set_power(&mut self, _: bool) -> Result<(), SdioError> {
        Ok(())
    }
}

const BLOCK: Cmd53 = Cmd53 {
    address: 512,
    count: Count::Blocks(1),
};

/// A function with one fault at its first opportunity, in the Wi-Fi phase.
fn with(fault: Fault) -> (Faulty<Probe>, Faults) {
    let (mut faulty, faults) = Faulty::new(Probe::default(), Plan::new(1));
    faulty.write_register(0x120, 0x21).expect("no fault yet");
    faulty.inner.register_writes = 0;
    faults.arm(fault, When::Opportunity(0));
    (faulty, faults)
}

#[test]
fn a_timeout_never_reaches_the_card() {
    let (mut faulty, faults) = with(Fault::Timeout);
    assert_eq!(faulty.read_register(0x10C), Err(SdioError::Timeout));
    assert_eq!(faulty.inner().register_reads, 0);
    assert_eq!(faulty.read_register(0x10C), Ok(0));
    assert_eq!(faults.total(), 1);
}

#[test]
fn not_moved_never_reaches_the_card_and_moved_does() {
    for (fault, reached) in [(Fault::NotMoved, 0), (Fault::Moved, 1)] {
        let (mut faulty, _) = with(fault);
        assert_eq!(faulty.write_data(BLOCK, &[&[0; 512]]), Err(SdioError::Crc));
        assert_eq!(faulty.inner().data_writes, reached);
        let (mut faulty, _) = with(fault);
        assert_eq!(faulty.read_data(BLOCK, &mut [0; 512]), Err(SdioError::Crc));
        assert_eq!(faulty.inner().data_reads, reached);
    }
}

#[test]
fn a_crc_error_spoils_a_read_and_prevents_a_write() {
    let (mut faulty, _) = with(Fault::Crc);
    let mut buffer = [0; 512];
    assert_eq!(faulty.read_data(BLOCK, &mut buffer), Err(SdioError::Crc));
    assert_eq!(faulty.inner().data_reads, 1);
    assert!(buffer[1..].iter().any(|byte| *byte != 0));
    let (mut faulty, _) = with(Fault::Crc);
    assert_eq!(faulty.write_register(0x121, 0), Err(SdioError::Crc));
    assert_eq!(faulty.inner().register_writes, 0);
}

#[test]
fn a_stale_announcement_is_one_whose_data_was_read() {
    let (mut faulty, faults) = with(Fault::Stale);
    assert_eq!(faulty.read_register(1), Ok(1));
    assert_eq!(faults.total(), 0);
    faulty.read_data(BLOCK, &mut [0; 512]).expect("no fault");
    assert_eq!(faulty.read_register(1), Ok(1));
    assert_eq!(faults.count(Fault::Stale), 1);
    assert_eq!(faulty.inner().register_reads, 1);
}

#[test]
fn a_hidden_announcement_is_genuine_or_not_as_asked() {
    for (fault, genuine) in [(Fault::ZeroLength, 1), (Fault::ZeroNotGenuine, 0)] {
        let (mut faulty, _) = with(fault);
        assert_eq!(faulty.read_register(1), Ok(0));
        assert_eq!(faulty.read_register(0), Ok(genuine));
        assert_eq!(faulty.inner().register_reads, 0);
        assert_eq!(faulty.read_register(1), Ok(1));
    }
}

#[test]
fn announcements_are_left_alone_before_wifi() {
    let plan = Plan::new(1).with(Fault::ZeroLength, When::Always);
    let (mut faulty, _) = Faulty::new(Probe::default(), plan);
    assert_eq!(faulty.read_register(1), Ok(1));
}

#[test]
fn an_oversized_announcement_says_127_blocks() {
    let (mut faulty, _) = with(Fault::Oversized);
    assert_eq!(faulty.read_register(1), Ok(0x7F));
}

#[test]
fn a_spurious_interrupt_comes_once() {
    let (mut faulty, faults) = with(Fault::SpuriousInterrupt);
    let doorbell = Arc::new(Doorbell::new());
    faults.set_doorbell(doorbell.clone());
    assert!(!faulty.take_interrupt());
    faulty.read_register(0x10C).expect("no fault");
    assert!(doorbell.answer().has(Reasons::INTERRUPT));
    assert!(faulty.take_interrupt());
    assert!(!faulty.take_interrupt());
}

#[test]
fn a_lost_interrupt_stays_lost_until_the_announcement_is_read() {
    let (mut faulty, _) = with(Fault::LostInterrupt);
    faulty.inner.interrupt = true;
    assert!(!faulty.take_interrupt());
    assert!(!faulty.take_interrupt());
    faulty.read_register(1).expect("no fault");
    assert!(faulty.take_interrupt());

    // Before Wi-Fi as well.
    let plan = Plan::new(1).with(Fault::LostInterrupt, When::Opportunity(0));
    let (mut faulty, _) = Faulty::new(Probe::default(), plan);
    faulty.inner.interrupt = true;
    assert!(!faulty.take_interrupt());
    faulty.read_register(1).expect("no fault");
    assert!(faulty.take_interrupt());
}

#[test]
fn a_card_that_is_gone_stays_gone_until_it_is_put_back() {
    let (mut faulty, faults) = with(Fault::CardGone);
    faulty.inner.interrupt = true;
    assert_eq!(faulty.read_register(1), Err(SdioError::NoCard));
    assert_eq!(faulty.enable(), Err(SdioError::NoCard));
    assert_eq!(
        faulty.write_data(BLOCK, &[&[0; 512]]),
        Err(SdioError::NoCard)
    );
    assert!(!faulty.take_interrupt());
    faults.reinsert();
    assert_eq!(faulty.read_register(1), Ok(1));
}

#[test]
fn damage_and_hook_rewrite_a_burst() {
    let (mut faulty, faults) = with(Fault::Damaged);
    faults.set_damage(Damage::FirstLength(3));
    let mut buffer = [0; 512];
    faulty.read_data(BLOCK, &mut buffer).expect("no error");
    assert_eq!(buffer[0], 3);
    faults.set_damage_hook(|burst, _| burst.fill(9));
    faults.arm(Fault::Damaged, When::Always);
    faulty.read_data(BLOCK, &mut buffer).expect("no error");
    assert_eq!(buffer, [9; 512]);
}

#[test]
fn the_same_seed_gives_the_same_faults() {
    let run = || {
        let plan = Plan::new(42).with(Fault::Crc, When::Probability(0.2));
        let (mut faulty, _) = Faulty::new(Probe::default(), plan);
        (0..200)
            .map(|_| faulty.read_register(0x10C).is_ok())
            .collect::<Vec<_>>()
    };
    assert_eq!(run(), run());
}
