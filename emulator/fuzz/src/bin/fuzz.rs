//! libFuzzer on the target that `FUZZ_TARGET` names; without it, prints the names of all.
#![no_main]

use std::sync::LazyLock;

use fnlocal_fuzz::{FuzzTarget, TARGETS};
use libfuzzer_sys::fuzz_target;

static CHOSEN: LazyLock<&FuzzTarget> = LazyLock::new(|| {
    let name = std::env::var("FUZZ_TARGET").unwrap_or_default();
    let found = TARGETS.iter().find(|target| target.name == name);
    found.unwrap_or_else(|| panic!("FUZZ_TARGET={name} is none of the targets"))
});

fuzz_target!(|data: &[u8]| (CHOSEN.run)(data));
