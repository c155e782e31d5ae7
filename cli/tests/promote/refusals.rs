//! Releases that cannot be promoted: each error has a hint and a documented exit code.

use serde_json::json;

use super::cloud::{Cloud, Ended, small_program};

fn run(cloud: &Cloud, args: &[&str], env: &[(&str, &str)]) -> Ended {
    let mut command = cloud.command(args);
    for (name, value) in env {
        command.env(name, value);
    }
    Ended::of(command.output().unwrap())
}

#[tokio::test]
async fn aws_problems_are_reported_before_any_resource_is_created() {
    let cloud = Cloud::new();
    let nobody = Ended::of(
        cloud
            .command(&["promote"])
            .env_remove("AWS_ACCESS_KEY_ID")
            .env_remove("AWS_SECRET_ACCESS_KEY")
            .output()
            .unwrap(),
    );
    nobody.refused(69, "there are no AWS credentials", "aws sso login");

    let away = run(
        &cloud,
        &["status"],
        &[("AWS_ENDPOINT_URL", "http://127.0.0.1:9")],
    );
    away.refused(69, "AWS did not answer", "check the connection");

    let cases = [
        (
            "sts:GetCallerIdentity",
            "ExpiredToken",
            69,
            "have expired",
            "aws sso login",
        ),
        (
            "sts:GetCallerIdentity",
            "InvalidClientTokenId",
            69,
            "not accept",
            "region",
        ),
        (
            "ec2:DescribeVpcs",
            "UnauthorizedOperation",
            1,
            "ec2:DescribeVpcs",
            "line ",
        ),
        (
            "ec2:DescribeInstanceTypes",
            "InvalidInstanceType",
            64,
            "t3.large",
            "instance_type",
        ),
    ];
    for (action, code, exit, said, hint) in cases {
        cloud.play.clear().await;
        cloud
            .play
            .fault(action, 1, json!({ "mode": "error", "code": code }))
            .await;
        cloud.promote(&["--plan"]).refused(exit, said, hint);
    }
    cloud.promote(&[]).refused(2, "no terminal to ask", "--yes");
    let made = cloud.play.calls().await.calls;
    assert!(
        !made.iter().any(|(action, _)| action.contains(":Create")),
        "{made:?}"
    );
}

#[tokio::test]
async fn profiles_without_usable_credentials_are_refused_with_what_renews_them() {
    let cloud = Cloud::new();
    for (profile, said, hint) in [
        (
            "sso_session = work\nsso_account_id = 123456789012\nsso_role_name = dev\n\
             [sso-session work]\nsso_region = eu-west-1\nsso_start_url = https://sso.example\n",
            "the AWS credentials cannot be read",
            "aws sso login",
        ),
        (
            "login_session = arn:aws:iam::123456789012:user/ada\n",
            "the AWS credentials cannot be read",
            "aws login",
        ),
        (
            "credential_process = false\n",
            "the AWS credentials cannot be read",
            "~/.aws/config",
        ),
        (
            "role_arn = arn:aws:iam::123456789012:role/dev\nsource_profile = keys\n\
             mfa_serial = arn:aws:iam::123456789012:mfa/ada\n[profile keys]\n\
             aws_access_key_id = AKIDPLAY\naws_secret_access_key = secret\n",
            "the AWS profile `odd` wants a code of an MFA device",
            "aws configure export-credentials --profile odd",
        ),
    ] {
        cloud.play.clear().await;
        let denied = json!({ "mode": "error", "code": "AccessDenied" });
        cloud.play.fault("sts:AssumeRole", 1, denied).await;
        cloud
            .folder
            .write("aws-config", &format!("[profile odd]\n{profile}"));
        let mut command = cloud.command(&["status"]);
        command
            .env("AWS_PROFILE", "odd")
            .env("AWS_CONFIG_FILE", cloud.folder.path().join("aws-config"));
        command
            .env_remove("AWS_ACCESS_KEY_ID")
            .env_remove("AWS_SECRET_ACCESS_KEY");
        command.env("HOME", cloud.folder.path());
        Ended::of(command.output().unwrap()).refused(69, said, hint);
    }
}

/// A program whose loader is named as no system names it.
fn without_its_loader(mut program: Vec<u8>) -> Vec<u8> {
    let name = b"/ld-linux";
    let at = program.windows(name.len()).position(|at| at == name);
    let at = at.expect("a program that is linked to libraries names its loader");
    program[at + 1] = b'x';
    program
}

#[tokio::test]
async fn project_problems_are_reported_by_name_before_a_promote() {
    let cloud = Cloud::with("region = \"eu-west-1\"\n[env.staging]\n");
    cloud
        .promote(&[])
        .refused(2, "more than one environment", "prod, staging");
    let typo = cloud.promote(&["--env", "stagin"]);
    typo.refused(64, "no environment `stagin`", "`staging`");

    let toml = |text: &str| cloud.folder.write("fnlocal.toml", text);
    toml("name = \"auction\"\n");
    cloud
        .promote(&[])
        .refused(64, "no environment `prod`", "[env.prod]");
    toml(&format!(
        "name = \"{}\"\n[env.prod]\nregion = \"eu-west-1\"\n",
        "a".repeat(60)
    ));
    let long = cloud.promote(&[]);
    assert_eq!(long.code, 2, "{long:?}");
    let role = long.stdout.lines().find(|line| line.contains("+ role "));
    let name = role
        .and_then(|line| line.split_whitespace().nth(2))
        .unwrap();
    assert!(name.len() <= 64, "{name}");
    toml("name = \"auction\"\n[env.prod]\n");
    cloud
        .promote(&[])
        .refused(64, "names no AWS region", "region = ");

    toml("name = \"auction\"\n[env.prod]\nregion = \"eu-west-1\"\n");
    let script = cloud.folder.path().join("fnlocal.toml");
    let script = script.to_str().unwrap();
    let wrong = cloud.run(&["promote", "--plan", "--node-binary", script]);
    wrong.refused(64, "no program for Linux", "--node-binary");
    // As one that was made for another system's C library: what loads it is not there.
    let program = cloud.folder.path().join("foreign");
    let bytes = std::fs::read(small_program()).unwrap();
    std::fs::write(&program, without_its_loader(bytes)).unwrap();
    let foreign = [
        "promote",
        "--plan",
        "--node-binary",
        program.to_str().unwrap(),
    ];
    let refused = cloud.run(&foreign);
    refused.refused(64, "does not run on the image nodes have", "--node-binary");
    let nowhere = ("DOCKER_HOST", "unix:///nowhere/docker.sock");
    let untried = run(&cloud, &foreign, &[nowhere]);
    assert_eq!(untried.code, 3, "{untried:?}");
    assert!(untried.stderr.contains("was not tried"), "{untried:?}");
    std::fs::remove_file(program).unwrap();

    toml(
        "name = \"auction\"\n[env.prod]\nregion = \"eu-west-1\"\n[functions.bid]\nenv = [\"KEY\"]\n",
    );
    let valueless = cloud.promote(&["--plan"]);
    valueless.refused(64, "`KEY` has no value", "aws ssm put-parameter");
    cloud.play.parameter("/fnlocal/auction/prod/KEY").await;
    assert_eq!(cloud.promote(&["--plan"]).code, 3);
}
