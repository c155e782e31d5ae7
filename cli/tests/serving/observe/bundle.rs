use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use super::kept;
use crate::support::{Dev, Folder, eventually};

/// Values that must not leave this machine, each in a place of its own.
const CANARIES: [&str; 13] = [
    "canary-in-env-file",
    "canary-in-local-env",
    "canary-in-prod-env",
    "canary-in-toml-header",
    "canary-in-toml-body",
    "canary-in-toml-variables",
    "canary-in-shell",
    "canary-in-request-body",
    "canary-in-request-query",
    "canary-in-request-header",
    "canary-in-aws-secret",
    "CANARYAWSKEYID",
    "canary-in-docker-host",
];
const PRINTED: &str = "printed-by-the-function";

const CODE: &str = "exports.bid = (req, res) => {
  console.log('printed-by-the-function', req.body, req.url, req.headers, process.env);
  res.send('done');
};
exports.fails = (req) => { throw new Error('printed-by-the-function ' + req.url); };
exports.dies = () => { console.error('printed-by-the-function'); process.exit(3); };";

const TOML: &str = r#"
[functions.bid]
env = ["CANARY_SHELL"]
[env.prod]
region = "eu-west-1"
[env.prod.variables]
TOKEN = "ssm:/canary-in-toml-variables"
[[loadtest.scenarios.bids.requests]]
function = "bid"
headers = { authorization = "canary-in-toml-header", name = "canary-in-toml-header" }
body = "canary-in-toml-body"
"#;

fn project() -> Folder {
    Folder::new(&[
        ("index.js", CODE),
        ("fnlocal.toml", TOML),
        (".env", "CANARY_FILE=canary-in-env-file\n"),
        (".env.local", "CANARY_LOCAL='canary-in-local-env'\n"),
        (".env.prod", "CANARY_PROD=canary-in-prod-env\n"),
    ])
}

fn with_secrets(command: &mut Command) -> &mut Command {
    command
        .env("CANARY_SHELL", "canary-in-shell")
        .env("AWS_ACCESS_KEY_ID", "CANARYAWSKEYID")
        .env("AWS_SECRET_ACCESS_KEY", "canary-in-aws-secret")
        .env("AWS_EC2_METADATA_DISABLED", "true")
        .env("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
        .env("AWS_REGION", "eu-west-1")
        .env("DOCKER_HOST", "tcp://me:canary-in-docker-host@127.0.0.1:9")
}

/// The bundle as written, and as JSON.
fn bundle(folder: &Folder, args: &[&str]) -> (String, Value) {
    let to = folder.path().join("out.json");
    let mut command = Command::new(env!("CARGO_BIN_EXE_fnlocal"));
    let flag = format!("--bundle={}", to.display());
    command
        .arg("doctor")
        .arg(folder.path())
        .arg(flag)
        .args(args);
    let output = with_secrets(&mut command).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    let mode = std::fs::metadata(&to).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let text = std::fs::read_to_string(&to).unwrap();
    let value = serde_json::from_str(&text).unwrap();
    (text, value)
}

/// A secret as it may also be written: in base64 at any offset, in hexadecimal, percent-encoded.
fn disguises(secret: &str) -> Vec<String> {
    let mut all = vec![secret.to_owned()];
    for offset in 0..3 {
        let padded = [&" ".repeat(offset), secret].concat();
        let encoded = STANDARD.encode(&padded[..padded.len() / 3 * 3]);
        all.push(encoded[if offset == 0 { 0 } else { 4 }..].to_owned());
    }
    all.push(secret.bytes().map(|byte| format!("{byte:02x}")).collect());
    all.push(secret.bytes().map(|byte| format!("%{byte:02X}")).collect());
    all
}

fn assert_clean(text: &str, secrets: &[&str]) {
    for secret in secrets {
        for disguise in disguises(secret) {
            let at = text.find(&disguise);
            let around = at.map(|at| &text[at.saturating_sub(200)..at + disguise.len()]);
            assert_eq!(around, None, "{secret} is in the bundle");
        }
    }
}

async fn run_with_secrets(folder: &Folder) -> Dev {
    let mut command = crate::support::command(folder.path(), &["--runtime", "process"]);
    with_secrets(&mut command)
        .env("FNLOCAL_LOG", "trace")
        .env("FNLOCAL_LOG_TO", "file");
    let dev = Dev::start_command(command);
    let client = reqwest::Client::new();
    for function in ["bid", "fails", "dies"] {
        let path = format!("/{function}/x?key=canary-in-request-query");
        let request = client
            .post(dev.at(&path))
            .header("authorization", "Bearer canary-in-request-header")
            .body("canary-in-request-body");
        request.send().await.unwrap();
    }
    eventually("all is kept", async || {
        let invocations = kept(&dev, "kind=invocation").await.len();
        let platform = kept(&dev, "kind=platform").await;
        let told = |event: &str| platform.iter().any(|one| one["event"] == event);
        invocations == 3 && told("died") && told("error")
    })
    .await;
    dev
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bundle_contains_diagnostics_and_no_secrets() {
    let folder = project();
    let dev = run_with_secrets(&folder).await;
    let (text, bundle) = self::bundle(&folder, &[]);
    let secrets = [&CANARIES[..], &[dev.token.as_str(), PRINTED]].concat();
    assert_clean(&text, &secrets);
    assert_eq!(bundle["fnlocal"]["version"], env!("CARGO_PKG_VERSION"));
    assert!(bundle["doctor"].as_array().unwrap().len() > 3, "{text}");
    assert_eq!(
        bundle["project"]["config"]["env"]["prod"]["region"],
        "eu-west-1"
    );
    assert_eq!(
        bundle["project"]["config"]["functions"]["bid"]["env"][0],
        "CANARY_SHELL"
    );
    assert!(bundle["project"]["packages"][0]["name"].is_string());
    assert_eq!(
        bundle["functions"],
        serde_json::json!(["bid", "dies", "fails"])
    );
    assert!(bundle["running"]["runtime"].is_string(), "{text}");
    let records = bundle["records"].as_array().unwrap();
    assert!(records.iter().any(|one| one["path"] == "/bid/x"), "{text}");
    assert!(records.iter().any(|one| one["event"] == "died"), "{text}");
    let diagnosis = bundle["diagnosis"].to_string();
    assert!(diagnosis.contains("dispatched"), "{diagnosis}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bundle_includes_function_output_only_on_request_and_never_variable_values() {
    let folder = project();
    let mut dev = run_with_secrets(&folder).await;
    assert_eq!(dev.interrupt(), Some(0));
    let (text, _) = bundle(&folder, &["--with-output"]);
    assert!(text.contains(PRINTED));
    let variables = [
        "canary-in-env-file",
        "canary-in-local-env",
        "canary-in-shell",
        "canary-in-aws-secret",
        "canary-in-request-query",
    ];
    assert_clean(&text, &variables);
}

#[test]
fn a_bundle_reports_a_broken_configuration_by_line_without_quoting_it() {
    let folder = project();
    folder.write(
        "fnlocal.toml",
        "[functions.bid]\ntimeout = \"canary-in-broken\"\n",
    );
    folder.write(".env", "canary-in-broken\nA=\"canary-in-open-quote\n");
    let (text, bundle) = self::bundle(&folder, &[]);
    assert_clean(&text, &["canary-in-broken", "canary-in-open-quote"]);
    assert_eq!(bundle["project"]["broken"]["line"], 2, "{text}");
}

#[test]
fn a_bundle_replaces_a_symlink_at_its_default_path_and_does_not_follow_it() {
    let folder = Folder::new(&[("index.js", CODE), ("outside", "as it was")]);
    let link = folder.path().join("fnlocal-bundle.json");
    std::os::unix::fs::symlink("outside", &link).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_fnlocal"));
    command
        .args(["doctor", "--bundle"])
        .current_dir(folder.path());
    let output = with_secrets(&mut command).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    assert!(!link.symlink_metadata().unwrap().is_symlink());
    let outside = folder.path().join("outside");
    assert_eq!(std::fs::read_to_string(outside).unwrap(), "as it was");
}
