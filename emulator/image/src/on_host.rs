//! Dependencies of a package, installed on this machine for plain processes.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use fnlocal_files::OwnPath;
use fnlocal_language::InstallPlan;
use fnlocal_project::{Package, programs};
use tokio::process::Command;

use super::error::{ImageError, InstallLimit, io};
use super::install::text;
use super::{OnProgress, SLOW_CALL_TIMEOUT, plan, short_hash};

/// Folders of the install that are of no use after it.
const TRACES: [&str; 3] = ["manager", "store", "cache"];

/// Installs a package's dependencies into `cache/<hash>`, unless they are there, and returns the
/// folder that holds the folder of installed ones. `version` is the interpreter's.
///
/// # Errors
/// [`ImageError`]; the package manager's own words when it fails.
pub async fn on_host(
    package: &Package,
    cache: &Path,
    version: &str,
    progress: OnProgress<'_>,
) -> Result<Option<PathBuf>, ImageError> {
    let Some(wanted) = plan::read(package)? else {
        return Ok(None);
    };
    let mut parts = wanted.parts();
    parts.push(version.as_bytes());
    let folder = cache.join(short_hash(&parts));
    if OwnPath::new(&folder).is_folder() {
        return Ok(Some(folder));
    }
    if let Some(warning) = wanted.warning() {
        progress(format!("package {}: {warning}", package.name));
    }
    for note in wanted.notes() {
        progress(format!("package {}: {note}", package.name));
    }
    progress(format!("package {}: installing dependencies", package.name));
    OwnPath::new(cache).make_folder().map_err(io(cache))?;
    // Installed beside and moved when whole: an interrupted install leaves nothing that looks it.
    let work = tempfile::Builder::new()
        .prefix("new-")
        .tempdir_in(cache)
        .map_err(io(cache))?;
    let code = plan::code(package, wanted.as_ref())?;
    let own = code.iter().map(|file| {
        let path = Path::new(wanted.run_in()).join(&file.path);
        (path, &*file.bytes, file.executable)
    });
    let files = wanted.files().into_iter();
    let files = files.map(|(name, bytes, executable)| (PathBuf::from(name), bytes, executable));
    // Files made for the install come last: code may have a file of the name.
    for (name, bytes, executable) in own.chain(files) {
        let path = work.path().join(name);
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder).map_err(io(folder))?;
        }
        std::fs::write(&path, bytes).map_err(io(&path))?;
        if executable {
            let mode = std::fs::Permissions::from_mode(0o755);
            std::fs::set_permissions(&path, mode).map_err(io(&path))?;
        }
    }
    install(package, wanted.as_ref(), work.path()).await?;
    let installed = work.path().join(package.language.installed_folder());
    std::fs::create_dir_all(&installed).map_err(io(&installed))?;
    let made = work.keep();
    std::fs::rename(&made, &folder).map_err(io(&folder))?;
    Ok(Some(folder))
}

async fn install(
    package: &Package,
    wanted: &dyn InstallPlan,
    work: &Path,
) -> Result<(), ImageError> {
    let place = work.to_string_lossy();
    let env = wanted.env(&place);
    let folder = work.join(wanted.run_in());
    for step in wanted.steps(&place, None) {
        run(package, &folder, &step, &env).await?;
    }
    let run_in = wanted.runs_scripts().then(|| wanted.run_in());
    for trace in TRACES.into_iter().chain(run_in) {
        let _smaller = std::fs::remove_dir_all(work.join(trace));
    }
    Ok(())
}

async fn run(
    package: &Package,
    folder: &Path,
    step: &[String],
    env: &[String],
) -> Result<(), ImageError> {
    let missing = || ImageError::NoManager {
        manager: package.language.host_tool().name,
        package: package.name.clone(),
    };
    let package = package.name.clone();
    // A step is a program's name, or the path of one that a step before installed.
    let program = match Path::new(&step[0]).is_absolute() {
        true => PathBuf::from(&step[0]),
        false => programs::find(&step[0]).ok_or_else(missing)?,
    };
    let running = Command::new(program)
        .args(&step[1..])
        .env("PATH", programs::path())
        .envs(env.iter().filter_map(|pair| pair.split_once('=')))
        .current_dir(folder)
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output();
    let done = match tokio::time::timeout(SLOW_CALL_TIMEOUT, running).await {
        Err(_) => {
            return Err(ImageError::InstallLimit {
                package,
                limit: InstallLimit::Time(SLOW_CALL_TIMEOUT),
                output: String::new(),
            });
        }
        Ok(Err(error)) if error.kind() == std::io::ErrorKind::NotFound => {
            return Err(missing());
        }
        Ok(done) => done.map_err(io(folder))?,
    };
    if done.status.success() {
        return Ok(());
    }
    let output = [done.stdout, done.stderr].concat();
    Err(ImageError::Install {
        package,
        output: text(&output),
    })
}
