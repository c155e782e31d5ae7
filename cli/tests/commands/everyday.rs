//! The first steps of a new user: `init`, `dev`, `invoke`, `ps`, `open`, and the shell's scripts.
#![allow(clippy::unwrap_used, reason = "in a test, a panic is the report")]

use std::io::Write;
use std::process::{Command, Stdio};

use crate::support::{Dev, Folder, fnlocal};
use serde_json::Value;

const PROCESS: &[&str] = &["--runtime", "process"];

fn text(folder: &Folder, path: &str) -> String {
    let path = folder.path().join(path);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn path(folder: &Folder) -> &str {
    folder.path().to_str().unwrap()
}

/// `fnlocal invoke` on a folder.
fn invoke(folder: &Folder, args: &[&str]) -> (i32, String, String) {
    let args = [&["invoke", "--folder", path(folder)], args].concat();
    fnlocal(&args)
}

#[test]
fn every_init_template_serves_without_changes() {
    for (template, function) in [
        ("js", "hello"),
        ("ts", "hello"),
        ("auction", "bid"),
        ("lambda", "/"),
    ] {
        let folder = Folder::new(&[]);
        let (code, out, err) = fnlocal(&["init", path(&folder), "--template", template]);
        assert_eq!((code, out.as_str()), (0, ""), "{err}");
        assert!(err.contains("fnlocal dev"), "{err}");
        assert!(text(&folder, ".gitignore").contains(".fnlocal/"));
        let launch: Value = serde_json::from_str(&text(&folder, ".vscode/launch.json")).unwrap();
        assert_eq!(launch["configurations"][0]["request"], "attach");
        let package: Value = serde_json::from_str(&text(&folder, "package.json")).unwrap();
        assert!(!package["name"].as_str().unwrap().contains("{{"));
        let dev = Dev::start_with(&folder, PROCESS);
        let (code, out, err) = invoke(&folder, &[function]);
        assert_eq!(code, 0, "{template}: {out}{err}");
        serde_json::from_str::<Value>(&out).unwrap();
        drop(dev);
    }
}

#[test]
fn init_overwrites_no_file_and_writes_nothing_when_refused() {
    let folder = Folder::new(&[("package.json", "{}"), (".gitignore", "mine")]);
    let (code, _, err) = fnlocal(&["init", path(&folder)]);
    assert_eq!(code, 1);
    assert!(err.contains("has package.json already"), "{err}");
    assert!(err.contains("hint:"), "{err}");
    assert_eq!(text(&folder, "package.json"), "{}");
    assert!(!folder.path().join("index.js").exists());
    folder.remove("package.json");
    let (code, _, err) = fnlocal(&["init", path(&folder)]);
    assert_eq!(code, 0, "{err}");
    assert!(err.contains(".gitignore is there already"), "{err}");
    assert_eq!(text(&folder, ".gitignore"), "mine");
}

const ECHO: &str = "
exports.echo = (req, res) => {
  res.status(Number(req.query.status ?? 200));
  res.json({ method: req.method, url: req.url, body: req.body, team: req.get('x-team'),
    type: req.get('content-type') });
};
exports.never = (req, res) => res.socket.destroy();
";

#[test]
fn invoke_sends_its_arguments_and_prints_status_and_timing() {
    let folder = Folder::new(&[("index.js", ECHO), ("bid.json", r#"{"amount": 3}"#)]);
    let _dev = Dev::start_with(&folder, PROCESS);
    let echoed = |args: &[&str]| -> Value {
        let (code, out, err) = invoke(&folder, &[&["echo"], args].concat());
        assert_eq!(code, 0, "{out}{err}");
        assert!(err.contains("200 OK"), "{err}");
        assert!(err.contains("handler"), "{err}");
        serde_json::from_str(&out).unwrap()
    };
    assert_eq!(echoed(&[])["method"], "GET");
    let sent = echoed(&["--data", r#"{"amount": 10}"#, "--header", "x-team: red"]);
    assert_eq!(sent["method"], "POST");
    assert_eq!(sent["body"]["amount"], 10);
    assert_eq!(sent["team"], "red");
    assert_eq!(sent["type"], "application/json");
    let file = folder.path().join("bid.json");
    let sent = echoed(&["--file", file.to_str().unwrap(), "--method", "PUT"]);
    assert_eq!(
        (&sent["method"], &sent["body"]["amount"]),
        (&"PUT".into(), &3.into())
    );
    assert_eq!(
        echoed(&["--path", "lots/7?full=1"])["url"],
        "/lots/7?full=1"
    );
    let mut piped = Command::new(env!("CARGO_BIN_EXE_fnlocal"))
        .args(["invoke", "echo", "--file", "-", "--folder", path(&folder)])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    piped.stdin.take().unwrap().write_all(b"[1, 2]").unwrap();
    let output = piped.wait_with_output().unwrap();
    let sent: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(sent["body"], serde_json::json!([1, 2]));
}

#[test]
fn invoke_reports_cold_and_warm_starts_and_fails_if_the_function_fails() {
    let folder = Folder::new(&[("index.js", ECHO)]);
    let _dev = Dev::start_with(&folder, PROCESS);
    let json = |args: &[&str]| -> (i32, Value) {
        let (code, out, err) = invoke(&folder, &[&["echo", "--json"], args].concat());
        (
            code,
            serde_json::from_str(&out).unwrap_or_else(|_| panic!("{out}{err}")),
        )
    };
    let (code, cold) = json(&["--cold"]);
    assert_eq!((code, &cold["start"]), (0, &"cold".into()), "{cold}");
    assert!(cold["timing"]["boot"].as_f64().unwrap() > 0.0, "{cold}");
    let (_, warm) = json(&[]);
    assert_eq!(warm["start"], "warm", "{warm}");
    assert_eq!(warm["body"]["method"], "GET");
    let (code, failed) = json(&["--path", "?status=503"]);
    assert_eq!((code, &failed["status"]), (1, &503.into()));
    let (code, _, err) = invoke(&folder, &["echo", "--path", "?status=404"]);
    assert_eq!(code, 1);
    assert!(err.contains("404 Not Found"), "{err}");
    let (code, _, err) = invoke(&folder, &["never"]);
    assert_eq!(code, 1, "{err}");
}

#[test]
fn a_misspelled_function_or_command_is_answered_with_the_nearest_name() {
    let folder = Folder::new(&[("index.js", ECHO)]);
    let _dev = Dev::start_with(&folder, PROCESS);
    let (code, out, err) = invoke(&folder, &["ehco"]);
    assert_eq!(code, 1);
    assert!(out.contains("unknown_function"), "{out}");
    assert!(err.contains("there is no function named `ehco`"), "{err}");
    assert!(err.contains("hint: did you mean echo?"), "{err}");
    let (code, _, err) = fnlocal(&["inovke", "echo"]);
    assert_eq!(code, 2);
    assert!(err.contains("'invoke'"), "{err}");
}

#[test]
fn commands_that_need_a_running_dev_say_how_to_start_one() {
    let folder = Folder::new(&[("index.js", ECHO)]);
    for command in [&["invoke", "echo"][..], &["ps"], &["open"], &["top"]] {
        let args = [command, &["--folder", path(&folder)]].concat();
        let (code, out, err) = fnlocal(&args);
        assert_eq!((code, out.as_str()), (69, ""), "{command:?}: {err}");
        assert!(err.contains("hint: start `fnlocal dev`"), "{err}");
    }
}

#[test]
fn ps_shows_functions_with_instances_and_memory() {
    let folder = Folder::new(&[("index.js", ECHO)]);
    let dev = Dev::start_with(&folder, PROCESS);
    assert_eq!(invoke(&folder, &["echo"]).0, 0);
    let (code, out, err) = fnlocal(&["ps", "--json", "--folder", path(&folder)]);
    assert_eq!(code, 0, "{err}");
    let shown: Value = serde_json::from_str(&out).unwrap();
    assert_eq!(shown["url"], dev.url.as_str());
    assert!(!out.contains("token"), "{out}");
    let echo = &shown["nodes"][0]["functions"][0];
    assert_eq!(
        (&echo["name"], &echo["requests"]),
        (&"echo".into(), &1.into())
    );
    assert_eq!(echo["instances"]["idle"], 1, "{echo}");
    let (_, table, _) = fnlocal(&["ps", "--folder", path(&folder)]);
    assert!(
        table.contains("FUNCTION") && table.contains("1 idle"),
        "{table}"
    );
    assert!(table.contains("MiB promised"), "{table}");
}

#[test]
fn open_prints_the_dashboard_url_with_the_token_of_the_run() {
    let folder = Folder::new(&[("index.js", ECHO)]);
    let dev = Dev::start_with(&folder, PROCESS);
    let (code, out, _) = fnlocal(&["open", "--print", "--folder", path(&folder)]);
    assert_eq!(code, 0);
    let running: Value = serde_json::from_str(&text(&folder, ".fnlocal/running.json")).unwrap();
    let token = running["token"].as_str().unwrap();
    assert_eq!(
        out.trim(),
        format!("{}/_fnlocal/#token={token}", dev.platform)
    );
}

#[test]
fn every_shell_gets_completions_and_bash_completes_with_them() {
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let (code, out, _) = fnlocal(&["completions", shell]);
        assert_eq!(code, 0);
        assert!(out.contains("loadtest"), "{shell}");
    }
    let folder = Folder::new(&[]);
    let (_, script, _) = fnlocal(&["completions", "bash"]);
    folder.write("fnlocal.bash", &script);
    let asked = "source ./fnlocal.bash; COMP_WORDS=(fnlocal inv); COMP_CWORD=1; \
                 _fnlocal fnlocal inv fnlocal; echo \"${COMPREPLY[@]}\"";
    let output = Command::new("bash")
        .args(["-c", asked])
        .current_dir(folder.path())
        .output()
        .unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stdout).trim(), "invoke");
}

#[test]
fn every_command_has_a_man_page_with_its_examples() {
    let folder = Folder::new(&[]);
    let pages = folder.path().join("man1");
    let (code, _, err) = fnlocal(&["man", pages.to_str().unwrap()]);
    assert_eq!(code, 0, "{err}");
    for command in ["dev", "invoke", "loadtest", "release-diff"] {
        assert!(
            pages.join(format!("fnlocal-{command}.1")).exists(),
            "{command}"
        );
    }
    let page = text(&folder, "man1/fnlocal-invoke.1");
    assert!(page.contains("Examples"), "{page}");
}
