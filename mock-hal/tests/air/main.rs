//! Stories of the air: a small station, made by hand, meets access points.

mod aggregation;
mod association;
mod captures;
mod clients;
mod power_save;
mod station;
mod traffic;
mod trouble;
mod wpa2;
