//! The user data, run by a shell: the script is what is tried, the programs it calls are played.

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use fnlocal_cloud::node::NodeSettings;

/// Notes each call; the first attempts at what may take a while fail.
const PLAYED: &str = r#"#!/bin/bash
name=$(basename "$0")
line="$name $*"
printf '%s\n' "$line" >>"$PLAYED/calls"
first() { [ -e "$PLAYED/$1" ] || { touch "$PLAYED/$1"; return 0; }; return 1; }
case "$name $1" in
  "aws ecr") first aws && exit 255; echo the-password ;;
  "docker login") cat >"$PLAYED/password" ;;
  "docker pull") first pull && exit 1 ;;
  "docker run") shift; printf '%s\n' "$@" >"$PLAYED/run" ;;
  "curl "*)
    case "$*" in
      *health) first health && exit 22 ;;
      *api/token) echo a-token ;;
      *"token: a-token "*/local-ipv4) echo 10.0.0.7 ;;
      *"token: a-token "*/instance-id) echo i-1 ;;
      *) exit 22 ;;
    esac ;;
  "systemctl enable")
    # As systemd does before it starts the service.
    sed -n -e 's/^ExecStartPre=-\(.*\)/\1 || true/p' -e t -e 's/^ExecStartPre=//p' \
      "$ROOT"/etc/systemd/system/docker.service.d/*.conf >"$PLAYED/before"
    bash -e "$PLAYED/before" || exit 1 ;;
  "iptables --wait")
    rule="${*:3}"
    case "$2" in
      --new-chain) first chain || exit 1 ;;
      --insert) echo "$rule" >>"$PLAYED/rules" ;;
      --check) grep -qxF "$rule" "$PLAYED/rules" 2>/dev/null || exit 1 ;;
    esac ;;
esac
exit 0
"#;

/// A machine whose programs are played.
struct Machine {
    folder: tempfile::TempDir,
}

impl Machine {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let programs = folder.path().join("bin");
        std::fs::create_dir(&programs).unwrap();
        std::fs::write(programs.join("played"), PLAYED).unwrap();
        let executable = std::fs::Permissions::from_mode(0o755);
        std::fs::set_permissions(programs.join("played"), executable).unwrap();
        for name in [
            "aws",
            "curl",
            "dnf",
            "docker",
            "iptables",
            "sleep",
            "systemctl",
        ] {
            std::os::unix::fs::symlink("played", programs.join(name)).unwrap();
        }
        Self { folder }
    }

    fn at(&self, path: &str) -> PathBuf {
        self.folder.path().join(path)
    }

    fn text(&self, path: &str) -> String {
        std::fs::read_to_string(self.at(path)).unwrap_or_default()
    }

    /// Boots with this user data, whose `/etc` is a folder of the test.
    fn boot(&self, user_data: &str) -> Output {
        let script = user_data.replace("/etc/", &format!("{}/etc/", self.root()));
        let file = self.at("user-data");
        std::fs::write(&file, script).unwrap();
        self.run(&format!("bash {}", file.display()))
    }

    fn run(&self, command: &str) -> Output {
        let path = format!("{}:/usr/bin:/bin", self.at("bin").display());
        Command::new("bash")
            .args(["-c", command])
            .env_clear()
            .env("PATH", path)
            .env("PLAYED", self.folder.path())
            .env("ROOT", self.root())
            .output()
            .unwrap()
    }

    fn root(&self) -> String {
        self.folder.path().display().to_string()
    }

    fn calls(&self) -> Vec<String> {
        self.text("calls").lines().map(str::to_owned).collect()
    }
}

fn settings() -> NodeSettings {
    let json = serde_json::json!({
        "schema": 1,
        "project": "l'été \"$(touch /tmp/never)\" `id` \\ FNLOCAL_NODE",
        "env": "prod",
        "region": "eu-west-1",
        "registry": "1.dkr.ecr.eu-west-1.amazonaws.com",
        "repository": "fnlocal/shop/prod",
        "gateway": "sha256:0f",
        "group": "fnlocal-shop-prod",
        "port": 8080,
        "peer_port": 8081,
        "peer_key": "/fnlocal/shop/prod/peer-key",
        "drain_hook": "fnlocal-drain",
        "metrics": "fnlocal",
        "logs": "/fnlocal/shop/prod",
    });
    serde_json::from_value(json).unwrap()
}

fn position(calls: &[String], beginning: &str) -> usize {
    let at = calls.iter().position(|call| call.starts_with(beginning));
    at.unwrap_or_else(|| panic!("no `{beginning}` in {calls:#?}"))
}

#[test]
fn a_machine_boots_in_order_and_retries_the_registry_login_and_pull() {
    let (machine, settings) = (Machine::new(), settings());
    let booted = machine.boot(&settings.user_data());
    assert!(booted.status.success(), "{booted:?}");
    let calls = machine.calls();
    let steps = [
        "dnf install -y docker",
        "systemctl daemon-reload",
        "systemctl enable --now docker",
        "iptables --wait --insert DOCKER-USER --destination 169.254.169.254/32 --jump REJECT",
        "aws ecr get-login-password --region eu-west-1",
        "docker pull 1.dkr.ecr.eu-west-1.amazonaws.com/fnlocal/shop/prod@sha256:0f",
        "docker run",
    ];
    let order: Vec<usize> = steps.iter().map(|step| position(&calls, step)).collect();
    assert!(order.is_sorted(), "{calls:#?}");
    let often = |beginning: &str| calls.iter().filter(|it| it.starts_with(beginning)).count();
    assert_eq!(
        (often("aws ecr"), often("docker pull")),
        (2, 2),
        "{calls:#?}"
    );
    // The password is nowhere but in a pipe.
    assert_eq!(machine.text("password"), "the-password\n");
    assert!(!calls.iter().any(|call| call.contains("the-password")));
}

#[test]
fn node_settings_reach_the_machine_unchanged_for_any_project_name() {
    let (machine, settings) = (Machine::new(), settings());
    let booted = machine.boot(&settings.user_data());
    assert!(booted.status.success(), "{booted:?}");
    let read = NodeSettings::read(&machine.at("etc/fnlocal/node.json")).unwrap();
    assert_eq!(read, settings);
    assert!(!Path::new("/tmp/never").exists());
    assert_eq!(booted.stderr, b"", "{booted:?}");
}

#[test]
fn a_node_starts_with_its_options_and_names_are_never_run_as_shell_commands() {
    let machine = Machine::new();
    let odd = NodeSettings {
        region: "eu west$(id)".to_owned(),
        logs: Some("/fnlocal/it's".to_owned()),
        ..settings()
    };
    let booted = machine.boot(&odd.user_data());
    assert!(booted.status.success(), "{booted:?}");
    let run = machine.text("run");
    let run: Vec<&str> = run.lines().collect();
    let has = |pair: [&str; 2]| run.windows(2).any(|two| two == pair);
    assert!(
        has(["--log-opt", "awslogs-region=eu west$(id)"]),
        "{run:#?}"
    );
    assert!(
        has(["--log-opt", "awslogs-group=/fnlocal/it's"]),
        "{run:#?}"
    );
    assert!(
        has(["--network", "host"]) && has(["--restart", "always"]),
        "{run:#?}"
    );
    assert!(
        has(["--volume", "/var/run/docker.sock:/var/run/docker.sock"]),
        "{run:#?}"
    );
    let settings = format!("{}/etc/fnlocal/node.json", machine.root());
    let image = "1.dkr.ecr.eu-west-1.amazonaws.com/fnlocal/shop/prod@sha256:0f";
    let command = [image, "node", "--json", "--settings", &settings];
    assert!(run.ends_with(&command), "{run:#?}");
}

#[test]
fn no_node_starts_unless_the_metadata_service_is_blocked_for_functions() {
    let machine = Machine::new();
    let user_data = settings().user_data().replace("ExecStartPre=", "Ignored=");
    let booted = machine.boot(&user_data);
    assert!(!booted.status.success());
    assert!(
        !machine
            .calls()
            .iter()
            .any(|call| call.starts_with("docker"))
    );
}

#[test]
fn a_warm_pool_machine_completes_its_lifecycle_hook_once_its_node_is_healthy() {
    let (machine, plain) = (Machine::new(), settings());
    let settings = NodeSettings {
        boot_hook: Some("fnlocal-boot".to_owned()),
        ..plain.clone()
    };
    let booted = machine.boot(&settings.user_data());
    assert!(booted.status.success(), "{booted:?}");
    let unit = machine.text("etc/systemd/system/fnlocal-booted.service");
    let command = unit
        .lines()
        .find_map(|line| line.strip_prefix("ExecStart="));
    let told = machine.run(command.unwrap());
    assert!(told.status.success(), "{told:?}");
    let calls = machine.calls();
    let ready = "curl -sf -o /dev/null http://10.0.0.7:8080/_fnlocal/health";
    let done = "aws autoscaling complete-lifecycle-action --region eu-west-1 \
        --auto-scaling-group-name fnlocal-shop-prod --lifecycle-hook-name fnlocal-boot \
        --instance-id i-1 --lifecycle-action-result CONTINUE";
    assert!(
        position(&calls, ready) < position(&calls, done),
        "{calls:#?}"
    );
    let looks = calls.iter().filter(|call| *call == ready);
    assert_eq!(looks.count(), 2, "until it is: {calls:#?}");
    // Where no machine is kept, nothing of it is there.
    assert!(!plain.user_data().contains("booted"));
}

#[test]
fn the_firewall_rule_exists_once_after_repeated_boots() {
    let machine = Machine::new();
    assert!(machine.boot(&settings().user_data()).status.success());
    assert!(machine.boot(&settings().user_data()).status.success());
    assert_eq!(machine.text("rules").lines().count(), 1);
}
