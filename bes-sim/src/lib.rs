//! The BES2600 driver and an emulated chip in one program.
//!
//! | module | what |
//! |---|---|
//! | [`rig`] | the composition: card, driver, stack, virtual time |
//! | [`station`] | the stack above as small as it can be: joins open and WPA2 networks |
//! | [`stack`] | what becomes of frames and events |
//! | [`images`] | firmware files |
//! | [`capture`] | captures of 802.11 frames |
//! | [`browse`] | the traffic of somebody who reads web pages, for `soak` |
//! | [`demo`], [`replay`], [`soak`], [`trace`], [`chips`], [`bench`](mod@bench) | the commands |
//! | [`explain`] | core dumps, read back |
//! | [`emu`] | the chip in real time, for a real kernel |
//! | [`report`], [`latency`] | what they print |
//! | [`hostile`] | a chip that answers arbitrarily |

pub mod bench;
pub mod browse;
pub mod capture;
pub mod chips;
pub mod demo;
pub mod emu;
pub mod explain;
pub mod frame;
pub mod hostile;
pub mod images;
pub mod latency;
pub mod replay;
pub mod report;
pub mod rig;
pub mod scene;
pub mod soak;
pub mod stack;
pub mod station;
pub mod trace;
pub mod transfer;

/// The Rust of the porting guide is compiled as a test, so that it stays true.
#[cfg(doctest)]
#[doc = include_str!("../../docs/porting.md")]
pub struct PortingGuide;
