//! Takes the dashboard's chart library from npm, so that the binary carries it.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::SystemTime;
use std::{env, fs};

fn main() {
    // Asked when it runs: what was compiled in is wrong once the folder has been moved.
    let manifest = std::env::var_os("CARGO_MANIFEST_DIR").expect("cargo sets it");
    let out = PathBuf::from(env::var_os("OUT_DIR").unwrap_or_default());
    let copy = |from: &Path, name: &str| {
        let copied = fs::copy(from, out.join(name)).map(drop);
        copied.map_err(|error| format!("{}: {error}", from.display()))
    };
    let dashboard = Path::new(&manifest).join("dashboard");
    if let Err(why) = uplot(&dashboard).and_then(|made| {
        copy(&made.join("dist/uPlot.esm.js"), "uplot.js")?;
        copy(&made.join("dist/uPlot.min.css"), "uplot.css")?;
        copy(&made.join("LICENSE"), "uplot-licence.txt")
    }) {
        println!("cargo::error=the dashboard has no charts: {why}");
    }
}

/// The chart library's package: one brought beforehand where npm is missing, else npm's.
fn uplot(dashboard: &Path) -> Result<PathBuf, String> {
    println!("cargo::rerun-if-env-changed=FNLOCAL_UPLOT");
    let lock = dashboard.join("package-lock.json");
    println!("cargo::rerun-if-changed={}", lock.display());
    if let Some(brought) = env::var_os("FNLOCAL_UPLOT") {
        return Ok(brought.into());
    }
    if stale(dashboard) {
        npm(dashboard, &["ci", "--no-audit", "--no-fund"])?;
    }
    Ok(dashboard.join("node_modules/uplot"))
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
    let output = Command::new("npm")
        .args(args)
        .current_dir(package)
        .output()
        .map_err(|error| {
            format!(
                "npm: {error}; install Node.js with npm, or set FNLOCAL_UPLOT to uPlot's package"
            )
        })?;
    if output.status.success() {
        return Ok(());
    }
    let told = String::from_utf8_lossy(&output.stderr).replace('\n', " ");
    Err(format!("npm {} failed: {told}", args.join(" ")))
}
