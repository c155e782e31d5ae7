//! Errors before anything is served: a clear message, a hint, a documented exit code.
#![allow(clippy::unwrap_used, reason = "in a test, a panic is the report")]

use crate::support::{Folder, fnlocal};

#[test]
fn a_folder_without_functions_is_an_error_that_shows_how_to_write_one() {
    let folder = Folder::new(&[]);
    let (code, _, stderr) = fnlocal(&["build", folder.path().to_str().unwrap()]);
    assert_eq!(code, 64, "{stderr}");
    assert!(stderr.contains("no functions were found"), "{stderr}");
    assert!(
        stderr.contains("hint:") && stderr.contains("exports.hello"),
        "{stderr}"
    );
}

#[test]
fn invalid_node_settings_are_refused_with_a_hint_to_promote() {
    let folder = Folder::new(&[("node.json", "{\"schema\": 1}")]);
    let file = folder.path().join("node.json");
    let (code, _, stderr) = fnlocal(&["node", "--settings", file.to_str().unwrap()]);
    assert_eq!(code, 64, "{stderr}");
    assert!(stderr.contains("node.json holds no settings"), "{stderr}");
    assert!(stderr.contains("hint:") && stderr.contains("fnlocal promote"));
}

#[test]
fn an_unknown_key_is_shown_with_its_line_and_the_nearest_key() {
    let toml = "name = \"x\"\n[functions.a]\ntimeuot = \"1s\"\n";
    let folder = Folder::new(&[("index.js", "exports.a = () => {}"), ("fnlocal.toml", toml)]);
    let (code, _, stderr) = fnlocal(&["dev", folder.path().to_str().unwrap()]);
    assert_eq!(code, 64, "{stderr}");
    assert!(stderr.contains("fnlocal.toml:3"), "{stderr}");
    assert!(
        stderr.contains("timeuot") && stderr.contains("`timeout`"),
        "{stderr}"
    );
}

#[test]
fn a_port_in_use_is_an_error_that_names_the_port_option() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let folder = Folder::new(&[("index.js", "exports.a = () => {}")]);
    let path = folder.path().to_str().unwrap();
    let (code, _, stderr) = fnlocal(&["dev", path, "--port", &port]);
    assert_eq!(code, 1, "{stderr}");
    assert!(
        stderr.contains(&port) && stderr.contains("--port"),
        "{stderr}"
    );
}

#[test]
fn an_unreachable_engine_is_an_error_with_a_hint() {
    let folder = Folder::new(&[("index.js", "exports.a = () => {}")]);
    let mut command = crate::support::command(folder.path(), &["--runtime", "docker"]);
    command.env("DOCKER_HOST", "unix:///nowhere/docker.sock");
    let output = command.output().unwrap();
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(69), "{stderr}");
    assert!(
        stderr.contains("Docker") && stderr.contains("hint:"),
        "{stderr}"
    );
}

#[test]
fn an_unknown_command_exits_with_2_and_names_the_nearest() {
    let (code, _, stderr) = fnlocal(&["devv"]);
    assert_eq!(code, 2);
    assert!(stderr.contains("'dev'"), "{stderr}");
}

#[test]
fn the_schema_command_prints_json() {
    let (code, stdout, _) = fnlocal(&["schema"]);
    assert_eq!(code, 0);
    let schema: serde_json::Value = serde_json::from_str(&stdout).unwrap();
    assert!(schema["properties"]["functions"].is_object(), "{schema}");
}
