//! Bundles the wrapper, so that the binary carries it.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::SystemTime;
use std::{env, fs};

fn main() {
    // Asked when it runs: what was compiled in is wrong once the folder has been moved.
    let manifest = std::env::var_os("CARGO_MANIFEST_DIR").expect("cargo sets it");
    let wrapper = Path::new(&manifest).join("../../wrapper-js");
    for input in ["src", "bundle", "package.json", "package-lock.json"] {
        let path = wrapper.join(input);
        if path.exists() {
            println!("cargo::rerun-if-changed={}", path.display());
        }
    }
    println!("cargo::rerun-if-env-changed=FNLOCAL_RUNNER");
    let out = PathBuf::from(env::var_os("OUT_DIR").unwrap_or_default());
    let copied = runner(&wrapper).and_then(|made| {
        let copied = fs::copy(&made, out.join("runner.cjs"));
        copied.map_err(|error| format!("{}: {error}", made.display()))
    });
    if let Err(why) = copied {
        println!("cargo::error=the wrapper could not be bundled: {why}");
    }
}

/// The bundle: one made beforehand where npm is missing, else from the sources.
fn runner(wrapper: &Path) -> Result<PathBuf, String> {
    if let Some(made) = env::var_os("FNLOCAL_RUNNER") {
        return Ok(made.into());
    }
    if stale(wrapper) {
        npm(wrapper, &["ci", "--no-audit", "--no-fund"])?;
    }
    npm(wrapper, &["run", "--silent", "bundle"])?;
    Ok(wrapper.join("dist/runner.cjs"))
}

/// Whether node_modules is missing or older than the lock file it was made from.
fn stale(package: &Path) -> bool {
    let changed = |path: &str| -> Option<SystemTime> {
        fs::metadata(package.join(path)).ok()?.modified().ok()
    };
    match (
        changed("node_modules/.package-lock.json"),
        changed("package-lock.json"),
    ) {
        (Some(installed), Some(locked)) => installed < locked,
        (installed, _) => installed.is_none(),
    }
}

fn npm(package: &Path, args: &[&str]) -> Result<(), String> {
    let output = Command::new("npm").args(args).current_dir(package).output().map_err(|error| {
        format!(
            "npm: {error}; install Node.js with npm, or set FNLOCAL_RUNNER to a bundled runner.cjs"
        )
    })?;
    if output.status.success() {
        return Ok(());
    }
    let told = String::from_utf8_lossy(&output.stderr).replace('\n', " ");
    Err(format!("npm {} failed: {told}", args.join(" ")))
}
