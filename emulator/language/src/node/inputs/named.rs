//! Files that settings and manifests name.

use serde_json::{Map, Value};

use super::texts;
use crate::NamedInput;

/// Fields of package.json whose values may be `patch:…`.
const DEPENDENCIES: [&str; 5] = [
    "dependencies",
    "devDependencies",
    "optionalDependencies",
    "resolutions",
    "peerDependencies",
];

/// The patches of pnpm's `patchedDependencies` and of Yarn's `patch:`.
pub(super) fn patches_of(manifest: &Map<String, Value>) -> Vec<NamedInput> {
    let mut patches = Vec::new();
    if let Some(Value::Object(pnpm)) = manifest.get("pnpm") {
        let named = texts(pnpm, "patchedDependencies").into_iter();
        patches.extend(named.map(|(_, path)| NamedInput::OfPackage(path.to_owned())));
    }
    for field in DEPENDENCIES {
        for (_, spec) in texts(manifest, field) {
            patches.extend(patches_in(spec));
        }
    }
    patches
}

/// The paths of `patch:NAME@RANGE#PATH&PATH::PARAMETERS`, in which `~/` is the project's folder.
fn patches_in(spec: &str) -> Vec<NamedInput> {
    let Some(spec) = spec.strip_prefix("patch:") else {
        return Vec::new();
    };
    let Some((_, paths)) = spec.split_once('#') else {
        return Vec::new();
    };
    let paths = paths.split("::").next().unwrap_or(paths);
    paths
        .split('&')
        .map(|path| path.trim_start_matches("optional!"))
        .filter(|path| !path.starts_with("builtin<"))
        .map(|path| percent_decoded(path.trim_start_matches("optional!")))
        .map(|path| match path.strip_prefix("~/") {
            Some(path) => NamedInput::OfProject(path.to_owned()),
            None => NamedInput::OfPackage(path),
        })
        .collect()
}

fn percent_decoded(text: &str) -> String {
    percent_encoding::percent_decode_str(text)
        .decode_utf8_lossy()
        .into_owned()
}

/// The words of a setting's text that may be paths of files. Settings are YAML, INI and Yarn's own;
/// in all of them a path is a word between spaces, quotes and brackets.
pub(super) fn paths_in(text: &str) -> impl Iterator<Item = &str> {
    let between = |c: char| c.is_whitespace() || "\"'`,;=(){}[]".contains(c);
    text.lines()
        .filter(|line| !line.trim_start().starts_with(['#', ';']))
        .flat_map(move |line| line.split(between))
        .map(|word| word.trim_end_matches(':'))
        .filter(|word| word.contains('.') && !word.starts_with('/') && !word.contains("//"))
}

/// A setting's value, where it stands on a line of its own.
pub(super) fn setting(text: &str, key: &str) -> Option<String> {
    let value = text.lines().find_map(|line| line.strip_prefix(key))?;
    let value = value.split(" #").next().unwrap_or(value);
    let value = value.trim().trim_matches(['"', '\'']);
    (!value.is_empty()).then(|| value.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patches_of_pnpm_and_yarn_are_found_in_a_manifest() {
        let manifest = serde_json::json!({
            "pnpm": {"patchedDependencies": {"ms@2.1.3": "patches/ms.patch"}},
            "dependencies": {
                "a": "patch:a@npm%3A1.0.0#~/.yarn/patches/a-npm-1.0.0-af.patch",
                "b": "patch:b@1#./b%20c.patch&optional!builtin<compat/b>::version=1",
                "c": "^1.0.0",
            },
            "resolutions": {"d@npm:1": "patch:d@npm%3A1#optional!~/d.patch"},
        });
        let manifest = manifest.as_object().unwrap();
        let of_project = |path: &str| NamedInput::OfProject(path.to_owned());
        let of_package = |path: &str| NamedInput::OfPackage(path.to_owned());
        let expected = [
            of_package("patches/ms.patch"),
            of_project(".yarn/patches/a-npm-1.0.0-af.patch"),
            of_package("./b c.patch"),
            of_project("d.patch"),
        ];
        assert_eq!(patches_of(manifest), expected);
    }

    #[test]
    fn words_that_may_be_paths_are_found_in_yaml_ini_and_yarns_own_settings() {
        let found = |text| paths_in(text).collect::<Vec<_>>();
        let yaml = "# no/a.patch\npatchedDependencies:\n  ms@2.1.3: patches/ms.patch\n  \"x\": 'p/x.patch'\n";
        let found_yaml = found(yaml);
        assert!(found_yaml.contains(&"patches/ms.patch"), "{found_yaml:?}");
        assert!(found_yaml.contains(&"p/x.patch"), "{found_yaml:?}");
        assert!(!found_yaml.contains(&"no/a.patch"), "{found_yaml:?}");
        assert_eq!(
            found("{a: p/a.diff, b: p/b.diff}"),
            ["p/a.diff", "p/b.diff"]
        );
        assert_eq!(
            found("cafile=certs/ca.pem\n//r.example/:_authToken=x"),
            ["certs/ca.pem"]
        );
        let yarn = "plugins:\n  - path: .yarn/plugins/p.cjs\n    spec: \"https://x.y/z\"\n";
        assert_eq!(found(yarn), [".yarn/plugins/p.cjs"]);
    }

    #[test]
    fn a_setting_is_read_with_and_without_quotes() {
        let yml = "nodeLinker: node-modules\n\nyarnPath: .yarn/releases/yarn-4.5.0.cjs # ours\n";
        let path = ".yarn/releases/yarn-4.5.0.cjs";
        assert_eq!(setting(yml, "yarnPath:").as_deref(), Some(path));
        let rc = format!("yarn-path \"{path}\"\n");
        assert_eq!(setting(&rc, "yarn-path").as_deref(), Some(path));
        assert_eq!(setting("a: b\n", "yarnPath:"), None);
    }
}
