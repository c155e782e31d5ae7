//! Scraping a run.

use super::Dev;
pub use super::openmetrics::Sample;
use super::openmetrics::samples;

/// Returns the counts of a run.
pub async fn scrape(dev: &Dev) -> Vec<Sample> {
    let answer = dev.look("/_fnlocal/metrics").await;
    assert!(answer.status().is_success());
    samples(&answer.text().await.unwrap())
}
