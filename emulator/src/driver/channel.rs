//! The channel that an instance's reports come by: none is served without it.

use std::rc::Rc;
use std::time::Duration;

use http::Method;

use super::control::control;
use super::{Driver, Instance};

/// How long after its channel ended the runtime may take to say that the instance ended.
const EXIT_GRACE: Duration = Duration::from_secs(10);
/// What is said of an instance that lives and reports nothing.
const DARK: &str = "it closed the channel by which it reports, so it was ended";

impl Driver {
    /// Follows an instance's reports. One that lives on without them is ended, whatever it is doing:
    /// what it does from then on would be in no log.
    pub(super) async fn keep_reports(self: Rc<Self>, instance: Rc<Instance>) {
        Rc::clone(&self).follow_reports(Rc::clone(&instance)).await;
        // Most often it has just ended, and then it answers no question.
        tokio::select! {
            _ended = instance.end(EXIT_GRACE) => {}
            Ok(_alive) = control(&instance, Method::GET, "/_fnlocal/health", None) => {}
        }
        self.lose(instance.id, DARK, false).await;
    }
}
