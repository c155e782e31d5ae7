//! Forces cold starts: has the gateway stop a function's idle instances, then calls it.

use std::time::Duration;

use http::StatusCode;
use tokio_util::sync::CancellationToken;

use super::{CheckedTarget, Gathered, LiveProgress, LoadPlan, SHORT_WAIT, Watch};
use crate::error::LoadTestError;
use crate::generator::Generator;

/// How often the gateway is asked whether everything has stopped.
const POLL_INTERVAL: Duration = Duration::from_millis(20);
/// Looks after which a function that does not get cold is called anyway.
const LOOKS: u32 = 500;

/// The cold starts to force.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ColdPlan {
    /// First requests of a function that has no instance, one after the other, for each function.
    pub rounds: u32,
    /// Requests at once to a function that has one instance.
    pub at_once: u32,
    /// How often that is done, for each function.
    pub bursts: u32,
}

impl CheckedTarget {
    pub(super) async fn cold<P: FnMut(&LiveProgress)>(
        &self,
        plan: &LoadPlan,
        cold: &ColdPlan,
        mut watch: Watch<'_, P>,
        stop: &CancellationToken,
    ) -> Result<Gathered, LoadTestError> {
        let generator = Generator::start(&self.settings(plan))?;
        watch.began = generator.began();
        let forcing = async {
            for (at, step) in plan.scenario.steps.iter().enumerate() {
                let name = &step.function;
                for round in 1..=cold.rounds {
                    watch.phase = format!("{name}: cold start {round} of {}", cold.rounds);
                    self.chill(plan, name).await?;
                    generator.burst(at, 1);
                    generator.quiet().await;
                    watch.look(generator.window()).await;
                }
                for round in 1..=cold.bursts {
                    let (count, all) = (cold.at_once, cold.bursts);
                    watch.phase = format!("{name}: {count} at once, {round} of {all}");
                    self.chill(plan, name).await?;
                    // One instance that serves, so that the others are started for more load.
                    generator.burst(at, 1);
                    generator.quiet().await;
                    generator.burst(at, u64::from(count));
                    generator.quiet().await;
                    watch.look(generator.window()).await;
                }
            }
            Ok(())
        };
        tokio::select! {
            forced = forcing => forced?,
            () = stop.cancelled() => {}
        }
        if stop.is_cancelled() {
            let _late = tokio::time::timeout(SHORT_WAIT, generator.quiet()).await;
        }
        Ok(watch.finish(generator))
    }

    /// Stops what the function's next request could be given and waits until it is gone.
    async fn chill(&self, plan: &LoadPlan, function: &str) -> Result<(), LoadTestError> {
        let refused = |why: String| LoadTestError::NoCold {
            url: self.connector.target().url.clone(),
            why,
        };
        match self.gateway.chill(function).await {
            Some(StatusCode::NO_CONTENT) => {}
            Some(status) => return Err(refused(format!("it answers {status}"))),
            None => return Err(refused("it does not answer".to_owned())),
        }
        for look in 0..LOOKS {
            let view = self.gateway.view().await;
            if view.is_some_and(|view| view.is_cold(function)) {
                break;
            }
            // An instance that was still busy, or importing, is stopped by asking again.
            if look % 50 == 49 {
                let _told = self.gateway.chill(function).await;
            }
            tokio::time::sleep(POLL_INTERVAL.min(plan.timeout)).await;
        }
        Ok(())
    }
}
