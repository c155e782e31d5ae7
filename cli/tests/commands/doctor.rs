//! The findings of `fnlocal doctor`, and its exit codes.
#![allow(clippy::unwrap_used, reason = "in a test, a panic is the report")]

use std::io::{Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixListener;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

use crate::support::Folder;
use serde_json::Value;

const FNLOCAL: &str = env!("CARGO_BIN_EXE_fnlocal");

fn doctor(folder: &Folder, env: &[(&str, &str)]) -> (i32, Vec<Value>) {
    let mut command = Command::new(FNLOCAL);
    command
        .args(["doctor", "--json"])
        .arg(folder.path())
        .envs(env.iter().copied());
    findings(command)
}

fn findings(mut command: Command) -> (i32, Vec<Value>) {
    let output = command.output().unwrap();
    let findings = serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|error| panic!("{error}: {output:?}"));
    (output.status.code().unwrap(), findings)
}

/// A socket that DOCKER_HOST names.
fn host(socket: &Path) -> String {
    format!("unix://{}", socket.display())
}

fn is_root() -> bool {
    let id = Command::new("id").arg("-u").output().unwrap();
    id.stdout == b"0\n"
}

fn finding<'a>(findings: &'a [Value], what: &str) -> &'a Value {
    findings
        .iter()
        .find(|finding| finding["what"] == what)
        .unwrap_or_else(|| panic!("no {what} in {findings:#?}"))
}

#[test]
fn doctor_describes_a_healthy_machine() {
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
fn every_problem_comes_with_a_fix() {
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
fn a_port_in_use_is_a_warning_and_not_a_failure() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    let folder = Folder::example("hello");
    folder.write("fnlocal.toml", &format!("[dev]\nport = {port}\n"));
    let (code, findings) = doctor(&folder, &[]);
    assert_eq!(code, 0, "{findings:#?}");
    let found = finding(&findings, "port");
    assert_eq!(found["state"], "odd");
    assert!(found["fix"].as_str().unwrap().contains("--port"));
}

#[test]
fn a_stopped_engine_is_reported_with_the_command_that_starts_it() {
    let folder = Folder::example("hello");
    let socket = folder.path().join("d.sock");
    // The socket that a killed engine leaves behind.
    drop(UnixListener::bind(&socket).unwrap());
    let (code, findings) = doctor(&folder, &[("DOCKER_HOST", &host(&socket))]);
    assert_eq!(code, 0, "plain processes will do: {findings:#?}");
    let docker = finding(&findings, "docker");
    assert_eq!(docker["state"], "odd");
    let fix = docker["fix"].as_str().unwrap();
    assert!(fix.contains("systemctl start docker"), "{fix}");
    assert!(fix.contains("--runtime process"), "{fix}");
}

#[test]
fn a_socket_without_permission_is_reported_with_the_group_to_join() {
    let folder = Folder::example("hello");
    let open = std::fs::Permissions::from_mode(0o755);
    std::fs::set_permissions(folder.path(), open).unwrap();
    let socket = folder.path().join("d.sock");
    let _engine = UnixListener::bind(&socket).unwrap();
    std::fs::set_permissions(&socket, std::fs::Permissions::from_mode(0o600)).unwrap();
    let mut command = Command::new(FNLOCAL);
    if is_root() {
        // Nothing is forbidden to root, so somebody else asks.
        command.uid(65_534).gid(65_534);
    } else {
        std::fs::set_permissions(&socket, std::fs::Permissions::from_mode(0o0)).unwrap();
    }
    command
        .args(["doctor", "--json"])
        .arg(folder.path())
        .env("DOCKER_HOST", host(&socket));
    let (_, findings) = findings(command);
    let docker = finding(&findings, "docker");
    let found = docker["found"].as_str().unwrap();
    assert!(found.contains("no permission"), "{docker}");
    let fix = docker["fix"].as_str().unwrap();
    assert!(fix.contains("usermod -aG docker"), "{fix}");
}

#[test]
fn an_old_engine_is_reported_with_the_minimum_version() {
    let folder = Folder::example("hello");
    let socket = folder.path().join("d.sock");
    let engine = UnixListener::bind(&socket).unwrap();
    std::thread::spawn(move || {
        for stream in engine.incoming() {
            let mut stream = stream.unwrap();
            let mut request = [0; 4096];
            let read = stream.read(&mut request).unwrap();
            let asked = String::from_utf8_lossy(&request[..read]).into_owned();
            // Engine 17.05 said this, and knew nothing of what else is asked today.
            let (status, body) = if asked.contains("/version ") {
                let version =
                    r#"{"Version":"17.05.0-ce","ApiVersion":"1.29","MinAPIVersion":"1.12"}"#;
                ("200 OK", version)
            } else {
                ("404 Not Found", r#"{"message":"page not found"}"#)
            };
            let length = body.len();
            let _gone = write!(
                stream,
                "HTTP/1.1 {status}\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\
                 connection: close\r\n\r\n{body}"
            );
        }
    });
    let (_, findings) = doctor(&folder, &[("DOCKER_HOST", &host(&socket))]);
    let docker = finding(&findings, "docker");
    let found = docker["found"].as_str().unwrap();
    assert!(found.contains("too old: API 1.29"), "{docker}");
    assert_eq!(docker["fix"], "install Docker 20.10 or later");
}

#[test]
fn a_full_disk_is_a_failure_with_a_hint_to_run_clean() {
    let folder = Folder::new(&[]);
    // A mount of its own, which ends with the process.
    let mut command = Command::new("unshare");
    command.arg("--mount");
    if !is_root() {
        command.args(["--user", "--map-root-user"]);
    }
    let script = r#"mount -t tmpfs -o size=1m none "$1" && echo 'exports.f = () => 1' >"$1/index.js" &&
        exec "$2" doctor --json "$1""#;
    command
        .args(["sh", "-c", script, "sh"])
        .arg(folder.path())
        .arg(FNLOCAL);
    let (code, findings) = findings(command);
    assert_eq!(code, 1, "{findings:#?}");
    let disk = finding(&findings, "disk");
    assert_eq!(disk["state"], "bad", "{disk}");
    assert!(disk["fix"].as_str().unwrap().contains("fnlocal clean"));
}

#[test]
fn a_port_used_by_the_projects_own_dev_is_not_a_problem() {
    let folder = Folder::example("hello");
    let dev = crate::support::Dev::start_with(&folder, &["--runtime", "process"]);
    let port = dev.port();
    folder.write("fnlocal.toml", &format!("[dev]\nport = {port}\n"));
    let (_, findings) = doctor(&folder, &[]);
    let found = finding(&findings, "port");
    assert_eq!(found["state"], "good", "{found}");
    assert!(found["found"].as_str().unwrap().contains("own fnlocal"));
}

/// A machine of which nothing tells of AWS, but for `more`.
fn with_aws(folder: &Folder, more: &[(&str, &str)]) -> Vec<Value> {
    let home = folder.path().to_str().unwrap();
    let mut command = Command::new(FNLOCAL);
    command.args(["doctor", "--json"]).arg(folder.path());
    for (name, _) in
        std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("AWS_"))
    {
        command.env_remove(name);
    }
    command.env("HOME", home).envs(more.iter().copied());
    findings(command).1
}

#[test]
fn doctor_asks_aws_for_the_caller_identity_only_if_credentials_are_set() {
    let folder = Folder::example("hello");
    let silent = with_aws(&folder, &[]);
    assert!(
        silent.iter().all(|finding| finding["what"] != "aws"),
        "{silent:#?}"
    );
    let keys = [
        ("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE"),
        ("AWS_SECRET_ACCESS_KEY", "secret"),
        ("AWS_REGION", "eu-west-1"),
    ];
    let aws = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", aws.local_addr().unwrap());
    std::thread::spawn(move || {
        let (mut stream, _) = aws.accept().unwrap();
        let mut request = [0; 8192];
        let _read = stream.read(&mut request).unwrap();
        let body = "<GetCallerIdentityResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\">\
            <GetCallerIdentityResult><Arn>arn:aws:iam::123456789012:user/Ada</Arn><UserId>A</UserId>\
            <Account>123456789012</Account></GetCallerIdentityResult></GetCallerIdentityResponse>";
        let length = body.len();
        write!(
            stream,
            "HTTP/1.1 200 OK\r\ncontent-type: text/xml\r\ncontent-length: {length}\r\n\r\n{body}"
        )
        .unwrap();
    });
    let found = with_aws(
        &folder,
        &[&keys[..], &[("AWS_ENDPOINT_URL", &url)]].concat(),
    );
    let said = finding(&found, "aws");
    assert_eq!(said["state"], "good", "{said}");
    let text = said["found"].as_str().unwrap();
    assert!(
        text.contains("123456789012") && text.contains("user/Ada"),
        "{said}"
    );
    let nowhere = [&keys[..], &[("AWS_ENDPOINT_URL", "http://127.0.0.1:1")]].concat();
    let found = with_aws(&folder, &nowhere);
    let said = finding(&found, "aws");
    assert_eq!(said["state"], "odd", "{said}");
    assert!(!said["fix"].as_str().unwrap().is_empty());
}
