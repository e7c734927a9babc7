//! Files that are missing, damaged, or of something else, and addresses that name no device.

use crate::common::{air, images, setup, Story};
use bes_hal::firmware::FirmwareFile;
use bes_hal::Duration;
use bes_hal::{BootError, TransportError};
use bes_mac80211::address::{for_device, AddressError};
use bes_mac80211::error::RequestError;
use bes_mac80211::request::{InterfaceKind, Request};
use bes_mac80211::types::MacAddress;
use bes_sdio_bus::boot::FactoryReport;
use bes_sdio_bus::factory::FactoryError;
use bes_sim::images::{image, FACTORY};
use bes_wsm::recovery::RecoveryReason;

/// Boots with a bad firmware file, which must fail with a boot error; then with a good one.
fn refused(file: FirmwareFile, bytes: Option<Vec<u8>>, story_name: &str) -> BootError {
    let (air, ap) = air();
    let mut setup = setup(air);
    setup.images.set(file, bytes);
    let mut story = Story::with(setup, ap);
    assert!(story.rig.bring_up().is_err(), "{file}: {story_name}");
    let Some(RecoveryReason::Transport(TransportError::Boot(error))) = story.reason() else {
        panic!("{file}: {story_name}: {:?}", story.reason());
    };
    // Again with the same file: the same again.
    story.rig.forget();
    assert!(story.rig.bring_up().is_err(), "{file}: {story_name}");
    *story.rig.device.transport_mut().firmware_mut() = images();
    story.recover(story_name);
    error
}

const IMAGES: [FirmwareFile; 2] = [FirmwareFile::Calibration, FirmwareFile::Main];

#[test]
fn a_missing_image_is_named() {
    for file in IMAGES {
        assert_eq!(refused(file, None, "missing"), BootError::FileMissing(file));
    }
}

#[test]
fn an_empty_image_and_one_without_room_for_its_frame_are_no_images() {
    for file in IMAGES {
        for size in [0, 1, 3, 4, 15, 16, 19] {
            assert_eq!(
                refused(file, Some(vec![0x5A; size]), "too short"),
                BootError::FileInvalid(file)
            );
        }
    }
}

/// An image of this size that says it goes to this address.
fn image_at(size: usize, address: u32) -> Vec<u8> {
    let mut bytes = image(size);
    bytes[12..16].copy_from_slice(&address.to_le_bytes());
    let end = bytes.len() - 4;
    bytes[end..].copy_from_slice(&address.to_le_bytes());
    bytes
}

#[test]
fn a_cut_image_is_refused_by_whoever_sees_it() {
    // What is now at the end is no address of the chip.
    for file in IMAGES {
        for size in [20, 21, 22, 23, 24, 100, 1_000, 4_096, 5_001] {
            let cut = image(9_000)[..size].to_vec();
            let error = refused(file, Some(cut), "cut");
            assert!(
                error == BootError::FileInvalid(file) || matches!(error, BootError::Refused(_)),
                "{file} cut to {size}: {error}"
            );
        }
    }
}

#[test]
fn images_for_bad_addresses_are_refused() {
    for file in IMAGES {
        for address in [
            0,
            1,
            4,
            0x1FFF_FFFC,
            0x2001_0001,
            0x2001_0002,
            0x2010_0000,
            0x4010_0000,
            0xFFFF_0000,
            0xFFFF_FFFC,
        ] {
            let error = refused(file, Some(image_at(9_000, address)), "bad address");
            assert!(
                error == BootError::FileInvalid(file) || matches!(error, BootError::Refused(_)),
                "{file} at {address:#010x}: {error}"
            );
        }
    }
}

#[test]
fn images_larger_than_the_memory_are_refused() {
    for file in IMAGES {
        // Larger than any memory of the chip.
        assert_eq!(
            refused(file, Some(image(3 * 1024 * 1024)), "huge"),
            BootError::FileInvalid(file)
        );
        // Reaches beyond its end.
        let error = refused(file, Some(image_at(9_000, 0x200F_F000)), "beyond the end");
        assert!(matches!(error, BootError::Refused(_)), "{error}");
        let error = refused(file, Some(image(1_200_000)), "large");
        assert!(matches!(error, BootError::Refused(_)), "{error}");
    }
}

/// Boots with a factory file; the boot works whatever it holds. What became of it.
fn factory(text: Option<Vec<u8>>, check_crc: bool) -> FactoryReport {
    let (air, ap) = air();
    let mut setup = setup(air);
    setup.images.set(FirmwareFile::Factory, text);
    setup.bus.factory_crc_check = check_crc;
    let mut story = Story::with(setup, ap);
    story.connect();
    story.assert_good("factory");
    assert_eq!(story.rig.device.anomalies().total(), 0);
    story.rig.device.transport().factory_report()
}

fn text(change: impl FnOnce(&mut Vec<&str>)) -> Option<Vec<u8>> {
    let mut lines: Vec<_> = FACTORY.lines().collect();
    change(&mut lines);
    Some((lines.join("\n") + "\n").into_bytes())
}

#[test]
fn the_good_factory_text_is_sent_with_and_without_its_crc_checked() {
    assert_eq!(factory(text(|_| ()), false), FactoryReport::Sent);
    assert_eq!(factory(text(|_| ()), true), FactoryReport::Sent);
}

#[test]
fn a_factory_text_of_30_fields_is_left_out_and_the_chip_works_without() {
    // Each of the 31 fields is missed.
    let fields: Vec<_> = FACTORY
        .lines()
        .enumerate()
        .filter(|(_, line)| line.contains(':'))
        .map(|(index, _)| index)
        .collect();
    assert_eq!(fields.len(), 31);
    for index in fields {
        let report = factory(
            text(|lines| {
                lines.remove(index);
            }),
            false,
        );
        assert!(
            matches!(report, FactoryReport::Unusable(FactoryError::Literal(_))),
            "line {index}: {report:?}"
        );
    }
}

#[test]
fn a_32nd_field_is_left_out_behind_the_last_and_refused_before_it() {
    let behind = factory(
        text(|lines| lines.insert(lines.len() - 1, "more:0x1")),
        false,
    );
    assert_eq!(behind, FactoryReport::Sent);
    let before = factory(text(|lines| lines.insert(9, "more:0x1")), false);
    assert!(
        matches!(before, FactoryReport::Unusable(FactoryError::Literal(_))),
        "{before:?}"
    );
}

#[test]
fn garbage_instead_of_a_factory_text_is_left_out() {
    assert_eq!(factory(None, false), FactoryReport::Missing);
    assert_eq!(
        factory(Some(Vec::new()), false),
        FactoryReport::Unusable(FactoryError::Size(0))
    );
    assert_eq!(
        factory(Some(vec![b'a'; 601]), false),
        FactoryReport::Unusable(FactoryError::Size(601))
    );
    let mut rng = fastrand::Rng::with_seed(3);
    for _ in 0..20 {
        let mut garbage = vec![0; rng.usize(1..600)];
        rng.fill(&mut garbage);
        let report = factory(Some(garbage), false);
        assert!(matches!(report, FactoryReport::Unusable(_)), "{report:?}");
    }
    // Cut somewhere.
    for len in (1..FACTORY.len()).step_by(37) {
        let report = factory(Some(FACTORY.as_bytes()[..len].to_vec()), false);
        assert!(
            matches!(report, FactoryReport::Unusable(_) | FactoryReport::Sent),
            "{len}: {report:?}"
        );
    }
}

#[test]
fn a_wrong_crc_counts_only_if_it_is_checked() {
    let wrong = || text(|lines| lines[3] = "crc:0x12345678");
    assert_eq!(factory(wrong(), false), FactoryReport::Sent);
    let report = factory(wrong(), true);
    assert!(
        matches!(
            report,
            FactoryReport::Unusable(FactoryError::Crc {
                line: 0x1234_5678,
                ..
            })
        ),
        "{report:?}"
    );
}

#[test]
fn addresses_that_name_no_device_are_refused_by_their_reason() {
    for (address, reason) in [
        ([0; 6], AddressError::Zero),
        ([1, 0, 0x5E, 0, 0, 1], AddressError::Multicast),
        ([0xFF; 6], AddressError::Multicast),
        (
            [0xDE, 0xAD, 0xBE, 0xEF, 0x12, 0x34],
            AddressError::Placeholder,
        ),
    ] {
        assert_eq!(for_device(&address), Err(reason));
        // And no interface gets one.
        let mut story = Story::connected();
        let limit = Duration::from_secs(5);
        let added = story.rig.request(
            Request::AddInterface {
                kind: InterfaceKind::Station,
                address: MacAddress(address),
            },
            limit,
        );
        let error = added.expect_err("the address names no device");
        assert!(
            error
                .to_string()
                .contains(&RequestError::Invalid.to_string()),
            "{error}"
        );
        story.assert_good("a refused address");
    }
    for short in 0..6 {
        assert_eq!(for_device(&vec![2; short]), Err(AddressError::Length));
    }
}
