//! Rows of numbers as families of metrics.

use std::fmt::Error;

use prometheus_client::encoding::{
    DescriptorEncoder, EncodeCounterValue, MetricEncoder, NoLabelSet,
};
use prometheus_client::metrics::MetricType;

use fnlocal_driver::Histogram;

/// The labels that distinguish a row.
pub(super) type Labels = Vec<(&'static str, String)>;
/// Numbers with their labels.
pub(super) type Rows<T> = Vec<(Labels, T)>;

/// Counters; the library adds `_total` to the name.
pub(super) fn counters<V: EncodeCounterValue>(
    to: &mut DescriptorEncoder,
    name: &str,
    help: &str,
    rows: Rows<V>,
) -> Result<(), Error> {
    family(to, (name, help, MetricType::Counter), rows, |row, value| {
        row.encode_counter::<NoLabelSet, _, f64>(value, None)
    })
}

pub(super) fn gauges(
    to: &mut DescriptorEncoder,
    name: &str,
    help: &str,
    rows: Rows<f64>,
) -> Result<(), Error> {
    family(to, (name, help, MetricType::Gauge), rows, |row, value| {
        row.encode_gauge(value)
    })
}

pub(super) fn histograms(
    to: &mut DescriptorEncoder,
    name: &str,
    help: &str,
    rows: Rows<Histogram>,
) -> Result<(), Error> {
    family(
        to,
        (name, help, MetricType::Histogram),
        rows,
        |row, value| {
            row.encode_histogram::<NoLabelSet>(value.sum(), value.count(), &value.spans(), None)
        },
    )
}

/// The library writes values of labels as they are; a quote in one would end it.
fn escaped(labels: Labels) -> Labels {
    let escape = |value: String| match value.contains(['\\', '"', '\n']) {
        true => value
            .replace('\\', "\\\\")
            .replace('"', "\\\"")
            .replace('\n', "\\n"),
        false => value,
    };
    let each = labels.into_iter();
    each.map(|(name, value)| (name, escape(value))).collect()
}

fn family<T>(
    to: &mut DescriptorEncoder,
    (name, help, kind): (&str, &str, MetricType),
    rows: Rows<T>,
    write: impl Fn(&mut MetricEncoder<'_>, &T) -> Result<(), Error>,
) -> Result<(), Error> {
    let mut family = to.encode_descriptor(name, help, None, kind)?;
    for (labels, value) in rows {
        let labels = escaped(labels);
        if labels.is_empty() {
            write(&mut family, &value)?;
        } else {
            write(&mut family.encode_family(&labels)?, &value)?;
        }
    }
    Ok(())
}
