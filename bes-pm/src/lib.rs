//! Power management of the BES2600: why the device must stay awake and when it may sleep.
#![cfg_attr(not(test), no_std)]
