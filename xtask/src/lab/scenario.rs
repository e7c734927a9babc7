//! The scenarios: what each one shows, how long it may take, and where CI runs it.

use crate::lab::kernel::Kind;

/// One scenario.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Scenario {
    /// Its name on the command line.
    pub(crate) name: &'static str,
    /// What it shows.
    pub(crate) about: &'static str,
    /// Seconds until a guest with the release kernel is killed; other kernels have a multiple.
    pub(crate) seconds: u32,
    /// What it needs of this project.
    pub(crate) needs: Needs,
    /// Where CI runs it. `cargo xtask lab all` runs the same list.
    pub(crate) ci: &'static [Kind],
}

/// What a scenario needs of this project.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Needs {
    /// The kernel alone.
    Nothing,
    /// The emulator, as the medium between simulated radios.
    Medium,
    /// The virtual SDIO host.
    Host,
    /// Everything: module, virtual host, emulated chip.
    Driver,
}

const RELEASE: &[Kind] = &[Kind::Release];
const BOTH: &[Kind] = &[Kind::Release, Kind::Debug];

const fn scenario(
    name: &'static str,
    needs: Needs,
    seconds: u32,
    ci: &'static [Kind],
    about: &'static str,
) -> Scenario {
    Scenario {
        name,
        about,
        seconds,
        needs,
        ci,
    }
}

/// The scenario whose machine has a device tree.
pub(crate) const BOARD: &str = "device-tree";

/// All of them. What CI runs is decided here and nowhere else.
pub(crate) const SCENARIOS: [Scenario; 24] = [
    scenario(
        "probe",
        Needs::Driver,
        40,
        RELEASE,
        "card found, firmware downloaded, wlan0 registered, capabilities as specified",
    ),
    scenario(
        "scan",
        Needs::Driver,
        60,
        RELEASE,
        "a scan finds the networks of both bands",
    ),
    scenario(
        "open",
        Needs::Driver,
        60,
        RELEASE,
        "connects to an open network",
    ),
    scenario(
        "wpa2",
        Needs::Driver,
        60,
        BOTH,
        "connects to a WPA2 network",
    ),
    scenario(
        "wpa3",
        Needs::Driver,
        60,
        BOTH,
        "connects to a WPA3 network (SAE, protected management frames required)",
    ),
    scenario(
        "wpa3-5g",
        Needs::Driver,
        80,
        RELEASE,
        "the same on channel 36 with 40 MHz",
    ),
    scenario(
        "legacy",
        Needs::Driver,
        90,
        RELEASE,
        "connects to a network of the first WPA (TKIP) and to one with WEP, which the chip encrypts",
    ),
    scenario(
        "everyday",
        Needs::Driver,
        200,
        &[],
        "scans, power save, thresholds, another country, a channel switch, an access point that goes and comes: pings go on",
    ),
    scenario(
        "throughput",
        Needs::Driver,
        200,
        RELEASE,
        "iperf3, TCP and UDP, both directions, with trace event counts and limits",
    ),
    scenario(
        "roam",
        Needs::Driver,
        90,
        RELEASE,
        "from one access point to another of the same network and back",
    ),
    scenario(
        "reload",
        Needs::Driver,
        240,
        BOTH,
        "the module is unloaded and loaded 50 times while connected (debug kernel: 3)",
    ),
    scenario(
        "gone",
        Needs::Driver,
        90,
        BOTH,
        "the emulator is killed in the middle of traffic; a new one works",
    ),
    scenario(
        "remove",
        Needs::Driver,
        150,
        RELEASE,
        "the card is removed in every phase; the module is unloaded while a scan runs",
    ),
    scenario(
        "firmware",
        Needs::Driver,
        90,
        RELEASE,
        "firmware files missing, empty, cut: one clear line, and a module that unloads",
    ),
    scenario(
        "wrong-order",
        Needs::Driver,
        90,
        RELEASE,
        "iw and wpa_supplicant do things in the wrong order",
    ),
    scenario(
        "hostile",
        Needs::Driver,
        120,
        RELEASE,
        "a chip that lies for 60 s",
    ),
    scenario(
        "suspend",
        Needs::Driver,
        150,
        RELEASE,
        "the machine sleeps and wakes 101 times, connected and not",
    ),
    scenario(
        BOARD,
        Needs::Driver,
        100,
        RELEASE,
        "a board with a device tree: its address, its wake line, a driver that waits for its lines, a chip that sleeps",
    ),
    scenario(
        "recover",
        Needs::Driver,
        200,
        RELEASE,
        "the firmware crashes and falls silent, every rung of the ladder is asked for: the connection comes back",
    ),
    scenario(
        "statistics",
        Needs::Driver,
        60,
        RELEASE,
        "iw and ethtool count what the access point and the chip count",
    ),
    scenario(
        "rekey",
        Needs::Driver,
        60,
        RELEASE,
        "the keys change under traffic, which goes on",
    ),
    scenario(
        "medium",
        Needs::Medium,
        60,
        RELEASE,
        "two simulated radios talk through the emulator's medium",
    ),
    scenario(
        "vsdio",
        Needs::Host,
        60,
        BOTH,
        "the virtual SDIO host tests itself",
    ),
    scenario(
        "baseline",
        Needs::Nothing,
        120,
        RELEASE,
        "two simulated radios and no driver: what the machine itself can do",
    ),
];

/// A scenario by its name.
pub(crate) fn find(name: &str) -> Option<&'static Scenario> {
    SCENARIOS.iter().find(|scenario| scenario.name == name)
}

/// Resolves the names of the command line; `all` is what CI runs on that kernel.
pub(crate) fn select(names: &[String], kind: Kind) -> Result<Vec<&'static Scenario>, String> {
    let mut chosen: Vec<&'static Scenario> = Vec::new();
    for name in names {
        if name == "all" {
            chosen.extend(
                SCENARIOS
                    .iter()
                    .filter(|scenario| scenario.ci.contains(&kind)),
            );
        } else {
            chosen.push(find(name).ok_or_else(|| {
                let known: Vec<_> = SCENARIOS.iter().map(|scenario| scenario.name).collect();
                format!(
                    "no scenario `{name}`; there are {} and all",
                    known.join(", ")
                )
            })?);
        }
    }
    if chosen.is_empty() {
        return Err("which scenario? `cargo xtask lab --list` shows them".to_owned());
    }
    Ok(chosen)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique_and_none_is_called_all() {
        let mut names: Vec<_> = SCENARIOS.iter().map(|scenario| scenario.name).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), SCENARIOS.len());
        assert!(!names.contains(&"all"));
    }

    #[test]
    fn an_unknown_scenario_is_answered_with_the_known_ones() {
        let error = select(&["wpa4".to_owned()], Kind::Release).unwrap_err();
        assert!(
            error.starts_with("no scenario `wpa4`; there are probe, scan, ")
                && error.ends_with(" and all")
        );
        assert!(select(&[], Kind::Release).unwrap_err().contains("--list"));
    }

    #[test]
    fn all_is_what_ci_runs() {
        let all = select(&["all".to_owned()], Kind::Debug).unwrap();
        assert!(all
            .iter()
            .all(|scenario| scenario.ci.contains(&Kind::Debug)));
        assert!(all.iter().any(|scenario| scenario.name == "vsdio"));
    }
}
