//! The dashboard in a real browser, what feeds it, and who may not ask.
#![allow(clippy::unwrap_used, reason = "in a test, a panic is the report")]

use std::collections::BTreeMap;

use crate::support::browser::Browser;
use crate::support::scrape::{Sample, scrape};
use crate::support::{Dev, Folder, eventually, fnlocal};
use futures_util::StreamExt;
use reqwest::{Client, StatusCode};
use serde_json::{Value, json};

const FUNCTIONS: &str = "
exports.greet = (req, res) => {
  console.log(`greeting ${req.query.name ?? 'nobody'}`);
  res.json({ hello: req.query.name ?? null, got: req.body ?? null });
};
exports.broken = () => {
  throw new TypeError('no such lot');
};
exports.late = (req, res) => {
  res.json({});
  setTimeout(() => console.log('afterwards'), 2000);
};
";
const VIEWS: [&str; 8] = [
    "overview",
    "requests",
    "logs",
    "errors",
    "invoke",
    "limits",
    "fleet",
    "simulation",
];

fn start(args: &[&str]) -> (Folder, Dev) {
    let folder = Folder::new(&[("index.js", FUNCTIONS)]);
    let dev = Dev::start_with(&folder, &[&["--runtime", "process"], args].concat());
    (folder, dev)
}

/// Where `fnlocal open` leads.
fn address(folder: &Folder) -> String {
    let path = folder.path().to_str().unwrap();
    let (code, out, err) = fnlocal(&["open", "--print", "--folder", path]);
    assert_eq!(code, 0, "{err}");
    out.trim().to_owned()
}

fn token(folder: &Folder) -> String {
    let address = address(folder);
    address.split_once("#token=").unwrap().1.to_owned()
}

async fn open(browser: &mut Browser, url: &str) {
    // From another page: within one, only what is behind `#` would change.
    browser
        .ask("Page.navigate", json!({ "url": "about:blank" }))
        .await;
    browser.events.clear();
    // Tests beside this one start containers, which changes the machine's network.
    let navigate = json!({ "url": url });
    while !browser.ask("Page.navigate", navigate.clone()).await["errorText"].is_null() {}
    browser.wait_for("Page.loadEventFired").await;
    let live = "document.getElementById('link')?.textContent === 'live'";
    browser.until(live).await;
}

/// Nothing went wrong, and nothing came from elsewhere.
fn no_complaints(browser: &Browser, dev: &Dev) {
    for complaint in [
        "Runtime.exceptionThrown",
        "Runtime.consoleAPICalled",
        "Log.entryAdded",
    ] {
        let some = browser.of(complaint);
        // An expected 500 is in that log too, and so is the start of a container meanwhile.
        let expected = ["/broken", "ERR_NETWORK_CHANGED"];
        let some = some.iter().filter(|one| {
            let text = one.to_string();
            !expected.iter().any(|expected| text.contains(expected))
        });
        assert_eq!(some.collect::<Vec<_>>(), Vec::<&&Value>::new());
    }
    let asked = browser.of("Network.requestWillBeSent");
    let asked = asked
        .iter()
        .map(|one| one["params"]["request"]["url"].as_str().unwrap());
    let foreign: Vec<_> = asked
        .filter(|url| !url.starts_with(&dev.platform) && *url != "about:blank")
        .collect();
    assert_eq!(foreign, Vec::<&str>::new());
}

/// Fills the form and sends it.
async fn call(browser: &mut Browser, function: &str, path: &str) {
    browser
        .evaluate("document.getElementById('tab-invoke').click()")
        .await;
    let offered =
        format!("document.querySelector('select[name=function] option[value={function}]') != null");
    browser.until(&offered).await;
    let script = format!(
        "document.querySelector('select[name=function]').value = '{function}';
         document.querySelector('input[name=path]').value = '{path}';
         document.querySelector('form.invoke button').click();"
    );
    let answered = "!document.querySelector('form.invoke button').disabled";
    let failed = "document.querySelector('#panel-invoke .notice.wrong') != null";
    for _ in 0..5 {
        browser.evaluate(&script).await;
        browser.until(answered).await;
        if browser.evaluate(failed).await != true {
            break;
        }
    }
}

#[tokio::test]
async fn the_dashboard_calls_a_function_and_shows_its_log_and_error() {
    let (folder, dev) = start(&[]);
    let mut browser = Browser::start().await;
    browser.screen(1280, "light").await;
    open(&mut browser, &address(&folder)).await;
    assert_eq!(
        browser.evaluate("location.hash.includes('token')").await,
        false
    );
    call(&mut browser, "greet", "?name=Ada").await;
    browser
        .until("document.querySelector('.answer b')?.textContent === '200 OK'")
        .await;
    browser
        .until("document.querySelector('#panel-invoke pre').textContent.includes('\"hello\": \"Ada\"')")
        .await;
    // From the answer to its request, its waterfall and what it wrote.
    browser
        .evaluate("[...document.querySelectorAll('#panel-invoke button')].at(-1).click()")
        .await;
    browser
        .until(
            "document.querySelector('#panel-requests .detail pre')?.textContent === 'greeting Ada'",
        )
        .await;
    let bars = "document.querySelectorAll('#panel-requests .detail .track i').length > 0";
    browser.until(bars).await;
    browser
        .evaluate("document.getElementById('tab-logs').click()")
        .await;
    browser
        .until("document.querySelector('.log').textContent.includes('greeting Ada')")
        .await;
    call(&mut browser, "broken", "").await;
    browser
        .until("document.querySelector('.answer b')?.textContent.startsWith('500')")
        .await;
    browser
        .evaluate("document.getElementById('tab-errors').click()")
        .await;
    browser
        .until("document.querySelector('#panel-errors .error') != null")
        .await;
    browser
        .evaluate("document.querySelector('#panel-errors .error').click()")
        .await;
    for wanted in ["TypeError: no such lot", "index.js:7"] {
        let text = "document.getElementById('panel-errors').innerText";
        // The list is made anew when the next picture tells of another error.
        browser.until(&format!("{text}.includes('{wanted}')")).await;
    }
    no_complaints(&browser, &dev);
}

#[tokio::test]
async fn charts_include_requests_from_before_the_page_was_opened() {
    let (folder, dev) = start(&[]);
    for _ in 0..5 {
        reqwest::get(dev.at("/greet")).await.unwrap();
    }
    let points = async || -> Vec<Value> {
        let answer = dev.look("/_fnlocal/history").await;
        answer.json().await.unwrap()
    };
    let total = |points: &[Value]| -> f64 {
        points
            .iter()
            .map(|point| point["all"].as_f64().unwrap())
            .sum()
    };
    eventually("a point tells of the requests", async || {
        total(&points().await) > 0.0
    })
    .await;
    let before = points().await;
    let slow = before.iter().filter(|point| point["p99"].is_number());
    assert!(slow.count() > 0, "{before:?}");
    let mut browser = Browser::start().await;
    open(&mut browser, &address(&folder)).await;
    let first = &before[0]["at"];
    let shown = format!(
        "import('/_fnlocal/store.js').then(({{ store: {{ history }} }}) => history.at[0] === {first} && \
         history.all.some((rate) => rate > 0) && history.at.every((at, n) => n === 0 || at > history.at[n - 1]))"
    );
    browser.until(&shown).await;
    no_complaints(&browser, &dev);
}

#[tokio::test]
async fn a_page_whose_loading_was_interrupted_reloads() {
    let (folder, _dev) = start(&[]);
    let mut browser = Browser::start().await;
    let patterns = json!({ "patterns": [{ "urlPattern": "*views/limits.js" }] });
    browser.ask("Fetch.enable", patterns).await;
    let url = address(&folder);
    browser.ask("Page.navigate", json!({ "url": url })).await;
    browser.wait_for("Fetch.requestPaused").await;
    let id = browser.of("Fetch.requestPaused")[0]["params"]["requestId"].clone();
    let failed = json!({ "requestId": id, "errorReason": "ConnectionAborted" });
    browser.ask("Fetch.failRequest", failed).await;
    browser.ask("Fetch.disable", json!({})).await;
    let live = "document.getElementById('link')?.textContent === 'live'";
    browser.until(live).await;
}

#[tokio::test]
async fn log_lines_written_after_the_answer_appear_in_the_open_request_detail() {
    let (folder, dev) = start(&[]);
    let mut browser = Browser::start().await;
    browser.screen(1280, "light").await;
    open(&mut browser, &address(&folder)).await;
    call(&mut browser, "late", "").await;
    browser
        .until("document.querySelector('.answer b')?.textContent === '200 OK'")
        .await;
    browser
        .evaluate("[...document.querySelectorAll('#panel-invoke button')].at(-1).click()")
        .await;
    for wanted in ["It wrote nothing.", "afterwards"] {
        let text = "document.querySelector('#panel-requests .detail')?.innerText";
        browser
            .until(&format!("{text}?.includes('{wanted}')"))
            .await;
    }
    no_complaints(&browser, &dev);
}

#[tokio::test]
async fn every_view_fits_phone_and_desktop_in_both_colour_schemes_and_reacts_to_keys() {
    let (folder, dev) = start(&[]);
    for path in [
        "/greet?name=a-rather-long-name-that-wants-to-be-wide",
        "/broken",
    ] {
        reqwest::get(dev.at(path)).await.unwrap();
    }
    let mut browser = Browser::start().await;
    for (width, scheme) in [(360, "dark"), (1280, "light")] {
        browser.screen(width, scheme).await;
        open(&mut browser, &address(&folder)).await;
        browser
            .until("document.querySelectorAll('#panel-overview tbody tr').length === 3")
            .await;
        browser
            .until("[...document.querySelectorAll('#panel-overview canvas')].length === 4")
            .await;
        for (number, view) in VIEWS.iter().enumerate() {
            browser.press(&(number + 1).to_string()).await;
            let shown = format!("!document.getElementById('panel-{view}').hidden");
            browser.until(&shown).await;
            let wide = browser
                .evaluate("document.scrollingElement.scrollWidth")
                .await;
            assert!(
                wide.as_u64().unwrap() <= u64::from(width),
                "{view} at {width}: {wide}"
            );
        }
        // The longest figure there is, in the narrowest tile.
        browser.press("1").await;
        let over = "[...document.querySelectorAll('#panel-overview .tile b')].map((b) => {
               const said = b.textContent; b.textContent = '1,536 MiB';
               const over = b.scrollWidth - b.clientWidth; b.textContent = said; return over; })
             .filter((over) => over > 0).length";
        let over = browser.evaluate(over).await;
        assert_eq!(over, 0, "tiles that overflow at {width}");
        browser.press(&VIEWS.len().to_string()).await;
        let back = "getComputedStyle(document.body).backgroundColor";
        let before = browser.evaluate(back).await;
        // From the system's scheme to light, then to dark.
        browser.press("t").await;
        let light = browser.evaluate(back).await;
        browser.press("t").await;
        let dark = browser.evaluate(back).await;
        assert_ne!(light, dark);
        assert_eq!(before, if scheme == "dark" { dark } else { light });
        browser.press("t").await;
        browser
            .evaluate("document.getElementById('tab-overview').focus()")
            .await;
        browser.press("ArrowLeft").await;
        let focus = browser.evaluate("document.activeElement.id").await;
        assert_eq!(focus, "tab-fleet", "left of the one that was chosen");
        no_complaints(&browser, &dev);
    }
}

/// The next event of a kind.
async fn event(dev: &Dev, kind: &str) -> Value {
    let answer = dev.look("/_fnlocal/events").await;
    assert_eq!(
        crate::support::header(&answer, "content-type"),
        "text/event-stream"
    );
    let mut text = String::new();
    let mut stream = answer.bytes_stream();
    let wanted = format!("event: {kind}\ndata: ");
    loop {
        if let Some((_, rest)) = text.split_once(&wanted)
            && let Some((data, _)) = rest.split_once("\n\n")
        {
            return serde_json::from_str(data).unwrap();
        }
        let more = stream.next().await.expect("events go on").unwrap();
        text.push_str(std::str::from_utf8(&more).unwrap());
    }
}

/// How requests ended, by function, start, problem and status.
type Ends = BTreeMap<[String; 4], u64>;

fn ends_of_metrics(samples: &[Sample]) -> Ends {
    let ended = samples
        .iter()
        .filter(|one| one.name == "fnlocal_requests_total");
    let end = |one: &Sample| {
        let key = ["function", "start", "problem", "status"].map(|name| one.labels[name].clone());
        (key, one.value as u64)
    };
    ended.map(end).collect()
}

fn ends_of_state(state: &Value) -> Ends {
    let counts = state["nodes"]["local"]["picture"]["requests"].as_array();
    let end = |count: &Value| {
        let text = |name: &str, none: &str| count[name].as_str().unwrap_or(none).to_owned();
        let key = [
            text("function", ""),
            text("start", "none"),
            text("problem", ""),
            count["status"].to_string(),
        ];
        (key, count["requests"].as_u64().unwrap())
    };
    counts.unwrap().iter().map(end).collect()
}

#[tokio::test]
async fn the_dashboard_counts_match_the_metrics_after_load() {
    let (folder, dev) = start(&[]);
    let mut browser = Browser::start().await;
    // A viewer stays connected all the while.
    open(&mut browser, &address(&folder)).await;
    let paths = ["/greet", "/greet?name=Ada", "/broken", "/nothing-is-here"];
    let (client, rounds) = (Client::new(), 200);
    let urls = (0..rounds).flat_map(|_| paths.map(|path| dev.at(path)));
    let sent = futures_util::stream::iter(urls).map(|url| client.get(url).send());
    let answers = sent
        .buffer_unordered(16)
        .map(|answer| answer.unwrap().status());
    let answered: Vec<StatusCode> = answers.collect().await;
    let metrics = ends_of_metrics(&scrape(&dev).await);
    assert_eq!(metrics, ends_of_state(&event(&dev, "state").await));
    let of = |wanted: &str, status: &str| -> u64 {
        let own = metrics
            .iter()
            .filter(|([function, .., ended], _)| function == wanted && ended == status);
        own.map(|(_, count)| count).sum()
    };
    let ended = [of("greet", "200"), of("broken", "500"), of("", "404")];
    assert_eq!(ended, [2 * rounds, rounds, rounds], "{metrics:?}");
    let shown = format!("{}\\nrequests", answered.len());
    browser
        .until(&format!(
            "[...document.querySelectorAll('.tile')].some((tile) => tile.innerText === '{shown}')"
        ))
        .await;
}

#[tokio::test]
async fn pages_of_other_sites_are_refused_and_actions_require_the_token() {
    let (folder, dev) = start(&[]);
    let (client, token) = (Client::new(), token(&folder));
    let status = async |method: &str, path: &str, headers: &[(&str, &str)]| {
        let mut request = client.request(method.parse().unwrap(), dev.at(path));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        request.send().await.unwrap().status()
    };
    let own = dev.platform.as_str();
    let cold = "/_fnlocal/cold?function=greet";
    let mine = ("x-fnlocal-token", token.as_str());
    // A name that leads here by DNS rebinding.
    let rebound = [("host", "rebound.example"), mine];
    for path in [
        "/_fnlocal/",
        "/_fnlocal/events",
        "/_fnlocal/logs",
        "/_fnlocal/view",
    ] {
        assert_eq!(
            status("GET", path, &rebound).await,
            StatusCode::FORBIDDEN,
            "{path}"
        );
    }
    assert_eq!(status("POST", cold, &rebound).await, StatusCode::FORBIDDEN);
    // Another site's page: its browser tells the site, the origin, or both.
    for foreign in [
        [("origin", "https://other.example"), mine],
        [("origin", "null"), mine],
        [("sec-fetch-site", "cross-site"), mine],
        [("sec-fetch-site", "same-site"), mine],
    ] {
        assert_eq!(
            status("POST", cold, &foreign).await,
            StatusCode::FORBIDDEN,
            "{foreign:?}"
        );
        let look = status("GET", "/_fnlocal/events", &foreign).await;
        assert_eq!(look, StatusCode::FORBIDDEN, "{foreign:?}");
    }
    let followed = [
        ("sec-fetch-site", "cross-site"),
        ("sec-fetch-mode", "navigate"),
    ];
    assert_eq!(status("GET", "/_fnlocal/", &followed).await, StatusCode::OK);
    assert_eq!(status("POST", cold, &followed).await, StatusCode::FORBIDDEN);
    // The page itself, without and with the token.
    let page = [("origin", own), ("sec-fetch-site", "same-origin")];
    assert_eq!(status("POST", cold, &page).await, StatusCode::UNAUTHORIZED);
    let wrong = [page[0], ("x-fnlocal-token", "wrong")];
    assert_eq!(status("POST", cold, &wrong).await, StatusCode::UNAUTHORIZED);
    assert_eq!(
        status("POST", cold, &[page[0], page[1], mine]).await,
        StatusCode::NO_CONTENT
    );
    let answer = client.get(dev.at("/_fnlocal/")).send().await.unwrap();
    let policy = crate::support::header(&answer, "content-security-policy");
    assert!(
        policy.starts_with("default-src 'none'; script-src 'self' 'sha256-"),
        "{policy}"
    );
    assert!(!answer.text().await.unwrap().contains(&token));
}

#[tokio::test]
async fn an_open_dashboard_does_not_delay_shutdown() {
    let (_folder, mut dev) = start(&[]);
    let answer = dev.look("/_fnlocal/events").await;
    let mut stream = answer.bytes_stream();
    stream.next().await.unwrap().unwrap();
    let reading = tokio::spawn(async move { while let Some(Ok(_)) = stream.next().await {} });
    assert_eq!(dev.interrupt(), Some(0));
    reading.await.unwrap();
    let cut = dev
        .rest()
        .into_iter()
        .find(|record| record.to_string().contains("cut off"));
    assert_eq!(cut, None);
}

#[tokio::test]
async fn the_dashboard_shows_fleet_nodes_drains_one_and_forces_cold_starts() {
    let (folder, dev) = start(&["--nodes", "2"]);
    reqwest::get(dev.at("/greet")).await.unwrap();
    let state = event(&dev, "state").await;
    assert!(state["fleet"].is_object(), "{state}");
    let nodes = state["nodes"].as_object().unwrap();
    assert_eq!(nodes.len(), 2);
    assert!(
        nodes.values().all(|node| node["stage"] == "serving"),
        "{state}"
    );
    let mut browser = Browser::start().await;
    open(&mut browser, &address(&folder)).await;
    browser.press("7").await;
    browser
        .until("document.querySelectorAll('#panel-fleet tbody tr').length === 2")
        .await;
    let script = "[...document.querySelectorAll('#panel-fleet button')].find((one) => one.ariaLabel === 'drain n2').click()";
    browser.evaluate(script).await;
    browser
        .until("![...document.querySelectorAll('#panel-fleet tbody tr')].some((row) => row.dataset.name === 'n2' && row.innerText.includes('serving'))")
        .await;
    let path = folder.path().to_str().unwrap();
    let (code, out, err) = fnlocal(&["invoke", "greet", "--cold", "--json", "--folder", path]);
    assert_eq!(code, 0, "{err}");
    let answer: Value = serde_json::from_str(&out).unwrap();
    assert_eq!(answer["start"], "cold", "{answer}");
    no_complaints(&browser, &dev);
}
