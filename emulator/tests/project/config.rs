use std::path::Path;
use std::time::Duration;

use fnlocal_api::UserError;
use fnlocal_project::{
    BodyMode, Config, ConfigFile, FileError, RequestRate, ScaleOnConfig, schema,
};

fn parse(text: &str) -> Config {
    ConfigFile::parse(Path::new("fnlocal.toml"), text)
        .unwrap()
        .config
}

fn error(text: &str) -> FileError {
    ConfigFile::parse(Path::new("fnlocal.toml"), text).unwrap_err()
}

#[test]
fn an_ambiguous_time_without_unit_is_refused_with_both_readings() {
    for (table, key) in [
        ("[functions.bid]", "timeout"),
        ("[functions.bid]", "queue_timeout"),
        ("[defaults]", "stop_after"),
        ("[async]", "backoff"),
        ("[build]", "install_timeout"),
        ("[logs]", "age"),
        ("[env.prod]", "warm_up"),
    ] {
        for number in ["1", "3", "99", "1.5", "\"3\"", "\" 30 \"", "\"3000\""] {
            let error = error(&format!("{table}\n{key} = {number}\n"));
            let bare = number.replace(['"', ' '], "");
            let said = error.to_string();
            assert!(
                said.contains(&format!("a time of {bare} has no unit")),
                "{said}"
            );
            assert!(
                said.contains(key) && said.contains("fnlocal.toml:2:"),
                "{said}"
            );
            let hint = error.hint().unwrap();
            let both = [format!("\"{bare}s\""), format!("\"{bare}ms\"")];
            assert!(both.iter().all(|one| hint.contains(one)), "{hint}");
        }
    }
    let config = parse("[defaults]\ntimeout = 100\nqueue_timeout = 0\nstop_after = \"3ms\"\n");
    assert_eq!(
        config.defaults.timeout.unwrap().0,
        Duration::from_millis(100)
    );
    assert_eq!(config.defaults.timeout.unwrap().to_string(), "100ms");
    assert_eq!(config.defaults.stop_after.unwrap().to_string(), "3ms");
}

#[test]
fn a_configuration_with_every_setting_parses() {
    let config = parse(
        r#"
name = "auction"
packages = ["services/*"]
default = "home"
[defaults]
timeout = "15s"
memory = "512MB"
[functions.bid]
timeout = 1500
memory = 256
concurrency = 4
min_instances = 1
max_instances = 100
rps = 3000
burst = 200
over_rate = "queue"
start_rate = 50
queue = 10
queue_timeout = "1.5s"
pause_after = "5s"
stop_after = "5m"
body_limit = "6MB"
response_limit = "32MB"
body = "stream"
env = ["REDIS_URL"]
schedule = "*/5 * * * *"
signature = "http"
[functions.bid.async]
attempts = 3
backoff = "2s"
backoff_max = "1m"
max_age = "1h"
keep_keys = "1h"
share = 25
from_clients = true
queue_size = "64MB"
[[functions.bid.on]]
source = "postgres"
channel = "bids"
outbox = "outbox"
url_env = "DATABASE_URL"
batch = 10
[async]
attempts = 4
[limits]
queue = 1000
queue_timeout = "30s"
max_instances = 500
rps = "unlimited"
burst = 500
over_rate = "refuse"
response_limit = "6MB"
async_queue_size = "2GB"
memory = "4GB"
idle_timeout = "2m"
[build]
base_image = "node:24-slim"
[dev]
port = 4000
runtime = "process"
[env.prod]
region = "eu-west-1"
instance_type = "t3.large"
nodes = { min = 2, max = 20 }
scale_on = { requests_per_node = 800 }
prescale = [{ name = "flash-sale", cron = "30 17 * * FRI", timezone = "Asia/Kolkata", min = 12 }]
warm_pool = 2
warm_up = "2m"
"#,
    );
    let bid = &config.functions["bid"];
    assert_eq!(bid.timeout.unwrap().0, Duration::from_millis(1500));
    assert_eq!(bid.queue_timeout.unwrap().0, Duration::from_millis(1500));
    assert_eq!(bid.stop_after.unwrap().0, Duration::from_secs(300));
    assert_eq!(bid.memory.unwrap().0, 256);
    assert_eq!(bid.body_limit.unwrap().0, 6 << 20);
    assert_eq!(bid.body, Some(BodyMode::Stream));
    let delivery = bid.delivery.as_ref().unwrap();
    assert_eq!(delivery.from_clients, Some(true));
    assert_eq!(delivery.queue_size.unwrap().0, 64 << 20);
    assert_eq!(config.limits.async_queue_size.unwrap().0, 2 << 30);
    assert_eq!(config.defaults.memory.unwrap().0, 512);
    assert_eq!(config.limits.rps, Some(RequestRate(None)));
    assert_eq!(config.limits.memory.unwrap().0, 4096);
    let prod = &config.env["prod"];
    assert_eq!(prod.scale_on, Some(ScaleOnConfig::RequestsPerNode(800)));
    assert_eq!(prod.prescale[0].timezone.as_deref(), Some("Asia/Kolkata"));
}

#[test]
fn an_empty_file_changes_nothing() {
    assert_eq!(parse(""), Config::default());
}

#[test]
fn an_unknown_key_is_marked_in_its_line_and_the_nearest_is_suggested() {
    let error = error("name = \"a\"\n\n[functions.bid]\n  timout = \"15s\"\n");
    assert_eq!((error.line, error.column), (4, 3));
    assert_eq!(error.message, "unknown key `timout` in `functions.bid`");
    assert_eq!(error.hint().as_deref(), Some("did you mean `timeout`?"));
    let text = error.to_string();
    assert!(
        text.starts_with("fnlocal.toml:4:3: unknown key `timout`"),
        "{text}"
    );
    assert!(text.contains("4 |   timout = \"15s\"\n"), "{text}");
    assert!(text.ends_with("  |   ^^^^^^"), "{text}");
}

#[test]
fn an_unknown_table_names_the_nearest() {
    let error = error("[function.bid]\ntimeout = 3\n");
    assert_eq!(error.line, 1);
    assert_eq!(error.hint().as_deref(), Some("did you mean `functions`?"));
}

#[test]
fn an_unknown_key_similar_to_none_lists_the_known_keys() {
    let hint = error("[dev]\nzebra = 1\n").hint().unwrap();
    assert!(hint.contains("port") && hint.contains("runtime"), "{hint}");
}

#[test]
fn a_camel_case_key_suggests_its_snake_case_form() {
    let error = error("[defaults]\nmaxInstances = 3\n");
    assert_eq!(
        error.hint().as_deref(),
        Some("did you mean `max_instances`?")
    );
}

#[test]
fn a_wrong_type_names_the_key_and_what_was_expected() {
    let error = error("[defaults]\nconcurrency = \"four\"\n");
    assert_eq!((error.line, error.column), (2, 15));
    assert!(error.message.contains("`defaults.concurrency`"), "{error}");
    assert!(error.message.contains("a whole number"), "{error}");
}

#[test]
fn an_invalid_duration_is_refused_with_an_example() {
    for bad in [
        "\"15 parsecs\"",
        "\"15\"",
        "-3",
        "\"\"",
        "\"1..5s\"",
        "true",
    ] {
        let error = error(&format!("[functions.bid]\ntimeout = {bad}\n"));
        assert_eq!(error.line, 2, "{bad}");
        assert!(error.message.contains("`functions.bid.timeout`"), "{error}");
        let hint = error.hint().unwrap_or_default();
        assert!(format!("{error} {hint}").contains("\"15s\""), "{error}");
    }
}

#[test]
fn a_body_limit_needs_its_unit() {
    let error = error("[defaults]\nbody_limit = 6000000\n");
    assert!(error.message.contains("with its unit"), "{error}");
}

#[test]
fn an_out_of_bounds_value_is_marked_in_its_line() {
    let error = error("[defaults]\nqueue = 5\nmemory = \"1MB\"\n");
    assert_eq!((error.line, error.column), (3, 10));
    assert_eq!(error.message, "`memory` must be between 64MB and 64GB");
    assert!(error.picture.contains("^^^^^"), "{error}");
}

#[test]
fn bounds_hold_in_every_table() {
    for (text, line, said) in [
        (
            "[limits]\nqueue = 100001",
            2,
            "`queue` must be between 0 and 100000",
        ),
        (
            "[limits]\nidle_timeout = 0",
            2,
            "`idle_timeout` must be at least 1ms",
        ),
        (
            "[limits]\nasync_queue_size = \"1KB\"",
            2,
            "`async_queue_size` must be at least 1MB",
        ),
        ("[logs]\nage = \"59s\"", 2, "`age` must be at least 1m"),
        (
            "[build]\ninstall_timeout = \"2h\"",
            2,
            "`install_timeout` must be between 1s and 1h",
        ),
        (
            "[env.a]\ndisk_gb = 7",
            2,
            "`disk_gb` must be between 8 and 16384 GB",
        ),
        (
            "[env.a]\nscale_on = { requests_per_node = 0 }",
            2,
            "`requests_per_node` must be at least 1",
        ),
        (
            "[env.a]\nnodes = { min = 0, max = 0 }",
            2,
            "`max` must be at least 1",
        ),
        (
            "[defaults.async]\nattempts = 101",
            2,
            "`attempts` must be between 1 and 100",
        ),
        (
            "[[loadtest.scenarios.a.requests]]\nfunction = \"a\"\nexpect = { status = [200, 99] }",
            3,
            "`status` must be between 100 and 599",
        ),
    ] {
        let error = error(&format!("{text}\n"));
        assert_eq!((error.line, error.message.as_str()), (line, said));
    }
}

#[test]
fn contradictory_limits_in_one_table_are_refused() {
    let error = error("[functions.a]\nmin_instances = 5\nmax_instances = 2\n");
    assert_eq!((error.line, error.column), (2, 17));
}

#[test]
fn limits_that_other_tables_may_complete_are_accepted() {
    parse("[functions.a]\nmin_instances = 500\n[functions.b]\nstop_after = \"5s\"\n");
}

#[test]
fn an_unknown_choice_suggests_the_nearest() {
    let error = error("[dev]\nruntime = \"dokcer\"\n");
    assert_eq!((error.line, error.column), (2, 11));
    assert_eq!(error.hint().as_deref(), Some("did you mean `docker`?"));
}

#[test]
fn a_syntax_error_is_marked_in_its_line() {
    let error = error("name = \"a\n[dev]\n");
    assert_eq!(error.line, 1);
    assert!(!error.picture.is_empty());
}

#[test]
fn a_duplicate_key_is_refused_with_its_line() {
    assert_eq!(error("name = \"a\"\nname = \"b\"\n").line, 2);
}

#[test]
fn invalid_names_are_refused_with_their_line() {
    assert_eq!(error("name = \"a b\"\n").line, 1);
    assert_eq!(error("default = \"/\"\n").line, 1);
    assert_eq!(error("\n[functions._fnlocal_x]\nqueue = 1\n").line, 2);
    assert_eq!(error("[defaults]\nenv = [\"A-B\"]\n").line, 2);
}

#[test]
fn invalid_environment_settings_are_refused() {
    assert_eq!(error("[env.prod]\nnodes = { min = 3, max = 2 }\n").line, 2);
    assert_eq!(
        error("[env.prod]\nscale_on = { memory_percent = 101 }\n").line,
        2
    );
    assert!(
        error("[env.prod]\nnodes = { min = 3 }\n")
            .message
            .contains("`max`")
    );
    let hint = error("[env.prod]\nscale_on = { requests = 3 }\n")
        .hint()
        .unwrap();
    assert!(hint.contains("requests_per_node"), "{hint}");
}

#[test]
fn impossible_limits_are_refused_with_their_position() {
    let large = error("[defaults]\nmemory = \"2GB\"\n[limits]\nmemory = \"1GB\"\n");
    assert_eq!((large.line, large.column), (2, 10));
    assert!(large.message.contains("1024MB") && large.hint().is_some());
    let large = error("[limits]\nmemory = 256\n[functions.a]\nmemory = 512\n");
    assert_eq!((large.line, large.column), (4, 10));
    assert_eq!(error("[functions.a]\nburst = 0\n").line, 2);
    assert_eq!(error("[functions.a]\nstart_rate = 0\n").line, 2);
    assert_eq!(error("[limits]\n\nburst = 0\n").line, 3);
    let hint = error("[functions.a]\nover_rate = \"qeue\"\n").hint();
    assert_eq!(hint.as_deref(), Some("did you mean `queue`?"));
    let most = "[env.prod]\nnodes = { min = 1, max = 4 }\nprescale = [{ name = \"sale\", cron = \"0 9 * * *\", min = 12 }]\n";
    let most = error(most);
    assert_eq!(most.line, 3);
    assert!(most.message.contains("`sale` asks for 12 nodes"), "{most}");
}

#[test]
fn invalid_triggers_are_refused_with_their_position() {
    let cron = error("[functions.a]\n\nschedule = \"often\"\n");
    assert_eq!((cron.line, cron.column), (3, 12), "{cron}");
    assert!(
        cron.message.contains("`often` is not a cron expression"),
        "{cron}"
    );
    let zone = error("[functions.a.schedule]\ncron = \"0 9 * * *\"\ntimezone = \"Mars\"\n");
    assert_eq!((zone.line, zone.column), (3, 12), "{zone}");
    let attempts = error("[async]\nattempts = 0\n");
    assert_eq!((attempts.line, attempts.column), (2, 12), "{attempts}");
    let size = error("[functions.a.async]\nqueue_size = \"64KB\"\n");
    assert!(size.message.contains("at least 1MB"), "{}", size.message);
    let share = error("[functions.a.async]\nshare = 200\n");
    assert_eq!((share.line, share.column), (2, 9), "{share}");
    let redis = "[[functions.a.on]]\nsource = \"redis\"\nurl = \"redis://x\"\nstream = \"s\"\n";
    let foreign = error(&format!("{redis}queue = \"q\"\n"));
    assert_eq!((foreign.line, foreign.column), (5, 9), "{foreign}");
    assert_eq!(foreign.message, "a source of kind `redis` has no `queue`");
    let missing = error("[[functions.a.on]]\nsource = \"redis\"\nurl = \"redis://x\"\n");
    assert_eq!(missing.message, "a source of kind `redis` needs `stream`");
    let second = error(&format!("{redis}[[functions.a.on]]\nsource = \"reddis\"\n"));
    assert_eq!(
        second.hint().as_deref(),
        Some("did you mean `redis`?"),
        "{second}"
    );
}

#[test]
fn columns_count_characters() {
    let error = error("# é\n\"é\" = 1\n");
    assert_eq!((error.line, error.column), (2, 1));
    let error = self::error("name = \"é\" # x\nqueue = 1");
    assert_eq!(error.line, 2);
}

#[test]
fn the_schema_has_the_function_keys_and_refuses_unknown_ones() {
    let schema = schema();
    assert_eq!(schema["additionalProperties"], false);
    let function = &schema["$defs"]["FunctionConfig"];
    assert_eq!(function["additionalProperties"], false);
    for key in [
        "timeout",
        "burst",
        "over_rate",
        "response_limit",
        "schedule",
        "async",
        "on",
    ] {
        assert!(function["properties"][key].is_object(), "{key}");
    }
    assert!(schema["properties"]["functions"].is_object());
}

#[test]
fn a_mistake_in_a_scenario_is_refused_with_its_position() {
    let text = "[[loadtest.scenarios.bids.requests]]\nfunction = \"bid\"\n\n\
                [[loadtest.scenarios.bids.requests]]\nfunction = \"bid\"\nweight = 0\n";
    let error = ConfigFile::parse(Path::new("fnlocal.toml"), text).unwrap_err();
    assert_eq!((error.line, error.column), (6, 10), "{error}");
    assert_eq!(error.message, "`weight` must be at least 1");
    let unknown = "[[loadtest.scenarios.bids.requests]]\nfunction = \"bid\"\nwieght = 1\n";
    let error = ConfigFile::parse(Path::new("fnlocal.toml"), unknown).unwrap_err();
    assert_eq!(
        error.hint().as_deref(),
        Some("did you mean `weight`?"),
        "{error}"
    );
}

#[test]
fn a_scenario_without_requests_is_refused() {
    let text = "[loadtest.scenarios.bids]\nthink = \"1s\"\n";
    let error = ConfigFile::parse(Path::new("fnlocal.toml"), text).unwrap_err();
    assert_eq!(error.message, "scenario `bids` has no requests");
}

#[test]
fn routes_that_a_request_cannot_tell_apart_are_refused_where_they_stand() {
    let route = |path: &str, methods: &str| {
        format!("[[routes]]\npath = \"{path}\"\n{methods}\nfunction = \"a\"\n")
    };
    let first = route("/users/{id}", "methods = [\"GET\"]");
    for (second, says) in [
        (route("/users/{name}", ""), "the same to a request"),
        (
            route("/users/{id}", "methods = [\"GET\"]"),
            "has a route already",
        ),
        (route("/users/{id}", "methods = [\"post\"]"), "in capitals"),
        (route("users", ""), "begins with a slash"),
    ] {
        let error = error(&format!("{first}{second}")).to_string();
        assert!(error.contains(says), "{error}");
        assert!(error.contains(":6"), "{error}");
    }
    let both = format!("{first}{}", route("/users/{id}", "methods = [\"POST\"]"));
    assert_eq!(parse(&both).routes.len(), 2);
}
