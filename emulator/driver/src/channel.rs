//! The channel that an instance's reports come by: none is served without it.

use std::rc::Rc;
use std::time::Duration;

use http::Method;

use super::instance_client::control;
use super::{Driver, Instance};

/// How long after its channel ended the runtime may take to say that the instance ended.
const EXIT_GRACE: Duration = Duration::from_secs(10);
/// The reason for the end of an instance that answers and no longer reports.
const DARK: &str = "it closed the channel by which it reports, so it was ended";
/// The reason for the end of one that does neither.
const SILENT: &str = "it neither reports nor answers any more, so it was ended";

impl Driver {
    /// Follows an instance's reports. One that lives on without them is ended, whatever it is doing:
    /// what it does from then on would be in no log.
    pub(super) async fn keep_reports(self: Rc<Self>, instance: Rc<Instance>) {
        Rc::clone(&self).follow_reports(Rc::clone(&instance)).await;
        // Most often it has just ended, and then it answers no question.
        let reason = tokio::select! {
            _ended = instance.end(EXIT_GRACE) => SILENT,
            Ok(_alive) = control(&instance, Method::GET, "/_fnlocal/health", None) => DARK,
        };
        // One that has ended is not known any more.
        self.lose(instance.id, reason, false).await;
    }
}
