//! `tsconfig.json`: the options that decide what runs, with what it extends.

use std::path::{Path, PathBuf};

use serde_json::{Map, Value};

mod load;

pub(crate) use load::ConfigLoader;

/// Options of the compiler that change what runs; of others nothing is kept.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct CompilerOptions {
    pub experimental_decorators: bool,
    pub emit_decorator_metadata: bool,
    pub use_define_for_class_fields: Option<bool>,
    /// In lower case.
    pub target: Option<String>,
    /// In lower case.
    pub module: Option<String>,
    pub verbatim_module_syntax: bool,
    pub es_module_interop: Option<bool>,
    pub jsx: Option<String>,
    pub jsx_import_source: Option<String>,
    pub jsx_factory: Option<String>,
    pub jsx_fragment_factory: Option<String>,
    base_url: Option<PathBuf>,
    paths: Vec<PathMapping>,
}

/// A pattern of `paths`, with the files that it stands for.
#[derive(Clone, Debug, PartialEq, Eq)]
struct PathMapping {
    start: String,
    /// The text after the `*`; `None` without one.
    end: Option<String>,
    /// With a `*` for the part that matched.
    targets: Vec<PathBuf>,
}

impl PathMapping {
    /// The part of a specifier that the `*` stands for.
    fn matched<'a>(&self, specifier: &'a str) -> Option<&'a str> {
        match &self.end {
            None => (specifier == self.start).then_some(""),
            Some(end) => specifier.strip_prefix(&self.start)?.strip_suffix(end),
        }
    }
}

impl CompilerOptions {
    /// Takes over what a file says. `folder` is the file's.
    fn apply(&mut self, options: &Map<String, Value>, folder: &Path) {
        let flag = |name: &str| options.get(name).and_then(Value::as_bool);
        let text = |name: &str| options.get(name).and_then(Value::as_str);
        let owned = |name: &str| text(name).map(str::to_owned);
        let lower = |name: &str| text(name).map(str::to_ascii_lowercase);
        let set = |to: &mut bool, name: &str| *to = flag(name).unwrap_or(*to);
        set(&mut self.experimental_decorators, "experimentalDecorators");
        set(&mut self.emit_decorator_metadata, "emitDecoratorMetadata");
        set(&mut self.verbatim_module_syntax, "verbatimModuleSyntax");
        let define = flag("useDefineForClassFields");
        self.use_define_for_class_fields = define.or(self.use_define_for_class_fields);
        self.es_module_interop = flag("esModuleInterop").or(self.es_module_interop);
        let texts = [
            (&mut self.target, lower("target")),
            (&mut self.module, lower("module")),
            (&mut self.jsx, lower("jsx")),
            (&mut self.jsx_import_source, owned("jsxImportSource")),
            (&mut self.jsx_factory, owned("jsxFactory")),
            (&mut self.jsx_fragment_factory, owned("jsxFragmentFactory")),
        ];
        for (to, new) in texts {
            if new.is_some() {
                *to = new;
            }
        }
        if let Some(base) = text("baseUrl") {
            self.base_url = Some(folder.join(configured(base, folder)));
        }
        if let Some(Value::Object(paths)) = options.get("paths") {
            let base = self.base_url.clone().unwrap_or_else(|| folder.to_owned());
            self.paths = mappings(paths, &base, folder);
        }
    }

    /// The paths that a specifier of no relative file may mean, in order.
    pub fn candidates(&self, specifier: &str) -> Vec<PathBuf> {
        let found = self
            .paths
            .iter()
            .find_map(|mapping| Some((mapping, mapping.matched(specifier)?)));
        let mapped = found.into_iter().flat_map(|(mapping, part)| {
            let targets = mapping.targets.iter();
            targets
                .map(move |target| PathBuf::from(target.to_string_lossy().replacen('*', part, 1)))
        });
        let based = self.base_url.iter().map(|base| base.join(specifier));
        mapped.chain(based).collect()
    }

    /// Returns whether class fields are assignments, as TypeScript decides it.
    pub fn assigned_fields(&self) -> bool {
        const DEFINED: [&str; 6] = ["es2022", "es2023", "es2024", "es2025", "es2026", "esnext"];
        match (self.use_define_for_class_fields, &self.target) {
            (Some(define), _) => !define,
            (None, Some(target)) => !DEFINED.contains(&target.as_str()),
            (None, None) => false,
        }
    }
}

/// A path of a configuration, in which `${configDir}` is the configuration's folder.
fn configured(path: &str, folder: &Path) -> PathBuf {
    match path.strip_prefix("${configDir}") {
        Some(rest) => folder.join(rest.trim_start_matches('/')),
        None => PathBuf::from(path),
    }
}

/// The patterns of `paths`, the most specific first.
fn mappings(paths: &Map<String, Value>, base: &Path, folder: &Path) -> Vec<PathMapping> {
    let mut mappings: Vec<PathMapping> = paths
        .iter()
        .map(|(pattern, targets)| {
            let targets = targets.as_array().into_iter().flatten();
            let targets = targets.filter_map(Value::as_str);
            let (start, end) = match pattern.split_once('*') {
                Some((start, end)) => (start, Some(end.to_owned())),
                None => (pattern.as_str(), None),
            };
            PathMapping {
                start: start.to_owned(),
                end,
                targets: targets
                    .map(|target| base.join(configured(target, folder)))
                    .collect(),
            }
        })
        .collect();
    mappings.sort_by_key(|mapping| {
        (
            mapping.end.is_some(),
            std::cmp::Reverse(mapping.start.len()),
        )
    });
    mappings
}
