//! Handlers of other platforms, on containers and as processes.
#![allow(clippy::unwrap_used, reason = "in a test, a panic is the report")]

use serde_json::{Value, json};

use crate::support::{Dev, Folder, eventually, fnlocal};

const LAMBDA: &str = "export const handler = async (event, context) => event.Records || event.source || event.raw ? \
    (console.log('job ' + JSON.stringify(event)), { got: event }) \
    : { path: event.rawPath, id: event.pathParameters?.id, route: event.routeKey, name: context.functionName, mb: context.memoryLimitInMB };";
const WORKER: &str = "export default { async fetch(request, env, ctx) { \
    ctx.waitUntil(new Promise((done) => setTimeout(() => { console.log('after'); done(); }, 300))); \
    return new Response(request.body, { headers: { 'x-path': new URL(request.url).pathname } }); } };";
const APP: &str = "const http = require('http'); \
    http.createServer((q, s) => s.end(q.method + ' ' + q.url)).listen(3000);";
const METHODS: &str = "exports.GET = () => Response.json({ hello: 'get' }); exports.POST = async (request) => Response.json(await request.json());";
const HTTP: &str = "exports.page = (req, res) => res.json({ params: req.params, url: req.url });";

const CONFIG: &str = r#"
entries = ["functions/users.mjs", "functions/worker.mjs", "functions/shop.js", "functions/hello.js", "page.js"]

[functions.users]
memory = "256MB"

[[routes]]
path = "/people/{id}"
methods = ["GET"]
function = "users"

[[routes]]
path = "/people/me"
function = "page"

[[routes]]
path = "/files/{rest+}"
function = "page"
"#;

fn project() -> Folder {
    Folder::new(&[
        ("fnlocal.toml", CONFIG),
        ("functions/users.mjs", LAMBDA),
        ("functions/worker.mjs", WORKER),
        ("functions/shop.js", APP),
        ("functions/hello.js", METHODS),
        ("page.js", HTTP),
        ("event.json", r#"{"raw": [1, {"two": null}]}"#),
    ])
}

async fn get(dev: &Dev, path: &str) -> (u16, String) {
    let answer = reqwest::get(dev.at(path)).await.unwrap();
    (answer.status().as_u16(), answer.text().await.unwrap())
}

/// Every kind of handler answers, by its name and by routes.
async fn answers(dev: &mut Dev, folder: &Folder) {
    let by_name = get(dev, "/users/7").await;
    let named = json!({"path": "/users/7", "route": "$default", "name": "users", "mb": "256"});
    assert_eq!(serde_json::from_str::<Value>(&by_name.1).unwrap(), named);
    let routed: Value = serde_json::from_str(&get(dev, "/people/a%20b").await.1).unwrap();
    assert_eq!(routed["id"], "a b");
    assert_eq!(routed["route"], "GET /people/{id}");
    let me: Value = serde_json::from_str(&get(dev, "/people/me?x=1").await.1).unwrap();
    assert_eq!(me, json!({"params": {}, "url": "/people/me?x=1"}));
    let files: Value = serde_json::from_str(&get(dev, "/files/a/b").await.1).unwrap();
    assert_eq!(files["params"], json!({"rest": "a/b"}));
    let client = reqwest::Client::new();
    let refused = client.delete(dev.at("/people/7")).send().await.unwrap();
    assert_eq!(refused.status(), 405);
    assert_eq!(get(dev, "/shop/a?b=c").await, (200, "GET /a?b=c".into()));
    assert_eq!(get(dev, "/hello").await, (200, r#"{"hello":"get"}"#.into()));
    let other = client.put(dev.at("/hello")).send().await.unwrap();
    assert_eq!(other.status(), 405);
    assert_eq!(other.headers()["allow"], "GET, HEAD, POST, OPTIONS");
    let body = "x".repeat(8 << 20);
    let echoed = client
        .post(dev.at("/worker/a"))
        .body(body.clone())
        .send()
        .await
        .unwrap();
    assert_eq!(echoed.headers()["x-path"], "/worker/a");
    assert!(!echoed.headers().contains_key("x-fnlocal-background"));
    assert_eq!(echoed.text().await.unwrap().len(), body.len());
    dev.wait_for("the work after the answer", |record| {
        record["line"] == "after"
    });
    let (path, event) = (folder.path(), folder.path().join("event.json"));
    let event = event.to_str().unwrap();
    let folder = path.to_str().unwrap();
    let args = ["invoke", "users", "--event", event, "--folder", folder];
    let (code, out, err) = fnlocal(&args);
    assert_eq!(
        (code, out.trim()),
        (0, r#"{"got":{"raw":[1,{"two":null}]}}"#),
        "{err}"
    );
    let forged = client
        .post(dev.at("/users"))
        .header("x-fnlocal-event", "lambda");
    let forged: Value = forged
        .body(r#"{"raw":1}"#)
        .send()
        .await
        .unwrap()
        .json()
        .await
        .unwrap();
    assert_eq!(forged["path"], "/users");
    shown(folder);
}

/// `ps` names the signature of each function.
fn shown(folder: &str) {
    let (code, out, err) = fnlocal(&["ps", "--json", "--folder", folder]);
    assert_eq!(code, 0, "{err}");
    let shown: Value = serde_json::from_str(&out).unwrap();
    let functions = shown["nodes"][0]["functions"].as_array().unwrap();
    let signatures: Vec<_> = functions
        .iter()
        .map(|one| {
            (
                one["name"].as_str().unwrap(),
                one["signature"].as_str().unwrap(),
            )
        })
        .collect();
    let wanted = [
        ("hello", "fetch"),
        ("page", "http"),
        ("shop", "app"),
        ("users", "lambda"),
        ("worker", "fetch"),
    ];
    assert_eq!(signatures, wanted);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn handlers_of_other_platforms_answer_as_processes() {
    let folder = project();
    let mut dev = Dev::start_with(&folder, &["--runtime", "process"]);
    answers(&mut dev, &folder).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn handlers_of_other_platforms_answer_in_containers() {
    let folder = project();
    let mut dev = Dev::start_with(&folder, &["--runtime", "docker"]);
    answers(&mut dev, &folder).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn jobs_reach_a_lambda_handler_as_its_own_events() {
    let config = "[functions.users]\nschedule = \"* * * * * *\"\n[[functions.users.on]]\nsource = \"folder\"\nfolder = \"uploads\"\n";
    let folder = Folder::new(&[
        ("functions/users.mjs", LAMBDA),
        ("fnlocal.toml", config),
        ("uploads/.keep", ""),
    ]);
    let mut dev = Dev::start_with(&folder, &["--runtime", "process"]);
    let line = |record: &Value, has: &str| {
        record["line"]
            .as_str()
            .is_some_and(|line| line.contains(has))
    };
    dev.wait_for("the schedule", |record| {
        line(record, r#""detail-type":"Scheduled Event""#)
    });
    folder.write("uploads/cat.png", "cat");
    let put = dev.wait_for("the upload", |record| line(record, "ObjectCreated:Put"));
    assert!(line(&put, r#""eventSource":"aws:s3""#), "{put}");
    let client = reqwest::Client::new();
    let job = client
        .post(dev.at("/users"))
        .header("x-fnlocal-invoke", "async");
    let job = job
        .header("content-type", "application/json")
        .body(r#"{"raw":"job"}"#);
    assert_eq!(job.send().await.unwrap().status(), 202);
    dev.wait_for("the job", |record| line(record, r#"{"raw":"job"}"#));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_only_app_of_a_project_gets_every_path_and_is_reloaded() {
    let folder = Folder::new(&[("index.js", APP)]);
    let mut dev = Dev::start_with(&folder, &["--runtime", "process"]);
    assert_eq!(get(&dev, "/a/b?c").await, (200, "GET /a/b?c".into()));
    folder.write("index.js", &APP.replace("q.method", "'new ' + q.method"));
    dev.wait_for("the reload", |record| record["event"] == "reloaded");
    let reloaded = async || get(&dev, "/a").await.1 == "new GET /a";
    eventually("the new code", reloaded).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_instance_with_background_work_takes_no_other_request() {
    let code = "let running = 0; export default { async fetch(request, env, ctx) { \
        running += 1; const seen = running; \
        ctx.waitUntil(new Promise((done) => setTimeout(() => { running -= 1; done(); }, 400))); \
        return new Response(String(seen)); } };";
    let folder = Folder::new(&[("index.mjs", code)]);
    let dev = Dev::start_with(&folder, &["--runtime", "process"]);
    let first = get(&dev, "/").await;
    let second = get(&dev, "/").await;
    assert_eq!([first.1, second.1], ["1".to_owned(), "1".to_owned()]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_project_of_aws_sam_is_taken_over_and_answers() {
    let template = "Resources:\n  Hello:\n    Type: AWS::Serverless::Function\n    Properties:\n      CodeUri: hello-world/\n      \
        Handler: app.lambdaHandler\n      Runtime: nodejs22.x\n      Environment: { Variables: { GREETING: good day } }\n      \
        Events: { Get: { Type: HttpApi, Properties: { Path: '/hello/{name}', Method: get } } }\n";
    let code = "exports.lambdaHandler = async (event) => ({ statusCode: 200, body: process.env.GREETING + ' ' + event.pathParameters.name });";
    let folder = Folder::new(&[
        ("template.yaml", template),
        ("hello-world/app.js", code),
        (
            "hello-world/package.json",
            r#"{ "name": "hello-world", "main": "app.js" }"#,
        ),
    ]);
    let file = folder.path().join("template.yaml");
    let (code, _, err) = fnlocal(&["init", "--from", file.to_str().unwrap()]);
    assert_eq!(code, 0, "{err}");
    let dev = Dev::start_with(&folder, &["--runtime", "process"]);
    assert_eq!(get(&dev, "/hello/ada").await, (200, "good day ada".into()));
    let (code, _, err) = fnlocal(&["init", "--from", file.to_str().unwrap()]);
    assert_eq!(code, 1, "{err}");
}
