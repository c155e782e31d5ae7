//! The output for people who promote, promote again, roll back and destroy.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use aws_sdk_sqs::types::QueueAttributeName;
use fnlocal_cloud::apply::apply;
use fnlocal_cloud::copy::Sent;
use fnlocal_cloud::logs::{LogQuery, Reader};
use fnlocal_cloud::node::NodeSettings;
use fnlocal_cloud::plan::{Action, Plan};
use fnlocal_cloud::promote;
use fnlocal_cloud::resource::{Resource, ResourceKind};
use fnlocal_cloud::status;
use fnlocal_cloud::{CloudErrorKind, Inventory, policy};

use super::play::Play;
use super::project::{BASE, Project};

/// Plans and applies; returns what was planned and sent.
pub async fn promote(play: &Play, project: &mut Project) -> (Plan, Sent) {
    let aws = play.aws("shop", "prod").await;
    let wish = project.wish();
    let (inventory, plan) = promote::plan(&aws, &wish).await.unwrap();
    let source = project.source();
    let sent = apply(&aws, &plan, &inventory, Some(&source), &|_| {})
        .await
        .unwrap();
    (plan, sent)
}

pub async fn destroy(play: &Play) -> Result<(), fnlocal_cloud::CloudError> {
    let aws = play.aws("shop", "prod").await;
    let (inventory, plan) = promote::plan_destroy(&aws).await?;
    promote::destroy(&aws, &plan, &inventory, &|_| {}).await
}

async fn everything(play: &Play) -> Inventory {
    play.aws("shop", "prod").await.everything().await.unwrap()
}

#[tokio::test]
async fn a_first_promote_creates_all_resources_and_a_second_has_no_changes() {
    let play = Play::with_values().await;
    let mut project = Project::new();
    let (plan, sent) = promote(&play, &mut project).await;
    assert!(
        plan.steps.iter().all(|step| step.action == Action::Create),
        "{plan}"
    );
    let kinds: BTreeSet<ResourceKind> = plan
        .steps
        .iter()
        .map(|step| step.resource.key().kind)
        .collect();
    assert_eq!(
        kinds.len(),
        20,
        "all kinds but the nodes, which come by themselves, and a warm pool: {kinds:?}"
    );
    // The base they share is sent once.
    let base = u64::try_from(BASE).unwrap();
    assert!((base..base + 10_000).contains(&sent.bytes), "{sent:?}");

    play.clear().await;
    let begin = Instant::now();
    let (plan, sent) = promote(&play, &mut project).await;
    assert!(plan.is_empty(), "{plan}");
    assert!(plan.to_string().contains("no changes"));
    assert!(
        begin.elapsed() < Duration::from_secs(2),
        "{:?}",
        begin.elapsed()
    );
    assert_eq!(sent, Sent::default());
    assert_eq!(play.calls().await.blobs, 0, "no layer is sent");

    let found = everything(&play).await;
    let settings = found
        .of_kind(ResourceKind::Template)
        .find_map(|found| match &found.resource {
            Resource::Template(template) => NodeSettings::from_user_data(&template.user_data),
            _ => None,
        });
    let settings = settings.expect("the settings are in the user data");
    assert_eq!(settings.repository, "fnlocal/shop/prod");
    assert_eq!(settings.group, "fnlocal-shop-prod");
    assert_eq!(found.nodes.len(), 2);
}

#[tokio::test]
async fn a_changed_line_uploads_one_layer_and_replaces_no_node() {
    let play = Play::with_values().await;
    let mut project = Project::new();
    promote(&play, &mut project).await;
    play.clear().await;
    project.set("auction", "exports.bid = 2");
    let (plan, _) = promote(&play, &mut project).await;
    let changed: Vec<ResourceKind> = plan
        .steps
        .iter()
        .map(|step| step.resource.key().kind)
        .collect();
    assert_eq!(
        changed,
        [
            ResourceKind::Image,
            ResourceKind::Release,
            ResourceKind::CurrentRelease
        ],
        "{plan}"
    );
    let calls = play.calls().await;
    // The code, the release and where variables come from; the config is as before.
    assert!(calls.bytes < 4_000, "{} bytes", calls.bytes);
    let release = everything(&play).await;
    assert!(release.pointer().unwrap().starts_with("r000002@sha256:"));
}

#[tokio::test]
async fn a_new_gateway_image_replaces_the_nodes_once() {
    let play = Play::with_values().await;
    let mut project = Project::new();
    promote(&play, &mut project).await;
    project.new_gateway();
    let (plan, _) = promote(&play, &mut project).await;
    let replaced = plan.steps.iter().any(|step| step.action == Action::Replace);
    assert!(replaced, "{plan}");
    let calls = play.calls().await.calls;
    let started = |(action, _): &&(String, u32)| action == "autoscaling:StartInstanceRefresh";
    assert_eq!(calls.iter().filter(started).count(), 1);
    let (plan, _) = promote(&play, &mut project).await;
    assert!(plan.is_empty(), "{plan}");
}

#[tokio::test]
async fn a_rollback_selects_the_old_release_and_the_next_promote_gets_a_new_number() {
    let play = Play::with_values().await;
    let mut project = Project::new();
    promote(&play, &mut project).await;
    project.set("auction", "exports.bid = 2");
    promote(&play, &mut project).await;
    let aws = play.aws("shop", "prod").await;
    let plan = promote::rollback(&aws, 1, &|_| {}).await.unwrap();
    assert_eq!(plan.steps.len(), 1, "{plan}");
    let status = status::status(&aws).await.unwrap();
    assert!(status.release.unwrap().starts_with("r000001@"));
    assert_eq!(status.releases, ["r000001", "r000002"]);
    assert_eq!(status.functions, ["auction-function", "mail-function"]);
    let error = promote::rollback(&aws, 9, &|_| {}).await.unwrap_err();
    assert!(error.to_string().contains("r000009") && error.hint.is_some());
    project.set("auction", "exports.bid = 3");
    promote(&play, &mut project).await;
    let status = status::status(&aws).await.unwrap();
    assert!(status.release.unwrap().starts_with("r000003@"));
}

#[tokio::test]
async fn old_releases_are_deleted_and_images_of_retained_releases_remain() {
    let play = Play::with_values().await;
    let mut project = Project::new();
    project.env.keep_releases = 2;
    for number in 1..=4 {
        project.set("auction", &format!("exports.bid = {number}"));
        promote(&play, &mut project).await;
    }
    let found = everything(&play).await;
    assert_eq!(
        found.release_numbers(),
        [2, 3, 4],
        "the newest, and two before it"
    );
    // Three of the auction, one of the mail, the gateway.
    assert_eq!(found.of_kind(ResourceKind::Image).count(), 5);
    let aws = play.aws("shop", "prod").await;
    promote::rollback(&aws, 2, &|_| {}).await.unwrap();
}

#[tokio::test]
async fn a_stored_plan_is_applied_once_and_refused_after_a_change() {
    let play = Play::with_values().await;
    let mut project = Project::new();
    let aws = play.aws("shop", "prod").await;
    let wish = project.wish();
    let (_, plan) = promote::plan(&aws, &wish).await.unwrap();
    let text = serde_json::to_string(&plan).unwrap();
    assert!(!text.contains("secret"));
    let plan: Plan = serde_json::from_str(&text).unwrap();
    let source = project.source();
    promote::apply_stored(&aws, &plan, &wish, &source, &|_| {})
        .await
        .unwrap();
    let again = promote::apply_stored(&aws, &plan, &wish, &source, &|_| {}).await;
    let error = again.unwrap_err();
    assert_eq!(error.kind, CloudErrorKind::TryAgain, "{error}");
    assert!(error.to_string().contains("changed since"), "{error}");
}

#[tokio::test]
async fn the_slower_of_two_concurrent_promotes_fails_and_names_the_newer_release() {
    let play = Play::with_values().await;
    let mut project = Project::new();
    promote(&play, &mut project).await;
    let aws = play.aws("shop", "prod").await;
    project.set("auction", "exports.bid = 2");
    let (before, mine) = promote::plan(&aws, &project.wish()).await.unwrap();
    project.set("auction", "exports.bid = 3");
    promote(&play, &mut project).await;
    let source = project.source();
    let error = apply(&aws, &mine, &before, Some(&source), &|_| {})
        .await
        .unwrap_err();
    assert_eq!(error.kind, CloudErrorKind::TryAgain);
    assert!(error.to_string().contains("r000002"), "{error}");
}

#[tokio::test]
async fn destroy_deletes_its_environment_and_no_other() {
    let play = Play::with_values().await;
    let mut project = Project::new();
    promote(&play, &mut project).await;
    let other = play.aws("shop", "staging").await;
    let mut wish = project.wish();
    wish.env.name = "staging".to_owned();
    let (inventory, plan) = promote::plan(&other, &wish).await.unwrap();
    apply(&other, &plan, &inventory, Some(&project.source()), &|_| {})
        .await
        .unwrap();
    let before = other.everything().await.unwrap().found;

    destroy(&play).await.unwrap();
    assert_eq!(everything(&play).await.found, []);
    assert_eq!(other.everything().await.unwrap().found, before);
    destroy(&play).await.unwrap();
}

#[tokio::test]
async fn a_warm_pool_is_created_with_a_boot_hook_resized_and_deleted() {
    let play = Play::with_values().await;
    let mut project = Project::new();
    promote(&play, &mut project).await;
    project.env.warm_pool = 2;
    project.env.warm_up = 120;
    let (plan, _) = promote(&play, &mut project).await;
    let text = plan.to_string();
    assert!(text.contains("+ warm pool fnlocal-shop-prod"), "{text}");
    assert!(text.contains("+ lifecycle hook fnlocal-boot"), "{text}");
    assert!(text.contains("warm_up_seconds: 300 → 120"), "{text}");
    let (plan, _) = promote(&play, &mut project).await;
    assert!(plan.is_empty(), "{plan}");
    project.env.warm_pool = 3;
    let (plan, _) = promote(&play, &mut project).await;
    assert_eq!(plan.steps.len(), 1, "{plan}");
    assert!(plan.to_string().contains("size: 2 → 3"), "{plan}");
    project.env.warm_pool = 0;
    let (plan, _) = promote(&play, &mut project).await;
    assert!(plan.to_string().contains("- warm pool"), "{plan}");
    let left = everything(&play).await;
    assert_eq!(left.of_kind(ResourceKind::WarmPool).count(), 0);
    assert_eq!(left.of_kind(ResourceKind::Hook).count(), 1);
}

#[tokio::test]
async fn schedules_follow_the_release_and_the_queue_outlives_them() {
    let play = Play::with_values().await;
    let mut project = Project::new();
    let (plan, _) = promote(&play, &mut project).await;
    let text = plan.to_string();
    assert!(text.contains("+ queue fnlocal-shop-prod.fifo"), "{text}");
    assert!(
        text.contains("+ queue fnlocal-shop-prod-dead.fifo"),
        "{text}"
    );
    let schedule = async || {
        let found = everything(&play).await;
        let mut all = found.of_kind(ResourceKind::FunctionSchedule);
        all.next().map(|found| match &found.resource {
            Resource::FunctionSchedule(it) => it.clone(),
            other => panic!("{other:?}"),
        })
    };
    let made = schedule().await.unwrap();
    assert_eq!(made.expression, "cron(0 9 ? * MON-FRI *)");
    assert_eq!(made.timezone, "Europe/Berlin");
    assert!(made.message_group.is_some());
    project.schedule.as_mut().unwrap().overlap = true;
    let (plan, _) = promote(&play, &mut project).await;
    assert!(
        plan.to_string()
            .contains("~ function schedule mail-function"),
        "{plan}"
    );
    let changed = schedule().await.unwrap();
    assert!(changed.target.ends_with(":aws-sdk:sqs:sendMessage"));
    assert_eq!(changed.message_group, None);
    let (plan, _) = promote(&play, &mut project).await;
    assert!(plan.is_empty(), "{plan}");
    project.schedule = None;
    promote(&play, &mut project).await;
    assert_eq!(schedule().await, None);
    let found = everything(&play).await;
    assert_eq!(
        found.of_kind(ResourceKind::Queue).count(),
        2,
        "jobs may be in it"
    );
}

#[tokio::test]
async fn a_queue_that_was_changed_by_hand_is_restored() {
    let play = Play::with_values().await;
    let mut project = Project::new();
    promote(&play, &mut project).await;
    let sqs = aws_sdk_sqs::Client::new(&play.config().await);
    let url = sqs
        .get_queue_url()
        .queue_name("fnlocal-shop-prod.fifo")
        .send()
        .await;
    let url = url.unwrap().queue_url.unwrap();
    let call = sqs.set_queue_attributes().queue_url(url);
    let call = call.attributes(QueueAttributeName::MessageRetentionPeriod, "86400");
    call.attributes(QueueAttributeName::SqsManagedSseEnabled, "false")
        .send()
        .await
        .unwrap();
    let (plan, _) = promote(&play, &mut project).await;
    let text = plan.to_string();
    assert!(text.contains("days: 1 → 14"), "{text}");
    assert!(text.contains("encrypted: false → true"), "{text}");
    let (plan, _) = promote(&play, &mut project).await;
    assert!(plan.is_empty(), "{plan}");
}

#[tokio::test]
async fn a_queue_with_our_name_that_is_not_ours_is_never_touched() {
    let play = Play::with_values().await;
    let sqs = aws_sdk_sqs::Client::new(&play.config().await);
    let call = sqs.create_queue().queue_name("fnlocal-shop-prod.fifo");
    let call = call.attributes(QueueAttributeName::FifoQueue, "true");
    call.send().await.unwrap();
    let aws = play.aws("shop", "prod").await;
    let refused = promote::plan(&aws, &Project::new().wish()).await;
    let error = refused.unwrap_err().to_string();
    assert!(error.contains("queue fnlocal-shop-prod.fifo"), "{error}");
    assert!(error.contains("was not made by fnlocal"), "{error}");
    destroy(&play).await.unwrap();
    let there = sqs.list_queues().send().await.unwrap();
    assert_eq!(there.queue_urls().len(), 1);
}

#[tokio::test]
async fn an_untagged_resource_with_a_matching_name_is_never_changed() {
    let play = Play::with_values().await;
    let config = play.config().await;
    let ecr = aws_sdk_ecr::Client::new(&config);
    ecr.create_repository()
        .repository_name("fnlocal/shop/prod")
        .send()
        .await
        .unwrap();
    let aws = play.aws("shop", "prod").await;
    let error = promote::plan(&aws, &Project::new().wish())
        .await
        .unwrap_err();
    assert!(
        error.to_string().contains("was not made by fnlocal"),
        "{error}"
    );
    destroy(&play).await.unwrap();
    let there = ecr.describe_repositories().send().await.unwrap();
    assert_eq!(there.repositories().len(), 1);
}

#[tokio::test]
async fn the_policy_allows_every_call_made_and_few_others() {
    let play = Play::with_values().await;
    let mut project = Project::new();
    promote(&play, &mut project).await;
    project.new_gateway();
    project.env.prescale.clear();
    project.env.max = 12;
    project.env.warm_pool = 1;
    promote(&play, &mut project).await;
    let aws = play.aws("shop", "prod").await;
    status::status(&aws).await.unwrap();
    let mut logs = Reader::new(&aws, &LogQuery::default());
    assert_eq!(logs.next().await.unwrap(), None);
    destroy(&play).await.unwrap();
    let calls = play.calls().await.calls;
    let made: BTreeSet<String> = calls.into_iter().map(|(action, _)| action).collect();
    let policy: serde_json::Value = serde_json::from_str(policy::POLICY).unwrap();
    let mut allowed = BTreeSet::new();
    for statement in policy["Statement"].as_array().unwrap() {
        let sid = statement["Sid"].as_str().unwrap();
        if sid.starts_with("Implied") || sid == "Registry" {
            continue;
        }
        match &statement["Action"] {
            serde_json::Value::String(one) => drop(allowed.insert(one.clone())),
            many => allowed.extend(
                many.as_array()
                    .unwrap()
                    .iter()
                    .map(|it| it.as_str().unwrap().to_owned()),
            ),
        }
    }
    let ours = made
        .iter()
        .filter(|action| !action.starts_with("registry:"));
    let denied: Vec<_> = ours.filter(|action| !allowed.contains(*action)).collect();
    assert!(denied.is_empty(), "the policy lacks {denied:?}");
    // Calls that only drift, another network or a certificate lead to.
    let rare = [
        "autoscaling:AttachLoadBalancerTargetGroups",
        "autoscaling:DeleteLifecycleHook",
        "autoscaling:DeletePolicy",
        "autoscaling:DeleteWarmPool",
        "autoscaling:DetachLoadBalancerTargetGroups",
        "ec2:RevokeSecurityGroupIngress",
        "ecr:BatchDeleteImage",
        "ecr:PutImageScanningConfiguration",
        "ecr:PutImageTagMutability",
        "elasticloadbalancing:ModifyListener",
        "elasticloadbalancing:ModifyTargetGroup",
        "elasticloadbalancing:SetSecurityGroups",
        "elasticloadbalancing:SetSubnets",
        "iam:UpdateAssumeRolePolicy",
        "scheduler:DeleteSchedule",
        "scheduler:UpdateSchedule",
        "sqs:SetQueueAttributes",
    ];
    let unused: Vec<&str> = allowed
        .iter()
        .filter(|it| !made.contains(*it))
        .map(String::as_str)
        .collect();
    assert_eq!(unused, rare);
}
