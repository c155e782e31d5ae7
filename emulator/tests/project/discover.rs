use std::fs;
use std::os::unix::fs::symlink;

use fnlocal_api::UserError;
use fnlocal_project::{Project, ProjectError, Scope};

use super::Folder;

fn entries(folder: &Folder) -> Vec<(String, Vec<String>)> {
    let packages = folder.open().packages;
    packages
        .into_iter()
        .map(|package| (package.name, package.entries))
        .collect()
}

fn one(name: &str, entries: &[&str]) -> (String, Vec<String>) {
    (
        name.to_owned(),
        entries.iter().map(|entry| (*entry).to_owned()).collect(),
    )
}

#[test]
fn a_folder_with_an_index_file_is_a_package() {
    let folder = Folder::with(&[("index.js", "")]);
    assert_eq!(entries(&folder), [one("shop", &["index.js"])]);
    assert_eq!(folder.open().name, "shop");
}

#[test]
fn main_takes_precedence_over_index_and_may_omit_its_extension() {
    let folder = Folder::with(&[
        (
            "package.json",
            r#"{"name": "@acme/Shop.Api", "main": "./lib"}"#,
        ),
        ("lib/index.mjs", ""),
        ("index.js", ""),
    ]);
    assert_eq!(entries(&folder), [one("acme-shop-api", &["lib/index.mjs"])]);
}

#[test]
fn exports_take_precedence_over_main() {
    let folder = Folder::with(&[
        (
            "package.json",
            r#"{"exports": {".": {"import": "./a.mjs"}}, "main": "b.js"}"#,
        ),
        ("a.mjs", ""),
        ("b.js", ""),
    ]);
    assert_eq!(entries(&folder), [one("shop", &["a.mjs"])]);
}

#[test]
fn each_file_in_functions_is_an_entry() {
    let folder = Folder::with(&[
        ("functions/b.ts", ""),
        ("functions/a.js", ""),
        ("functions/a.test.js", ""),
        ("functions/types.d.ts", ""),
        ("functions/_shared.js", ""),
        ("functions/readme.md", ""),
        ("functions/c/index.js", ""),
    ]);
    let expected = ["functions/a.js", "functions/b.ts", "functions/c/index.js"];
    assert_eq!(entries(&folder), [one("shop", &expected)]);
}

#[test]
fn folders_with_their_own_package_json_are_packages() {
    let folder = Folder::with(&[
        ("index.js", ""),
        ("functions/a/package.json", "{}"),
        ("functions/a/index.js", ""),
        ("packages/b/package.json", "{}"),
        ("packages/b/index.ts", ""),
        ("packages/lib/package.json", "{}"),
        ("services/c/package.json", r#"{"name": "see"}"#),
        ("services/c/functions/x.js", ""),
        ("other/package.json", "{}"),
        ("other/index.js", ""),
    ]);
    let project = folder.open();
    let names: Vec<&str> = project
        .packages
        .iter()
        .map(|package| package.name.as_str())
        .collect();
    assert_eq!(names, ["shop", "a", "b", "see"]);
    assert_eq!(project.packages[0].nested.len(), 3);
}

#[test]
fn direct_subfolders_are_packages_if_the_root_has_no_entry() {
    let folder = Folder::with(&[
        ("api/package.json", "{}"),
        ("api/index.js", ""),
        ("docs/index.js", ""),
    ]);
    assert_eq!(entries(&folder), [one("api", &["index.js"])]);
}

#[test]
fn the_packages_setting_selects_package_folders() {
    let folder = Folder::with(&[
        (
            "fnlocal.toml",
            "packages = [\"apps/*/fn-*\", \"./tools/\", \"none/*\"]",
        ),
        ("apps/x/fn-a/index.js", ""),
        ("apps/x/web/index.js", ""),
        ("apps/x/fn-b/node_modules/fn-c/index.js", ""),
        ("tools/index.js", ""),
        ("services/c/package.json", "{}"),
        ("services/c/index.js", ""),
    ]);
    let project = folder.open();
    let names: Vec<&str> = project
        .packages
        .iter()
        .map(|package| package.name.as_str())
        .collect();
    assert_eq!(names, ["fn-a", "tools"]);
    assert_eq!(project.warnings.len(), 1);
    assert!(
        project.warnings[0].text.contains("none/*"),
        "{}",
        project.warnings[0]
    );
}

#[test]
fn a_glob_out_of_the_project_is_refused_with_its_position() {
    let folder = Folder::with(&[("index.js", ""), ("fnlocal.toml", "packages = [\"../*\"]")]);
    let error = Project::open(&folder.path, None).unwrap_err();
    let ProjectError::Config(file) = &error else {
        panic!("{error}")
    };
    assert_eq!((file.line, file.column), (1, 12));
    assert!(error.hint().is_some());
}

#[test]
fn packages_with_the_same_name_are_named_after_their_folders() {
    let folder = Folder::with(&[
        ("services/a/package.json", r#"{"name": "same"}"#),
        ("services/a/index.js", ""),
        ("services/b/package.json", r#"{"name": "same"}"#),
        ("services/b/index.js", ""),
    ]);
    assert_eq!(
        entries(&folder),
        [
            one("services-a", &["index.js"]),
            one("services-b", &["index.js"])
        ]
    );
}

#[test]
fn a_linked_package_is_found_once() {
    let folder = Folder::with(&[
        ("packages/a/package.json", "{}"),
        ("packages/a/index.js", ""),
    ]);
    folder.link("services/a", folder.path.join("packages/a"));
    assert_eq!(entries(&folder), [one("a", &["index.js"])]);
}

#[test]
fn a_single_file_is_a_package() {
    let folder = Folder::with(&[("hello.js", ""), ("other.js", "")]);
    let project = Project::open(&folder.path.join("hello.js"), None).unwrap();
    assert_eq!(project.root, folder.path);
    assert_eq!(project.packages.len(), 1);
    assert_eq!(project.packages[0].name, "hello");
    assert_eq!(project.packages[0].entries, ["hello.js"]);
    assert_eq!(project.packages[0].scope, Scope::File);
}

#[test]
fn a_single_file_beside_a_package_json_has_its_dependencies() {
    let folder = Folder::with(&[
        ("hello.js", ""),
        ("package.json", r#"{"dependencies": {"a": "1"}}"#),
    ]);
    let package = &Project::open(&folder.path.join("hello.js"), None)
        .unwrap()
        .packages[0];
    assert_eq!(package.scope, Scope::Folder);
    assert!(package.manifest.as_ref().unwrap().dependencies);
}

#[test]
fn a_file_or_a_folder_of_handlers_belongs_to_the_nearest_package_json_above() {
    let manifest = r#"{"name": "site", "dependencies": {"a": "1"}}"#;
    for (opened, expected) in [
        ("src/deep/hello.js", vec!["src/deep/hello.js"]),
        ("api/hello.js", vec!["api/hello.js"]),
        ("api", vec!["api/hello.js", "api/user/index.ts"]),
        ("netlify/functions", vec!["netlify/functions/mail.mjs"]),
        ("functions", vec!["functions/index.js"]),
    ] {
        let folder = Folder::with(&[
            ("package.json", manifest),
            ("src/deep/hello.js", ""),
            ("src/util.js", ""),
            ("api/hello.js", ""),
            ("api/_shared.js", ""),
            ("api/hello.test.js", ""),
            ("api/user/index.ts", ""),
            ("netlify/functions/mail.mjs", ""),
            ("functions/index.js", ""),
        ]);
        let project = Project::open(&folder.path.join(opened), None).unwrap();
        assert_eq!(project.root, folder.path, "{opened}");
        assert_eq!(project.name, "site");
        let package = &project.packages[0];
        assert_eq!(package.entries, expected, "{opened}");
        assert_eq!(package.root, folder.path);
        assert_eq!(package.scope, Scope::Folder);
        assert!(package.manifest.as_ref().unwrap().dependencies);
    }
}

#[test]
fn a_package_json_above_the_repository_or_in_a_world_writable_folder_is_ignored() {
    use std::os::unix::fs::PermissionsExt;
    for shared in [false, true] {
        let folder = Folder::with(&[("package.json", "{}"), ("in/api/hello.js", "")]);
        let repository = folder.path.join("in");
        if shared {
            fs::set_permissions(&folder.path, fs::Permissions::from_mode(0o777)).unwrap();
        } else {
            fs::create_dir(repository.join(".git")).unwrap();
        }
        let file = repository.join("api/hello.js");
        let project = Project::open(&file, None).unwrap();
        assert_eq!(project.root, repository.join("api"), "{shared}");
        assert_eq!(project.packages[0].scope, Scope::File);
    }
}

#[test]
fn a_package_without_an_entry_uses_its_first_handlers_folder() {
    let mut files = vec![
        ("package.json", r#"{"name": "site"}"#),
        ("netlify/functions/mail.js", ""),
    ];
    let at = |files: &[(&str, &str)]| entries(&Folder::with(files));
    assert_eq!(at(&files), [one("site", &["netlify/functions/mail.js"])]);
    files.push(("api/user.js", ""));
    assert_eq!(at(&files), [one("site", &["api/user.js"])]);
    files.push(("functions/a.js", ""));
    assert_eq!(at(&files), [one("site", &["functions/a.js"])]);
    files.push(("index.js", ""));
    assert_eq!(at(&files), [one("site", &["index.js"])]);
}

#[test]
fn a_file_that_is_not_code_is_refused() {
    let folder = Folder::with(&[("hello.txt", "")]);
    let error = Project::open(&folder.path.join("hello.txt"), None).unwrap_err();
    assert!(matches!(error, ProjectError::NotCode { .. }), "{error}");
}

#[test]
fn an_empty_folder_is_an_error_that_shows_how_to_write_a_function() {
    let folder = Folder::with(&[]);
    let error = Project::open(&folder.path, None).unwrap_err();
    assert!(matches!(error, ProjectError::NoFunctions { .. }), "{error}");
    assert!(error.hint().unwrap().contains("exports.hello"));
}

#[test]
fn a_missing_main_file_is_an_error_that_names_it() {
    let folder = Folder::with(&[("package.json", r#"{"main": "dist/index.js"}"#)]);
    let error = Project::open(&folder.path, None).unwrap_err();
    assert!(error.to_string().contains("`dist/index.js`"), "{error}");
}

#[test]
fn project_files_may_start_with_a_byte_order_mark_and_other_encodings_are_refused() {
    let manifest =
        "{\r\n  \"main\": \"lib/main.js\",\r\n  \"dependencies\": {\"a\": \"1\"}\r\n}\r\n";
    let files = [
        ("package.json", manifest),
        ("lib/main.js", ""),
        ("lib/old.js", ""),
        ("fnlocal.toml", "name = \"marked\"\r\n"),
        (".env", "A=1\r\nB=2\r\n"),
        (".fnlocalignore", "lib/old.js\r\n"),
    ];
    let marked = files.map(|(name, text)| (name, format!("\u{feff}{text}")));
    let folder = Folder::with(&marked.each_ref().map(|(name, text)| (*name, text.as_str())));
    let project = folder.open();
    assert_eq!(project.name, "marked");
    let package = &project.packages[0];
    assert_eq!(package.entries, ["lib/main.js"]);
    assert!(package.manifest.as_ref().unwrap().dependencies);
    assert_eq!(project.environment().unwrap().shared()["A"], "1");
    let state = fnlocal_project::StateDir::lock(&folder.path).unwrap();
    let mut store = fnlocal_project::CodeStore::new(&state, package).unwrap();
    let snapshot = store.snapshot().unwrap();
    assert!(snapshot.deps.is_some());
    assert!(!snapshot.changed.contains(&"lib/old.js".to_owned()));
    drop(state);
    let wide = |text: &str| text.encode_utf16().flat_map(u16::to_le_bytes).collect();
    let cases: [(&str, Vec<u8>, &str); 4] = [
        ("package.json", wide("\u{feff}{}"), "it is UTF-16 text"),
        (
            "package.json",
            b"\x1f\x8b\x08".to_vec(),
            "it is compressed with gzip",
        ),
        (
            "fnlocal.toml",
            wide("name = \"x\""),
            "it is UTF-16 text without",
        ),
        (".env", b"PK\x03\x04".to_vec(), "it is a zip archive"),
    ];
    for (name, bytes, says) in cases {
        folder.write(name, "");
        fs::write(folder.path.join(name), bytes).unwrap();
        let error = match Project::open(&folder.path, None) {
            Ok(project) => said(&project.environment().unwrap_err()),
            Err(error) => said(&error),
        };
        assert!(error.contains(name) && error.contains(says), "{error}");
        assert!(error.contains("UTF-8"), "{error}");
        folder.write(name, if name == "package.json" { manifest } else { "" });
    }
}

/// An error with its causes and its hint.
fn said(error: &impl UserError) -> String {
    let source = std::error::Error::source(error).map(ToString::to_string);
    format!("{error}: {source:?}: {:?}", error.hint())
}

#[test]
fn a_broken_package_json_is_refused_with_its_position() {
    let folder = Folder::with(&[("index.js", ""), ("package.json", "{\n  \"name\": oops\n}")]);
    let error = Project::open(&folder.path, None).unwrap_err();
    assert!(error.to_string().contains("package.json:2:1"), "{error}");
    assert!(error.to_string().contains("\"name\": oops"), "{error}");
}

#[test]
fn a_missing_folder_is_refused() {
    let folder = Folder::with(&[]);
    let error = Project::open(&folder.path.join("nope"), None).unwrap_err();
    assert!(matches!(error, ProjectError::NotFound { .. }), "{error}");
}

#[test]
fn the_lock_file_is_that_of_the_package_or_else_of_the_project() {
    let folder = Folder::with(&[
        ("package-lock.json", "{}"),
        ("services/a/package.json", r#"{"dependencies": {"x": "1"}}"#),
        ("services/a/index.js", ""),
        (
            "services/b/package.json",
            r#"{"devDependencies": {"x": "1"}}"#,
        ),
        ("services/b/index.js", ""),
        ("services/b/yarn.lock", ""),
    ]);
    let packages = folder.open().packages;
    let manifests: Vec<_> = packages
        .iter()
        .map(|package| package.manifest.as_ref().unwrap())
        .collect();
    assert!(manifests[0].dependencies && !manifests[1].dependencies);
    let locks: Vec<_> = manifests
        .iter()
        .map(|manifest| manifest.lockfile.as_ref().unwrap())
        .collect();
    assert_eq!(locks[0].path, folder.path.join("package-lock.json"));
    assert_eq!((locks[0].manager, locks[1].manager), ("npm", "yarn"));
}

#[test]
fn package_ids_are_stable_when_other_packages_are_added_or_removed() {
    let folder = Folder::with(&[
        ("services/m/package.json", "{}"),
        ("services/m/index.js", ""),
    ]);
    let first = folder.open();
    folder.write("services/a/package.json", "{}");
    folder.write("services/a/index.js", "");
    let second = first.reload().unwrap();
    let id = |project: &Project, name: &str| {
        project
            .packages
            .iter()
            .find(|package| package.name == name)
            .unwrap()
            .id
    };
    assert_eq!(id(&first, "m"), id(&second, "m"));
    let gone = id(&second, "a");
    fs::remove_dir_all(folder.path.join("services/a")).unwrap();
    let third = second.reload().unwrap();
    folder.write("services/b/package.json", "{}");
    folder.write("services/b/index.js", "");
    let fourth = third.reload().unwrap();
    assert_ne!(id(&fourth, "b"), gone);
    assert_ne!(id(&fourth, "b"), id(&fourth, "m"));
}

#[test]
fn a_project_opened_through_a_link_is_the_same_project() {
    let folder = Folder::with(&[("index.js", "")]);
    let link = folder.path.parent().unwrap().join("link");
    symlink(&folder.path, &link).unwrap();
    assert_eq!(Project::open(&link, None).unwrap().root, folder.path);
}
