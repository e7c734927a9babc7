//! Kernel configuration: fragments become one list, and one list becomes the key of a cached build.

use std::collections::BTreeMap;

/// Joins configuration fragments. An option that a later fragment repeats has the later value; comments go.
pub(crate) fn merge(fragments: &[&str]) -> String {
    let mut options = BTreeMap::new();
    for line in fragments.iter().flat_map(|fragment| fragment.lines()) {
        if let Some((name, value)) = option(line) {
            options.insert(name, value);
        }
    }
    options
        .iter()
        .map(|(name, value)| format!("{name}={value}\n"))
        .collect()
}

/// The wanted options that a kernel's `.config` does not have, each as `NAME=wanted, is actual`. Kconfig drops an option
/// silently when something that it depends on is missing.
pub(crate) fn refused(wanted: &str, actual: &str) -> Vec<String> {
    let actual: BTreeMap<&str, &str> = actual.lines().filter_map(option).collect();
    wanted
        .lines()
        .filter_map(option)
        .filter_map(|(name, value)| {
            let is = actual.get(name).copied().unwrap_or("n");
            (is != value).then(|| format!("{name}={value}, is {is}"))
        })
        .collect()
}

fn option(line: &str) -> Option<(&str, &str)> {
    let line = line.trim();
    if line.starts_with('#') {
        return None;
    }
    line.split_once('=')
}

/// A short name for everything that a build depends on: 64-bit FNV-1a in hexadecimal. It tells builds apart; it does
/// not protect against anybody.
pub(crate) fn key<'a>(parts: impl IntoIterator<Item = &'a str>) -> String {
    let mut hash: u64 = 0xcbf2_9ce4_8422_2325;
    for part in parts {
        // A byte that no text has, so that ("ab", "c") and ("a", "bc") differ.
        for byte in part.bytes().chain([0xff]) {
            hash = (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }
    format!("{hash:016x}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_later_fragment_wins_and_comments_go() {
        let base = "# words\nCONFIG_B=y\nCONFIG_A=m\n\n";
        let debug = "CONFIG_B=n\nCONFIG_NAME=\"a=b\"\n";
        assert_eq!(
            merge(&[base, debug]),
            "CONFIG_A=m\nCONFIG_B=n\nCONFIG_NAME=\"a=b\"\n"
        );
    }

    #[test]
    fn an_option_that_kconfig_dropped_is_found() {
        let wanted = "CONFIG_A=y\nCONFIG_B=n\nCONFIG_C=m\nCONFIG_D=n\n";
        let actual = "CONFIG_A=y\n# CONFIG_B is not set\nCONFIG_D=y\n";
        assert_eq!(
            refused(wanted, actual),
            ["CONFIG_C=m, is n", "CONFIG_D=n, is y"]
        );
    }

    #[test]
    fn the_key_tells_parts_apart() {
        assert_ne!(key(["ab", "c"]), key(["a", "bc"]));
        assert_ne!(key(["7.2.13", "y"]), key(["7.2.12", "y"]));
        assert_eq!(key(["7.2.13", "y"]), key(["7.2.13", "y"]));
        // FNV-1a of the byte 0xff alone.
        assert_eq!(key([""]), "af64724c8602eb6e");
    }

    #[test]
    fn the_fragments_of_the_tree_name_an_option_once_each() {
        for fragment in [super::super::kernel::BASE, super::super::kernel::DEBUG] {
            let mut seen = std::collections::BTreeSet::new();
            for (name, _) in fragment.lines().filter_map(option) {
                assert!(seen.insert(name), "{name} twice");
            }
        }
    }
}
