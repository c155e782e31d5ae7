use std::fs;
use std::os::unix::fs::symlink;

use fnlocal_api::UserError;
use fnlocal_project::{LockfileKind, Project, ProjectError, Scope};

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
fn a_folder_with_an_index_runs() {
    let folder = Folder::with(&[("index.js", "")]);
    assert_eq!(entries(&folder), [one("shop", &["index.js"])]);
    assert_eq!(folder.open().name, "shop");
}

#[test]
fn main_comes_before_index_and_may_leave_out_its_ending() {
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
fn exports_come_before_main() {
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
fn direct_sub_folders_are_packages_where_the_root_has_no_entry() {
    let folder = Folder::with(&[
        ("api/package.json", "{}"),
        ("api/index.js", ""),
        ("docs/index.js", ""),
    ]);
    assert_eq!(entries(&folder), [one("api", &["index.js"])]);
}

#[test]
fn packages_says_which_folders_are_packages() {
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
fn a_glob_out_of_the_project_is_refused_with_a_picture() {
    let folder = Folder::with(&[("index.js", ""), ("fnlocal.toml", "packages = [\"../*\"]")]);
    let error = Project::open(&folder.path, None).unwrap_err();
    let ProjectError::Config(file) = &error else {
        panic!("{error}")
    };
    assert_eq!((file.line, file.column), (1, 12));
    assert!(error.hint().is_some());
}

#[test]
fn packages_of_one_name_are_told_apart_by_their_folders() {
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
fn a_file_that_is_no_code_is_refused() {
    let folder = Folder::with(&[("hello.txt", "")]);
    let error = Project::open(&folder.path.join("hello.txt"), None).unwrap_err();
    assert!(matches!(error, ProjectError::NotCode { .. }), "{error}");
}

#[test]
fn an_empty_folder_is_told_how_to_begin() {
    let folder = Folder::with(&[]);
    let error = Project::open(&folder.path, None).unwrap_err();
    assert!(matches!(error, ProjectError::NoFunctions { .. }), "{error}");
    assert!(error.hint().unwrap().contains("exports.hello"));
}

#[test]
fn a_main_that_was_not_built_is_named() {
    let folder = Folder::with(&[("package.json", r#"{"main": "dist/index.js"}"#)]);
    let error = Project::open(&folder.path, None).unwrap_err();
    assert!(error.to_string().contains("`dist/index.js`"), "{error}");
}

#[test]
fn a_broken_package_json_is_pointed_at() {
    let folder = Folder::with(&[("index.js", ""), ("package.json", "{\n  \"name\": oops\n}")]);
    let error = Project::open(&folder.path, None).unwrap_err();
    assert!(error.to_string().contains("package.json:2:1"), "{error}");
    assert!(error.to_string().contains("\"name\": oops"), "{error}");
}

#[test]
fn a_missing_folder_is_named() {
    let folder = Folder::with(&[]);
    let error = Project::open(&folder.path.join("nope"), None).unwrap_err();
    assert!(matches!(error, ProjectError::NotFound { .. }), "{error}");
}

#[test]
fn the_lock_file_is_the_packages_own_or_else_the_projects() {
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
    assert_eq!(
        (locks[0].kind, locks[1].kind),
        (LockfileKind::Npm, LockfileKind::Yarn)
    );
}

#[test]
fn packages_keep_their_numbers_when_others_come_and_go() {
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
