//! What `fnlocal doctor` finds, and how it ends.
#![allow(clippy::unwrap_used, reason = "in a test, a panic is the report")]

mod support;

use std::process::Command;

use serde_json::Value;
use support::Folder;

fn doctor(folder: &Folder, env: &[(&str, &str)]) -> (i32, Vec<Value>) {
    let output = Command::new(env!("CARGO_BIN_EXE_fnlocal"))
        .args(["doctor", "--json"])
        .arg(folder.path())
        .envs(env.iter().copied())
        .output()
        .unwrap();
    let findings = serde_json::from_slice(&output.stdout).unwrap();
    (output.status.code().unwrap(), findings)
}

fn finding<'a>(findings: &'a [Value], what: &str) -> &'a Value {
    findings
        .iter()
        .find(|finding| finding["what"] == what)
        .unwrap_or_else(|| panic!("no {what} in {findings:#?}"))
}

#[test]
fn a_machine_that_is_well_is_described() {
    let folder = Folder::example("hello");
    let (code, findings) = doctor(&folder, &[]);
    assert_eq!(code, 0, "{findings:#?}");
    for what in [
        "project",
        "docker",
        "cgroups",
        "base image",
        "node",
        "port",
        "disk",
    ] {
        let finding = finding(&findings, what);
        assert_ne!(finding["state"], "bad", "{finding}");
        assert!(!finding["found"].as_str().unwrap().is_empty());
    }
    assert!(
        finding(&findings, "docker")["found"]
            .as_str()
            .unwrap()
            .contains("API 1.")
    );
}

#[test]
fn what_is_not_well_comes_with_a_fix() {
    let folder = Folder::new(&[]);
    let nowhere = [("DOCKER_HOST", "tcp://127.0.0.1:1"), ("PATH", "")];
    let (code, findings) = doctor(&folder, &nowhere);
    assert_eq!(code, 1);
    for what in ["project", "docker", "node"] {
        let finding = finding(&findings, what);
        assert_ne!(finding["state"], "good", "{finding}");
        assert!(!finding["fix"].as_str().unwrap().is_empty(), "{finding}");
    }
}

#[test]
fn a_port_in_use_is_odd_but_no_end() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    let folder = Folder::example("hello");
    folder.write("fnlocal.toml", &format!("[dev]\nport = {port}\n"));
    let (code, findings) = doctor(&folder, &[]);
    assert_eq!(code, 0, "{findings:#?}");
    assert_eq!(finding(&findings, "port")["state"], "odd");
}
