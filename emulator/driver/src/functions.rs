//! The table of functions: numbers for the core, names for people.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;

use fnlocal_api::Failure;
use fnlocal_core::route_table::RouteTable;
use fnlocal_core::{FunctionId, PackageId};

use fnlocal_project::{FunctionSettings, MAX_FUNCTION_NAME};

/// The edits after which a name is no hint any more.
const MAX_EDITS: usize = 2;
/// Bytes of a name that are compared letter by letter, which takes their square in time.
const MAX_COMPARED: usize = 8;

/// A function as the driver and the gateway know it.
pub struct Function {
    /// Its number in the core.
    pub id: FunctionId,
    /// Its name, as in its path.
    pub name: Arc<str>,
    /// Its package.
    pub package: PackageId,
    /// The file that exports it, relative to its package.
    pub entry: String,
    /// Its bounds and what else its configuration says.
    pub settings: FunctionSettings,
    /// Variables its configuration asks for beyond the package's.
    pub env: BTreeMap<String, String>,
    /// Why its code cannot be imported, if it cannot.
    pub failure: RefCell<Option<Rc<Failure>>>,
}

impl Function {
    /// Notes why its code could not be imported, for the answers to its requests.
    pub fn fail(&self, failure: Failure) {
        self.failure.replace(Some(Rc::new(failure)));
    }
}

/// A file that failed before it could say its functions' names.
#[derive(Clone, Debug)]
pub struct BrokenFile {
    /// The file as it is shown, or the package if its code failed as a whole.
    pub entry: String,
    /// The only name that its function has by all likelihood. `None` if it may export any.
    pub named_after: Option<String>,
    /// Why it failed.
    pub failure: Rc<Failure>,
}

/// All functions of the node.
#[derive(Default)]
pub struct Functions {
    by_id: BTreeMap<FunctionId, Rc<Function>>,
    #[allow(
        clippy::disallowed_types,
        reason = "looked up once a request, never iterated"
    )]
    by_name: std::collections::HashMap<Arc<str>, Rc<Function>>,
    ids: BTreeMap<Arc<str>, FunctionId>,
    default: Option<Arc<str>>,
    routes: RouteTable,
    /// Files of packages that failed before they could say their functions' names.
    nameless: BTreeMap<PackageId, Vec<BrokenFile>>,
}

impl Functions {
    /// The number of a name, the same for as long as the node runs.
    pub fn id(&mut self, name: &str) -> FunctionId {
        let next = FunctionId(u32::try_from(self.ids.len()).unwrap_or(u32::MAX));
        *self.ids.entry(Arc::from(name)).or_insert(next)
    }

    /// Puts a package's functions in place of those it had.
    pub fn replace(&mut self, package: PackageId, functions: Vec<Function>) {
        let gone: Vec<_> = self
            .by_id
            .values()
            .filter(|known| known.package == package)
            .map(|known| (known.id, Arc::clone(&known.name)))
            .collect();
        for (id, name) in gone {
            self.by_id.remove(&id);
            self.by_name.remove(&name);
        }
        for function in functions {
            let function = Rc::new(function);
            self.by_id.insert(function.id, Rc::clone(&function));
            self.by_name.insert(Arc::clone(&function.name), function);
        }
    }

    /// Names the function that answers `/` and unmatched paths. Without a name, it is the only one,
    /// if other platforms would send it all paths.
    pub fn set_default(&mut self, name: Option<&str>) {
        let mut all = self.by_id.values();
        let only = all.next().filter(|_| all.next().is_none());
        let only = only.filter(|only| only.settings.signature.takes_all());
        self.default = match name {
            Some(name) => Some(Arc::from(name)),
            None => only.map(|only| Arc::clone(&only.name)),
        };
    }

    /// Sets the paths that lead to functions.
    pub fn set_routes(&mut self, routes: RouteTable) {
        self.routes = routes;
    }

    /// The paths that lead to functions.
    #[must_use]
    pub fn routes(&self) -> &RouteTable {
        &self.routes
    }

    /// The functions a package has now.
    #[must_use]
    pub fn of_package(&self, package: PackageId) -> Vec<Rc<Function>> {
        self.by_id
            .values()
            .filter(|known| known.package == package)
            .cloned()
            .collect()
    }

    /// Notes the files of a package that failed before they could say their functions' names.
    pub fn set_nameless(&mut self, package: PackageId, files: Vec<BrokenFile>) {
        self.nameless.insert(package, files);
    }

    /// Forgets a package's files, which is no longer served.
    pub fn forget_nameless(&mut self, package: PackageId) {
        self.nameless.remove(&package);
    }

    /// The failure because of which a name is not known: that of the file named after it, or else
    /// of one that may export any name.
    #[must_use]
    pub fn nameless_failure(&self, name: &str) -> Option<Rc<Failure>> {
        let files = || self.nameless.values().flatten();
        let named = files().find(|file| file.named_after.as_deref() == Some(name));
        let found = named.or_else(|| files().find(|file| file.named_after.is_none()))?;
        Some(Rc::clone(&found.failure))
    }

    /// The files whose functions are not known.
    pub fn broken_files(&self) -> impl Iterator<Item = &str> {
        let files = self.nameless.values().flatten();
        files.map(|file| file.entry.as_str())
    }

    /// By name.
    #[must_use]
    pub fn find(&self, name: &str) -> Option<Rc<Function>> {
        self.by_name.get(name).cloned()
    }

    /// By number.
    #[must_use]
    pub fn get(&self, id: FunctionId) -> Option<Rc<Function>> {
        self.by_id.get(&id).cloned()
    }

    /// The one that answers `/`.
    #[must_use]
    pub fn default_function(&self) -> Option<Rc<Function>> {
        self.find(self.default.as_deref()?)
    }

    /// All, by name.
    #[must_use]
    pub fn all(&self) -> Vec<Rc<Function>> {
        let mut all: Vec<_> = self.by_id.values().cloned().collect();
        all.sort_by(|a, b| a.name.cmp(&b.name));
        all
    }

    /// The first names of at most `count` functions, and how many there are.
    #[must_use]
    pub fn names(&self, count: usize) -> (Vec<Arc<str>>, usize) {
        let known = self
            .ids
            .iter()
            .filter(|(_, id)| self.by_id.contains_key(id));
        let names = known.map(|(name, _)| Arc::clone(name)).take(count);
        (names.collect(), self.by_id.len())
    }

    /// The name nearest to one that is not there, for a hint. Linear in the length of names.
    #[must_use]
    pub fn nearest(&self, name: &str) -> Option<Arc<str>> {
        self.by_id
            .values()
            .filter_map(|known| Some((distance(name, &known.name)?, &known.name)))
            .min()
            .map(|(_, name)| Arc::clone(name))
    }
}

/// The number of edits between two names, if they are at most [`MAX_EDITS`] and close together:
/// only what lies between the first and the last difference is compared.
fn distance(one: &str, other: &str) -> Option<usize> {
    if one.len().abs_diff(other.len()) > MAX_EDITS || one.len() > MAX_FUNCTION_NAME {
        return None;
    }
    let (one, other) = (one.as_bytes(), other.as_bytes());
    let begin = one.iter().zip(other).take_while(|(a, b)| a == b).count();
    let (one, other) = (&one[begin..], &other[begin..]);
    let ends = one.iter().rev().zip(other.iter().rev());
    let end = ends.take_while(|(a, b)| a == b).count();
    let (one, other) = (&one[..one.len() - end], &other[..other.len() - end]);
    if one.len().max(other.len()) > MAX_COMPARED {
        return None;
    }
    let edits = strsim::generic_damerau_levenshtein(one, other);
    (edits <= MAX_EDITS).then_some(edits)
}

#[cfg(test)]
mod tests {
    use fnlocal_api::Failure;

    use super::distance;

    #[test]
    fn names_are_near_within_two_adjacent_edits() {
        assert_eq!(distance("ech", "echo"), Some(1));
        assert_eq!(distance("ehco", "echo"), Some(1));
        assert_eq!(distance("b-echo-c", "echo"), None);
        assert_eq!(distance(&"e".repeat(65_000), "echo"), None);
        let long = |end: &str| format!("{}{end}", "a".repeat(60));
        assert_eq!(distance(&long("bcd"), &long("bd")), Some(1));
    }

    #[test]
    fn a_failure_shows_the_path_in_the_project_folder() {
        for file in ["index.js", "/app/0f/index.js"] {
            let mut failure = Failure {
                file: Some(file.to_owned()),
                line: Some(3),
                ..Failure::plain("no", None)
            };
            failure.rebase("/app/0f/", "shop/");
            assert_eq!(failure.summary(), "no (shop/index.js:3)");
        }
    }
}
