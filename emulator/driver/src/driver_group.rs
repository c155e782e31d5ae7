//! The same code for several drivers: all get the same calls, and a later driver catches up.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;
use std::sync::Arc;

use fnlocal_core::{CodeHash, Event, PackageId};

use super::{Driver, PackageCode, Wakeups};
use fnlocal_runtime::PackageRun;

/// The drivers of a run, which serve the same packages. Cheap to clone.
#[derive(Clone, Default)]
pub struct DriverGroup(Rc<Fed>);

#[derive(Default)]
struct Fed {
    /// Rung by all drivers.
    bell: Rc<Wakeups>,
    drivers: RefCell<Vec<Rc<Driver>>>,
    packages: RefCell<BTreeMap<PackageId, CurrentPackage>>,
}

/// A package as it is now.
struct CurrentPackage {
    run: Arc<PackageRun>,
    shown_root: String,
    code: Option<(CodeHash, PackageCode)>,
}

impl DriverGroup {
    /// A feed whose drivers ring a bell that others have, too.
    pub fn ringing(bell: Rc<Wakeups>) -> Self {
        Self(Rc::new(Fed {
            bell,
            ..Fed::default()
        }))
    }

    /// Tells a driver what the others know, and from now on what they hear.
    pub fn add(&self, driver: Rc<Driver>) {
        driver.set_bell(Rc::clone(&self.0.bell));
        for (&id, package) in &*self.0.packages.borrow() {
            driver.set_package(id, Arc::clone(&package.run), package.shown_root.clone());
            if let Some((code, what)) = &package.code {
                give(&driver, id, *code, what, true);
            }
        }
        self.0.drivers.borrow_mut().push(driver);
    }

    /// Tells a driver nothing more.
    pub fn remove(&self, driver: &Rc<Driver>) {
        let mut drivers = self.0.drivers.borrow_mut();
        drivers.retain(|known| !Rc::ptr_eq(known, driver));
    }

    /// Rung by all drivers.
    pub fn bell(&self) -> &Rc<Wakeups> {
        &self.0.bell
    }

    /// The drivers.
    pub fn drivers(&self) -> Vec<Rc<Driver>> {
        self.0.drivers.borrow().clone()
    }

    /// Packages with code.
    pub fn packages(&self) -> usize {
        let packages = self.0.packages.borrow();
        packages.values().filter(|one| one.code.is_some()).count()
    }

    /// Adds a package, or gives a known one another image or other variables.
    pub fn set_package(&self, id: PackageId, run: Arc<PackageRun>, shown_root: String) {
        for driver in self.drivers() {
            driver.set_package(id, Arc::clone(&run), shown_root.clone());
        }
        let mut packages = self.0.packages.borrow_mut();
        let code = packages.remove(&id).and_then(|old| old.code);
        let package = CurrentPackage {
            run,
            shown_root,
            code,
        };
        packages.insert(id, package);
    }

    /// A package has new code.
    pub fn set_code(&self, id: PackageId, code: CodeHash, what: PackageCode, rebuilt: bool) {
        for driver in self.drivers() {
            give(&driver, id, code, &what, rebuilt);
        }
        if let Some(package) = self.0.packages.borrow_mut().get_mut(&id) {
            package.code = Some((code, what));
        }
    }

    /// A package is gone.
    pub fn remove_package(&self, package: PackageId) {
        self.0.packages.borrow_mut().remove(&package);
        for driver in self.drivers() {
            driver.with_functions(|functions| {
                functions.replace(package, Vec::new());
                functions.forget_nameless(package);
            });
            driver.handle(Event::PackageRemoved { package });
        }
    }

    /// Code that an instance of any driver runs or may yet be given.
    pub fn codes_in_use(&self) -> BTreeSet<CodeHash> {
        let drivers = self.drivers();
        drivers.iter().flat_map(|one| one.codes_in_use()).collect()
    }

    /// Forgets where code lies that is not there any more.
    pub fn keep_codes(&self, package: PackageId, kept: &[CodeHash]) {
        for driver in self.drivers() {
            driver.keep_codes(package, kept);
        }
    }

    /// Waits until all drivers there are have imported, or failed to import, every package.
    pub async fn described(&self) {
        let packages = self.packages();
        for driver in self.drivers() {
            driver.described(packages).await;
        }
    }
}

fn give(
    driver: &Rc<Driver>,
    package: PackageId,
    code: CodeHash,
    what: &PackageCode,
    rebuilt: bool,
) {
    driver.add_code(package, code, what.clone());
    driver.handle(Event::CodeChanged {
        package,
        code,
        rebuilt,
    });
}
