//! The Docker runtime against a real engine.
#![allow(
    clippy::unwrap_used,
    reason = "these are tests, some in functions that are not"
)]

mod runtime_support;

use std::time::{Duration, Instant};

use bollard::errors::Error as EngineError;
use bollard::models::ContainerCreateBody;
use fnlocal_engine::reaper::reap;
use fnlocal_runtime::Address;
use fnlocal_runtime::Notice;
use fnlocal_runtime::Runtime;
use fnlocal_runtime::RuntimeError;
use fnlocal_runtime::docker::DockerOptions;
use fnlocal_runtime::docker::DockerRuntime;
use fnlocal_runtime::docker::Transport;
use futures_util::StreamExt;
use runtime_support::{Bench, health, labelled, owner, spec, when_told};
use tokio::sync::mpsc;

const HOG: &str = "const all = []; for (;;) all.push(Buffer.alloc(8e6, 1))";
const MIB: u32 = 256;

#[tokio::test]
async fn a_container_instance_answers_and_leaves_nothing_after_its_stop() {
    let bench = Bench::new(&[]).await;
    let started = bench.start(1, &[], MIB).await;
    assert!(matches!(started.address, Address::Dialed(_)));
    assert_eq!(started.code_root, "/app");
    assert_eq!(health(&started, &started.token).await, "HTTP/1.1 200 OK");
    bench
        .runtime
        .stop(
            spec(1, &bench.package(&[]), MIB).instance,
            Duration::from_secs(5),
        )
        .await;
    assert_eq!(bench.containers("instance").await, []);
    let Address::Dialed(listener) = started.address else {
        unreachable!()
    };
    assert!(!listener.folder().exists());
    assert!(listener.accept().await.is_err());
    bench.close().await;
}

#[tokio::test]
async fn with_the_tcp_transport_a_port_is_published_on_loopback() {
    let bench = Bench::with(&[], |options| options.transport = Transport::Tcp).await;
    let started = bench.start(1, &[], MIB).await;
    let Address::Tcp(at) = started.address else {
        panic!("not a port")
    };
    assert!(at.ip().is_loopback());
    assert_eq!(health(&started, &started.token).await, "HTTP/1.1 200 OK");
    bench.close().await;
}

#[tokio::test]
async fn a_container_instance_has_a_read_only_root_no_capabilities_and_a_restricted_tmp() {
    let bench = Bench::new(&[("a.js", "1")]).await;
    bench.start(1, &[("COLOUR", "red")], MIB).await;
    let fails = async |script: &str| {
        let script =
            format!("try {{ {script}; console.log('done') }} catch (e) {{ console.log(e.code) }}");
        bench.inside(&script).await
    };
    assert_eq!(fails("fs.writeFileSync('/x', '')").await, "EROFS");
    assert_eq!(fails("fs.writeFileSync('/app/a.js', '')").await, "EROFS");
    assert_eq!(fails("fs.writeFileSync('/tmp/x', '')").await, "done");
    assert_ne!(bench.inside("console.log(process.getuid())").await, "0");
    let status = bench
        .inside("console.log(fs.readFileSync('/proc/self/status', 'utf8'))")
        .await;
    assert!(status.contains("CapEff:\t0000000000000000"), "{status}");
    assert!(status.contains("CapBnd:\t0000000000000000"), "{status}");
    assert!(status.contains("NoNewPrivs:\t1"), "{status}");
    let tmp = bench
        .inside("console.log(fs.readFileSync('/proc/mounts', 'utf8').split('\\n').find((l) => l.includes(' /tmp ')))")
        .await;
    assert!(
        tmp.contains("nosuid") && tmp.contains("nodev") && !tmp.contains("noexec"),
        "{tmp}"
    );
    assert!(tmp.contains("size=262144k"), "{tmp}");
    assert_eq!(bench.inside("console.log(process.env.COLOUR)").await, "red");
    let id = bench.containers("instance").await[0].id.clone().unwrap();
    let found = bench
        .engine
        .docker
        .inspect_container(&id, None)
        .await
        .unwrap();
    let host = found.host_config.unwrap();
    assert_eq!(host.pids_limit, Some(256));
    assert_eq!(
        (host.memory, host.memory_swap),
        (Some(268_435_456), Some(268_435_456))
    );
    assert_eq!(host.log_config.unwrap().typ.as_deref(), Some("none"));
    bench.close().await;
}

#[tokio::test]
async fn instances_cannot_reach_each_other() {
    let bench = Bench::with(&[], |options| options.sandboxes = 0).await;
    bench.start(1, &[], MIB).await;
    let address = "console.log(os.networkInterfaces().eth0[0].address)";
    let first = bench.inside(address).await;
    assert!(first.contains('.'), "{first}");
    // Inside asks the newest instance, which is listed first.
    bench.start(2, &[], MIB).await;
    let second = bench.inside(address).await;
    assert_ne!(first, second);
    let script = format!(
        "const s = net.connect({{ host: '{first}', port: 9, timeout: 700 }}); \
         s.on('timeout', () => {{ console.log('silent'); process.exit() }}); \
         s.on('error', (e) => {{ console.log(e.code); process.exit() }})"
    );
    // Nothing listens there: a network that lets them talk would refuse at once.
    assert_eq!(bench.inside(&script).await, "silent");
    bench.close().await;
}

#[tokio::test]
async fn every_instance_gets_a_new_sandbox() {
    let bench = Bench::with(&[], |options| options.sandboxes = 2).await;
    let mut used = std::collections::BTreeSet::new();
    for number in 1..=4 {
        bench.start(number, &[], MIB).await;
        let id = bench.containers("instance").await[0].id.clone().unwrap();
        let found = bench
            .engine
            .docker
            .inspect_container(&id, None)
            .await
            .unwrap();
        assert!(used.insert(found.host_config.unwrap().network_mode.unwrap()));
        let instance = spec(number, &bench.package(&[]), MIB).instance;
        if number % 2 == 0 {
            bench.runtime.stop(instance, Duration::ZERO).await;
        }
    }
    bench.close().await;
}

#[tokio::test]
async fn a_prepared_container_is_used_if_it_fits() {
    let bench = Bench::new(&[]).await;
    let package = bench.package(&[]);
    bench.runtime.stock(package, MIB).await;
    let ahead = bench.containers("instance").await[0].id.clone();
    bench.start(1, &[], MIB).await;
    let running = bench.containers("instance").await;
    assert_eq!(running.len(), 1);
    assert_eq!(running[0].id, ahead);
    bench.close().await;
}

#[tokio::test]
async fn a_prepared_container_with_outdated_settings_is_replaced() {
    let bench = Bench::new(&[]).await;
    bench.runtime.stock(bench.package(&[]), MIB).await;
    let former = bench.containers("instance").await[0].id.clone();
    bench
        .runtime
        .stock(bench.package(&[("COLOUR", "blue")]), MIB)
        .await;
    let now = bench.containers("instance").await;
    assert_eq!(now.len(), 1);
    assert_ne!(now[0].id, former);
    bench.close().await;
}

#[tokio::test]
async fn a_dead_prepared_container_does_not_fail_a_start() {
    let bench = Bench::new(&[]).await;
    bench.runtime.stock(bench.package(&[]), MIB).await;
    for sandbox in bench.containers("sandbox").await {
        bench
            .engine
            .docker
            .kill_container(&sandbox.id.unwrap(), None)
            .await
            .unwrap();
    }
    let started = bench.start(1, &[], MIB).await;
    assert_eq!(health(&started, &started.token).await, "HTTP/1.1 200 OK");
    bench.close().await;
}

#[tokio::test]
async fn exceeding_the_memory_limit_is_reported_as_the_exit_reason() {
    let mut bench = Bench::new(&[("hog.cjs", &when_told(HOG))]).await;
    bench
        .start(1, &[("NODE_OPTIONS", "--require /app/hog.cjs")], 128)
        .await;
    bench.tell();
    let (instance, reason) = bench.exit().await;
    assert_eq!(instance.0, 1);
    assert_eq!(reason, "memory limit exceeded (128 MB)");
    assert_eq!(bench.containers("instance").await, []);
    bench.close().await;
}

#[tokio::test]
async fn exceeding_the_heap_limit_is_reported_as_a_memory_limit() {
    let hog = "const all = []; for (;;) all.push({ a: [all.length] })";
    let mut bench = Bench::new(&[("hog.cjs", &when_told(hog))]).await;
    bench
        .start(1, &[("NODE_OPTIONS", "--require /app/hog.cjs")], 160)
        .await;
    bench.tell();
    assert_eq!(bench.exit().await.1, "memory limit exceeded (160 MB)");
    bench.close().await;
}

#[tokio::test]
async fn an_exit_is_reported_with_its_code_after_the_lines_printed_before_it() {
    let code = "console.error('so long'); process.exit(7)";
    let mut bench = Bench::new(&[("exit.cjs", &when_told(code))]).await;
    bench
        .start(1, &[("NODE_OPTIONS", "--require /app/exit.cjs")], MIB)
        .await;
    bench.tell();
    let mut said = false;
    let reason = loop {
        match bench.notices.recv().await.unwrap() {
            Notice::Line {
                stderr: true, line, ..
            } => said |= line.contains("so long"),
            Notice::Exit { end, .. } => break end.reason,
            _ => {}
        }
    };
    assert_eq!(reason, "exit code 7");
    assert!(said, "the exit came before the line");
    bench.close().await;
}

#[tokio::test]
async fn a_killed_container_is_reported() {
    let mut bench = Bench::new(&[]).await;
    bench.start(1, &[], MIB).await;
    let id = bench.containers("instance").await[0].id.clone().unwrap();
    bench.engine.docker.kill_container(&id, None).await.unwrap();
    assert_eq!(bench.exit().await.1, "killed by signal 9");
    assert_eq!(bench.containers("instance").await, []);
    bench.close().await;
}

#[tokio::test]
async fn a_container_that_exits_while_booting_is_reported_with_its_output() {
    let bench = Bench::new(&[("bad.cjs", "throw new Error('broken at import')")]).await;
    let package = bench.package(&[("NODE_OPTIONS", "--require /app/bad.cjs")]);
    let error = bench
        .runtime
        .start(spec(1, &package, MIB))
        .await
        .unwrap_err();
    assert!(matches!(error, RuntimeError::NotUp { .. }));
    assert!(error.to_string().contains("exit code 1"), "{error}");
    assert!(error.to_string().contains("broken at import"), "{error}");
    assert_eq!(bench.containers("instance").await, []);
    bench.close().await;
}

#[tokio::test]
async fn a_missing_image_is_an_error_that_names_it() {
    let bench = Bench::new(&[]).await;
    let package = runtime_support::package("fnlocal/none:x", bench.code.path(), &[]);
    let error = bench
        .runtime
        .start(spec(1, &package, MIB))
        .await
        .unwrap_err();
    assert!(error.to_string().contains("fnlocal/none:x"), "{error}");
    bench.close().await;
}

#[tokio::test]
async fn a_paused_instance_is_stopped_without_waiting_for_the_grace_period() {
    let bench = Bench::new(&[]).await;
    let started = bench.start(1, &[], MIB).await;
    let instance = spec(1, &bench.package(&[]), MIB).instance;
    bench.runtime.pause(instance).await.unwrap();
    bench.runtime.pause(instance).await.unwrap();
    bench.runtime.resume(instance).await.unwrap();
    bench.runtime.resume(instance).await.unwrap();
    assert_eq!(health(&started, &started.token).await, "HTTP/1.1 200 OK");
    bench.runtime.pause(instance).await.unwrap();
    let began = Instant::now();
    bench.runtime.stop(instance, Duration::from_secs(30)).await;
    assert!(
        began.elapsed() < Duration::from_secs(5),
        "{:?}",
        began.elapsed()
    );
    assert_eq!(bench.containers("instance").await, []);
    bench.close().await;
}

#[tokio::test]
async fn calls_for_an_unknown_instance_do_nothing() {
    let bench = Bench::new(&[]).await;
    let instance = spec(9, &bench.package(&[]), MIB).instance;
    bench.runtime.pause(instance).await.unwrap();
    bench.runtime.resume(instance).await.unwrap();
    bench.runtime.stop(instance, Duration::ZERO).await;
    bench.close().await;
}

/// A run whose process was killed: its tasks stop where they are.
fn dead_run() -> Bench {
    let run = || {
        let life = tokio::runtime::Runtime::new().unwrap();
        let bench = life.block_on(async {
            let bench = Bench::new(&[]).await;
            bench.start(1, &[], MIB).await;
            bench
        });
        life.shutdown_background();
        bench
    };
    std::thread::scope(|scope| scope.spawn(run).join().unwrap())
}

#[tokio::test]
async fn the_next_run_removes_only_the_leftovers_of_a_dead_run() {
    let dead = dead_run();
    let docker = dead.engine.docker.clone();
    let stranger = ContainerCreateBody {
        image: Some(dead.image.clone()),
        ..ContainerCreateBody::default()
    };
    let stranger = docker.create_container(None, stranger).await.unwrap().id;
    let other = Bench::new(&[]).await;
    other.start(1, &[], MIB).await;

    let mut owner = dead.owner.clone();
    owner.run = "next".to_owned();
    let mut options = DockerOptions::new(owner, dead.image.clone());
    options.sockets = Some(dead.sockets.path().join("s"));
    options.sandboxes = 0;
    let left = labelled(&dead.engine, &dead.owner, None).await.len();
    assert!(left >= 2);
    let (sender, _notices) = mpsc::channel(16);
    let (next, reaped) = DockerRuntime::open(dead.engine.clone(), options, sender)
        .await
        .unwrap();

    assert_eq!(reaped.containers, left);
    assert_eq!(reaped.networks, 1);
    assert!(docker.inspect_container(&stranger, None).await.is_ok());
    assert_eq!(other.containers("instance").await.len(), 1);
    assert!(
        !dead
            .sockets
            .path()
            .join("s")
            .join(format!("{}-n0", dead.owner.run))
            .exists()
    );
    next.shutdown().await;
    docker.remove_container(&stranger, None).await.unwrap();
    other.close().await;
}

#[tokio::test]
async fn instances_end_when_the_process_that_started_them_dies() {
    let dead = dead_run();
    let docker = &dead.engine.docker;
    let id = dead.containers("instance").await[0].id.clone().unwrap();
    // A wait that finds it ended already answers at once.
    let mut ended = Box::pin(docker.wait_container(&id, None));
    let code = tokio::time::timeout(Duration::from_secs(10), ended.next())
        .await
        .unwrap();
    // By whatever code: the wrapper ends its whole group, itself among it.
    let has_ended = matches!(
        code,
        Some(Ok(_) | Err(EngineError::DockerContainerWaitError { code: 137, .. }))
    );
    assert!(has_ended, "{code:?}");
    let mut owner = dead.owner.clone();
    owner.run = "next".to_owned();
    reap(docker, &owner, &dead.sockets.path().join("s"))
        .await
        .unwrap();
    assert_eq!(labelled(&dead.engine, &dead.owner, None).await, []);
}

#[tokio::test]
async fn a_cancelled_start_leaves_nothing_behind() {
    let bench = Bench::new(&[]).await;
    let package = bench.package(&[]);
    let start = bench.runtime.start(spec(1, &package, MIB));
    assert!(
        tokio::time::timeout(Duration::from_millis(20), start)
            .await
            .is_err()
    );
    // The instance comes up, finds no platform, and ends.
    let gone = async {
        while !bench.containers("instance").await.is_empty() || bench.runtime.starting() > 0 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), gone)
        .await
        .unwrap();
    bench.close().await;
}

#[tokio::test]
async fn reaping_without_leftovers_removes_nothing() {
    let engine = runtime_support::engine().await;
    let sockets = tempfile::tempdir().unwrap();
    let reaped = reap(&engine.docker, &owner(), sockets.path())
        .await
        .unwrap();
    assert_eq!((reaped.containers, reaped.networks), (0, 0));
}
