//! A few thousand inputs for each target: its seeds, changed at random, the same ones every time.

use std::time::{Duration, Instant};

use fnlocal_fuzz::{FuzzTarget, TARGETS};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// Inputs of each target.
const INPUTS: u32 = 5000;
/// The maximum time of a target, on a machine with other work.
const MAX_TIME: Duration = Duration::from_secs(60);
/// The maximum length of an input, in bytes.
const MAX_BYTES: usize = 4096;
/// Pieces that parsers have opinions about.
const PIECES: [&[u8]; 20] = [
    b"\0",
    b"\n",
    b"\r\n",
    b"/",
    b"%2e",
    b"..",
    b"-1",
    b"1e308",
    b"1e22",
    b"18446744073709551615",
    b"18446744073709551616",
    b"null",
    b"[",
    b"{",
    b"\"",
    b"\\u0000",
    b"\xff",
    b"\xe2\x80\xae",
    b"\x1b[",
    b"999999999999999999d",
];

fn changed(random: &mut ChaCha8Rng, seeds: &[&[u8]]) -> Vec<u8> {
    let mut input = seeds[random.random_range(0..seeds.len())].to_vec();
    for _ in 0..random.random_range(0..8) {
        let at = random.random_range(0..=input.len());
        let end = random.random_range(at..=input.len().min(at + 16));
        match random.random_range(0..5) {
            0 => drop(input.drain(at..end)),
            1 => input.insert(at, random.random()),
            2 => {
                let piece = PIECES[random.random_range(0..PIECES.len())];
                input.splice(at..end, piece.iter().copied());
            }
            3 => {
                let again = input[at..end].repeat(random.random_range(1..64));
                input.splice(at..at, again);
            }
            _ => {
                let other = seeds[random.random_range(0..seeds.len())];
                let from = random.random_range(0..=other.len());
                input.splice(at..end, other[from..].iter().copied());
            }
        }
    }
    input.truncate(MAX_BYTES);
    input
}

/// How long it took, or what it does not take.
fn feed(target: &FuzzTarget, random: &mut ChaCha8Rng) -> Result<Duration, String> {
    let began = Instant::now();
    for seed in target.seeds {
        (target.run)(seed);
    }
    for _ in 0..INPUTS {
        let input = changed(random, target.seeds);
        if std::panic::catch_unwind(|| (target.run)(&input)).is_err() {
            return Err(format!("{} panics: {}", target.name, input.escape_ascii()));
        }
    }
    Ok(began.elapsed())
}

#[test]
fn no_parser_of_untrusted_bytes_panics() {
    let mut failed = Vec::new();
    for target in TARGETS {
        match feed(target, &mut ChaCha8Rng::seed_from_u64(1)) {
            Ok(took) if took < MAX_TIME => println!("{:<16} {took:?}", target.name),
            Ok(took) => failed.push(format!("{} took {took:?}", target.name)),
            Err(why) => failed.push(why),
        }
    }
    assert!(failed.is_empty(), "{}", failed.join("\n"));
}
