//! Other platforms' files, read from folders as people have them.
#![allow(clippy::unwrap_used, reason = "in a test, a panic is the report")]

use std::fs;

use fnlocal_import::{ImportError, files, read};
use tempfile::TempDir;

/// A project's folder.
fn folder(files: &[(&str, &str)]) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (path, text) in files {
        let path = folder.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    folder
}

/// The text of each file that is written, and what is left.
fn written(folder: &TempDir, name: &str) -> (Vec<(String, String)>, Vec<String>) {
    let project = read(&folder.path().join(name)).unwrap();
    let files = files(&project);
    let texts = files.into_iter().map(|one| (one.path, one.text)).collect();
    (texts, project.left)
}

fn text<'a>(files: &'a [(String, String)], path: &str) -> &'a str {
    let found = files.iter().find(|(name, _)| name == path);
    &found
        .unwrap_or_else(|| panic!("{path} is not among {files:?}"))
        .1
}

#[test]
fn a_sam_template_becomes_functions_routes_variables_and_schedules() {
    let template = r"
Globals:
  Function: { Timeout: 3, MemorySize: 128, Runtime: nodejs20.x }
Resources:
  Hello:
    Type: AWS::Serverless::Function
    Properties:
      CodeUri: hello-world/
      Handler: app.lambdaHandler
      MemorySize: 256
      Environment: { Variables: { TABLE: !Ref Table, MODE: 'a b' } }
      Events:
        Get: { Type: Api, Properties: { Path: '/hello/{id}', Method: get } }
        Post: { Type: Api, Properties: { Path: '/hello/{id}', Method: post } }
        Nightly: { Type: Schedule, Properties: { Schedule: cron(0 3 * * ? *) } }
        Queue: { Type: SQS, Properties: { Queue: !GetAtt Q.Arn } }
  Py: { Type: 'AWS::Serverless::Function', Properties: { Runtime: python3.12, Handler: app.main } }
  Table: { Type: 'AWS::DynamoDB::Table' }
";
    let folder = folder(&[
        ("template.yaml", template),
        (
            "hello-world/app.mjs",
            "export const lambdaHandler = async () => 1",
        ),
        ("hello-world/package.json", "{\"main\": \"app.js\"}"),
    ]);
    let (files, left) = written(&folder, "template.yaml");
    let toml = text(&files, "fnlocal.toml");
    for part in [
        "packages = [\"hello-world\"]",
        "entries = [\"hello-world/functions/Hello.mjs\"]",
        "path = \"/hello/{id}\"",
        "methods = [\"GET\", \"POST\"]",
        "[functions.Hello]",
        "signature = \"lambda\"",
        "lambda_event = \"1.0\"",
        "memory = \"256MB\"",
        "timeout = \"3s\"",
        "schedule = \"0 3 * * *\"",
        "env = [\"MODE\"]",
    ] {
        assert!(toml.contains(part), "{part}: {toml}");
    }
    assert_eq!(text(&files, ".env"), "MODE='a b'\n");
    let module = text(&files, "hello-world/functions/Hello.mjs");
    assert!(module.contains("from \"../app.mjs\""), "{module}");
    assert!(module.contains("all[\"lambdaHandler\"]"), "{module}");
    let left = left.join("\n");
    for part in [
        "variable TABLE",
        "event Queue of Hello (SQS)",
        "function Py: its runtime is python3.12",
        "resource Table",
    ] {
        assert!(left.contains(part), "{part}: {left}");
    }
}

#[test]
fn a_serverless_service_becomes_functions_by_its_own_names() {
    let service = r"
service: shop
provider: { name: aws, runtime: nodejs20.x, timeout: 10, environment: { STAGE: dev } }
plugins: [serverless-offline, serverless-domain-manager]
functions:
  list:
    handler: src/users.list
    events: [{ httpApi: 'GET /users' }, { httpApi: { method: GET, path: '/users/{id}' } }]
  old: { handler: src/users.old, events: [{ http: { path: old, method: any } }] }
  tick: { handler: src/tick.run, events: [{ schedule: rate(10 minutes) }, { sqs: 'arn:aws:sqs:eu-west-1:1:q' }] }
  rest: { handler: src/users.rest, reservedConcurrency: 5, events: [{ httpApi: '*' }] }
  gone: { handler: src/nowhere.run }
";
    let folder = folder(&[
        ("serverless.yml", service),
        ("package.json", "{}"),
        ("src/users.js", ""),
        ("src/tick.ts", ""),
    ]);
    let (files, left) = written(&folder, "serverless.yml");
    let toml = text(&files, "fnlocal.toml");
    for part in [
        "name = \"shop\"",
        "default = \"rest\"",
        "path = \"/users\"",
        "path = \"/users/{id}\"",
        "path = \"/old\"",
        "schedule = \"*/10 * * * *\"",
        "max_instances = 5",
        "timeout = \"10s\"",
    ] {
        assert!(toml.contains(part), "{part}: {toml}");
    }
    assert!(!toml.contains("packages"), "{toml}");
    assert!(text(&files, "functions/tick.mjs").contains("\"../src/tick.ts\""));
    let left = left.join("\n");
    for part in [
        "event sqs of tick",
        "function gone: there is no file",
        "plugin serverless-domain-manager",
    ] {
        assert!(left.contains(part), "{part}: {left}");
    }
    assert!(!left.contains("serverless-offline"), "{left}");
}

#[test]
fn a_netlify_site_keeps_its_paths() {
    let site = "[functions]\ndirectory = \"lambda\"\n[functions.tick]\nschedule = \"@hourly\"\n\
        [[redirects]]\nfrom = \"/api/users/:id\"\nto = \"/.netlify/functions/users\"\nstatus = 200\n\
        [[redirects]]\nfrom = \"/*\"\nto = \"/index.html\"\n";
    let folder = folder(&[
        ("netlify.toml", site),
        ("lambda/users.js", ""),
        ("lambda/tick.mjs", ""),
    ]);
    let (files, left) = written(&folder, "netlify.toml");
    let toml = text(&files, "fnlocal.toml");
    for part in [
        "path = \"/.netlify/functions/users\"",
        "path = \"/api/users/{id}\"",
        "schedule = \"0 * * * *\"",
        "lambda_event = \"1.0\"",
    ] {
        assert!(toml.contains(part), "{part}: {toml}");
    }
    assert!(text(&files, "functions/users.mjs").contains("../lambda/users.js"));
    assert_eq!(left, ["redirect /* to /index.html"]);
}

#[test]
fn vercel_firebase_and_wrangler_files_are_read_with_their_comments() {
    let vercel = r#"{ "functions": { "api/*.js": { "memory": 1024, "maxDuration": 30 } },
        "rewrites": [{ "source": "/users/:id", "destination": "/api/users" }, { "source": "/(.*)", "destination": "/api/all" }],
        "crons": [{ "path": "/api/all", "schedule": "0 5 * * *" }] }"#;
    let firebase = r#"{ "functions": [{ "source": "backend" }], "hosting": { "rewrites": [{ "source": "/api/**", "function": "api" }] } }"#;
    let wrangler = "{ // a worker\n \"name\": \"my-worker\", \"main\": \"src/index.ts\", \"vars\": { \"MODE\": \"x\" }, \"triggers\": { \"crons\": [\"*/5 * * * *\"] }, \"kv_namespaces\": [{}], }";
    let folder = folder(&[
        ("vercel.json", vercel),
        ("api/users.js", ""),
        ("api/all.js", ""),
        ("firebase.json", firebase),
        ("wrangler.jsonc", wrangler),
        ("src/index.ts", ""),
        ("package.json", "{}"),
    ]);
    let (files, _) = written(&folder, "vercel.json");
    let toml = text(&files, "fnlocal.toml");
    for part in [
        "default = \"all\"",
        "path = \"/users/{id}\"",
        "path = \"/api/users\"",
        "memory = \"1024MB\"",
        "timeout = \"30s\"",
        "schedule = \"0 5 * * *\"",
    ] {
        assert!(toml.contains(part), "{part}: {toml}");
    }
    let (files, _) = written(&folder, "firebase.json");
    let toml = text(&files, "fnlocal.toml");
    for part in [
        "packages = [\"backend\"]",
        "path = \"/api/{rest+}\"",
        "path = \"/api\"",
    ] {
        assert!(toml.contains(part), "{part}: {toml}");
    }
    let (files, left) = written(&folder, "wrangler.jsonc");
    let toml = text(&files, "fnlocal.toml");
    for part in [
        "default = \"my-worker\"",
        "entries = [\"functions/my-worker.mjs\"]",
        "schedule = \"*/5 * * * *\"",
    ] {
        assert!(toml.contains(part), "{part}: {toml}");
    }
    assert!(left[0].contains("kv_namespaces"), "{left:?}");
}

#[test]
fn a_file_of_no_known_platform_is_refused_with_its_path() {
    let deep = "[".repeat(5_000);
    let folder = folder(&[
        ("template.yaml", "a: [1\nb: 2"),
        ("serverless.yml", &deep),
        ("vercel.json", "{ \"a\": }"),
        ("firebase.json", &deep),
        ("wrangler.toml", "a = "),
        ("other.json", "{}"),
    ]);
    for name in [
        "template.yaml",
        "serverless.yml",
        "vercel.json",
        "wrangler.toml",
    ] {
        let error = read(&folder.path().join(name)).unwrap_err();
        assert!(matches!(error, ImportError::Text { .. }), "{name}: {error}");
        assert!(error.to_string().contains("line"), "{name}: {error}");
    }
    let error = read(&folder.path().join("firebase.json")).unwrap_err();
    assert!(
        error.to_string().contains("levels within each other"),
        "{error}"
    );
    assert!(matches!(
        read(&folder.path().join("other.json")),
        Err(ImportError::Unknown { .. })
    ));
    assert!(matches!(
        read(&folder.path().join("none.yaml")),
        Err(ImportError::Io { .. })
    ));
    let bomb: String = (0..40)
        .map(|n| format!("k{n}: &a{n} [*a{m}, *a{m}]\n", m = n.max(1) - 1))
        .collect();
    fs::write(
        folder.path().join("template.yml"),
        format!("a: &a0 [1]\n{bomb}"),
    )
    .unwrap();
    let _bounded = read(&folder.path().join("template.yml"));
}

#[test]
fn handlers_outside_of_the_project_are_left() {
    let template = "Resources:\n  A: { Type: 'AWS::Serverless::Function', Properties: { CodeUri: ../other, Handler: a.b } }\n";
    let folder = folder(&[("template.yaml", template)]);
    let (files, left) = written(&folder, "template.yaml");
    assert_eq!(files.len(), 1);
    assert!(
        left[0].contains("function A: no file of its handler"),
        "{left:?}"
    );
}

#[test]
fn a_worker_that_names_no_file_is_the_usual_one() {
    let folder = folder(&[("wrangler.toml", "name = \"w\""), ("index.js", "")]);
    let (files, left) = written(&folder, "wrangler.toml");
    let module = text(&files, "functions/w.mjs");
    assert!(module.contains("\"../index.js\""), "{module}");
    assert!(left.is_empty(), "{left:?}");
}
