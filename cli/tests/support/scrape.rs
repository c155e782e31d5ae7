//! Scraping a run.

use super::Dev;
pub use super::openmetrics::Sample;
use super::openmetrics::samples;

/// What a run has counted.
pub async fn scrape(dev: &Dev) -> Vec<Sample> {
    let answer = dev.look("/_fnlocal/metrics").await;
    assert!(answer.status().is_success());
    samples(&answer.text().await.unwrap())
}
