//! WSM messages of the BES2600, command matching, credits and the bottom half.
#![cfg_attr(not(test), no_std)]

pub mod wire;
