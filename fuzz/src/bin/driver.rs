//! Runs a target on stable, without libFuzzer: the corpus as it is, then random changes of it until the time is up.
//!
//! Usage: `driver TARGET CORPUS ARTIFACTS SECONDS [SEED]`. An input that panics or takes too long is written to the
//! folder ARTIFACTS and ends the program with an error. The seed is printed, so that a run can be repeated.

use fastrand::Rng;
use std::panic::{catch_unwind, AssertUnwindSafe};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// Longest input that is made.
const MAX_LEN: usize = 40_000;
/// A target that takes longer for one input hangs.
const TOO_LONG: Duration = Duration::from_secs(10);

/// What is being run, and since when.
type Current = Mutex<Option<(Instant, Vec<u8>)>>;

type Error = Box<dyn std::error::Error>;

fn main() -> Result<(), Error> {
    let words: Vec<String> = std::env::args().collect();
    let [_, name, corpus, artifacts, seconds, rest @ ..] = words.as_slice() else {
        return Err("usage: driver TARGET CORPUS ARTIFACTS SECONDS [SEED]".into());
    };
    let (_, target) = bes_fuzz::TARGETS
        .into_iter()
        .find(|(known, _)| known == name)
        .ok_or("no such target")?;
    let time = Duration::from_secs(seconds.parse()?);
    let seed = match rest.first() {
        Some(seed) => seed.parse()?,
        None => fastrand::u64(..),
    };
    println!("seed {seed}");

    let seeds = read_corpus(Path::new(corpus))?;
    let artifacts = PathBuf::from(artifacts);
    // The watchdog looks at it.
    let current: Arc<Current> = Arc::default();
    std::thread::spawn({
        let (current, artifacts) = (Arc::clone(&current), artifacts.clone());
        move || watch(&current, &artifacts)
    });
    let run = |input: &[u8]| -> Result<(), Error> {
        if let Ok(mut current) = current.lock() {
            *current = Some((Instant::now(), input.to_vec()));
        }
        if catch_unwind(AssertUnwindSafe(|| target(input))).is_err() {
            let path = save(&artifacts, "crash", input)?;
            return Err(format!("panic, input in {}", path.display()).into());
        }
        Ok(())
    };

    for input in &seeds {
        run(input)?;
    }
    let mut rng = Rng::with_seed(seed);
    let mut pool = seeds;
    let start = Instant::now();
    let mut count = 0u64;
    while start.elapsed() < time {
        let mut input = match rng.choice(&pool) {
            Some(input) => input.clone(),
            None => Vec::new(),
        };
        for _ in 0..rng.usize(1..=6) {
            mutate(&mut input, &pool, &mut rng);
        }
        run(&input)?;
        count += 1;
        // A changed input now and then becomes a seed, so that changes add up.
        if count & 0x1FF == 0 {
            if pool.len() < 512 {
                pool.push(input);
            } else {
                let place = rng.usize(..pool.len());
                pool[place] = input;
            }
        }
    }
    println!("{count} inputs");
    Ok(())
}

fn read_corpus(folder: &Path) -> Result<Vec<Vec<u8>>, Error> {
    let mut paths: Vec<PathBuf> = std::fs::read_dir(folder)?
        .map(|entry| entry.map(|entry| entry.path()))
        .collect::<Result<_, _>>()?;
    paths.sort();
    let mut seeds = Vec::new();
    for path in paths {
        seeds.push(std::fs::read(path)?);
    }
    Ok(seeds)
}

fn save(folder: &Path, kind: &str, input: &[u8]) -> std::io::Result<PathBuf> {
    std::fs::create_dir_all(folder)?;
    // The name tells inputs apart; FNV-1a is enough for that.
    let hash = input.iter().fold(0xCBF2_9CE4_8422_2325u64, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01B3)
    });
    let path = folder.join(format!("{kind}-{hash:016x}"));
    std::fs::write(&path, input)?;
    Ok(path)
}

fn watch(current: &Current, artifacts: &Path) {
    loop {
        std::thread::sleep(Duration::from_millis(500));
        let Ok(current) = current.lock() else { return };
        if let Some((since, input)) = current.as_ref() {
            if since.elapsed() > TOO_LONG {
                match save(artifacts, "slow", input) {
                    Ok(path) => eprintln!("takes too long, input in {}", path.display()),
                    Err(error) => eprintln!("takes too long, and cannot save the input: {error}"),
                }
                std::process::exit(1);
            }
        }
    }
}

/// Changes an input a little, in one of the ways that parsers trip over.
fn mutate(input: &mut Vec<u8>, pool: &[Vec<u8>], rng: &mut Rng) {
    const WORDS: [u32; 12] = [
        0,
        1,
        3,
        4,
        0x7F,
        0x80,
        0xFF,
        0x7FFF,
        0x8000,
        0xFFFF,
        0x7FFF_FFFF,
        0xFFFF_FFFF,
    ];
    let at = rng.usize(..=input.len());
    match rng.u8(..9) {
        0 => {
            if let Some(byte) = input.get_mut(at) {
                *byte ^= 1 << rng.u8(..8);
            }
        }
        1 => {
            if let Some(byte) = input.get_mut(at) {
                *byte = rng.u8(..);
            }
        }
        2 => {
            // A length or a count that lies.
            let word = WORDS[rng.usize(..WORDS.len())].to_le_bytes();
            let width = [1, 2, 4][rng.usize(..3)];
            for (byte, value) in input[at..].iter_mut().zip(&word[..width]) {
                *byte = *value;
            }
        }
        3 => input.truncate(at),
        4 => {
            let count = rng.usize(..64);
            let fill = rng.u8(..);
            input.splice(at..at, std::iter::repeat_n(fill, count));
        }
        5 => {
            let end = rng.usize(at..=input.len());
            input.drain(at..end);
        }
        6 => {
            let end = rng.usize(at..=input.len());
            let part = input[at..end].to_vec();
            input.splice(at..at, part);
        }
        7 => {
            // A piece of another input.
            if let Some(other) = rng.choice(pool) {
                let start = rng.usize(..=other.len());
                input.truncate(at);
                input.extend_from_slice(&other[start..]);
            }
        }
        _ => {
            if let Some(byte) = input.get_mut(at) {
                *byte = byte.wrapping_add(rng.u8(..9)).wrapping_sub(4);
            }
        }
    }
    input.truncate(MAX_LEN);
}
