//! Plans, without any AWS.

use std::collections::BTreeMap;

use fnlocal_cloud::desired::{PromoteRequest, desired};
use fnlocal_cloud::environment::ScalingTarget;
use fnlocal_cloud::inventory::{
    AccountRegion, FoundResource, InstanceType, ResourceOwner, Subnet, Surroundings,
};
use fnlocal_cloud::plan::{Action, Plan, PlanStep};
use fnlocal_cloud::resource::{Resource, ResourceKind};
use fnlocal_cloud::{CloudError, CloudErrorKind, Inventory, ResourceNames};
use fnlocal_core::trigger::{SourceKind, SourceSpec};

use super::project::Project;

fn names() -> ResourceNames {
    ResourceNames::new("shop", "prod").unwrap()
}

fn empty() -> Inventory {
    let subnet = |id: &str, zone: &str| Subnet {
        id: id.to_owned(),
        zone: zone.to_owned(),
        vpc: "vpc-1".to_owned(),
    };
    Inventory {
        place: AccountRegion {
            partition: "aws".to_owned(),
            account: "1".to_owned(),
            region: "eu-west-1".to_owned(),
            registry: "registry".to_owned(),
        },
        around: Surroundings {
            vpc: Some("vpc-1".to_owned()),
            subnets: vec![subnet("subnet-a", "a"), subnet("subnet-b", "b")],
            instance_type: Some(InstanceType {
                name: "t3.large".to_owned(),
                architecture: "amd64".to_owned(),
                memory_mib: 8192,
                zones: vec!["a".to_owned(), "b".to_owned()],
            }),
            machine_image: Some("ami-1".to_owned()),
        },
        found: Vec::new(),
        deliveries: BTreeMap::new(),
        nodes: Vec::new(),
        refresh: None,
        door: None,
    }
}

fn plan(inventory: &Inventory, wish: &PromoteRequest) -> Result<Plan, CloudError> {
    let desired = desired(&names(), wish, inventory)?;
    Plan::promote(&names(), &wish.env, inventory, desired)
}

/// The inventory after the wish came true.
fn done(wish: &PromoteRequest) -> Inventory {
    let mut inventory = empty();
    let desired = desired(&names(), wish, &inventory).unwrap();
    let made = desired.resources.into_iter().map(|resource| FoundResource {
        id: format!("id of {}", resource.key()),
        resource,
        owner: ResourceOwner::Ours,
    });
    inventory.found = made.collect();
    inventory
        .deliveries
        .insert("r000001".to_owned(), desired.delivery);
    inventory
}

fn steps(plan: &Plan) -> Vec<(Action, ResourceKind)> {
    plan.steps
        .iter()
        .map(|step| (step.action, step.resource.key().kind))
        .collect()
}

#[test]
fn an_empty_account_gets_every_resource_in_dependency_order() {
    let plan = plan(&empty(), &Project::new().wish()).unwrap();
    let kinds: Vec<ResourceKind> = plan
        .steps
        .iter()
        .map(|step| step.resource.key().kind)
        .collect();
    assert!(kinds.is_sorted(), "{plan}");
    assert_eq!(kinds.last(), Some(&ResourceKind::CurrentRelease));
    let firewalls: Vec<String> = plan
        .steps
        .iter()
        .filter(|step| step.resource.key().kind == ResourceKind::SecurityGroup)
        .map(|step| step.resource.key().name)
        .collect();
    assert_eq!(
        firewalls,
        ["fnlocal-shop-prod-balancer", "fnlocal-shop-prod-node"]
    );
    let text = plan.to_string();
    assert!(
        text.contains("shop → prod (eu-west-1, account 1)"),
        "{text}"
    );
    assert!(
        text.contains("a month") && text.contains("list prices of"),
        "{text}"
    );
    assert!(
        text.contains("warning: requests travel without encryption"),
        "{text}"
    );
}

#[test]
fn an_applied_plan_leaves_no_steps() {
    let mut project = Project::new();
    let wish = project.wish();
    let mut inventory = done(&wish);
    assert_eq!(steps(&plan(&inventory, &wish).unwrap()), []);
    // Nor does a build at another time, nor a newer machine image.
    let mut later = wish.clone();
    later.release.created = "2027-01-01T00:00:00Z".to_owned();
    inventory.around.machine_image = Some("ami-2".to_owned());
    assert_eq!(steps(&plan(&inventory, &later).unwrap()), []);
    later.renew = true;
    let renewed = [
        (Action::Change, ResourceKind::Template),
        (Action::Replace, ResourceKind::Nodes),
    ];
    assert_eq!(steps(&plan(&inventory, &later).unwrap()), renewed);
}

#[test]
fn drift_is_shown_with_its_old_and_new_value() {
    let mut project = Project::new();
    let wish = project.wish();
    let mut inventory = done(&wish);
    for found in &mut inventory.found {
        if let Resource::Group(group) = &mut found.resource {
            group.max = 99;
        }
    }
    let plan = plan(&inventory, &wish).unwrap();
    assert_eq!(steps(&plan), [(Action::Change, ResourceKind::Group)]);
    assert!(plan.to_string().contains("max: 99 → 10"), "{plan}");
}

#[test]
fn a_changed_log_retention_is_corrected_and_a_promote_never_deletes_the_log_group() {
    let mut project = Project::new();
    let mut inventory = done(&project.wish());
    for found in &mut inventory.found {
        if let Resource::LogGroup(group) = &mut found.resource {
            group.days = 0;
        }
    }
    let changed = plan(&inventory, &project.wish()).unwrap();
    assert_eq!(steps(&changed), [(Action::Change, ResourceKind::LogGroup)]);
    assert!(changed.to_string().contains("days: 0 → 30"), "{changed}");
    project.env.logs = false;
    let without = plan(&inventory, &project.wish()).unwrap();
    let of_logs = |step: &&PlanStep| step.resource.key().kind == ResourceKind::LogGroup;
    assert_eq!(without.steps.iter().find(of_logs), None, "{without}");
    let destroyed = Plan::destroy(&names(), &inventory);
    assert!(destroyed.steps.iter().any(|step| of_logs(&step)));
}

#[test]
fn a_minimum_set_by_a_scheduled_action_is_not_drift() {
    let mut project = Project::new();
    let wish = project.wish();
    let mut inventory = done(&wish);
    for found in &mut inventory.found {
        if let Resource::Group(group) = &mut found.resource {
            group.min = 4;
        }
    }
    assert_eq!(steps(&plan(&inventory, &wish).unwrap()), []);
}

#[test]
fn an_unchangeable_resource_is_replaced_with_all_its_dependents() {
    let mut project = Project::new();
    let wish = project.wish();
    let mut inventory = done(&wish);
    inventory.around.vpc = Some("vpc-2".to_owned());
    for subnet in &mut inventory.around.subnets {
        subnet.vpc = "vpc-2".to_owned();
    }
    let plan = plan(&inventory, &wish).unwrap();
    let deleted: Vec<ResourceKind> = plan
        .steps
        .iter()
        .filter(|step| step.action == Action::Delete)
        .map(|step| step.resource.key().kind)
        .collect();
    let order = [
        ResourceKind::Group,
        ResourceKind::Listener,
        ResourceKind::TargetGroup,
        ResourceKind::Balancer,
        ResourceKind::SecurityGroup,
        ResourceKind::SecurityGroup,
    ];
    assert_eq!(deleted, order, "{plan}");
    let made: Vec<ResourceKind> = plan
        .steps
        .iter()
        .filter(|step| step.action == Action::Create)
        .map(|step| step.resource.key().kind)
        .collect();
    assert!(
        made.contains(&ResourceKind::CurrentRelease) && made.contains(&ResourceKind::Schedule),
        "{plan}"
    );
}

#[test]
fn resources_no_longer_configured_are_deleted() {
    let mut project = Project::new();
    let inventory = done(&project.wish());
    project.env.prescale.clear();
    project.env.scale_on = None;
    let plan = plan(&inventory, &project.wish()).unwrap();
    let expected = [
        (Action::Delete, ResourceKind::Schedule),
        (Action::Delete, ResourceKind::Scaling),
    ];
    assert_eq!(steps(&plan), expected);
}

#[test]
fn a_resource_of_another_owner_is_an_error_that_names_the_owner() {
    let mut project = Project::new();
    let wish = project.wish();
    let mut inventory = done(&wish);
    inventory.found[0].owner = ResourceOwner::Other("blog/prod".to_owned());
    let error = plan(&inventory, &wish).unwrap_err();
    assert!(
        error.to_string().contains("belongs to blog/prod"),
        "{error}"
    );
    let destroyed = Plan::destroy(&names(), &inventory);
    let key = inventory.found[0].resource.key();
    assert!(
        destroyed
            .steps
            .iter()
            .all(|step| step.resource.key() != key)
    );
}

#[test]
fn missing_prerequisites_of_a_region_are_reported_while_planning() {
    let mut project = Project::new();
    let wish = project.wish();
    let without = |change: fn(&mut Surroundings)| {
        let mut inventory = empty();
        change(&mut inventory.around);
        let error = plan(&inventory, &wish).unwrap_err();
        assert_eq!(error.kind, CloudErrorKind::Config, "{error}");
        assert!(error.hint.is_some(), "{error}");
        error.to_string()
    };
    assert!(without(|it| it.instance_type = None).contains("no instance type `t3.large`"));
    assert!(without(|it| it.vpc = None).contains("no default VPC"));
    assert!(without(|it| it.machine_image = None).contains("no machine image"));
    assert!(without(|it| drop(it.subnets.pop())).contains("two are needed"));
    let arm = |it: &mut Surroundings| {
        it.instance_type.as_mut().unwrap().architecture = "arm64".to_owned();
    };
    assert!(without(arm).contains("the images are for amd64"));
}

#[test]
fn a_plan_contains_the_source_of_each_variable_and_never_its_value() {
    let mut project = Project::new();
    let plan_of = |project: &mut Project| plan(&empty(), &project.wish());
    let made = plan_of(&mut project).unwrap();
    let sources = &made.delivery.as_ref().unwrap().sources;
    assert_eq!(sources["REDIS_URL"], "/fnlocal/shop/prod/REDIS_URL");
    let variable = |project: &mut Project, value: &str| {
        project
            .env
            .variables
            .insert("REDIS_URL".to_owned(), value.to_owned());
    };
    variable(&mut project, "ssm:/shared/redis");
    let text = serde_json::to_string(&plan_of(&mut project).unwrap()).unwrap();
    assert!(
        text.contains("parameter/shared/redis"),
        "the role may read it"
    );
    variable(&mut project, "redis://hunter2@host");
    let error = plan_of(&mut project).unwrap_err();
    assert!(error.to_string().contains("REDIS_URL") && !error.to_string().contains("hunter2"));
}

#[test]
fn a_node_role_may_read_the_queues_of_its_functions_and_gets_their_server_urls() {
    let mut project = Project::new();
    let mut wish = project.wish();
    let source = |source, name: &str, variable: Option<&str>| SourceSpec {
        source,
        name: name.to_owned(),
        url: None,
        url_env: variable.map(str::to_owned),
        group: None,
        outbox: Some("outbox".to_owned()),
        batch: 10,
        visibility: std::time::Duration::from_secs(30),
    };
    let queue = "https://sqs.us-east-1.amazonaws.com/210987654321/uploads";
    wish.release.packages[0].functions[0].triggers.sources = vec![
        source(SourceKind::S3, queue, None),
        source(SourceKind::Postgres, "orders", Some("DATABASE_URL")),
    ];
    let plan = plan(&empty(), &wish).unwrap();
    let sources = &plan.delivery.as_ref().unwrap().sources;
    assert_eq!(sources["DATABASE_URL"], "/fnlocal/shop/prod/DATABASE_URL");
    let text = serde_json::to_string(&plan).unwrap();
    assert!(text.contains("arn:aws:sqs:us-east-1:210987654321:uploads"));
    assert!(text.contains("sqs:DeleteMessage"));
}

#[test]
fn only_asynchronous_work_makes_a_queue_which_nodes_and_schedules_alone_may_fill() {
    let mut project = Project::new();
    let made = plan(&empty(), &project.wish()).unwrap();
    let text = serde_json::to_string(&made).unwrap();
    assert!(text.contains("arn:aws:sqs:eu-west-1:1:fnlocal-shop-prod.fifo"));
    let queue = made.steps.iter().find_map(|step| match &step.resource {
        Resource::Queue(queue) if queue.dead_letters.is_some() => Some(queue),
        _ => None,
    });
    let statement = &queue.unwrap().policy["Statement"][0];
    assert_eq!(
        (&statement["Effect"], &statement["Action"]),
        (&"Deny".into(), &"sqs:SendMessage".into())
    );
    let roles = &statement["Condition"]["ArnNotEquals"]["aws:PrincipalArn"];
    let role = |name: &str| format!("arn:aws:iam::1:role/fnlocal-shop-prod-eu-west-1-{name}");
    assert_eq!(*roles, serde_json::json!([role("node"), role("cron")]));
    let queues = |plan: &Plan| {
        let kinds = steps(plan).into_iter();
        kinds
            .filter(|(_, kind)| *kind == ResourceKind::Queue)
            .count()
    };
    assert_eq!(queues(&made), 2);
    project.schedule = None;
    assert_eq!(queues(&plan(&empty(), &project.wish()).unwrap()), 0);
    let mut wish = project.wish();
    wish.release.packages[0].functions[0]
        .triggers
        .delivery
        .from_clients = Some(true);
    assert_eq!(queues(&plan(&empty(), &wish).unwrap()), 2);
}

#[test]
fn work_that_sqs_or_eventbridge_cannot_keep_is_refused_before_anything_is_made() {
    let mut project = Project::new();
    let refused = |wish: &PromoteRequest| {
        let error = plan(&empty(), wish).unwrap_err();
        assert_eq!(error.kind, CloudErrorKind::Config, "{error}");
        format!("{error}; {}", error.hint.as_deref().unwrap())
    };
    project.schedule.as_mut().unwrap().cron = "*/10 * * * * *".to_owned();
    let text = refused(&project.wish());
    assert!(
        text.contains("`*/10 * * * * *` of /mail-function"),
        "{text}"
    );
    project.schedule = None;
    let mut wish = project.wish();
    let triggers = &mut wish.release.packages[0].functions[0].triggers;
    triggers.delivery.backoff_max = std::time::Duration::from_secs(13 * 3600);
    triggers.delivery.from_clients = Some(true);
    assert!(refused(&wish).contains("12 hours"));
    let mut wish = project.wish();
    wish.release.packages[0].functions[0].triggers.sources = vec![SourceSpec {
        source: SourceKind::Postgres,
        name: "bids".to_owned(),
        url: None,
        url_env: None,
        group: None,
        outbox: None,
        batch: 10,
        visibility: std::time::Duration::from_secs(30),
    }];
    assert!(refused(&wish).contains("name an `outbox` for `bids`"));
}

#[test]
fn the_scaling_policy_follows_memory_if_configured() {
    let mut project = Project::new();
    let inventory = done(&project.wish());
    project.env.scale_on = Some(ScalingTarget::MemoryPercent(70));
    let plan = plan(&inventory, &project.wish()).unwrap();
    assert_eq!(steps(&plan), [(Action::Change, ResourceKind::Scaling)]);
    assert!(plan.to_string().contains("→ memory"), "{plan}");
}

#[test]
fn a_certificate_adds_an_https_listener_and_redirects_http() {
    let mut project = Project::new();
    let inventory = done(&project.wish());
    project.env.certificate = Some("arn:cert".to_owned());
    let plan = plan(&inventory, &project.wish()).unwrap();
    let expected = [
        (Action::Change, ResourceKind::SecurityGroup),
        (Action::Create, ResourceKind::Listener),
        (Action::Change, ResourceKind::Listener),
    ];
    let mut found = steps(&plan);
    found.sort();
    let mut expected = expected.to_vec();
    expected.sort();
    assert_eq!(found, expected, "{plan}");
    assert!(plan.warnings.is_empty());
}
