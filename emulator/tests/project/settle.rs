use std::time::Duration;

use fnlocal_api::UserError;
use fnlocal_core::{OverRate, Profile};

use fnlocal_core::trigger::{LambdaEvent, ScheduleSpec, Signature};
use fnlocal_project::{BodyMode, DescribedModule, Description, Project, Settled};
use serde_json::{Value, json};

use super::Folder;

fn module(entry: &str, functions: Value) -> DescribedModule {
    serde_json::from_value(json!({ "entry": entry, "functions": functions })).unwrap()
}

fn settle(toml: &str, functions: Value) -> Settled {
    let folder = Folder::with(&[("index.js", ""), ("fnlocal.toml", toml)]);
    let project = folder.open();
    project.settle(&project.packages[0], &[module("index.js", functions)])
}

fn described(modules: Value, entries: &[&str]) -> Vec<DescribedModule> {
    let description: Description = serde_json::from_value(modules).unwrap();
    let entries: Vec<String> = entries.iter().map(ToString::to_string).collect();
    description.of_entries(&entries)
}

#[test]
fn a_description_contains_each_requested_entry_exactly_once() {
    let modules = json!([
        { "entry": "b.js", "functions": [{ "name": "b" }] },
        { "entry": "other.js", "functions": [{ "name": "other" }] },
        { "entry": "b.js", "functions": [{ "name": "again" }] },
    ]);
    let [a, b] = &described(modules, &["a.js", "b.js"])[..] else {
        panic!("one for each");
    };
    let missing = a.error.as_ref().unwrap().summary();
    assert!(missing.contains("does not describe a.js"), "{missing}");
    assert_eq!((b.entry.as_str(), &b.error), ("b.js", &None));
    assert_eq!(b.functions[0].name, "b");
    assert_eq!(described(json!([]), &["a.js"]).len(), 1);
}

#[test]
fn all_texts_of_a_description_are_truncated() {
    let long = "N".repeat(70_000);
    for error in [
        json!(long),
        json!({ "message": long }),
        json!({ "line": long }),
        json!([long]),
    ] {
        let modules = described(json!([{ "entry": "a.js", "error": error }]), &["a.js"]);
        let failure = modules[0].error.as_ref().unwrap();
        assert!(failure.bytes() < 10_000 && failure.summary().contains("bytes cut]"));
    }
    let config = json!({ (long.clone()): 1, "timeout": long, "memory": [long] });
    let quotes = format!("a`bb`{}", format!("{long}`cc`").repeat(50));
    let quoted = json!({ "async": { (quotes.clone()): 1 }, "body": quotes });
    for config in [config, json!(long), quoted] {
        let functions = json!([{ "name": long }, { "name": "a", "config": config }]);
        let modules = json!([{ "entry": "index.js", "functions": functions }]);
        let folder = Folder::with(&[("index.js", "")]);
        let project = folder.open();
        let settled = project.settle(&project.packages[0], &described(modules, &["index.js"]));
        assert_eq!(settled.functions, []);
        assert_eq!(settled.problems[0].function(), None, "it is no function");
        let problems = settled.problems.iter().map(ToString::to_string);
        let texts = problems.chain(settled.warnings.iter().map(ToString::to_string));
        let hints = settled.problems.iter().filter_map(UserError::hint);
        let mut texts = texts.chain(hints);
        assert!(texts.all(|text| text.len() < 2000));
    }
}

#[test]
fn a_package_has_at_most_a_hundred_warnings() {
    let keys = (0..200).map(|key| (format!("key{key}"), json!(1)));
    let config: Value = keys.collect::<serde_json::Map<_, _>>().into();
    let settled = settle("", json!([{ "name": "a", "config": config }]));
    assert_eq!((settled.functions.len(), settled.warnings.len()), (1, 100));
}

fn problem(settled: &Settled) -> String {
    assert_eq!(settled.problems.len(), 1, "{:?}", settled.problems);
    settled.problems[0].to_string()
}

#[test]
fn a_function_without_config_has_the_defaults() {
    let settled = settle("", json!([{ "name": "a" }]));
    let function = &settled.functions[0];
    assert_eq!(
        (function.name.as_str(), function.entry.as_str()),
        ("a", "index.js")
    );
    assert_eq!(function.settings.limits.timeout, Duration::from_secs(15));
    assert_eq!(function.settings.body_limit, 6 << 20);
    assert_eq!(function.settings.body, BodyMode::Parsed);
}

#[test]
fn the_most_specific_table_takes_precedence() {
    let settled = settle(
        "[limits]\nqueue = 1\nqueue_timeout = \"1s\"\n[defaults]\nqueue = 2\nrps = 2\nmemory = 128\ntimeout = \"2s\"\n\
         [functions.a]\ntimeout = \"4s\"\n",
        json!([{ "name": "a", "config": { "timeout": 3000, "memory": 256, "maxInstances": 3 } }]),
    );
    let limits = &settled.functions[0].settings.limits;
    assert_eq!(limits.timeout, Duration::from_secs(4));
    assert_eq!(limits.memory_mib, 256);
    assert_eq!(limits.max_instances, 3);
    assert_eq!(limits.rps, Some(2));
    assert_eq!(limits.queue, 2);
    assert_eq!(limits.queue_timeout, Duration::from_secs(1));
}

#[test]
fn declared_variables_of_all_tables_are_combined() {
    let settled = settle(
        "[defaults]\nenv = [\"B\", \"A\"]\n[functions.a]\nenv = [\"C\"]\n",
        json!([{ "name": "a", "config": { "env": ["D", "A"] } }]),
    );
    assert_eq!(settled.functions[0].settings.env, ["A", "B", "C", "D"]);
}

#[test]
fn a_package_has_at_most_a_thousand_functions() {
    let functions = |count: usize| {
        let named = (0..count).map(|number| json!({ "name": format!("f{number}") }));
        named.collect::<Value>()
    };
    assert_eq!(settle("", functions(1000)).functions.len(), 1000);
    let settled = settle("", functions(1001));
    assert_eq!(settled.functions, []);
    assert_eq!(
        problem(&settled),
        "index.js brings its package to 1001 functions; the maximum is 1000"
    );
    let hint = settled.problems[0].hint();
    assert!(hint.unwrap().contains("split the package"));
}

#[test]
fn the_functions_of_all_files_of_a_package_count_together() {
    let folder = Folder::with(&[("index.js", ""), ("more.js", "")]);
    let project = folder.open();
    let file = |entry: &str, count: usize| {
        let named = (0..count).map(|number| json!({ "name": format!("{}{number}", &entry[..1]) }));
        module(entry, named.collect())
    };
    let described = [file("index.js", 400), file("more.js", 601)];
    let settled = project.settle(&project.packages[0], &described);
    assert!(problem(&settled).starts_with("more.js brings its package to 1001 functions"));
}

#[test]
fn code_may_declare_at_most_a_hundred_variables() {
    let named = |count: usize| {
        let names: Vec<_> = (0..count).map(|number| format!("V{number}")).collect();
        settle("", json!([{ "name": "a", "config": { "env": names } }]))
    };
    assert_eq!(named(100).functions[0].settings.env.len(), 100);
    assert_eq!(
        problem(&named(101)),
        "function `a` in index.js: `config.env`: names 101 variables; the maximum is 100"
    );
}

#[test]
fn config_in_code_accepts_every_setting_of_the_file() {
    let settled = settle(
        "",
        json!([{ "name": "a", "config": {
        "timeout": "5s", "memory": "1GB", "concurrency": 2, "minInstances": 1, "max_instances": 2,
        "rps": "unlimited", "queue": 1, "queueTimeout": 100, "pauseAfter": "1s", "stopAfter": "2s",
        "bodyLimit": "1MB", "body": "stream", "env": [], "schedule": "* * * * *",
        "async": { "attempts": 2, "backoff": "10m" }, "signature": "event",
        "on": [{ "source": "redis", "stream": "bids", "url_env": "REDIS_URL" }]
    } }]),
    );
    assert!(
        settled.problems.is_empty() && settled.warnings.is_empty(),
        "{settled:?}"
    );
    let settings = &settled.functions[0].settings;
    assert_eq!(settings.limits.rps, None);
    assert_eq!(settings.limits.memory_mib, 1024);
    assert_eq!(settings.body, BodyMode::Stream);
    assert_eq!(settings.schedule, Some(ScheduleSpec::cron("* * * * *")));
    let delivery = &settings.triggers.delivery;
    assert_eq!(delivery.attempts, 2);
    assert!(delivery.backoff_max >= delivery.backoff, "{delivery:?}");
    assert_eq!(settings.triggers.sources[0].name, "bids");
}

#[test]
fn an_unknown_key_in_code_is_a_warning_that_suggests_the_nearest() {
    let settled = settle(
        "",
        json!([{ "name": "a", "config": { "maxInstance": 3, "zebra": 1 } }]),
    );
    assert_eq!(settled.functions.len(), 1);
    assert_eq!(settled.warnings.len(), 2);
    let text = "function `a` in index.js: unknown key `maxInstance` in `config`";
    assert_eq!(settled.warnings[0].text, text);
    assert_eq!(
        settled.warnings[0].hint.as_deref(),
        Some("did you mean `maxInstances`?")
    );
    let hint = settled.warnings[1].hint.as_deref().unwrap();
    assert!(
        hint.starts_with("known here: async, body, bodyLimit, burst"),
        "{hint}"
    );
}

#[test]
fn an_unknown_nested_key_in_code_is_a_problem_with_its_path_and_the_nearest() {
    let config = json!({ "async": { "fromClients": true } });
    let settled = settle("", json!([{ "name": "a", "config": config }]));
    assert_eq!(
        problem(&settled),
        "function `a` in index.js: `config.async.fromClients`: unknown key `fromClients`"
    );
    let hint = settled.problems[0].hint();
    assert_eq!(hint.as_deref(), Some("did you mean `from_clients`?"));
}

#[test]
fn bounds_of_the_file_apply_to_config_in_code() {
    for (config, said) in [
        (
            json!({ "queue": 100_001 }),
            "`config.queue`: must be between 0 and 100000",
        ),
        (
            json!({ "maxInstances": 0 }),
            "`config.maxInstances`: must be between 1 and 1000",
        ),
        (json!({ "rps": 0 }), "`config.rps`: must be at least 1"),
        (
            json!({ "async": { "share": 101 } }),
            "`config.async.share`: must be between 1 and 100 percent",
        ),
        (
            json!({ "memory": "2GB" }),
            "`config.memory`: of one instance is more than a node's, which is 1024MB in [limits]",
        ),
    ] {
        let functions = json!([{ "name": "a", "config": config }]);
        let settled = settle("[limits]\nmemory = \"1GB\"\n", functions);
        assert_eq!(
            problem(&settled),
            format!("function `a` in index.js: {said}")
        );
    }
}

#[test]
fn an_invalid_value_in_code_names_its_function_and_key_and_affects_no_other() {
    let settled = settle(
        "",
        json!([{ "name": "a", "config": { "timeout": "soon" } }, { "name": "b", "config": { "memory": 3 } }, { "name": "c" }]),
    );
    let texts: Vec<String> = settled.problems.iter().map(ToString::to_string).collect();
    assert!(
        texts[0].starts_with("function `a` in index.js: `config.timeout`: invalid value"),
        "{texts:?}"
    );
    assert_eq!(
        texts[1],
        "function `b` in index.js: `config.memory`: must be between 64MB and 64GB"
    );
    assert_eq!(settled.functions.len(), 1);
}

#[test]
fn an_ambiguous_time_in_code_is_a_problem_with_both_readings() {
    let times = json!([
        {"name": "few", "config": {"timeout": 3}},
        {"name": "half", "config": {"queueTimeout": 1.5}},
        {"name": "text", "config": {"async": {"backoff": "30"}}},
        {"name": "fine", "config": {"timeout": 100}},
    ]);
    let settled = settle("", times);
    assert_eq!(settled.functions.len(), 1);
    let told = settled.problems.iter();
    let told: Vec<String> = told
        .map(|one| format!("{one}: {}", one.hint().unwrap_or_default()))
        .collect();
    for (told, number) in told.iter().zip(["3", "1.5", "30"]) {
        assert!(
            told.contains(&format!("a time of {number} has no unit")),
            "{told}"
        );
        for unit in ["s", "ms"] {
            assert!(told.contains(&format!("\"{number}{unit}\"")), "{told}");
        }
    }
    assert_eq!(told.len(), 3, "{told:?}");
}

#[test]
fn a_key_in_two_spellings_is_a_problem_that_names_both_with_their_lines() {
    let code = "exports.a = {\n  func: () => {},\n  config: {\n    maxInstances: 3,\n    max_instances: 5,\n  },\n};\n";
    let folder = Folder::with(&[("index.js", code)]);
    let project = folder.open();
    let config = json!({ "maxInstances": 3, "max_instances": 5 });
    let functions = json!([{ "name": "a", "config": config }, { "name": "b" }]);
    let settled = project.settle(&project.packages[0], &[module("index.js", functions)]);
    let text = problem(&settled);
    assert!(
        text.contains("index.js") && text.contains("given twice"),
        "{text}"
    );
    assert!(text.contains("`maxInstances` in line 4"), "{text}");
    assert!(text.contains("`max_instances` in line 5"), "{text}");
    assert_eq!(settled.functions[0].name, "b");
    // A spelling whose value is null is not given.
    let settled = settle(
        "",
        json!([{ "name": "a", "config": { "maxInstances": 3, "max_instances": null } }]),
    );
    assert!(settled.problems.is_empty(), "{:?}", settled.problems);
}

#[test]
fn a_config_that_is_not_an_object_is_a_problem() {
    let settled = settle("", json!([{ "name": "a", "config": 3 }]));
    assert_eq!(
        problem(&settled),
        "function `a` in index.js: `config`: must be an object, not 3"
    );
}

#[test]
fn a_contradiction_between_file_and_code_is_shown_in_the_file() {
    let settled = settle(
        "[functions.a]\nmin_instances = 5\n",
        json!([{ "name": "a", "config": { "maxInstances": 2 } }]),
    );
    let text = problem(&settled);
    assert!(
        text.contains("fnlocal.toml:2:17: function `a`: `min_instances` must not be more"),
        "{text}"
    );
}

#[test]
fn a_contradiction_within_code_names_the_code_file() {
    let settled = settle(
        "",
        json!([{ "name": "a", "config": { "minInstances": 5, "maxInstances": 2 } }]),
    );
    assert!(problem(&settled).starts_with("function `a` in index.js: `min_instances`"));
}

#[test]
fn a_contradiction_is_reported_at_the_key_that_the_file_sets() {
    let settled = settle(
        "[defaults]\npause_after = \"20s\"\n",
        json!([{ "name": "a", "config": { "stopAfter": "10s" } }]),
    );
    assert!(
        problem(&settled).contains("fnlocal.toml:2:15"),
        "{settled:?}"
    );
}

#[test]
fn defaults_adapt_to_configured_values() {
    let settled = settle(
        "[functions.a]\nstop_after = \"5s\"\n[functions.b]\npause_after = \"20m\"\nmin_instances = 200\n",
        json!([{ "name": "a" }, { "name": "b" }]),
    );
    assert!(settled.problems.is_empty(), "{settled:?}");
    let [a, b] = [0, 1].map(|at: usize| settled.functions[at].settings.limits.clone());
    assert_eq!(a.pause_after, Duration::from_secs(5));
    assert_eq!(b.stop_after, Duration::from_secs(1200));
    assert_eq!(b.max_instances, 200);
}

#[test]
fn names_that_cannot_be_paths_are_problems() {
    let long = "a".repeat(65);
    for name in ["", "1a", "a b", "_fnlocal_x", "ä", "a/b", long.as_str()] {
        let settled = settle("", json!([{ "name": name }]));
        assert!(
            problem(&settled).contains("cannot be a function's name"),
            "{name}"
        );
        assert!(settled.problems[0].hint().is_some());
    }
    for name in ["a", "_a", "a-b_c9", &"a".repeat(64)] {
        assert!(
            settle("", json!([{ "name": name }])).problems.is_empty(),
            "{name}"
        );
    }
}

#[test]
fn a_file_that_fails_to_import_does_not_affect_the_others() {
    let folder = Folder::with(&[("functions/a.js", ""), ("functions/b.js", "")]);
    let project = folder.open();
    let broken = json!({ "entry": "functions/a.js", "error": { "message": "no" } });
    let modules = [
        serde_json::from_value(broken).unwrap(),
        module("functions/b.js", json!([{ "name": "b" }])),
    ];
    let settled = project.settle(&project.packages[0], &modules);
    assert_eq!(problem(&settled), "functions/a.js could not be imported");
    assert_eq!(settled.functions.len(), 1);
}

#[test]
fn a_function_name_in_two_files_is_a_problem_that_names_both() {
    let folder = Folder::with(&[("functions/a.js", ""), ("functions/b.js", "")]);
    let project = folder.open();
    let modules =
        ["functions/a.js", "functions/b.js"].map(|entry| module(entry, json!([{ "name": "x" }])));
    let settled = project.settle(&project.packages[0], &modules);
    assert_eq!(
        problem(&settled),
        "function `x` is defined twice: in functions/a.js and in functions/b.js"
    );
    assert_eq!(settled.functions[0].entry, "functions/a.js");
}

fn two_packages(toml: &str) -> (Folder, Project) {
    let folder = Folder::with(&[
        ("fnlocal.toml", toml),
        ("services/a/package.json", "{}"),
        ("services/a/index.js", ""),
        ("services/b/package.json", "{}"),
        ("services/b/index.js", ""),
    ]);
    let project = folder.open();
    (folder, project)
}

#[test]
fn a_function_name_in_two_packages_is_a_problem_that_names_both_files() {
    let (_folder, project) = two_packages("");
    let modules = [module("index.js", json!([{ "name": "x" }]))];
    let across = project.check_across(&[
        (&project.packages[0], &modules),
        (&project.packages[1], &modules),
    ]);
    let texts: Vec<String> = across.problems.iter().map(ToString::to_string).collect();
    assert_eq!(
        texts,
        ["function `x` is defined twice: in services/a/index.js and in services/b/index.js"]
    );
}

#[test]
fn a_default_and_tables_of_unknown_functions_are_reported_with_the_nearest_name() {
    let (_folder, project) = two_packages("default = \"homme\"\n[functions.bidd]\nqueue = 1\n");
    let modules = [module(
        "index.js",
        json!([{ "name": "home" }, { "name": "bid" }]),
    )];
    let across = project.check_across(&[(&project.packages[0], &modules)]);
    assert_eq!(
        across.problems[0].hint().as_deref(),
        Some("did you mean `home`?")
    );
    assert_eq!(
        across.warnings[0].hint.as_deref(),
        Some("did you mean `bid`?")
    );
    assert!(
        across.warnings[0].text.contains("fnlocal.toml:2:"),
        "{}",
        across.warnings[0]
    );
}

fn settle_under(profile: Profile, toml: &str) -> Settled {
    let folder = Folder::with(&[("index.js", ""), ("fnlocal.toml", toml)]);
    let mut project = folder.open();
    project.profile = profile;
    let functions = json!([{ "name": "a" }]);
    project.settle(&project.packages[0], &[module("index.js", functions)])
}

#[test]
fn a_profile_replaces_defaults_and_enforces_its_fixed_limits() {
    let settled = settle_under(Profile::Lambda, "");
    let settings = &settled.functions[0].settings;
    assert_eq!(settings.limits.max_instances, 1000);
    assert_eq!(settings.limits.queue, 0);
    assert_eq!(settings.response_limit, Some(6 << 20));
    let settled = settle_under(
        Profile::Lambda,
        "[defaults]\nmax_instances = 7\nconcurrency = 9\nqueue = 50\nresponse_limit = \"1MB\"\n",
    );
    let settings = &settled.functions[0].settings;
    assert_eq!(settings.limits.max_instances, 7);
    assert_eq!(settings.limits.concurrency, 1);
    assert_eq!(settings.limits.queue, 0);
    assert_eq!(settings.response_limit, Some(1 << 20));
}

#[test]
fn settings_of_a_function_can_be_read_from_the_file_alone() {
    let toml = "[defaults]\nburst = 5\n[functions.a]\nover_rate = \"queue\"\nstart_rate = 3\n";
    let project = Folder::with(&[("index.js", ""), ("fnlocal.toml", toml)]).open();
    let of = |name| project.file.settings(name, Profile::Fnlocal).unwrap();
    let limits = of("a").limits;
    assert_eq!(limits.burst, Some(5));
    assert_eq!(limits.over_rate, OverRate::Queue);
    assert_eq!(limits.start_rate, Some(3));
    assert_eq!(of("b").limits.start_rate, None);
}

#[test]
fn a_stream_has_only_a_configured_body_limit_and_not_the_default() {
    let limit = |profile, toml: &str| {
        let toml = format!("{toml}[functions.a]\nbody = \"stream\"\n");
        let settled = settle_under(profile, &toml);
        settled.functions[0].settings.body_limit
    };
    assert_eq!(limit(Profile::Fnlocal, ""), u64::MAX);
    let said = "[limits]\nbody_limit = \"1MB\"\n";
    assert_eq!(limit(Profile::Fnlocal, said), 1 << 20);
    assert_eq!(limit(Profile::Lambda, ""), 6 << 20);
}

#[test]
fn a_handlers_form_is_that_of_the_configuration_or_else_of_its_code() {
    let settled = settle(
        "[functions.b]\nsignature = \"lambda\"\nlambda_event = \"1.0\"\n",
        json!([
            { "name": "a", "signature": "fetch" },
            { "name": "b", "signature": "event" },
            { "name": "c", "signature": "fetch", "config": { "body": "parsed" } },
            { "name": "d", "signature": "event" },
            { "name": "e", "signature": "of the future" },
            { "name": "f" },
        ]),
    );
    let found: Vec<_> = settled
        .functions
        .iter()
        .map(|one| {
            let settings = &one.settings;
            (
                settings.signature.word(),
                settings.triggers.signature,
                settings.body,
            )
        })
        .collect();
    let (fetch, lambda) = (Some(Signature::Fetch), Some(Signature::Lambda));
    assert_eq!(
        found,
        [
            ("fetch", fetch, BodyMode::Stream),
            ("lambda", lambda, BodyMode::Parsed),
            ("fetch", fetch, BodyMode::Parsed),
            ("event", None, BodyMode::Parsed),
            ("http", None, BodyMode::Parsed),
            ("http", None, BodyMode::Parsed),
        ]
    );
    assert_eq!(settled.functions[0].settings.body_limit, u64::MAX);
    assert_eq!(
        settled.functions[1].settings.triggers.lambda_event,
        LambdaEvent::V1
    );
}

#[test]
fn a_route_to_a_function_that_is_not_there_is_a_problem_with_its_place() {
    let folder = Folder::with(&[
        ("index.js", ""),
        (
            "fnlocal.toml",
            "[[routes]]\npath = \"/users/{id}\"\nfunction = \"usrs\"\n",
        ),
    ]);
    let project = folder.open();
    let modules = [module("index.js", json!([{ "name": "users" }]))];
    let across = project.check_across(&[(&project.packages[0], &modules)]);
    let problem = across.problems[0].to_string();
    assert!(problem.contains("a route leads to `usrs`"), "{problem}");
    let hint = across.problems[0].hint().unwrap();
    assert!(hint.contains("`users`"), "{hint}");
}
