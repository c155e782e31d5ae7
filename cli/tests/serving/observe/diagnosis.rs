use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Output};

use serde_json::Value;

use super::documents;
use crate::support::{Dev, Folder, eventually};

const CODE: &str = "exports.bid = (req, res) => res.send('done');";

/// `fnlocal dev` that says in a file what it does.
fn start(folder: &Folder, filter: &str) -> Dev {
    let mut command = crate::support::command(folder.path(), &["--runtime", "process"]);
    command
        .env("FNLOCAL_LOG", filter)
        .env("FNLOCAL_LOG_TO", "file")
        .env("FNLOCAL_LOG_FORMAT", "json");
    Dev::start_command(command)
}

fn seen(folder: &Folder) -> Vec<Value> {
    let path = folder.path().join(".fnlocal/logs/diagnosis.log");
    documents(&std::fs::read_to_string(path).unwrap_or_default())
}

fn find<'a>(seen: &'a [Value], target: &str, message: &str) -> Option<&'a Value> {
    let is = |one: &&Value| {
        let named = one["target"]
            .as_str()
            .is_some_and(|found| found.starts_with(target));
        named && one["fields"]["message"] == message
    };
    seen.iter().find(is)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_diagnosis_log_has_a_requests_route_an_instance_start_and_a_save() {
    let folder = Folder::new(&[("index.js", CODE)]);
    let mut dev = start(&folder, "debug");
    let request = reqwest::Client::new()
        .post(dev.at("/bid/7?query=hidden-query"))
        .header("x-hidden", "hidden-header")
        .body("hidden-body");
    let answer = request.send().await.unwrap();
    let id = crate::support::header(&answer, "x-fnlocal-request-id").to_owned();
    folder.write("index.js", &CODE.replace("done", "again"));
    dev.wait_reloaded("bid");
    assert_eq!(dev.interrupt(), Some(0));
    let seen = seen(&folder);
    let ended = find(&seen, "fnlocal_gateway", "ends").unwrap();
    let span = &ended["span"];
    assert_eq!(span["name"], "request");
    assert_eq!(span["id"], id);
    assert_eq!(span["function"], "bid");
    assert_eq!(span["path"], "/bid/7");
    assert_eq!(span["route"], "local");
    assert!(span["instance"].is_string(), "{ended}");
    assert_eq!(ended["fields"]["status"], 200);
    assert!(ended["fields"]["start"].is_string(), "{ended}");
    let booted = find(&seen, "fnlocal_driver", "booted").unwrap();
    assert!(booted["fields"]["boot_ms"].is_u64(), "{booted}");
    assert_eq!(booted["span"]["name"], "start");
    assert!(find(&seen, "fnlocal_driver", "imported").is_some());
    assert!(find(&seen, "fnlocal_runtime", "started a process").is_some());
    let saves = seen.iter().filter(|one| one["span"]["name"] == "save");
    let saves: Vec<_> = saves.map(|one| &one["fields"]).collect();
    assert_eq!(
        saves.len(),
        1,
        "of what changed nothing, nothing is said: {saves:?}"
    );
    assert_eq!(saves[0]["message"], "has new code");
    let text = Value::from(seen).to_string();
    assert!(!text.contains("hidden-"), "{text}");
    let path = folder.path().join(".fnlocal/logs/diagnosis.log");
    let mode = std::fs::metadata(path).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
}

#[tokio::test]
async fn trace_output_redirected_into_the_project_does_not_grow_forever() {
    let folder = Folder::new(&[("index.js", CODE)]);
    let mut command = Command::new("sh");
    let script = r#"exec "$0" dev "$1" --port 0 --json --runtime process 2>"$1/said.txt""#;
    command
        .args(["-c", script, env!("CARGO_BIN_EXE_fnlocal")])
        .arg(folder.path())
        .env("FNLOCAL_LOG", "trace");
    let dev = Dev::start_command(command);
    reqwest::get(dev.at("/bid")).await.unwrap();
    let size = || {
        std::fs::metadata(folder.path().join("said.txt"))
            .unwrap()
            .len()
    };
    eventually("it rests", async || {
        let before = size();
        tokio::time::sleep(std::time::Duration::from_millis(500)).await;
        before > 0 && size() == before
    })
    .await;
}

#[tokio::test]
async fn only_the_parts_named_in_the_filter_are_logged() {
    let folder = Folder::new(&[("index.js", CODE)]);
    let mut dev = start(&folder, "gateway=debug");
    reqwest::get(dev.at("/bid")).await.unwrap();
    assert_eq!(dev.interrupt(), Some(0));
    let seen = seen(&folder);
    assert!(find(&seen, "fnlocal_gateway", "ends").is_some());
    let others = |one: &&Value| {
        !one["target"]
            .as_str()
            .unwrap()
            .starts_with("fnlocal_gateway")
    };
    assert_eq!(seen.iter().find(others), None);
}

#[tokio::test]
async fn no_diagnosis_log_is_written_by_default() {
    let folder = Folder::new(&[("index.js", CODE)]);
    let mut dev = Dev::start_with(&folder, &["--runtime", "process"]);
    reqwest::get(dev.at("/bid")).await.unwrap();
    assert_eq!(dev.interrupt(), Some(0));
    assert!(!folder.path().join(".fnlocal/logs/diagnosis.log").exists());
    let quiet = fnlocal(&folder, &["ps"], &[]);
    assert!(
        !String::from_utf8(quiet.stderr)
            .unwrap()
            .contains("fnlocal:")
    );
}

fn fnlocal(folder: &Folder, args: &[&str], env: &[(&str, &str)]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_fnlocal"));
    command.args(args).current_dir(folder.path());
    command.envs(env.iter().copied()).output().unwrap()
}

#[test]
fn every_command_has_a_verbosity_flag_that_logs_to_stderr() {
    let folder = Folder::new(&[]);
    for args in [["schema", "-v"], ["-v", "schema"]] {
        let output = fnlocal(&folder, &args, &[]);
        assert!(output.status.success(), "{output:?}");
        serde_json::from_slice::<Value>(&output.stdout).unwrap();
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert!(stderr.contains("begins command=\"schema\""), "{stderr}");
    }
    let json = [("FNLOCAL_LOG_FORMAT", "json")];
    let output = fnlocal(&folder, &["schema", "-vv"], &json);
    let seen = documents(&String::from_utf8(output.stderr).unwrap());
    assert_eq!(find(&seen, "fnlocal", "ends").unwrap()["fields"]["code"], 0);
}

#[test]
fn invalid_log_variables_exit_with_2_and_a_hint() {
    let folder = Folder::new(&[]);
    for (name, value, hint) in [
        ("FNLOCAL_LOG", "gatewey=debug", "did you mean `gateway`?"),
        ("FNLOCAL_LOG", "gateway=loud", "levels are"),
        ("FNLOCAL_LOG", "gateway[=debug", "FNLOCAL_LOG=gateway=debug"),
        ("FNLOCAL_LOG", "not-a-part\x1bc=debug", "parts are"),
        ("FNLOCAL_LOG_TO", "nowhere", "FNLOCAL_LOG_TO=stderr"),
        ("FNLOCAL_LOG_FORMAT", "xml", "FNLOCAL_LOG_FORMAT=text"),
    ] {
        let output = fnlocal(&folder, &["schema"], &[(name, value)]);
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{name}={value}: {stderr}");
        assert!(
            stderr.contains("hint: ") && stderr.contains(hint),
            "{stderr}"
        );
        assert!(!stderr.contains('\x1b'), "{stderr:?}");
        assert!(output.stdout.is_empty());
    }
}
