//! Errors before anything is served: a clear message, a hint, a documented exit code.
#![allow(clippy::unwrap_used, reason = "in a test, a panic is the report")]

use crate::support::{Folder, fnlocal};

#[test]
fn a_folder_without_functions_shows_how_to_write_one() {
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
fn settings_of_a_node_that_are_none_are_refused_with_where_they_come_from() {
    let folder = Folder::new(&[("node.json", "{\"schema\": 1}")]);
    let file = folder.path().join("node.json");
    let (code, _, stderr) = fnlocal(&["node", "--settings", file.to_str().unwrap()]);
    assert_eq!(code, 64, "{stderr}");
    assert!(stderr.contains("node.json holds no settings"), "{stderr}");
    assert!(stderr.contains("hint:") && stderr.contains("fnlocal promote"));
}

#[test]
fn an_unknown_key_is_shown_where_it_stands_with_the_nearest_name() {
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
fn a_port_in_use_is_named_with_a_way_out() {
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
fn an_engine_that_does_not_answer_is_said_with_what_to_do() {
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
fn wrong_words_on_the_command_line_exit_with_2() {
    let (code, _, stderr) = fnlocal(&["devv"]);
    assert_eq!(code, 2);
    assert!(stderr.contains("'dev'"), "{stderr}");
}

#[test]
fn the_schema_is_json() {
    let (code, stdout, _) = fnlocal(&["schema"]);
    assert_eq!(code, 0);
    let schema: serde_json::Value = serde_json::from_str(&stdout).unwrap();
    assert!(schema["properties"]["functions"].is_object(), "{schema}");
}
