//! A function's page may do what its origin may: the platform has another one.

use std::fs::Permissions;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::process::Command;

use reqwest::{Client, StatusCode, redirect};
use serde_json::{Value, json};

use crate::support::browser::Browser;
use crate::support::{Dev, Folder, eventually, fnlocal, header};

const HOSTILE: &str = "
exports.page = (req, res) => {
  if (req.headers['service-worker'] || req.url.endsWith('worker.js')) {
    res.set('service-worker-allowed', '/').type('text/javascript');
    return res.send('self.addEventListener(\"fetch\", () => {});');
  }
  console.log('a secret line');
  res.type('text/html').send('<title>hostile</title>');
};
exports.inner = (req, res) => res.json({ url: req.url, token: req.get('x-fnlocal-token') ?? null });
";
/// The platform's data, as a page would ask for it.
const DATA: [&str; 5] = [
    "/_fnlocal/view",
    "/_fnlocal/logs",
    "/_fnlocal/errors",
    "/_fnlocal/events",
    "/_fnlocal/queue/list",
];

fn start(args: &[&str]) -> (Folder, Dev) {
    let folder = Folder::new(&[("index.js", HOSTILE)]);
    let dev = Dev::start_with(&folder, &[&["--runtime", "process"], args].concat());
    (folder, dev)
}

/// Where `fnlocal open` leads, and the token that is behind it.
fn opened(folder: &Folder) -> (String, String) {
    let path = folder.path().to_str().unwrap();
    let (code, out, err) = fnlocal(&["open", "--print", "--folder", path]);
    assert_eq!(code, 0, "{err}");
    let (page, token) = out.trim().split_once("#token=").unwrap();
    (page.to_owned(), token.to_owned())
}

async fn status(url: String, headers: &[(&str, &str)]) -> StatusCode {
    let client = Client::builder().redirect(redirect::Policy::none());
    let mut request = client.build().unwrap().get(url);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    request.send().await.unwrap().status()
}

async fn the_functions_port_serves_no_data(args: &[&str]) {
    let (folder, dev) = start(args);
    let (page, token) = opened(&folder);
    assert!(
        page.starts_with(&dev.platform) && dev.platform != dev.url,
        "{page}"
    );
    let on = |path: &str| format!("{}{path}", dev.url);
    let mine = ("x-fnlocal-token", token.as_str());
    for path in DATA {
        for headers in [
            &[][..],
            &[("sec-fetch-site", "same-origin")],
            &[("sec-fetch-site", "same-origin"), mine],
            &[("origin", dev.url.as_str()), mine],
            &[("sec-fetch-mode", "navigate"), ("sec-fetch-site", "none")],
            &[("x-fnlocal-token", "")],
        ] {
            let got = status(on(path), headers).await;
            assert!(
                got == StatusCode::NOT_FOUND || got == StatusCode::FORBIDDEN,
                "{path} with {headers:?}: {got}"
            );
        }
    }
    // Commands and tests that name the functions' port.
    assert_eq!(status(on("/_fnlocal/view"), &[mine]).await, 200);
    for path in ["/_fnlocal/health", "/_fnlocal/metrics"] {
        assert_eq!(status(on(path), &[]).await, 200, "{path}");
    }
    for path in ["/_fnlocal", "/_fnlocal/"] {
        let led = [
            ("sec-fetch-mode", "navigate"),
            ("sec-fetch-dest", "document"),
        ];
        assert_eq!(status(on(path), &led).await, 307);
        assert_ne!(status(on(path), &[("sec-fetch-mode", "cors")]).await, 307);
    }
    for own in [&[mine][..], &[("sec-fetch-site", "same-origin"), mine]] {
        assert_eq!(status(dev.at("/_fnlocal/view"), own).await, 200);
    }
    for foreign in [
        ("sec-fetch-site", "same-site"),
        ("sec-fetch-site", "cross-site"),
        ("origin", dev.url.as_str()),
        ("host", "rebound.example"),
        ("sec-fetch-dest", "iframe"),
    ] {
        let got = status(dev.at("/_fnlocal/view"), &[foreign, mine]).await;
        assert_eq!(got, 403, "{foreign:?}");
    }
    // The platform's port is no function's.
    let function = format!("{}/page", dev.platform);
    assert_eq!(status(function, &[]).await, 404);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_functions_port_of_a_single_node_serves_no_platform_data() {
    the_functions_port_serves_no_data(&[]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_functions_port_of_a_fleet_serves_no_platform_data() {
    the_functions_port_serves_no_data(&["--nodes", "2"]).await;
}

async fn another_user_of_this_machine_reads_nothing(args: &[&str]) {
    let (folder, dev) = start(args);
    let (_, token) = opened(&folder);
    assert_eq!(status(dev.at("/page"), &[]).await, 200);
    let more = [
        "/_fnlocal/logs?follow=1",
        "/_fnlocal/nothing",
        "/_fnlocal//view",
        "/_fnlocal/view/",
    ];
    for path in DATA.into_iter().chain(more) {
        for guess in [
            None,
            Some(""),
            Some("0"),
            Some(&token[1..]),
            Some(&token.to_uppercase()[..]),
        ] {
            // A name of this machine and the page's own origin are no secrets.
            let mut request = Client::new()
                .get(dev.at(path))
                .header("origin", &dev.platform)
                .header("sec-fetch-site", "same-origin");
            if let Some(guess) = guess.filter(|guess| *guess != token) {
                request = request.header("x-fnlocal-token", guess);
            }
            let answer = request.send().await.unwrap();
            assert_eq!(answer.status(), 401, "{path} with {guess:?}");
            assert_eq!(header(&answer, "content-type"), "application/problem+json");
            let problem: Value = answer.json().await.unwrap();
            assert_eq!(problem["reason"], "token");
            let hint = problem["hint"].as_str().unwrap();
            assert!(hint.contains("`fnlocal open`"), "{hint}");
            assert!(!problem.to_string().contains("secret line"), "{problem}");
        }
    }
    for path in ["", "app.js", "store.js", "health", "metrics"] {
        let answer = reqwest::get(dev.at(&format!("/_fnlocal/{path}")))
            .await
            .unwrap();
        assert_eq!(answer.status(), 200, "{path}");
        let text = answer.text().await.unwrap();
        assert!(
            !text.contains("secret line") && !text.contains(&token),
            "{path}"
        );
    }
    for path in ["view", "logs", "errors", "events"] {
        let answer = dev.look(&format!("/_fnlocal/{path}")).await;
        assert_eq!(answer.status(), 200, "{path}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_user_of_this_machine_cannot_read_a_single_nodes_data() {
    another_user_of_this_machine_reads_nothing(&[]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_user_of_this_machine_cannot_read_a_fleets_data() {
    another_user_of_this_machine_reads_nothing(&["--nodes", "2"]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_dashboard_without_the_token_explains_how_to_get_it_and_accepts_a_pasted_one() {
    let (folder, dev) = start(&[]);
    let (page, token) = opened(&folder);
    let mut browser = Browser::start().await;
    go(&mut browser, &page).await;
    browser
        .until("!document.getElementById('locked').hidden")
        .await;
    let text = browser.evaluate("document.body.innerText").await;
    assert!(text.as_str().unwrap().contains("fnlocal open"), "{text}");
    // As somebody pastes it into a page that is open already.
    browser.events.clear();
    let paste = format!("setTimeout(() => {{ location.hash = '#token={token}'; }})");
    browser.evaluate(&paste).await;
    browser.wait_for("Page.loadEventFired").await;
    let live = "document.getElementById('link')?.textContent === 'live'";
    browser.until(live).await;
    // Cookies of two ports are not kept apart, so none may hold the token.
    assert_eq!(browser.evaluate("document.cookie").await, json!(""));
    let kept = browser
        .ask("Network.getCookies", json!({ "urls": [dev.url] }))
        .await;
    assert!(!kept.to_string().contains(&token), "{kept}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn open_passes_the_token_to_the_browser_without_showing_it_on_a_command_line() {
    let (folder, mut dev) = start(&[]);
    let (_, token) = opened(&folder);
    let script = "#!/bin/sh\nprintf '%s' \"$*\" >\"${0%/*}/line\"\n";
    let bin = Folder::new(&[("browser", script)]);
    let program = bin.path().join("browser");
    std::fs::set_permissions(&program, Permissions::from_mode(0o700)).unwrap();
    let open = Command::new(env!("CARGO_BIN_EXE_fnlocal"))
        .args(["open", "--folder"])
        .arg(folder.path())
        .env("BROWSER", &program)
        .output()
        .unwrap();
    assert!(open.status.success(), "{open:?}");
    let line = || std::fs::read_to_string(bin.path().join("line")).unwrap_or_default();
    eventually("the browser starts", async || !line().is_empty()).await;
    assert!(line().starts_with("file:///"), "{}", line());
    for told in [line(), String::from_utf8(open.stdout).unwrap()] {
        assert!(!told.contains(&token), "{told}");
    }
    let page = folder.path().join(".fnlocal/open.html");
    assert_eq!(page.metadata().unwrap().mode() & 0o777, 0o600);
    let mut browser = Browser::start().await;
    go(&mut browser, &line()).await;
    browser.events.clear();
    browser.wait_for("Page.loadEventFired").await;
    let live = "document.getElementById('link')?.textContent === 'live'";
    browser.until(live).await;
    assert_eq!(dev.interrupt(), Some(0));
    assert!(!page.exists());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dashboard_invocation_reaches_the_function_without_the_token() {
    let (folder, dev) = start(&[]);
    let (_, token) = opened(&folder);
    let call = dev.at("/_fnlocal/invoke/inner/x?y=1");
    assert_eq!(status(call.clone(), &[]).await, 403);
    let twice = dev.at("/_fnlocal/invoke/_fnlocal/view");
    let page = [("x-fnlocal-page", "1"), ("sec-fetch-site", "same-origin")];
    assert_eq!(status(twice, &page).await, 404);
    let request = Client::new().get(call).header("x-fnlocal-page", "1");
    let answer = request.header("x-fnlocal-token", token).send().await;
    let seen: Value = answer.unwrap().json().await.unwrap();
    assert_eq!(seen, json!({ "url": "/x?y=1", "token": null }));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_service_worker_cannot_leave_the_path_of_its_function() {
    let (_folder, dev) = start(&[]);
    let answer = reqwest::get(dev.at("/page/worker.js")).await.unwrap();
    assert_eq!(answer.headers().get("service-worker-allowed"), None);
    let script = [("service-worker", "script")];
    assert_eq!(status(dev.at("/page"), &script).await, 403);
    assert_eq!(status(dev.at("/page/worker.js"), &script).await, 200);
    let page = reqwest::get(dev.at("/_fnlocal/")).await.unwrap();
    for (name, value) in [
        ("cross-origin-resource-policy", "same-origin"),
        ("cross-origin-opener-policy", "same-origin"),
        ("x-frame-options", "DENY"),
    ] {
        assert_eq!(header(&page, name), value);
    }
    let policy = header(&page, "content-security-policy");
    assert!(policy.contains("frame-ancestors 'none'"), "{policy}");
    assert_eq!(page.headers().get("access-control-allow-origin"), None);
}

async fn go(browser: &mut Browser, url: &str) {
    browser.events.clear();
    browser.ask("Page.navigate", json!({ "url": url })).await;
    browser.wait_for("Page.loadEventFired").await;
}

/// The answers that a page sees to each of these; a failure appears by its name.
const ATTACKS: &str = "
(async () => {
  const origin = PLATFORM;
  const tried = {};
  const attempt = async (name, how) => {
    tried[name] = await Promise.resolve().then(how).catch((error) => `refused: ${error.name}`);
  };
  const status = async (url, init) => {
    const answer = await fetch(url, init);
    return answer.ok ? `read: ${(await answer.text()).slice(0, 40)}` : `refused: ${answer.status}`;
  };
  for (const path of ['view', 'logs', 'errors']) {
    await attempt(`own ${path}`, () => status(`/_fnlocal/${path}`));
    await attempt(`other ${path}`, () => status(`${origin}/_fnlocal/${path}`));
    await attempt(`opaque ${path}`, () => fetch(`${origin}/_fnlocal/${path}`, { mode: 'no-cors' }).then((a) => `refused: ${a.status}`));
  }
  await attempt('invoke', () => status(`${origin}/_fnlocal/invoke/page`, { headers: { 'x-fnlocal-page': '1' } }));
  await attempt('token', () => sessionStorage.getItem('fnlocal.token') ?? 'refused: none');
  await attempt('allowed', () => navigator.serviceWorker.register('/page/worker.js', { scope: '/' }).then(() => 'registered'));
  await attempt('root', () => navigator.serviceWorker.register('/page').then((one) => `registered ${one.scope}`));
  const frame = document.createElement('iframe');
  frame.src = `${origin}/_fnlocal/`;
  await new Promise((done) => { frame.onload = done; document.documentElement.append(frame); });
  await attempt('frame', () => frame.contentWindow.sessionStorage.getItem('fnlocal.token'));
  const own = document.createElement('iframe');
  own.src = '/_fnlocal/';
  await new Promise((done) => { own.onload = done; document.documentElement.append(own); });
  await attempt('own frame', () => own.contentDocument?.getElementById('link') ? 'the dashboard' : 'refused: empty');
  const opened = open(`${origin}/_fnlocal/`);
  await new Promise((done) => setTimeout(done, 1000));
  await attempt('window', () => opened?.sessionStorage?.getItem('fnlocal.token') ?? 'refused: none');
  return tried;
})()";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hostile_page_in_a_browser_gets_nothing_from_the_platform() {
    let (folder, dev) = start(&[]);
    let (page, token) = opened(&folder);
    let mut browser = Browser::start().await;
    go(&mut browser, &format!("{page}#token={token}")).await;
    browser
        .until("sessionStorage.getItem('fnlocal.token') != null")
        .await;
    go(&mut browser, &format!("{}/page", dev.url)).await;
    let script = ATTACKS.replace("PLATFORM", &json!(dev.platform).to_string());
    let tried = browser.evaluate(&script).await;
    let tried = tried.as_object().unwrap();
    assert_eq!(tried.len(), 16, "{tried:#?}");
    for (attack, got) in tried {
        let got = got.as_str().unwrap_or_default();
        assert!(
            got.starts_with("refused: "),
            "{attack} got {got}: {tried:#?}"
        );
    }
    let workers = "navigator.serviceWorker.getRegistrations().then((all) => all.length)";
    assert_eq!(browser.evaluate(workers).await, 0);
    // The dashboard itself, by its old address.
    go(&mut browser, &format!("{}/_fnlocal/", dev.url)).await;
    let live = "document.getElementById('link')?.textContent === 'live'";
    browser.until(live).await;
    assert_eq!(
        browser.evaluate("location.origin").await,
        json!(dev.platform)
    );
}
