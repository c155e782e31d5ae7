//! Every example of every command's help is run, or it is said why not.
#![allow(clippy::unwrap_used, reason = "in a test, a panic is the report")]

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::channel;

use crate::support::{Dev, Folder, PATIENCE, signal};
use serde_json::Value;

const FNLOCAL: &str = env!("CARGO_BIN_EXE_fnlocal");

/// How an example is run.
#[derive(Debug, PartialEq)]
enum How {
    /// To its end; exit codes that are right.
    Ends(&'static [i32]),
    /// Until it writes this; then Ctrl-C.
    Until(&'static str),
    /// Not here, for this reason.
    Not(&'static str),
}

/// A job as examples name it.
const JOB: &str = "0006441f2a91c3d8";
/// Commands that talk to AWS: that their examples are understood is tested where they are parsed.
const AWS: [&str; 6] = ["promote", "status", "rollback", "destroy", "node", "env"];

fn how(example: &str) -> How {
    let words: Vec<&str> = example.split_whitespace().collect();
    match words[..] {
        ["curl", ..] => How::Not("tests/queue.rs does it, on a port that is free"),
        ["docker", ..] => How::Not("tests/clients.rs does it, on a port that is free"),
        ["fnlocal", command, ..] if AWS.contains(&command) => How::Not("it talks to AWS"),
        ["fnlocal", "invoke" | "loadtest" | "logs" | "release", ..]
            if example.contains("--env") =>
        {
            How::Not("it talks to AWS")
        }
        ["fnlocal", "build", ..] if example.contains("linux/arm64") => {
            How::Not("the base for another platform comes from a network")
        }
        ["fnlocal", "invoke", ..] if example.contains("--event") => {
            How::Not("tests/serving/signatures.rs does it, with a Lambda handler")
        }
        ["fnlocal", "top", ..] => How::Not("tests/top.rs does it, on a terminal"),
        ["fnlocal", "dev", ..] if example.contains("--json") => How::Until("\"ready\""),
        ["fnlocal", "dev" | "up", ..] => How::Until("ready in"),
        ["fnlocal", "registry", ..] => How::Until("registry at"),
        ["fnlocal", "logs", ..] if example.contains("-f") => How::Until("bid"),
        ["fnlocal", "loadtest", ..] if example.contains("https://") => {
            How::Not("there is no such host")
        }
        // Budgets may be missed: that is what they are for.
        ["fnlocal", "loadtest", ..] if example.contains("--fail-if") => How::Ends(&[0, 1]),
        // No lot is there, so the function itself says no.
        ["fnlocal", "invoke", ..] if example.contains("--path") => How::Ends(&[0, 1]),
        // Faults of this machine are no concern here.
        ["fnlocal", "doctor", ..] => How::Ends(&[0, 1]),
        _ => How::Ends(&[0]),
    }
}

/// The smallest file of another platform that an example takes over, by its name.
fn foreign(example: &str) -> Option<(&'static str, &'static str)> {
    let files = [
        (
            "template.yaml",
            r"Resources:\n  Hi:\n    Type: AWS::Serverless::Function\n    Properties:\n      Handler: a.handler\n",
        ),
        ("wrangler.toml", r#"name = "w"\nmain = "index.js"\n"#),
    ];
    let name = example.strip_prefix("fnlocal init --from ")?;
    files.into_iter().find(|(file, _)| *file == name)
}

/// The same, shorter, on ports that are free, and without touching what others keep.
fn adapted(example: &str, releases: &[String]) -> String {
    let mut text = example
        .replace("--port 8080", "--port 0")
        .replace("--port 5000", "--port 0")
        .replace("clean --shared", "clean --shared --dry-run")
        .replace("3f9a01bc", &releases[0])
        .replace("77b0c2d1", &releases[1]);
    if text == "fnlocal init" {
        return "mkdir fresh && cd fresh && fnlocal init".to_owned();
    }
    if let Some((name, content)) = foreign(&text) {
        return format!("mkdir of-{name} && cd of-{name} && printf '{content}' >{name} && {text}");
    }
    if text.contains(JOB) {
        // Each has a job of its own, which was given up at once.
        let put =
            "fnlocal emit mail --async --json | sed 's/.*\"request_id\":\"\\([^\"]*\\)\".*/\\1/'";
        let given_up = "until fnlocal queue list --dead | grep -q $JOB; do sleep 0.05; done";
        text = format!("JOB=$({put}) && {given_up}; {}", text.replace(JOB, "$JOB"));
    }
    if text.starts_with("fnlocal loadtest") {
        let shorter = if text.contains("coldstart") {
            "fnlocal loadtest --rounds 1 --at-once 1"
        } else {
            "fnlocal loadtest --duration 2s --connections 50"
        };
        text = text.replacen("fnlocal loadtest", shorter, 1);
    }
    text
}

/// The help of a command, wide enough that no line is broken.
fn help(command: &[String]) -> String {
    let output = Command::new(FNLOCAL)
        .args(command)
        .arg("--help")
        .env("COLUMNS", "500")
        .output();
    String::from_utf8(output.unwrap().stdout).unwrap()
}

/// The commands that a command's help lists.
fn commands_in(help: &str) -> Vec<String> {
    let Some((_, list)) = help.split_once("Commands:\n") else {
        return Vec::new();
    };
    let lines = list.lines().take_while(|line| !line.trim().is_empty());
    let first = lines.filter(|line| line.starts_with("  ") && !line.starts_with("   "));
    let first = first.filter_map(|line| line.split_whitespace().next());
    first
        .filter(|name| *name != "help")
        .map(str::to_owned)
        .collect()
}

/// Examples as they stand in the help of all commands, and of the commands below them.
fn examples() -> BTreeSet<String> {
    let mut all = BTreeSet::new();
    let mut commands: Vec<Vec<String>> = commands_in(&help(&[]))
        .into_iter()
        .map(|name| vec![name])
        .collect();
    let mut below = 0;
    while let Some(command) = commands.pop() {
        let help = help(&command);
        for name in commands_in(&help) {
            commands.push([&command[..], &[name]].concat());
            below += 1;
        }
        let Some((_, text)) = help.split_once("Examples:\n") else {
            panic!("{} has no example", command.join(" "));
        };
        let lines = text.lines().take_while(|line| !line.is_empty());
        for line in lines {
            // The explanation follows after several blanks.
            let line = line.trim();
            let line = line.split_once("  ").map_or(line, |(example, _)| example);
            all.insert(line.trim().to_owned());
        }
    }
    assert!(all.len() > 40, "{all:#?}");
    assert!(below >= 8, "those of `queue` and of `release`: {below}");
    all
}

fn project() -> Folder {
    let folder = Folder::example("auction");
    let inner = Folder::example("auction");
    std::fs::create_dir_all(folder.path().join("examples/auction")).unwrap();
    for file in ["index.js", "package.json", "fnlocal.toml"] {
        let text = std::fs::read_to_string(inner.path().join(file)).unwrap();
        folder.write(&format!("examples/auction/{file}"), &text);
    }
    folder.write("examples/.gitignore", "*");
    folder.write("hello.js", "exports.hello = (req, res) => res.json({})");
    let events = "exports.mail = (req, res) => res.status(400).end();\n\
                  exports.resize = async (event) => {};";
    let auction = std::fs::read_to_string(inner.path().join("index.js")).unwrap();
    folder.write("index.js", &format!("{auction}\n{events}\n"));
    folder.write("event.json", r#"{"key": "cat.png"}"#);
    folder.write("bid.json", r#"{"bidder": "Ada", "amount": 1000}"#);
    let log = "127.0.0.1 - - [10/Oct/2026:13:55:36 +0000] \"GET /bid HTTP/1.1\" 200 12\n";
    folder.write("access.log", &log.repeat(20));
    let config = "name = \"auction\"\n[dev]\nruntime = \"process\"\n[env.prod]\nnodes = { min = 1, max = 3 }\n\
                  [[loadtest.scenarios.bids.requests]]\nfunction = \"bid\"\n";
    folder.write("fnlocal.toml", config);
    folder
}

fn shell(folder: &Folder, example: &str) -> Command {
    let bin = std::path::Path::new(FNLOCAL).parent().unwrap();
    let path = format!("{}:{}", bin.display(), std::env::var("PATH").unwrap());
    let mut command = Command::new("sh");
    command
        .args(["-c", example])
        .current_dir(folder.path())
        .env("PATH", path)
        .env("FNLOCAL_PORT", "0")
        // The program with which `open` opens the dashboard.
        .env("BROWSER", "true")
        .stdin(Stdio::null());
    command
}

fn run(folder: &Folder, example: &str) -> (i32, String) {
    let output = shell(folder, example).output().unwrap();
    let said = [output.stdout, output.stderr].concat();
    (
        output.status.code().unwrap(),
        String::from_utf8_lossy(&said).into_owned(),
    )
}

/// Runs until it writes something, then ends it.
fn run_until(folder: &Folder, example: &str, wanted: &str) {
    // The shell makes way for it, so that a signal reaches it.
    let alone = example.split('|').next().unwrap();
    let mut child = shell(folder, &format!("exec {alone} 2>&1"))
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = follow(child.stdout.take().unwrap());
    let mut said = String::new();
    loop {
        match lines.recv_timeout(PATIENCE) {
            Ok(line) => said.push_str(&format!("{line}\n")),
            Err(error) => {
                end(child);
                panic!("{example}: no {wanted:?} ({error}):\n{said}");
            }
        }
        if said.contains(wanted) {
            break;
        }
    }
    end(child);
}

fn follow(from: impl Read + Send + 'static) -> std::sync::mpsc::Receiver<String> {
    let (sender, lines) = channel();
    std::thread::spawn(move || {
        // Read to the end, also when nobody listens: a full pipe would hold it up.
        for line in BufReader::new(from).lines().map_while(Result::ok) {
            let _enough = sender.send(line);
        }
    });
    lines
}

fn end(mut child: Child) {
    if matches!(child.try_wait(), Ok(None)) {
        signal(child.id(), "INT");
    }
    child.wait().unwrap();
}

/// Two releases, by the beginnings of their digests.
fn releases(folder: &Folder) -> Vec<String> {
    let mut releases = Vec::new();
    for number in 0..2 {
        folder.write(
            "hello.js",
            &format!("exports.hello = (req, res) => res.json({number})"),
        );
        let (code, said) = run(folder, "fnlocal build --json 2>/dev/null");
        assert_eq!(code, 0, "{said}");
    }
    let (_, said) = run(folder, "fnlocal release list --json");
    let list: Value = serde_json::from_str(&said).unwrap();
    let found = list
        .as_array()
        .or_else(|| list["releases"].as_array())
        .unwrap();
    for release in found {
        let digest = release["digest"]
            .as_str()
            .unwrap_or_else(|| panic!("{release}"));
        let digest = digest.strip_prefix("sha256:").unwrap_or(digest);
        releases.push(digest[..12].to_owned());
    }
    assert!(releases.len() >= 2, "{said}");
    releases
}

#[test]
fn every_help_example_runs_as_documented() {
    let folder = project();
    let releases = releases(&folder);
    let (code, said) = run(
        &folder,
        &format!("fnlocal release show {} >release.json", releases[0]),
    );
    assert_eq!(code, 0, "{said}");
    run_until(&folder, "fnlocal dev --record recording.jsonl", "ready in");
    let examples = examples();
    let (serving, others): (Vec<_>, Vec<_>) = examples.iter().partition(|example| {
        example.starts_with("fnlocal dev") || example.starts_with("fnlocal up")
    });
    let mut wrong = Vec::new();
    let mut check = |example: &str| {
        let text = adapted(example, &releases);
        match how(example) {
            How::Ends(right) => {
                let (code, said) = run(&folder, &text);
                if !right.contains(&code) {
                    wrong.push(format!("{text}: exits {code}:\n{said}"));
                }
            }
            How::Until(wanted) => run_until(&folder, &text, wanted),
            How::Not(why) => assert!(!why.is_empty()),
        }
    };
    for example in serving {
        check(example);
    }
    // Commands that look at a running fnlocal need one, and a run to compare with.
    let dev = Dev::start_with(&folder, &["--runtime", "process"]);
    for example in ["fnlocal invoke bid", "fnlocal loadtest --save old.json"] {
        check(example);
    }
    let (cleaning, others): (Vec<&String>, Vec<&String>) = others
        .into_iter()
        .partition(|example| example.starts_with("fnlocal clean"));
    for example in others {
        check(example);
    }
    drop(dev);
    for example in cleaning {
        check(example);
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
