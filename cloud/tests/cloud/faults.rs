//! Every call of a promote and of a destroy goes wrong once, and the next run makes it good.

use std::collections::BTreeSet;

use fnlocal_cloud::apply::apply;
use fnlocal_cloud::aws::Aws;
use fnlocal_cloud::inventory::FoundResource;
use fnlocal_cloud::promote::plan;
use fnlocal_cloud::{CloudError, CloudErrorKind, ResourceNames};
use serde_json::{Value, json};

use super::play::{Play, pace};
use super::project::Project;
use super::story;

/// Promotes; unlike in the stories it may fail anywhere, the connection included.
async fn attempt(play: &Play, project: &mut Project) -> Result<(), CloudError> {
    let names = ResourceNames::new("shop", "prod")?;
    let aws = Aws::connect(&play.config().await, names, pace()).await?;
    let (inventory, plan) = plan(&aws, &project.wish()).await?;
    apply(&aws, &plan, &inventory, Some(&project.source()), &|_| {})
        .await
        .map(drop)
}

/// Returns the state, without the ids that a network has anew in each play.
async fn state(play: &Play) -> Vec<Value> {
    let inventory = play.aws("shop", "prod").await.everything().await.unwrap();
    let plain = |found: &FoundResource| masked(serde_json::to_value(&found.resource).unwrap());
    inventory.found.iter().map(plain).collect()
}

fn masked(value: Value) -> Value {
    match value {
        Value::String(text) if text.starts_with("vpc-") => "vpc".into(),
        Value::String(text) if text.starts_with("subnet-") => "subnet".into(),
        Value::Array(values) => values.into_iter().map(masked).collect(),
        Value::Object(fields) => fields
            .into_iter()
            .map(|(name, value)| (name, masked(value)))
            .collect(),
        other => other,
    }
}

/// Calls that change something; a lost answer to the others is no different from a refusal.
fn changes(action: &str) -> bool {
    let (_, name) = action.split_once(':').unwrap();
    !["Describe", "Get", "List", "HEAD"]
        .iter()
        .any(|look| name.starts_with(look))
}

async fn undisturbed(play: &Play, project: &mut Project) -> (Vec<(String, u32)>, Vec<Value>) {
    play.reset().await;
    attempt(play, project).await.unwrap();
    let calls = play.calls().await.calls;
    (calls, state(play).await)
}

/// Every call takes ten minutes: `make test-every-call`. Every fifth is tried each time.
fn tried<T>(all: BTreeSet<T>) -> impl Iterator<Item = T> {
    let step = if std::env::var_os("FNLOCAL_EVERY_CALL").is_some() {
        1
    } else {
        5
    };
    all.into_iter().step_by(step)
}

async fn each_call_of_a_promote(fault: Value, which: fn(&str) -> bool) {
    let play = Play::with_values().await;
    let mut project = Project::new();
    let (calls, wanted) = undisturbed(&play, &mut project).await;
    let chosen: BTreeSet<(String, u32)> = calls
        .into_iter()
        .filter(|(action, _)| which(action))
        .collect();
    assert!(chosen.len() > 20, "{chosen:?}");
    for (action, nth) in tried(chosen) {
        play.reset().await;
        play.fault(&action, nth, fault.clone()).await;
        let first = attempt(&play, &mut project).await;
        assert!(
            play.calls().await.left.is_empty(),
            "{action} {nth} was never called"
        );
        if let Err(error) = &first {
            assert!(error.hint.is_some(), "{action} {nth}: {error}");
        }
        attempt(&play, &mut project)
            .await
            .unwrap_or_else(|error| panic!("after {action} {nth}: {error}: {:?}", error.hint));
        assert_eq!(state(&play).await, wanted, "after {action} {nth}");
    }
}

#[tokio::test]
async fn after_any_call_of_a_promote_fails_the_next_promote_completes() {
    each_call_of_a_promote(json!({ "mode": "error" }), |_| true).await;
}

#[tokio::test]
async fn after_any_call_of_a_promote_loses_its_answer_nothing_is_created_twice() {
    each_call_of_a_promote(json!({ "mode": "cut" }), changes).await;
}

#[tokio::test]
async fn after_any_call_of_a_destroy_fails_the_next_destroy_leaves_nothing() {
    let play = Play::with_values().await;
    let mut project = Project::new();
    attempt(&play, &mut project).await.unwrap();
    play.clear().await;
    story::destroy(&play).await.unwrap();
    let calls = play.calls().await.calls;
    let connect = ["sts:GetCallerIdentity", "ecr:GetAuthorizationToken"];
    let chosen = calls
        .into_iter()
        .filter(|(action, _)| !connect.contains(&action.as_str()));
    let chosen: BTreeSet<(String, u32)> = chosen.collect();
    for (action, nth) in tried(chosen) {
        for mode in ["error", "cut"] {
            if mode == "cut" && !changes(&action) {
                continue;
            }
            play.reset().await;
            attempt(&play, &mut project).await.unwrap();
            play.clear().await;
            play.fault(&action, nth, json!({ "mode": mode })).await;
            let _first = story::destroy(&play).await;
            assert!(
                play.calls().await.left.is_empty(),
                "{action} {nth} was never called"
            );
            let second = story::destroy(&play).await;
            second.unwrap_or_else(|error| panic!("after {action} {nth} {mode}: {error}"));
            assert_eq!(
                state(&play).await,
                [Value::Null; 0],
                "after {action} {nth} {mode}"
            );
        }
    }
}

#[tokio::test]
async fn throttled_calls_are_retried_until_they_succeed() {
    let play = Play::with_values().await;
    let mut project = Project::new();
    for action in [
        "ec2:CreateSecurityGroup",
        "iam:CreateRole",
        "autoscaling:CreateAutoScalingGroup",
    ] {
        for nth in 1..=3 {
            let code = if action.starts_with("ec2") {
                "RequestLimitExceeded"
            } else {
                "Throttling"
            };
            play.fault(action, nth, json!({ "mode": "error", "code": code }))
                .await;
        }
    }
    attempt(&play, &mut project).await.unwrap();
    assert!(play.calls().await.left.is_empty());
}

#[tokio::test]
async fn errors_of_aws_are_reported_with_an_actionable_hint() {
    let play = Play::with_values().await;
    let mut project = Project::new();
    let cases = [
        (
            "sts:GetCallerIdentity",
            "ExpiredToken",
            CloudErrorKind::Unreachable,
            "expired",
            "sso login",
        ),
        (
            "sts:GetCallerIdentity",
            "InvalidClientTokenId",
            CloudErrorKind::Unreachable,
            "not accept",
            "region",
        ),
        (
            "iam:CreateRole",
            "AccessDenied",
            CloudErrorKind::Failed,
            "iam:CreateRole",
            "line ",
        ),
        (
            "ec2:CreateSecurityGroup",
            "SecurityGroupLimitExceeded",
            CloudErrorKind::Failed,
            "quota",
            "Quotas",
        ),
        (
            "ec2:DescribeInstanceTypes",
            "InvalidInstanceType",
            CloudErrorKind::Config,
            "t3.large",
            "instance_type",
        ),
        (
            "ssm:GetParameter",
            "ParameterNotFound",
            CloudErrorKind::Config,
            "machine image",
            "region",
        ),
    ];
    for (action, code, kind, text, hint) in cases {
        play.reset().await;
        play.fault(action, 1, json!({ "mode": "error", "code": code }))
            .await;
        let error = attempt(&play, &mut project).await.expect_err(code);
        assert_eq!(error.kind, kind, "{code}: {error}");
        assert!(error.to_string().contains(text), "{code}: {error}");
        let said = error.hint.unwrap();
        assert!(said.contains(hint), "{code}: {said}");
    }
    assert!(state(&play).await.iter().all(|it| it["kind"] != "group"));
    fnlocal_cloud::status::status(&play.aws("shop", "prod").await)
        .await
        .unwrap();
}

#[tokio::test]
async fn an_unreachable_aws_endpoint_is_not_a_project_error() {
    let play = Play::with_values().await;
    let config = play.config().await;
    drop(play);
    let names = ResourceNames::new("shop", "prod").unwrap();
    let error = Aws::connect(&config, names, pace()).await.unwrap_err();
    assert_eq!(error.kind, CloudErrorKind::Unreachable);
    assert!(error.hint.unwrap().contains("connection"));
}
