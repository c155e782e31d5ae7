//! The channel that an instance's reports come by: none is served without it.

use std::rc::Rc;
use std::time::Duration;

use http::Method;
use http_body_util::BodyExt;
use hyper::body::Incoming;
use tokio::time::timeout;

use super::instance_client::control;
use super::reports::ReportLines;
use super::{Driver, Instance};
use fnlocal_runtime::rate::RateBudget;
use fnlocal_runtime::ready::BOOT_TIMEOUT;

/// How long after its channel ended the runtime may take to say that the instance ended.
const EXIT_GRACE: Duration = Duration::from_secs(10);
/// The maximum number of bytes that are read in one turn of the gateway's thread.
const CHUNK_BYTES: usize = 16 << 10;
/// The reason for the end of an instance that answers and no longer reports.
const DARK: &str = "it closed the channel by which it reports, so it was ended";
/// The reason for the end of one that does neither.
const SILENT: &str = "it neither reports nor answers any more, so it was ended";
/// The reason for the end of one that never began to report.
const LATE: &str = "it did not open the channel by which it reports, so it was ended";
/// The reason for the end of one that does not want to report.
const REFUSED: &str = "it refused the channel by which it reports, so it was ended";

impl Driver {
    /// Follows an instance's reports. One that lives on without them is ended, whatever it is doing:
    /// what it does from then on would be in no log.
    pub(super) async fn keep_reports(self: Rc<Self>, instance: Rc<Instance>) {
        let events = control(&instance, Method::GET, "/_fnlocal/events", None);
        let reason = match timeout(BOOT_TIMEOUT, events).await {
            Err(_) => LATE,
            Ok(Ok((response, _))) if !response.status().is_success() => REFUSED,
            Ok(Ok((response, _connection))) => {
                self.follow_reports(&instance, response.into_body()).await;
                why_dark(&instance).await
            }
            Ok(Err(_)) => why_dark(&instance).await,
        };
        // One that has ended is not known any more.
        self.lose(instance.id, reason, false).await;
    }

    /// Takes log lines, ends of invocations and errors until the channel ends. A channel above its
    /// rate is read later: what does not fit waits in the instance.
    async fn follow_reports(&self, instance: &Instance, mut body: Incoming) {
        let mut lines = ReportLines::default();
        let mut budget = RateBudget::default();
        let mut warned = false;
        while let Some(Ok(frame)) = body.frame().await {
            for piece in frame
                .data_ref()
                .iter()
                .flat_map(|data| data.chunks(CHUNK_BYTES))
            {
                let reports = self.take_reports(instance, &mut lines, piece);
                let waited = budget.spend(piece.len(), reports).await;
                if waited && !std::mem::replace(&mut warned, true) {
                    self.logs.warn(format!(
                        "{} reports faster than its lines can be taken; it may have to drop some ({})",
                        whose(instance),
                        instance.id
                    ));
                }
            }
        }
    }
}

/// Returns the reason why an instance reports no more. Most often it has ended a moment ago, and then it
/// answers no question.
async fn why_dark(instance: &Rc<Instance>) -> &'static str {
    tokio::select! {
        _ended = instance.end(EXIT_GRACE) => SILENT,
        Ok(_alive) = control(instance, Method::GET, "/_fnlocal/health", None) => DARK,
    }
}

/// Returns the function of an instance, for people.
pub(super) fn whose(instance: &Instance) -> String {
    let name = instance.function_name();
    name.as_deref()
        .unwrap_or("an instance without a function")
        .to_owned()
}
