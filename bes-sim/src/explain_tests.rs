//! Dumps as they are, cut, damaged, and no dumps at all. `tests/program.rs` has one of a real crash.

use super::*;

const DUMP: &str = include_str!("../tests/data/crash.dump");

fn digest(text: &[u8]) -> Result<Digest, String> {
    Digest::read(text).map_err(|error| format!("{error:#}"))
}

#[test]
fn every_section_is_read() {
    let digest = digest(DUMP.as_bytes()).unwrap();
    assert_eq!(digest.time, "30.715835");
    assert_eq!(digest.device, "running");
    assert_eq!(digest.reason, "firmware exception");
    assert_eq!(digest.rung, "wifi-restart");
    assert_eq!((digest.incidents, digest.ladder.len()), (1, 1));
    let exception = digest.exception.as_ref().unwrap();
    assert!(exception.what.ends_with("lmac_tx.c line 1204"));
    assert_eq!(exception.registers.len(), 18);
    for (name, value) in [
        ("r1", 1204),
        ("r12", 0x2000_0030),
        ("sp", 0x2000_0034),
        ("lr", 0x2000_0038),
        ("pc", 0x2000_003C),
        ("cpsr", 0x2000_0040),
        ("spsr", 0x2000_0044),
    ] {
        assert!(exception.registers.contains(&(name.to_owned(), value)));
    }
    assert_eq!(
        digest.credits,
        Some(Credits {
            held: 3,
            of: 30,
            leaked: 1
        })
    );
    assert_eq!(digest.waiting, ["if0 BE: 12 waiting"]);
    assert_eq!(
        (digest.in_flight, digest.oldest_micros),
        (2, Some(1_700_000))
    );
    assert_eq!(digest.awake, ["traffic"]);
    assert_eq!(digest.anomalies, ["2 lost interrupt"]);
    assert_eq!(
        digest.refused,
        ["17.278654 <- seq 2 if0 join confirm: failure"]
    );
    assert_eq!(
        digest.unanswered.as_deref(),
        Some("17.278700 -> seq 7 if0 reset")
    );
    assert_eq!((digest.cut, digest.unreadable), (false, 0));
    let advice = digest.advice().join("\n");
    for said in [
        "firmware crashed by itself",
        "did not answer its last command",
        "1 input buffers of the chip",
        "more than a second",
        "5 bus degraded",
        "nothing has to be done",
    ] {
        assert!(advice.contains(said), "{said}:\n{advice}");
    }
}

#[test]
fn a_dump_that_is_cut_anywhere_is_read_as_far_as_it_goes_and_says_so() {
    let messages = DUMP.find("[messages]").unwrap();
    for len in 0..DUMP.len() {
        match digest(&DUMP.as_bytes()[..len]) {
            Ok(digest) => {
                assert_eq!(digest.cut, len < messages + "[messages]".len(), "{len}");
                assert!(!digest.to_string().is_empty());
            }
            Err(error) => assert!(len < DUMP.find("time").unwrap() && !error.contains('\n')),
        }
    }
    let marked = format!("{}\n[cut]\n", &DUMP[..DUMP.len() - 20]);
    assert!(digest(marked.as_bytes()).unwrap().cut);
}

#[test]
fn a_damaged_dump_never_panics_and_never_speaks_to_the_terminal() {
    let mut rng = fastrand::Rng::with_seed(7);
    for _ in 0..3000 {
        let mut bytes = DUMP.as_bytes().to_vec();
        for _ in 0..rng.usize(1..40) {
            let at = rng.usize(..bytes.len());
            match rng.u8(0..4) {
                0 => bytes[at] = rng.u8(..),
                1 => bytes[at] = b"\n []:,0-9\x1b"[rng.usize(..10)],
                2 => drop(bytes.remove(at)),
                _ => bytes.insert(at, rng.u8(..)),
            }
        }
        if let Ok(digest) = digest(&bytes) {
            let text = digest.to_string();
            assert!(!text.chars().any(|c| c.is_control() && c != '\n'));
            serde_json::to_string(&digest).unwrap();
        }
    }
}

#[test]
fn what_is_no_dump_is_refused_in_one_sentence() {
    for (bytes, said) in [
        (&b""[..], "its first line is missing"),
        (
            b"\x7fELF\x02\x01\x01\0\xff\xfe",
            "its first line is missing",
        ),
        (
            b"bes2600 core dump 2\n[failure]\n",
            "version 2, and this program reads 1",
        ),
        (b"bes2600 core dump 1\n", "ends after its first line"),
        (b"bes2600 core dump \x1b[2J\n", "version \\u{1b}"),
    ] {
        let error = digest(bytes).unwrap_err();
        assert!(error.contains(said) && !error.contains('\x1b'), "{error}");
    }
}
