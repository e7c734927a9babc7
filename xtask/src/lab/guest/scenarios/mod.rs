//! What is played in a guest.

mod baseline;
mod board;
mod connect;
mod everyday;
mod healing;
mod host;
mod sleep;
mod speed;
mod trouble;
mod truth;

use super::Lab;
use crate::lab::scenario::BOARD;
use anyhow::{bail, Result};

/// Plays the scenario of the job. An error is its failure.
pub(crate) fn play(lab: &mut Lab<'_>) -> Result<()> {
    match lab.job.scenario.as_str() {
        "probe" => connect::probe(lab),
        "scan" => connect::scan(lab),
        "open" => connect::join(lab, connect::OPEN),
        "wpa2" => connect::join(lab, connect::WPA2),
        "wpa3" => connect::join(lab, connect::WPA3),
        "wpa3-5g" => connect::join(lab, connect::WPA3_5G),
        "legacy" => connect::legacy(lab),
        "everyday" => everyday::everyday(lab),
        "throughput" => speed::throughput(lab),
        "roam" => connect::roam(lab),
        "reload" => trouble::reload(lab),
        "gone" => trouble::gone(lab),
        "remove" => trouble::remove(lab),
        "firmware" => trouble::firmware(lab),
        "wrong-order" => trouble::wrong_order(lab),
        "hostile" => trouble::hostile(lab),
        "recover" => healing::recover(lab),
        "statistics" => truth::statistics(lab),
        "rekey" => truth::rekey(lab),
        BOARD => board::device_tree(lab),
        "suspend" => sleep::suspend(lab),
        "medium" => speed::medium(lab),
        "vsdio" => host::vsdio(lab),
        "baseline" => baseline::play(lab),
        other => bail!("the guest does not know the scenario `{other}`"),
    }
}
