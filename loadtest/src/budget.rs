//! Budgets: `cold.p99>800ms`, what a run must not exceed.

use std::fmt;
use std::str::FromStr;

use hdrhistogram::Histogram;
use serde::{Deserialize, Serialize};

use fnlocal_api::StartKind;

use crate::recorder::fine;
use crate::report::{LoadReport, RequestGroup};
use crate::sample::SampleKind;
use crate::words::{millis, nearest};

/// A condition that a run must not meet, such as `cold.p99>800ms`, `bid.p50>=20ms`, `errors>0.1%`,
/// `rate<100`.
#[derive(Clone, Debug, PartialEq)]
pub struct Budget {
    text: String,
    scope: Option<String>,
    metric: BudgetMetric,
    sign: Sign,
    /// Microseconds, a share between 0 and 1, or a number.
    bound: f64,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum BudgetMetric {
    Quantile(f64),
    Mean,
    Max,
    /// As a share, or as a number.
    Errors {
        share: bool,
    },
    Count,
    Rate,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Sign {
    Above,
    AtLeast,
    Below,
    AtMost,
}

/// The verdict on a budget.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BudgetVerdict {
    /// The budget as written.
    pub budget: String,
    /// `true` if the budget was exceeded.
    pub failed: bool,
    /// The figure it was compared with; none when there was nothing to measure.
    pub found: Option<String>,
}

/// A budget that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not a budget: {why}")]
pub struct BudgetError {
    /// The text.
    pub text: String,
    /// The error.
    pub why: String,
    /// One action that helps.
    pub hint: String,
}

fnlocal_api::user_error!(BudgetError: Usage { Self { hint, .. } => hint.clone(); });

const METRICS: [&str; 10] = [
    "p50", "p90", "p95", "p99", "p99.9", "mean", "max", "errors", "count", "rate",
];
const EXAMPLES: &str = "write it like cold.p99>800ms, errors>0.1% or rate<100";

impl FromStr for Budget {
    type Err = BudgetError;

    fn from_str(text: &str) -> Result<Self, BudgetError> {
        let fail = |why: String, hint: Option<String>| BudgetError {
            text: text.to_owned(),
            why,
            hint: hint.unwrap_or_else(|| EXAMPLES.to_owned()),
        };
        let (at, sign, length) =
            sign(text).ok_or_else(|| fail("it has none of > >= < <=".to_owned(), None))?;
        let (left, value) = (text[..at].trim(), text[at + length..].trim());
        let (scope, name) = split(left);
        let metric = metric(name, value).ok_or_else(|| {
            let near = nearest(name, &METRICS).map(|near| format!("did you mean `{near}`?"));
            let known = format!("known are: {}", METRICS.join(", "));
            fail(format!("`{name}` is not measured"), near.or(Some(known)))
        })?;
        let bound = bound(metric, value)
            .ok_or_else(|| fail(format!("`{value}` is not a bound for `{name}`"), None))?;
        if metric == BudgetMetric::Rate && scope.is_some() {
            return Err(fail("a rate is the whole run's".to_owned(), None));
        }
        Ok(Self {
            text: text.to_owned(),
            scope: scope.map(str::to_owned),
            metric,
            sign,
            bound,
        })
    }
}

/// Where the sign stands, which it is and how long.
fn sign(text: &str) -> Option<(usize, Sign, usize)> {
    let at = text.find(['>', '<'])?;
    let equal = text[at + 1..].starts_with('=');
    let sign = match (&text[at..=at], equal) {
        (">", false) => Sign::Above,
        (">", true) => Sign::AtLeast,
        (_, false) => Sign::Below,
        (_, true) => Sign::AtMost,
    };
    Some((at, sign, 1 + usize::from(equal)))
}

/// `bid.cold.p99.9` is the metric `p99.9` of `bid.cold`.
fn split(left: &str) -> (Option<&str>, &str) {
    let known = METRICS
        .into_iter()
        .filter(|name| left.ends_with(&format!(".{name}")))
        .max_by_key(|name| name.len());
    let cut = match known {
        Some(name) => left.len() - name.len() - 1,
        None if METRICS.contains(&left) => return (None, left),
        None => match left.rfind('.') {
            Some(at) => at,
            None => return (None, left),
        },
    };
    (Some(&left[..cut]), &left[cut + 1..])
}

fn metric(name: &str, value: &str) -> Option<BudgetMetric> {
    Some(match name {
        "mean" => BudgetMetric::Mean,
        "max" => BudgetMetric::Max,
        "errors" => BudgetMetric::Errors {
            share: value.ends_with('%'),
        },
        "count" => BudgetMetric::Count,
        "rate" => BudgetMetric::Rate,
        "p50" => BudgetMetric::Quantile(0.5),
        "p90" => BudgetMetric::Quantile(0.9),
        "p95" => BudgetMetric::Quantile(0.95),
        "p99" => BudgetMetric::Quantile(0.99),
        "p99.9" => BudgetMetric::Quantile(0.999),
        _ => return None,
    })
}

fn bound(metric: BudgetMetric, value: &str) -> Option<f64> {
    let end = value
        .find(|c: char| !c.is_ascii_digit() && c != '.')
        .unwrap_or(value.len());
    let number: f64 = value[..end].parse().ok()?;
    let unit = value[end..].trim();
    Some(match (metric, unit) {
        (BudgetMetric::Errors { share: true }, "%") => number / 100.0,
        (BudgetMetric::Errors { share: false } | BudgetMetric::Count, "") => number,
        (BudgetMetric::Rate, "" | "/s") => number,
        (BudgetMetric::Quantile(_) | BudgetMetric::Mean | BudgetMetric::Max, unit) => {
            number
                * match unit {
                    "us" | "µs" => 1.0,
                    "ms" => 1e3,
                    "s" => 1e6,
                    "m" | "min" => 60e6,
                    _ => return None,
                }
        }
        _ => return None,
    })
}

impl Budget {
    /// Looks whether what it speaks of can be there at all, before load is sent.
    ///
    /// # Errors
    /// [`BudgetError`] when its scope is neither a kind of request nor one of the functions.
    pub fn check(&self, functions: &[&str]) -> Result<(), BudgetError> {
        let Some(scope) = &self.scope else {
            return Ok(());
        };
        for word in scope.split('.') {
            if kinds(word).is_none() && !functions.contains(&word) {
                let mut known: Vec<&str> = kind_words().collect();
                known.extend(functions);
                return Err(BudgetError {
                    text: self.text.clone(),
                    why: format!("`{word}` is neither a kind of request nor a function"),
                    hint: match nearest(word, &known) {
                        Some(near) => format!("did you mean `{near}`?"),
                        None => format!("known are: {}", known.join(", ")),
                    },
                });
            }
        }
        Ok(())
    }

    /// Returns the verdict on a run.
    #[must_use]
    pub fn judge(&self, report: &LoadReport) -> BudgetVerdict {
        let found = self.measure(report);
        let failed = found.is_some_and(|found| match self.sign {
            Sign::Above => found > self.bound,
            Sign::AtLeast => found >= self.bound,
            Sign::Below => found < self.bound,
            Sign::AtMost => found <= self.bound,
        });
        BudgetVerdict {
            budget: self.text.clone(),
            failed,
            found: found.map(|found| self.write(found)),
        }
    }

    fn measure(&self, report: &LoadReport) -> Option<f64> {
        let scoped: Vec<&RequestGroup> = report
            .functions
            .iter()
            .filter(|group| self.covers(group))
            .collect();
        let count: u64 = scoped.iter().map(|group| group.latency.count).sum();
        let errors: u64 = scoped.iter().map(|group| group.errors).sum();
        match self.metric {
            BudgetMetric::Rate => Some(report.rate()),
            BudgetMetric::Count => Some(count as f64),
            BudgetMetric::Errors { share } if self.scope.is_none() => Some(if share {
                report.error_share()
            } else {
                report.errors as f64
            }),
            BudgetMetric::Errors { share: false } => Some(errors as f64),
            BudgetMetric::Errors { share: true } => {
                (count > 0).then(|| errors as f64 / count as f64)
            }
            _ if count == 0 => None,
            BudgetMetric::Max => scoped
                .iter()
                .map(|group| group.latency.max as f64)
                .reduce(f64::max),
            BudgetMetric::Mean => {
                let sum = |group: &&RequestGroup| group.latency.mean * group.latency.count as f64;
                Some(scoped.iter().map(sum).sum::<f64>() / count as f64)
            }
            BudgetMetric::Quantile(quantile) => self.quantile(report, &scoped, quantile),
        }
    }

    /// Exact where one group or everything is meant; else to a hundredth, from the intervals, which
    /// know kinds but no functions.
    fn quantile(
        &self,
        report: &LoadReport,
        scoped: &[&RequestGroup],
        quantile: f64,
    ) -> Option<f64> {
        let of = |latency: &crate::report::LatencySummary| match (quantile * 1000.0).round() as u64
        {
            500 => latency.p50,
            900 => latency.p90,
            950 => latency.p95,
            990 => latency.p99,
            _ => latency.p999,
        };
        if self.scope.is_none() {
            return Some(of(&report.total) as f64);
        }
        if let [group] = scoped {
            return Some(of(&group.latency) as f64);
        }
        let functions = report.functions.iter().map(|group| &group.function);
        let all_functions = functions
            .filter(|name| !scoped.iter().any(|group| &&group.function == name))
            .count()
            == 0;
        if !all_functions {
            // Several kinds of one function: the slowest of them bounds them all.
            return scoped
                .iter()
                .map(|group| of(&group.latency) as f64)
                .reduce(f64::max);
        }
        let kinds: Vec<SampleKind> = scoped.iter().map(|group| group.kind).collect();
        let mut all: Histogram<u64> = fine();
        for interval in &report.intervals {
            interval.add_to(&mut all, &kinds);
        }
        Some(all.value_at_quantile(quantile) as f64)
    }

    fn covers(&self, group: &RequestGroup) -> bool {
        let Some(scope) = &self.scope else {
            return true;
        };
        scope.split('.').all(|word| match kinds(word) {
            Some(kinds) => kinds.contains(&group.kind),
            None => group.function.as_deref() == Some(word),
        })
    }

    fn write(&self, found: f64) -> String {
        match self.metric {
            BudgetMetric::Errors { share: true } => format!("{:.3} %", found * 100.0),
            BudgetMetric::Errors { share: false } | BudgetMetric::Count => format!("{found:.0}"),
            BudgetMetric::Rate => format!("{found:.1}/s"),
            _ => millis(found.round() as u64),
        }
    }
}

/// The words that a budget may have for kinds. A target that is no fnlocal has none.
fn kind_words() -> impl Iterator<Item = &'static str> {
    let kinds = SampleKind::ALL
        .into_iter()
        .filter(|kind| *kind != SampleKind::Other);
    kinds.map(SampleKind::name).chain([StartKind::Cold.word()])
}

/// The kinds of a word; `cold` is both kinds of cold start.
fn kinds(word: &str) -> Option<Vec<SampleKind>> {
    if word == StartKind::Cold.word() {
        return Some(vec![SampleKind::First, SampleKind::ScaleOut]);
    }
    let kind = SampleKind::ALL
        .into_iter()
        .find(|kind| kind.name() == word)?;
    Some(vec![kind])
}

impl fmt::Display for BudgetVerdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.found {
            Some(found) => write!(f, "{}: it was {found}", self.budget),
            None => write!(f, "{}: there was nothing to measure", self.budget),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_budget_is_parsed_with_scope_metric_and_bound() {
        let budget: Budget = "cold.p99>800ms".parse().unwrap();
        assert_eq!(budget.scope.as_deref(), Some("cold"));
        assert_eq!(budget.bound, 800e3);
        let budget: Budget = "bid.cold.p99.9 >= 1.5s".parse().unwrap();
        assert_eq!(budget.scope.as_deref(), Some("bid.cold"));
        assert_eq!(budget.metric, BudgetMetric::Quantile(0.999));
        let budget: Budget = "errors>0.1%".parse().unwrap();
        assert_eq!(
            (budget.metric, budget.bound),
            (BudgetMetric::Errors { share: true }, 0.001)
        );
        assert!("rate<100".parse::<Budget>().is_ok());
    }

    #[test]
    fn an_invalid_budget_is_refused_with_the_reason() {
        let error = |text: &str| text.parse::<Budget>().unwrap_err();
        assert_eq!(error("p99").why, "it has none of > >= < <=");
        assert_eq!(error("cold.p98>1s").why, "`p98` is not measured");
        assert_eq!(error("cold.p98>1s").hint, "did you mean `p90`?");
        assert_eq!(error("p99>800").why, "`800` is not a bound for `p99`");
        assert_eq!(error("errors>5ms").why, "`5ms` is not a bound for `errors`");
    }

    #[test]
    fn a_budget_for_an_unknown_function_or_kind_is_refused() {
        let budget: Budget = "bdi.p99>1s".parse().unwrap();
        let error = budget.check(&["bid"]).unwrap_err();
        assert_eq!(error.hint, "did you mean `bid`?");
        let budget: Budget = "clod.p99>1s".parse().unwrap();
        assert_eq!(
            budget.check(&["bid"]).unwrap_err().hint,
            "did you mean `cold`?"
        );
    }
}
