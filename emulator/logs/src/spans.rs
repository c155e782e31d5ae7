//! Requests as spans, sent to the collector that `OTEL_EXPORTER_OTLP_ENDPOINT` names.

#[cfg_attr(feature = "otel", path = "spans/otlp.rs")]
#[cfg_attr(not(feature = "otel"), path = "spans/absent.rs")]
mod exporter;

pub use exporter::Spans;

/// Returns whether the environment names a collector.
pub fn wanted() -> bool {
    let set = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
    let named = set("OTEL_EXPORTER_OTLP_ENDPOINT").or(set("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"));
    let off = set("OTEL_SDK_DISABLED").is_some_and(|off| off.eq_ignore_ascii_case("true"));
    named.is_some() && !off && set("OTEL_TRACES_EXPORTER").as_deref() != Some("none")
}
