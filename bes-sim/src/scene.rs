//! The air of the demonstrations: what is around the station.

use mock_hal::air::{Air, AirConfig, ApConfig, ApId, Channel, Width};

/// Name of the open network.
pub const OPEN: &str = "bes-open";

/// Name of the protected network.
pub const SECURE: &str = "bes-secure";

/// Its passphrase.
pub const PASSPHRASE: &str = "correct horse";

/// Where everything is.
#[derive(Debug)]
pub struct Scene {
    /// The air.
    pub air: Air,
    /// The open network.
    pub open: ApId,
    /// The protected network.
    pub secure: ApId,
}

/// Two networks of ours, and neighbours.
pub fn home(seed: u64, unlimited: bool, width: Width) -> Scene {
    let mut air = Air::new(AirConfig {
        seed,
        unlimited,
        ..AirConfig::default()
    });
    let open = air.add_access_point(ApConfig {
        signal_dbm: -48,
        ..ApConfig::open(OPEN, Channel::new(6, Width::Ht20))
    });
    let channel = match width {
        Width::Ht20 => Channel::new(11, Width::Ht20),
        Width::Ht40 => Channel::new(36, Width::Ht40),
    };
    let secure = air.add_access_point(ApConfig {
        signal_dbm: -45,
        ..ApConfig::wpa2(SECURE, channel, PASSPHRASE)
    });
    air.add_access_point(ApConfig {
        signal_dbm: -82,
        ..ApConfig::open("neighbour", Channel::new(1, Width::Ht20))
    });
    air.add_access_point(ApConfig {
        signal_dbm: -70,
        hidden: true,
        ..ApConfig::wpa2("hidden", Channel::new(44, Width::Ht20), "not ours at all")
    });
    Scene { air, open, secure }
}

/// Most access points in a [`crowd`].
pub const MOST_ACCESS_POINTS: u8 = 32;

/// The open network on channel 6, and so many access points around it that there are `access_points` in all, spread
/// over channels 1, 6 and 11 as in a house of flats.
pub fn crowd(seed: u64, access_points: u8) -> (Air, ApId) {
    let mut air = Air::new(AirConfig {
        seed,
        unlimited: true,
        ..AirConfig::default()
    });
    let open = air.add_access_point(ApConfig {
        signal_dbm: -48,
        ..ApConfig::open(OPEN, Channel::new(6, Width::Ht20))
    });
    for (number, channel) in (1..access_points).zip([6, 1, 11].into_iter().cycle()) {
        let signal_dbm = -60 - (number % 4) as i8 * 5;
        air.add_access_point(ApConfig {
            signal_dbm,
            ..ApConfig::open(
                &format!("neighbour-{number}"),
                Channel::new(channel, Width::Ht20),
            )
        });
    }
    (air, open)
}
