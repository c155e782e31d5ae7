//! `FNLOCAL_LOG` for calls to AWS, and for the steps of a promote.

use serde_json::{Value, json};

use super::cloud::{Cloud, Ended, small_program};

fn seen(cloud: &Cloud, args: &[&str], env: &[(&str, &str)]) -> (Ended, Vec<Value>) {
    let mut command = cloud.command(args);
    command
        .env("FNLOCAL_LOG", "cloud=debug")
        .env("FNLOCAL_LOG_FORMAT", "json")
        .envs(env.iter().copied());
    let ended = Ended::of(command.output().unwrap());
    let lines = ended.stderr.lines();
    let seen = lines.filter_map(|line| serde_json::from_str(line).ok());
    let seen = seen.collect();
    (ended, seen)
}

#[tokio::test]
async fn the_diagnosis_log_has_each_aws_call_with_its_request_id_and_each_promote_step() {
    let cloud = Cloud::new();
    let args = ["promote", "--yes", "--node-binary", small_program()];
    let (ended, seen) = seen(&cloud, &args, &[]);
    assert_eq!(ended.code, 0, "{ended:?}");
    let of = |message: &str| {
        let fields = seen.iter().map(|one| &one["fields"]);
        let fields = fields.filter(|fields| fields["message"] == message);
        fields.collect::<Vec<_>>()
    };
    let calls = of("call");
    let identity = calls
        .iter()
        .find(|call| call["operation"] == "GetCallerIdentity");
    let identity = identity.unwrap();
    assert_eq!(identity["service"], "STS");
    assert_eq!(identity["failed"], false);
    assert!(identity["took_ms"].is_u64(), "{identity}");
    let named = calls.iter().filter(|call| call["request_id"].is_string());
    assert!(named.count() * 2 > calls.len(), "{calls:#?}");
    let absent = calls.iter().find(|call| call["failed"] == true);
    assert!(
        absent.is_none_or(|call| call["code"].is_string()),
        "{absent:?}"
    );
    let steps = of("step");
    assert_eq!(json!(steps.len()), steps[0]["of"]);
    let secret = ["AKIDPLAY", "\"secret\""];
    assert!(secret.iter().all(|one| !ended.stderr.contains(one)));
}
