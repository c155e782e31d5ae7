//! The words of a cloned repository: its configuration, and the description of its code.

use std::path::Path;
use std::sync::LazyLock;

use fnlocal_api::UserError;
use fnlocal_core::Profile;
use fnlocal_core::trigger::ScheduleSpec;
use fnlocal_project::{ConfigFile, Description, Project};
use fnlocal_triggers::schedule::Schedule;

/// A day, in milliseconds.
const DAY_MS: u64 = 24 * 3600 * 1000;

pub const TOML: &[&[u8]] = &[
    b"name = \"shop\"\n[limits]\nqueue = 1\nqueue_timeout = \"1s\"\n[defaults]\nmemory = 128\ntimeout = \"2s\"\nenv = [\"A\"]\n[functions.a]\nrps = 2\nschedule = \"0 12 * * *\"\n",
    b"[env.prod]\nregion = \"eu-central-1\"\nnodes = \"1..3\"\n[functions.a]\non = [{ redis = \"x\", stream = \"s\" }]\nasync = { attempts = 3, backoff = \"1s\" }\n",
    b"[loadtest.peak]\nrequests = [{ function = \"a\", path = \"/{{seq}}\", weight = 2 }]\n[functions.a]\ntimuot = 1\nmemory = \"99999999999999999999 GB\"\ntimeout = 1e300\n",
];

pub const DESCRIBED: &[&[u8]] = &[
    b"[{\"entry\":\"index.js\",\"functions\":[{\"name\":\"a\",\"config\":{\"timeout\":3000,\"memory\":256}}]}]",
    b"[{\"entry\":\"index.js\",\"functions\":[{\"name\":\"a\",\"config\":{\"timeout\":1e300,\"maxInstances\":-1,\"schedule\":{\"cron\":\"* * * * *\"}}}],\"error\":{}}]",
];

/// fnlocal.toml: what is taken gives every function settings, or an error that can be shown.
pub fn toml(text: &str) {
    match ConfigFile::parse(Path::new("fnlocal.toml"), text) {
        Ok(file) => {
            for profile in [Profile::Fnlocal, Profile::Lambda] {
                for name in ["a", "b"] {
                    drop(
                        file.settings(name, profile)
                            .map_err(|error| error.to_string()),
                    );
                }
            }
        }
        Err(error) => drop((error.to_string(), error.hint())),
    }
}

/// A project of one package, to settle descriptions for.
static PROJECT: LazyLock<Project> = LazyLock::new(|| {
    let folder = std::env::temp_dir().join(format!("fnlocal-fuzz-{}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("a temporary folder");
    std::fs::write(folder.join("index.js"), "").expect("room for a file");
    let project = Project::open(&folder, None).expect("an empty file is a package");
    std::fs::remove_dir_all(&folder).expect("it was just made");
    project
});

/// A description that a package's code gives of its functions.
pub fn described(data: &[u8]) {
    if let Ok(described) = serde_json::from_slice::<Description>(data) {
        let described = described.of_entries(&PROJECT.packages[0].entries);
        let settled = PROJECT.settle(&PROJECT.packages[0], &described);
        for problem in &settled.problems {
            drop((problem.to_string(), problem.hint()));
        }
    }
}

/// A cron expression and a time zone, one a line.
pub fn schedule(text: &str) {
    let (cron, zone) = text.split_once('\n').unwrap_or((text, "UTC"));
    let spec = ScheduleSpec {
        timezone: zone.to_owned(),
        ..ScheduleSpec::cron(cron)
    };
    let Ok(schedule) = Schedule::new(&spec) else {
        return;
    };
    let now = [0, 1_760_000_000_000, u64::MAX][text.len() % 3];
    let from = now.saturating_sub(DAY_MS);
    assert!(schedule.next(from).is_none_or(|next| next > from));
    assert!(schedule.to_run(from, now, 60_000).len() <= 100_000);
}
