use std::collections::BTreeSet;
use std::time::Duration;

use super::*;

#[test]
fn metrics_stay_parseable_for_names_of_any_characters() {
    let odd = [
        "a\"b",
        "a\nb",
        "a\\b",
        "a\\nb\"} 1\n# EOF\n",
        "\\",
        "\"",
        "ä,=\r{}",
        "\u{1f980}\t",
    ];
    let counts = Counts::default();
    for name in odd {
        let function = Arc::from(name);
        let end = (200, Some("a \"reason\"\n"));
        counts.add(Some(&function), None, end, Duration::ZERO);
        counts.add(Some(&function), Some(StartKind::Warm), end, Duration::ZERO);
        counts.reloaded(&function);
    }
    let nodes = odd.map(|node| NodeCounts::apart(node, &counts));
    let samples = openmetrics::samples(&text_of(nodes.to_vec(), None));
    for label in ["node", "function"] {
        let seen = samples.iter().filter_map(|one| one.labels.get(label));
        let seen: BTreeSet<&str> = seen.map(String::as_str).collect();
        assert_eq!(seen, BTreeSet::from(odd), "{label}");
    }
    let reasons = samples.iter().filter_map(|one| one.labels.get("reason"));
    assert!(reasons.clone().count() > 0 && reasons.into_iter().all(|one| one == "a \"reason\"\n"));
    let named = samples
        .iter()
        .filter(|one| one.name == "fnlocal_reloads_total");
    assert!(
        named
            .map(|one| one.value)
            .eq(std::iter::repeat_n(1.0, odd.len().pow(2)))
    );
}
