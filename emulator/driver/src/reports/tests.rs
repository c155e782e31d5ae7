use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::mpsc::{Receiver, sync_channel};

use fnlocal_core::{CodeHash, FunctionId, FunctionSpec, InstanceId, NodeLimits, PackageId};
use futures_util::future::BoxFuture;

use super::*;
use crate::Describe;
use crate::Function;
use crate::Functions;
use fnlocal_api::Failure;
use fnlocal_logs::Logs;
use fnlocal_project::{DescribedModule, FunctionSettings};
use fnlocal_runtime::PackageRun;
use fnlocal_runtime::Runtime;
use fnlocal_runtime::RuntimeError;
use fnlocal_runtime::StartSpec;
use fnlocal_runtime::Started;

struct Nothing;

impl Runtime for Nothing {
    fn name(&self) -> &'static str {
        "nothing"
    }
    fn stock(&self, _: Arc<PackageRun>, _: u32) -> BoxFuture<'_, ()> {
        Box::pin(async {})
    }
    fn start(&self, _: StartSpec) -> BoxFuture<'_, Result<Started, RuntimeError>> {
        Box::pin(async {
            Err(RuntimeError::OldImage {
                image: String::new(),
            })
        })
    }
    fn pause(&self, _: InstanceId) -> BoxFuture<'_, Result<(), RuntimeError>> {
        Box::pin(async { Ok(()) })
    }
    fn resume(&self, _: InstanceId) -> BoxFuture<'_, Result<(), RuntimeError>> {
        Box::pin(async { Ok(()) })
    }
    fn stop(&self, _: InstanceId, _: Duration) -> BoxFuture<'_, ()> {
        Box::pin(async {})
    }
    fn shutdown(&self) -> BoxFuture<'_, ()> {
        Box::pin(async {})
    }
}

impl Describe for Nothing {
    fn describe(
        &self,
        _: PackageId,
        _: CodeHash,
        _: Result<Vec<DescribedModule>, Failure>,
        _: &mut Functions,
    ) -> Vec<FunctionSpec> {
        Vec::new()
    }
    fn switched(&self, _: &Function, _: CodeHash, _: &str) {}
}

struct Scene {
    driver: Rc<Driver>,
    instance: Instance,
    records: Receiver<Vec<Record>>,
    lines: ReportLines,
}

impl Scene {
    fn new() -> Self {
        let (sink, records) = sync_channel(16);
        let runtime = Arc::new(Nothing);
        let logs = Logs::new(sink);
        let driver = Driver::new(
            NodeLimits::default(),
            runtime,
            std::rc::Rc::new(Nothing),
            logs,
        );
        let instance = Instance::new(InstanceId(1), PackageId(1));
        let function = Function {
            id: FunctionId(1),
            name: "mine".into(),
            package: PackageId(1),
            entry: String::new(),
            settings: FunctionSettings::default(),
            env: BTreeMap::new(),
            failure: RefCell::default(),
        };
        instance.bind(Rc::new(function), CodeHash(1), "c0de", Duration::ZERO);
        Self {
            driver,
            instance,
            records,
            lines: ReportLines::default(),
        }
    }

    fn serve(&self, request: &str) {
        self.instance.begin_request(&request.into());
    }

    fn tell(&mut self, bytes: &[u8]) -> Vec<Record> {
        self.driver
            .take_reports(&self.instance, &mut self.lines, bytes);
        self.driver.logs().flush();
        self.records.try_recv().unwrap_or_default()
    }

    fn ignored(&self) -> u64 {
        let all = self.driver.counts().functions();
        all.iter().map(|one| one.spent.ignored_reports).sum()
    }
}

fn done(request: &str, ms: &str) -> Vec<u8> {
    let report = format!(r#"{{"t":"done","request":"{request}","ms":{ms},"cpu_ms":{ms}}}"#);
    (report + "\n").into_bytes()
}

#[test]
fn a_line_for_another_functions_request_is_logged_without_a_request() {
    let mut scene = Scene::new();
    scene.serve("own");
    for (request, wanted) in [("own", Some("own")), ("other", None)] {
        let report = format!(
            r#"{{"t":"log","request":"{request}","at":1,"stream":"stdout","line":"hello"}}"#
        );
        let records = scene.tell((report + "\n").as_bytes());
        let [
            Record::Line {
                function,
                request,
                line,
                ..
            },
        ] = &records[..]
        else {
            panic!("{records:?}");
        };
        assert_eq!(request.as_deref(), wanted);
        assert_eq!(
            (function.as_deref(), line.as_str()),
            (Some("mine"), "hello")
        );
    }
    assert_eq!(scene.ignored(), 0, "it is not ignored");
}

#[test]
fn an_error_for_another_functions_request_is_attributed_to_its_own_function() {
    let mut scene = Scene::new();
    let report = r#"{"t":"error","request":"other","error":{"name":"Error","message":"forged"}}"#;
    let records = scene.tell(format!("{report}\n").as_bytes());
    let [
        Record::Error {
            function, request, ..
        },
    ] = &records[..]
    else {
        panic!("{records:?}");
    };
    assert_eq!((function.as_deref(), request), (Some("mine"), &None));
    assert_eq!(scene.ignored(), 0, "it is not ignored");
}

#[test]
fn errors_of_own_requests_and_of_none_are_not_counted_as_ignored() {
    let mut scene = Scene::new();
    scene.serve("own");
    for request in [r#""own""#, "null"] {
        let report = format!(r#"{{"t":"error","request":{request},"error":{{"name":"Error"}}}}"#);
        assert_eq!(scene.tell(format!("{report}\n").as_bytes()).len(), 1);
    }
    assert_eq!(scene.ignored(), 0);
}

#[test]
fn a_crash_for_another_functions_request_is_reported_once() {
    let mut scene = Scene::new();
    let report = r#"{"t":"error","request":"other","nr":1,"fatal":true,"error":{"name":"Error"}}"#;
    assert_eq!(scene.tell(format!("{report}\n").as_bytes()).len(), 1);
    let line = format!("{CRASH_PREFIX}{report}");
    assert!(
        scene.driver.take_crash(&scene.instance, &line),
        "it is no line of output"
    );
    scene.driver.logs().flush();
    assert!(scene.records.try_recv().is_err(), "it is the same crash");
}

#[test]
fn usage_is_counted_once_for_own_requests_only_and_capped_at_the_elapsed_time() {
    let mut scene = Scene::new();
    scene.serve("own");
    assert!(scene.tell(&done("other", "5")).is_empty());
    let records = scene.tell(&done("own", "1e22"));
    let [Record::Done { handler, cpu, .. }] = &records[..] else {
        panic!("{records:?}");
    };
    assert!(*handler < Duration::from_secs(600), "{handler:?}");
    assert!(*cpu < Duration::from_secs(600_000), "{cpu:?}");
    assert!(scene.tell(&done("own", "1")).is_empty(), "it is the second");
    assert_eq!(scene.ignored(), 2);
}

#[test]
fn impossible_numbers_do_not_panic() {
    for number in ["-1", "1e22", "1e308", "-1e308", "0.0"] {
        let mut scene = Scene::new();
        scene.serve("own");
        assert_eq!(scene.tell(&done("own", number)).len(), 1, "{number}");
    }
    let mut scene = Scene::new();
    let line = format!(
        r#"{{"t":"log","request":null,"at":{},"stream":"stdout","line":"x"}}"#,
        u64::MAX
    );
    let records = scene.tell((line + "\n").as_bytes());
    let [Record::Line { at: Some(at), .. }] = &records[..] else {
        panic!("{records:?}");
    };
    assert!(*at <= SystemTime::now());
}

#[test]
fn an_oversized_report_is_skipped_with_a_warning_and_counted_and_the_next_is_read() {
    let mut scene = Scene::new();
    let mut bytes = vec![b'x'; 3 << 20];
    bytes.push(b'\n');
    let good = r#"{"t":"log","request":null,"at":1,"stream":"stdout","line":"seen"}"#;
    bytes.extend_from_slice(good.as_bytes());
    bytes.push(b'\n');
    let mut records = Vec::new();
    for piece in bytes.chunks(60_000) {
        records.extend(scene.tell(piece));
    }
    let [
        Record::Note {
            warning: true,
            text,
        },
        Record::Line { line, .. },
    ] = &records[..]
    else {
        panic!("{records:?}");
    };
    assert!(text.starts_with("mine: a report of more than 1024 KiB was skipped"));
    assert_eq!(line, "seen");
    assert_eq!(scene.ignored(), 1);
}

#[test]
fn a_crash_reported_twice_is_one_error() {
    let mut scene = Scene::new();
    let report = r#"{"t":"error","request":null,"fatal":true,"cause":"uncaught","nr":1,"error":{"name":"TypeError","message":"boom"}}"#;
    assert_eq!(scene.tell(format!("{report}\n").as_bytes()).len(), 1);
    let line = format!("{CRASH_PREFIX}{report}");
    assert!(scene.driver.take_crash(&scene.instance, &line));
    scene.driver.logs().flush();
    assert!(scene.records.try_recv().is_err(), "it is the same");
    assert_eq!(scene.instance.crash().unwrap().brief(), "TypeError: boom");
    let other = "fnlocal: crash is what my function prints";
    assert!(!scene.driver.take_crash(&scene.instance, other));
}

#[test]
fn long_error_texts_are_truncated() {
    let mut scene = Scene::new();
    let long = "é".repeat(400_000);
    let report = format!(r#"{{"t":"error","request":null,"error":{{"message":"{long}"}}}}"#);
    let records = scene.tell(format!("{report}\n").as_bytes());
    let [Record::Error { failure, .. }] = &records[..] else {
        panic!("{records:?}");
    };
    assert!(failure.message.len() < 9000);
    assert!(failure.message.ends_with("bytes cut]"));
}

#[test]
fn reported_memory_is_capped_at_the_memory_of_the_instance() {
    let mut scene = Scene::new();
    scene.instance.set_started(Started {
        address: fnlocal_runtime::Address::Tcp(([127, 0, 0, 1], 1).into()),
        token: String::new(),
        code_root: String::new(),
        create: Duration::ZERO,
        boot: Duration::ZERO,
        max_memory_bytes: 1 << 30,
    });
    for (told, kept) in [(u64::MAX, 1 << 30), (5, 5)] {
        scene.serve(&told.to_string());
        let report =
            format!(r#"{{"t":"done","request":"{told}","ms":1,"cpu_ms":1,"memory":{told}}}"#);
        let records = scene.tell((report + "\n").as_bytes());
        let [Record::Done { memory, .. }] = &records[..] else {
            panic!("{records:?}");
        };
        assert_eq!(*memory, Some(kept));
    }
    let all = scene.driver.counts().functions();
    assert!(all.iter().all(|one| one.spent.memory <= 1 << 30));
}
