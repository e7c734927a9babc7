//! Sleep of the MCU, and how the chip wakes its host (file 10, sections 9 and 15.17; file 40, section 4; file 50, 3.12).

mod host;

use bes_hal::error::SdioError;
use bes_hal::sdio::SdioFunction;
use host::{message, Host};
use mock_hal::Config;
use std::time::Duration;

const MS: Duration = Duration::from_millis(1);

/// Wi-Fi is on, the host has let go of the chip, and it sleeps.
fn asleep(interrupt: bool) -> Host {
    let mut config = Config::default();
    config.chip.sleep.interrupt = interrupt;
    let mut host = Host::booted(config);
    host.ring(0x00, 0x21);
    host.wait_status(host::WIFI_READY, host::WIFI_READY);
    host.ring(0x00, 0x05);
    host.wait_status(host::MCU_AWAKE, 0);
    host.sdio.set_wake_line(false);
    host.wait(5 * MS);
    assert!(!host.card.with_chip(|chip| chip.is_awake()));
    host
}

#[test]
fn data_for_a_sleeping_chip_is_held_and_asserts_interrupt_and_host_wake_line() {
    let mut host = asleep(true);
    assert!(!host.card.host_wake_asserted());
    host.chip_sends(100);
    host.chip_sends(200);
    assert!(host.card.host_wake_asserted() && host.card.interrupt_asserted());
    assert_eq!(host.card.statistics().host_wakes, 1);
    // Traffic alone does not wake it, and moves nothing.
    assert_eq!(host.read(0x001) & 0x7F, 1);
    assert_eq!(host.read_with_toggle(1, false), Err(SdioError::Timeout));
    assert!(!host.card.with_chip(|chip| chip.is_awake()));
    // The line does, after a while; then both messages come, in order.
    host.sdio.set_wake_line(true);
    host.wait(10 * MS);
    assert!(!host.card.host_wake_asserted());
    let mut lengths = Vec::new();
    while let blocks @ 1.. = u16::from(host.read(0x001) & 0x7F) {
        let burst = host.read_burst(blocks);
        let mut at = 0;
        while let len @ 4.. = usize::from(u16::from_le_bytes([burst[at], burst[at + 1]])) {
            lengths.push(len);
            at += len.next_multiple_of(4);
        }
    }
    assert_eq!(lengths, [100, 200]);
}

#[test]
fn a_chip_whose_bus_interrupt_is_off_while_it_sleeps_still_has_the_host_wake_line() {
    let mut host = asleep(false);
    host.chip_sends(100);
    assert!(host.card.host_wake_asserted() && !host.card.interrupt_asserted());
    host.sdio.set_wake_line(true);
    host.wait(10 * MS);
    assert!(!host.card.host_wake_asserted() && host.card.interrupt_asserted());
    assert_eq!(host.read(0x001) & 0x7F, 1);
    host.read_burst(1);
    host.assert_well_behaved();
}

#[test]
fn time_can_be_moved_to_the_moment_at_which_the_chip_wakes_its_host() {
    let host = asleep(true);
    let limit = host.card.now().after(Duration::from_secs(5));
    assert!(!host.card.advance_to_host_wake(limit));
    assert_eq!(host.card.now(), limit);
    host.chip_sends(64);
    assert!(host.card.advance_to_host_wake(limit.after(MS)));
}

#[test]
fn f50_3_12_a_doorbell_does_not_wake_a_sleeping_chip_and_the_line_does_whatever_the_doorbell_said()
{
    let mut host = asleep(true);
    host.ring(0x00, 0x09);
    host.wait(50 * MS);
    assert!(!host.card.with_chip(|chip| chip.is_awake()));
    host.sdio.set_wake_line(true);
    host.wait(10 * MS);
    host.wait_status(host::MCU_READY, host::MCU_READY);
    host.ring(0x00, 0x09);
    host.wait_status(host::MCU_AWAKE, host::MCU_AWAKE);
    // Held awake by the doorbell, the line may go.
    host.sdio.set_wake_line(false);
    host.wait(50 * MS);
    assert!(host.card.with_chip(|chip| chip.is_awake()));
    host.send(&[&message(40, 0x0006)]);
}
