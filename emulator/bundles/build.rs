//! Bundles the wrapper and takes the chart library from npm.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::SystemTime;
use std::{env, fs};

fn main() {
    // Asked when it runs: what was compiled in is wrong once the folder has been moved.
    let manifest = env::var_os("CARGO_MANIFEST_DIR").expect("cargo sets it");
    let manifest = Path::new(&manifest);
    let out = PathBuf::from(env::var_os("OUT_DIR").unwrap_or_default());
    let copy = |from: PathBuf| {
        let name = from.file_name().unwrap_or_default();
        let copied = fs::copy(&from, out.join(name)).map(drop);
        copied.map_err(|error| format!("{}: {error}", from.display()))
    };
    if let Err(why) = runner(&manifest.join("../../wrapper-js")).and_then(&copy) {
        println!("cargo::error=the wrapper could not be bundled: {why}");
    }
    let files = [
        "dist/uPlot.esm.js",
        "dist/uPlot.iife.min.js",
        "dist/uPlot.min.css",
        "LICENSE",
    ];
    let charts = uplot(&manifest.join("charts"))
        .and_then(|uplot| files.iter().try_for_each(|file| copy(uplot.join(file))));
    if let Err(why) = charts {
        println!("cargo::error=the pages have no charts: {why}");
    }
}

/// Returns the chart library's package: one brought beforehand where npm is missing, else npm's.
fn uplot(package: &Path) -> Result<PathBuf, String> {
    println!("cargo::rerun-if-env-changed=FNLOCAL_UPLOT");
    let lock = package.join("package-lock.json");
    println!("cargo::rerun-if-changed={}", lock.display());
    if let Some(brought) = env::var_os("FNLOCAL_UPLOT") {
        return Ok(brought.into());
    }
    install(package)?;
    Ok(package.join("node_modules/uplot"))
}

/// Returns the wrapper's bundle: one made beforehand where npm is missing, else from the sources.
fn runner(wrapper: &Path) -> Result<PathBuf, String> {
    for input in ["src", "bundle", "package.json", "package-lock.json"] {
        let path = wrapper.join(input);
        if path.exists() {
            println!("cargo::rerun-if-changed={}", path.display());
        }
    }
    println!("cargo::rerun-if-env-changed=FNLOCAL_RUNNER");
    if let Some(made) = env::var_os("FNLOCAL_RUNNER") {
        return Ok(made.into());
    }
    install(wrapper)?;
    npm(wrapper, &["run", "--silent", "bundle"])?;
    Ok(wrapper.join("dist/runner.cjs"))
}

/// Installs a package's dependencies if there are none, or if they are older than the lock file.
fn install(package: &Path) -> Result<(), String> {
    let changed = |path: &str| -> Option<SystemTime> {
        fs::metadata(package.join(path)).ok()?.modified().ok()
    };
    let stale = match (
        changed("node_modules/.package-lock.json"),
        changed("package-lock.json"),
    ) {
        (Some(installed), Some(locked)) => installed < locked,
        (installed, _) => installed.is_none(),
    };
    match stale {
        true => npm(package, &["ci", "--no-audit", "--no-fund"]),
        false => Ok(()),
    }
}

fn npm(package: &Path, args: &[&str]) -> Result<(), String> {
    let output = Command::new("npm").args(args).current_dir(package).output().map_err(|error| {
        format!(
            "npm: {error}; install Node.js with npm, or set FNLOCAL_RUNNER to a bundled runner.cjs \
             and FNLOCAL_UPLOT to uPlot's package"
        )
    })?;
    if output.status.success() {
        return Ok(());
    }
    let told = String::from_utf8_lossy(&output.stderr).replace('\n', " ");
    Err(format!("npm {} failed: {told}", args.join(" ")))
}
