//! An emulated BES2600: the chip, its air, its faults and virtual time.
//!
//! The chip is written from the specification alone and shares no wire code with the driver. It sits behind
//! [`bes_hal::sdio::SdioFunction`], so a driver cannot tell it from a real one; everything else is for tests and
//! programs.
//!
//! | module | concept |
//! |---|---|
//! | [`sdio`] | [`Card::insert`]: the function for the driver, a handle for the test |
//! | [`handle`] | what a test or program does to the world while the driver runs |
//! | [`world`] | one card with its chip, bus, lines and time; raw SDIO commands |
//! | [`clock`], [`bus_timing`] | virtual time and what moves it |
//! | [`card`] | CCCR, FBR, CIS, responses |
//! | [`chip`] | boot, doorbells, sleep, bursts, and the firmware |
//! | [`cipher`] | WEP and TKIP |
//! | [`air`] | the medium, access points, other stations |
//! | [`fault`] | seeded faults between driver and bus |
//! | [`plain_host`] | a host controller that can do little |
//! | [`candidate`] | what may be behind a throughput that collapses with uptime, acted out |
//! | [`tuning`] | the sampling point of the host controller, and its drift |
//! | [`violation`] | what the host did against the specification |
//! | [`statistics`], [`trace`] | what happened, counted and in full |
//!
//! Time is virtual: a bus command moves it by its cost, and an idle program moves it with
//! [`Handle::advance_to`]. Everything that the chip does by itself happens on the way.
//!
//! ```
//! use mock_hal::chip::ScriptedFirmware;
//! use mock_hal::{Card, Config};
//!
//! let (_sdio, handle) = Card::insert(Config::default(), Box::<ScriptedFirmware>::default());
//! // CMD52 read of function 0: three bytes of CIS pointer at 0x09, then the first tuple.
//! let read = |address: u32| {
//!     let response = handle.with(|world| world.command52(address << 9));
//!     response.expect("the card is there").data()
//! };
//! let cis = u32::from_le_bytes([read(0x09), read(0x0A), read(0x0B), 0]);
//! let tuple: Vec<u8> = (cis..cis + 6).map(read).collect();
//! // MANFID, 4 bytes: vendor 0xBE57, device 0x2002.
//! assert_eq!(tuple, [0x20, 4, 0x57, 0xBE, 0x02, 0x20]);
//! ```
//!
//! A whole world, with the firmware and an access point on the air:
//!
//! ```
//! use mock_hal::air::{Air, ApConfig, Channel};
//! use mock_hal::chip::lmac::{Lmac, LmacConfig};
//! use mock_hal::{Card, Config};
//!
//! let mut air = Air::new(7);
//! air.add_access_point(ApConfig::open("home", Channel::ht20(6)));
//! let lmac = Lmac::new(LmacConfig::default(), air);
//! let (_sdio, handle) = Card::insert(Config::default(), Box::new(lmac));
//! // The driver takes the function; the test keeps the handle.
//! assert_eq!(handle.with_lmac(|lmac| lmac.keys()), Some(0));
//! assert!(handle.with_air(|_air| ()).is_some());
//! ```

pub mod air;
pub mod bus_timing;
pub mod candidate;
pub mod card;
pub mod chip;
pub mod cipher;
pub mod clock;
pub mod fault;
pub mod handle;
pub mod plain_host;
pub mod sdio;
pub mod statistics;
pub mod trace;
pub mod tuning;
pub mod violation;
pub mod world;

pub use bus_timing::BusTiming;
pub use candidate::Candidate;
pub use chip::ChipSettings;
pub use handle::Handle;
pub use sdio::{BurstVec, Card, EmulatedSdio};
pub use statistics::Statistics;
pub use violation::Violation;
pub use world::{Config, World};
