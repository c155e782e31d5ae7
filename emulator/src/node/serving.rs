//! A release that is loaded: a driver, a gateway in front of it, and their end.

use std::rc::Rc;
use std::time::Duration;

use fnlocal_core::{Event, NodeLimits};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::session::NodeSession;
use fnlocal_driver::Driver;
use fnlocal_faults::Broken;
use fnlocal_gateway::Gateway;

/// A loaded release.
pub(super) struct Serving {
    /// The release's tag.
    pub tag: String,
    pub driver: Rc<Driver>,
    pub gateway: Rc<Gateway>,
    /// Its bounds once it has the machine for itself.
    pub limits: NodeLimits,
    /// Told to finish what it has.
    pub leave: CancellationToken,
    /// Nothing of it is left.
    pub gone: CancellationToken,
    /// Requests whose answer has not begun.
    entered: watch::Sender<usize>,
}

/// A request until its answer begins.
pub(super) struct EnteredRequest(Rc<Serving>);

impl Serving {
    pub fn new(
        tag: &str,
        driver: Rc<Driver>,
        gateway: Rc<Gateway>,
        limits: NodeLimits,
        leave: CancellationToken,
    ) -> Rc<Self> {
        Rc::new(Self {
            tag: tag.to_owned(),
            driver,
            gateway,
            limits,
            leave,
            gone: CancellationToken::new(),
            entered: watch::Sender::new(0),
        })
    }

    /// A request enters.
    pub fn enter(self: &Rc<Self>) -> EnteredRequest {
        self.entered.send_modify(|count| *count += 1);
        EnteredRequest(Rc::clone(self))
    }

    /// Lives until told to leave; then finishes what it has, within `patience`, unless `now`.
    pub async fn live(
        self: Rc<Self>,
        session: NodeSession,
        patience: Duration,
        now: CancellationToken,
    ) -> Result<(), Broken> {
        let finishing = async {
            // A request that entered before may not be known to the driver yet.
            let mut entered = self.entered.subscribe();
            let _open = entered.wait_for(|count| *count == 0).await;
            self.driver.drain().await;
        };
        let serving = async {
            tokio::select! {
                () = self.leave.cancelled() => {}
                () = now.cancelled() => return Ok(()),
            }
            tokio::select! {
                () = finishing => {}
                () = now.cancelled() => {}
                () = tokio::time::sleep(patience) => {
                    let text = format!(
                        "some requests to {} did not end within {} s and are cut off",
                        self.tag,
                        patience.as_secs()
                    );
                    self.driver.logs().warn(text);
                }
            }
            self.gateway.cut_off().await;
            Ok(())
        };
        let _gone = self.gone.clone().drop_guard();
        session.run(serving).await
    }

    /// Gives the machine to this release alone: all the memory, and no more instances than requests
    /// need.
    pub fn alone(&self) {
        let limits = self.limits.clone();
        self.driver.handle(Event::LimitsChanged { limits });
        self.expect(|_| 0);
    }

    /// Says how many instances of each function are to be ready.
    pub fn expect(&self, instances: impl Fn(&str) -> u32) {
        for function in self.driver.with_functions(|functions| functions.all()) {
            self.driver.handle(Event::Prewarm {
                function: function.id,
                instances: instances(&function.name),
            });
        }
    }
}

impl Drop for EnteredRequest {
    fn drop(&mut self) {
        self.0.entered.send_modify(|count| *count -= 1);
    }
}
