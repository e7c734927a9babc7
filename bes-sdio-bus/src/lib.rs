//! SDIO transport of the BES2600: registers, toggles, bursts, slots, boot download, wake handshake.
#![cfg_attr(not(test), no_std)]
