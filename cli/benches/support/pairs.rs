//! Two ways of doing the same, measured by turns: what one is of the other, and how sure that is.

use serde_json::{Value, json};

use super::median;

/// Measurements of one after the other, in pairs.
#[derive(Default)]
pub struct Pairs {
    without: Vec<f64>,
    with: Vec<f64>,
}

/// The ratio of one figure to another.
#[derive(Clone, Copy, Debug)]
pub struct Ratio {
    /// The ratio of the two medians.
    pub of_medians: f64,
    /// Between these the median of the pairs' own ratios lies, at 95 %.
    pub low: f64,
    pub high: f64,
}

impl Pairs {
    /// Measures both, the one first that was second before, so that a drift of the machine hits
    /// both alike.
    pub fn add(&mut self, mut measure: impl FnMut(bool) -> f64) {
        let with_first = self.with.len() % 2 == 1;
        let first = measure(with_first);
        let second = measure(!with_first);
        let (without, with) = if with_first {
            (second, first)
        } else {
            (first, second)
        };
        self.without.push(without);
        self.with.push(with);
    }

    pub fn ratio(&self) -> Ratio {
        let mut each: Vec<f64> = self
            .with
            .iter()
            .zip(&self.without)
            .map(|(a, b)| a / b)
            .collect();
        each.sort_by(f64::total_cmp);
        // Of how the ratios are spread nothing is assumed: the interval is between two of them,
        // counted from both ends (normal approximation of the binomial).
        #[allow(
            clippy::cast_precision_loss,
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a place among some dozens"
        )]
        let off = {
            let count = each.len() as f64;
            ((count - 1.96 * count.sqrt()) / 2.0).floor().max(0.0) as usize
        };
        Ratio {
            of_medians: median(self.with.clone()) / median(self.without.clone()),
            low: each[off],
            high: each[each.len() - 1 - off],
        }
    }

    pub fn json(&self) -> Value {
        let ratio = self.ratio();
        json!({
            "without": median(self.without.clone()),
            "with": median(self.with.clone()),
            "ratio": ratio.of_medians,
            "interval": [ratio.low, ratio.high],
            "pairs": self.with.len(),
        })
    }
}
