//! Seeded chance. Each use has a stream of its own, so that a change of one leaves the others.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;

/// The purpose of a random number.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Use {
    Arrivals = 1,
    Functions,
    Service,
    Instances,
    Network,
    Machines,
    Deaths,
    Jobs,
}

/// The stream of one use.
pub(crate) fn stream(seed: u64, of: Use) -> ChaCha8Rng {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    rng.set_stream(of as u64);
    rng
}
