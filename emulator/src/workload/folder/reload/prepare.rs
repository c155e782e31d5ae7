//! The needs of a package before it can run: an image, or installed dependencies.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant as Clock;

use fnlocal_api::UserError;
use fnlocal_core::PackageId;
use tokio::task::spawn_local;

use super::super::tracked::PreparedPackage;
use super::Reloader;
use fnlocal_project::{DepsHash, Snapshot};

/// The readiness of a package.
pub(super) enum Prepared {
    /// The package can run; `rebuilt` if something was newly made for it.
    Ready { rebuilt: bool },
    /// Not yet: what it needs is being made.
    Later,
    /// The needs of the package cannot be met.
    Nothing,
}

impl Reloader {
    /// Has the image, or what else the runtime needs, made when dependencies or variables changed:
    /// at once the first time, later in the background while what runs goes on.
    pub(super) async fn prepare(&mut self, id: PackageId, snapshot: &Snapshot) -> Prepared {
        let env = self.folder.describer.shared_env();
        let Some(tracked) = self.packages.get_mut(&id) else {
            return Prepared::Nothing;
        };
        if let Some(made) = tracked.made.take_if(|made| made.fits(snapshot, &env)) {
            return self.take_over(id, made);
        }
        if tracked.wanted == Some((snapshot.deps, env.clone())) {
            // Being made, or made already, or failed and told: nothing new until they change.
            return match tracked.run {
                _ if tracked.making => Prepared::Later,
                Some(_) => Prepared::Ready { rebuilt: false },
                None => Prepared::Nothing,
            };
        }
        tracked.wanted = Some((snapshot.deps, env.clone()));
        let first = tracked.run.is_none();
        tracked.making = !first;
        let Some(making) = self.make(id, snapshot.deps, env) else {
            return Prepared::Nothing;
        };
        if first {
            let made = making.await;
            return self.take_over(id, made);
        }
        let done = self.made.clone();
        spawn_local(async move {
            let made = making.await;
            // Closed when `dev` ends, and then nobody wants it.
            let _ended = done.send((id, made)).await;
        });
        Prepared::Later
    }

    fn make(
        &self,
        id: PackageId,
        deps: Option<DepsHash>,
        env: BTreeMap<String, String>,
    ) -> Option<impl Future<Output = PreparedPackage> + 'static> {
        let package = self.packages.get(&id)?.package.clone();
        let code_root = self.folder.state.code_root(&package);
        let logs = self.folder.logs.clone();
        let preparer = self.folder.preparer.clone();
        Some(async move {
            let run = preparer
                .prepare(&package, code_root, env.clone(), &move |text: String| {
                    logs.note(text);
                })
                .await;
            PreparedPackage { deps, env, run }
        })
    }

    /// Puts what was made in place of what ran.
    fn take_over(&mut self, id: PackageId, made: PreparedPackage) -> Prepared {
        let Some(tracked) = self.packages.get_mut(&id) else {
            return Prepared::Nothing;
        };
        let run = match made.run {
            Ok(run) => Arc::new(run),
            Err(error) => {
                let name = &tracked.package.name;
                self.folder
                    .logs
                    .warn(format!("package {name}: {}", error.report()));
                if tracked.run.is_some() {
                    return Prepared::Ready { rebuilt: false };
                }
                // There is nothing to go on with, so the next save tries again.
                tracked.wanted = None;
                return Prepared::Nothing;
            }
        };
        tracked.run = Some(Arc::clone(&run));
        let mut shown_root = shown(&tracked.package.root);
        shown_root.push('/');
        self.group.set_package(id, run, shown_root);
        Prepared::Ready { rebuilt: true }
    }

    /// Takes note of what was made in the background, and goes over to it if it is still wanted.
    pub async fn made(&mut self, id: PackageId, made: PreparedPackage) {
        if let Some(tracked) = self.packages.get_mut(&id) {
            let newest = tracked.wanted.as_ref();
            if newest.is_some_and(|(deps, env)| made.deps == *deps && made.env == *env) {
                tracked.making = false;
            }
            tracked.made = Some(made);
        }
        self.refresh(id, Clock::now()).await;
    }
}

/// A path relative to where the person stands, if it is below.
fn shown(path: &std::path::Path) -> String {
    let here = std::env::current_dir().unwrap_or_default();
    let near = path.strip_prefix(&here).unwrap_or(path);
    if near.as_os_str().is_empty() {
        ".".to_owned()
    } else {
        near.display().to_string()
    }
}
