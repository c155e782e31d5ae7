//! Releases: what is refused, and what changes between two.
#![allow(clippy::unwrap_used, reason = "in a test, a panic is the report")]

use fnlocal_core::FunctionLimits;
use fnlocal_core::release::{
    FunctionChange, Release, ReleaseFunction, ReleaseLimits, ReleasePackage,
};

fn function(name: &str) -> ReleaseFunction {
    ReleaseFunction {
        name: name.into(),
        entry: "index.js".into(),
        limits: FunctionLimits::default(),
        body_limit: 1024,
        response_limit: None,
        streams: false,
        env: Vec::new(),
        schedule: None,
        triggers: Default::default(),
    }
}

fn release(functions: &[&str]) -> Release {
    Release {
        schema: 1,
        project: "auction".into(),
        created: "2026-11-23T12:00:00Z".into(),
        fnlocal: "0.1.0".into(),
        commit: None,
        default: None,
        routes: Vec::new(),
        limits: ReleaseLimits::default(),
        packages: vec![ReleasePackage {
            name: "auction".into(),
            repository: "auction/auction".into(),
            digest: format!("sha256:{}", "a".repeat(64)),
            code: "0123456789abcdef".into(),
            language: None,
            entries: vec!["index.js".into()],
            functions: functions.iter().map(|name| function(name)).collect(),
        }],
    }
}

fn words(old: &Release, new: &Release) -> Vec<String> {
    let differences = old.diff(new).into_iter();
    differences
        .map(|difference| format!("{} {}", difference.name, difference.change))
        .collect()
}

#[test]
fn a_release_survives_a_round_trip_through_json() {
    let release = release(&["bid", "read"]).validate().unwrap();
    let text = serde_json::to_string(&release).unwrap();
    let read: Release = serde_json::from_str(&text).unwrap();
    assert_eq!(read, release);
    let spoilt = text.replacen("\"project\"", "\"projekt\"", 1);
    assert!(serde_json::from_str::<Release>(&spoilt).is_err());
}

#[test]
fn an_invalid_release_is_refused_with_the_reason() {
    let refused = |change: fn(&mut Release)| {
        let mut release = release(&["bid"]);
        change(&mut release);
        release.validate().unwrap_err().to_string()
    };
    assert_eq!(
        refused(|release| release.schema = 9),
        "the release's format is 9, and this is 1"
    );
    assert_eq!(
        refused(|release| release.packages.push(release.packages[0].clone())),
        "`auction` is in the release twice"
    );
    assert_eq!(
        refused(|release| release.packages[0].functions.push(function("bid"))),
        "`bid` is in the release twice"
    );
    assert_eq!(
        refused(|release| release.packages[0].digest = "latest".into()),
        "`latest` is not a digest"
    );
    assert_eq!(
        refused(|release| release.packages[0].code = "XYZ".into()),
        "`XYZ` is not a hash of code"
    );
    assert_eq!(
        refused(|release| release.packages[0].functions[0].limits.concurrency = 0),
        "the limits of `bid` make no sense"
    );
    assert_eq!(
        refused(|release| release.default = Some("nothing".into())),
        "the default function `nothing` is not in the release"
    );
}

#[test]
fn a_release_diff_lists_what_callers_will_notice() {
    let old = release(&["bid", "read"]);
    assert!(words(&old, &old).is_empty());
    assert_eq!(
        words(&old, &release(&["bid", "watch"])),
        ["read removed", "watch added"]
    );
    let mut code = old.clone();
    code.packages[0].code = "fedcba9876543210".into();
    code.packages[0].digest = format!("sha256:{}", "b".repeat(64));
    code.packages[0].functions[1].limits.max_instances = 7;
    assert_eq!(
        words(&old, &code),
        ["bid changed: code", "read changed: code, settings"]
    );
    let mut base = old.clone();
    base.packages[0].digest = format!("sha256:{}", "b".repeat(64));
    assert_eq!(
        old.diff(&base)[0].change,
        FunctionChange::Changed {
            code: false,
            image: true,
            settings: false
        }
    );
}
