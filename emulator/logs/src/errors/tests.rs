use super::*;

fn error(message: &str, line: u32, request: &str) -> Record {
    let stack = format!("TypeError: {message}\n    at bid (/shop/index.js:{line}:7)");
    Record::Error {
        function: Some("bid".into()),
        instance: InstanceId(1),
        node: "local".into(),
        request: Some(request.to_owned()),
        failure: Failure {
            name: "TypeError".to_owned(),
            message: message.to_owned(),
            stack: Some(stack),
            ..Failure::default()
        },
        cause: Cause::Handler,
        fatal: false,
        code: format!("code{line}"),
        before: 0,
    }
}

#[test]
fn an_error_with_other_values_or_at_another_line_stays_in_its_group() {
    let mut groups = Groups::default();
    let now = SystemTime::now();
    groups.take(&mut error("no item 12", 4, "r1"), now);
    groups.take(&mut error("no item 7531", 4, "r2"), now);
    let mut third = error("no item 1", 9, "r3");
    groups.take(&mut third, now);
    groups.take(&mut error("no bidder", 9, "r4"), now);
    let all = groups.all();
    assert_eq!(all.len(), 2, "{all:#?}");
    let items = all.iter().find(|group| group.count == 3).unwrap();
    let codes = (items.first_code.as_str(), items.last_code.as_str());
    assert_eq!(codes, ("code4", "code9"));
    assert_eq!(items.request.as_ref().unwrap().id, "r3");
    assert!(matches!(third, Record::Error { before: 2, .. }));
}

#[test]
fn error_groups_are_also_bounded_by_bytes() {
    let mut groups = Groups::default();
    let now = SystemTime::now();
    for number in 0..400u32 {
        // The distinguishing part must not look like a number.
        let letters = number.to_string().into_bytes();
        let letters: String = letters.iter().map(|at| char::from(at + 49)).collect();
        let mut record = error(&format!("{letters} {}", "x".repeat(1 << 20)), 1, "r");
        record.cut();
        groups.take(&mut record, now);
    }
    let all = groups.all();
    assert!(all.len() > 100, "{}", all.len());
    let bytes = serde_json::to_vec(&all).unwrap().len();
    assert!(bytes < MAX_GROUP_BYTES + MAX_GROUP_BYTES / 4, "{bytes}");
}

#[test]
fn error_groups_survive_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let mut groups = Groups::default();
    groups.take(&mut error("no item 12", 4, "r1"), SystemTime::now());
    groups.save(folder.path()).unwrap();
    let mut again = Groups::read(folder.path());
    assert_eq!(again.all(), groups.all());
    again.take(&mut error("no item 13", 4, "r2"), SystemTime::now());
    assert_eq!(again.all()[0].count, 2);
}

#[test]
fn a_process_exit_call_is_parsed_with_its_location() {
    let line = "fnlocal: function exits (request r1) called process.exit(3) at /a/b.js:19:24";
    let exit = ExitCall::parse(line).unwrap();
    assert_eq!(exit.message, "the function called process.exit(3)");
    assert_eq!(exit.place, (Some("/a/b.js".into()), Some(19), Some(24)));
    assert_eq!(exit.request.as_deref(), Some("r1"));
    let exit = ExitCall::parse("fnlocal: user code called process.abort() at /a/b.js:2:1");
    assert_eq!(exit.unwrap().request, None);
}
