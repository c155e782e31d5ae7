use fnlocal_api::UserError;
use fnlocal_language::{LocalDependencies, LocalError};
use fnlocal_project::{CodeStore, Package, Project, StateDir};

use super::Folder;

fn package(folder: &Folder, name: &str) -> Package {
    let packages = folder.open().packages;
    let found = packages.into_iter().find(|package| package.name == name);
    found.unwrap()
}

fn local(folder: &Folder, name: &str) -> Result<Option<LocalDependencies>, LocalError> {
    package(folder, name).local_dependencies()
}

/// Folders that a package depends on, relative to the project's.
fn folders(folder: &Folder, name: &str) -> Vec<String> {
    let found = local(folder, name).unwrap().unwrap();
    let below = |path: &std::path::PathBuf| {
        let below = path.strip_prefix(&folder.path).unwrap();
        below.display().to_string()
    };
    found.folders.iter().map(below).collect()
}

#[test]
fn workspace_members_are_found_by_name_and_transitively() {
    let app = r#"{"name": "app", "dependencies": {"ms": "^1.0.0", "left-pad": "1"}}"#;
    let ms = r#"{"name": "ms", "version": "1.2.0", "dependencies": {"deep": "workspace:^"}}"#;
    for (manifest, pnpm) in [
        (r#"{"workspaces": ["packages/*", "!packages/old"]}"#, ""),
        (r#"{"workspaces": {"packages": ["./packages/**"]}}"#, ""),
        ("{}", "packages:\n  - 'packages/*'\n"),
    ] {
        let folder = Folder::with(&[
            ("package.json", manifest),
            ("packages/app/package.json", app),
            ("packages/app/index.js", ""),
            ("packages/ms/package.json", ms),
            ("packages/ms/index.js", ""),
            ("packages/deep/package.json", r#"{"name": "deep"}"#),
            ("packages/deep/index.js", ""),
            ("packages/other/package.json", r#"{"name": "other"}"#),
        ]);
        if !pnpm.is_empty() {
            folder.write("pnpm-workspace.yaml", pnpm);
        }
        assert_eq!(folders(&folder, "app"), ["packages/deep", "packages/ms"]);
        let found = local(&folder, "app").unwrap().unwrap();
        assert_eq!(found.run_in, folder.path);
        assert_eq!(found.members.len(), 3);
        // A package that others depend on is no endpoint.
        let names = folder.open().packages.into_iter().map(|one| one.name);
        assert_eq!(names.collect::<Vec<_>>(), ["app"]);
    }
}

#[test]
fn folder_and_archive_dependencies_are_found_in_the_project() {
    for kind in ["file:", "link:", "portal:", ""] {
        let manifest = format!(
            r#"{{"dependencies": {{"shared": "{kind}./vendor/shared", "beside": "{kind}../beside", "packed": "file:packed.tgz"}}}}"#
        );
        let folder = Folder::with(&[
            ("services/a/package.json", &manifest),
            ("services/a/index.js", ""),
            ("services/a/packed.tgz", ""),
            (
                "services/a/vendor/shared/package.json",
                r#"{"dependencies": {"deep": "file:../../../deep"}}"#,
            ),
            ("services/beside/package.json", "{}"),
            ("services/deep/package.json", "{}"),
        ]);
        let expected = [
            "services/a/vendor/shared",
            "services/beside",
            "services/deep",
        ];
        assert_eq!(folders(&folder, "a"), expected);
        let found = local(&folder, "a").unwrap().unwrap();
        assert_eq!(found.archives.len(), 1);
        assert_eq!(found.run_in, folder.path.join("services/a"));
        assert_eq!(found.top(), folder.path.join("services"));
    }
}

#[test]
fn a_dependency_outside_the_project_or_missing_is_refused_by_name() {
    let folder = Folder::with(&[("package.json", "{}"), ("index.js", "")]);
    let above = folder.path.parent().unwrap();
    std::fs::create_dir(above.join("outside")).unwrap();
    std::fs::write(above.join("outside/package.json"), r#"{"name": "outside"}"#).unwrap();
    folder.link("linked", above.join("outside"));
    let asked = |spec: &str| {
        let manifest = format!(r#"{{"name": "a", "dependencies": {{"shared": "{spec}"}}}}"#);
        folder.write("package.json", &manifest);
        let error = local(&folder, "a").unwrap_err();
        assert!(error.to_string().contains("shared") && error.to_string().contains(spec));
        assert!(error.hint().is_some());
        error
    };
    for spec in [
        "file:../outside",
        "link:../nowhere",
        "portal:linked",
        "/etc",
    ] {
        assert!(matches!(asked(spec), LocalError::Outside { .. }), "{spec}");
    }
    for spec in ["file:./gone", "file:gone.tgz"] {
        assert!(matches!(asked(spec), LocalError::Missing { .. }), "{spec}");
    }
    for spec in ["workspace:*", "workspace:^1.0.0"] {
        assert!(matches!(asked(spec), LocalError::NoMember { .. }), "{spec}");
    }
    folder.write(
        "package.json",
        r#"{"name": "a", "dependencies": {"ms": "1"}}"#,
    );
    assert_eq!(local(&folder, "a"), Ok(None));
}

#[test]
fn a_workspace_member_name_is_never_resolved_from_a_registry() {
    let manifest = |spec: &str| format!(r#"{{"name": "app", "dependencies": {{"ms": "{spec}"}}}}"#);
    let folder = Folder::with(&[
        ("package.json", r#"{"workspaces": ["packages/*"]}"#),
        ("packages/app/package.json", ""),
        ("packages/app/index.js", ""),
        (
            "packages/ms/package.json",
            r#"{"name": "ms", "version": "0.1.0"}"#,
        ),
        ("packages/ms/index.js", ""),
    ]);
    for spec in ["^2.0.0", "npm:ms@2", "next", "2.1.3"] {
        folder.write("packages/app/package.json", &manifest(spec));
        let error = local(&folder, "app").unwrap_err();
        assert!(matches!(error, LocalError::Version { .. }), "{error}");
        assert!(error.to_string().contains("0.1.0"), "{error}");
        assert_eq!(folder.open().packages.len(), 1);
    }
    // Nor where the workspace's folder is outside of what is served.
    folder.write("packages/app/package.json", &manifest("*"));
    let app = Project::open(&folder.path.join("packages/app"), None).unwrap();
    let error = app.packages[0].local_dependencies().unwrap_err();
    assert!(matches!(error, LocalError::Outside { .. }), "{error}");
}

#[test]
fn a_change_in_a_folder_dependency_changes_the_dependency_hash() {
    let folder = Folder::with(&[
        (
            "package.json",
            r#"{"name": "a", "dependencies": {"shared": "file:vendor/shared"}}"#,
        ),
        ("index.js", ""),
        ("vendor/shared/package.json", "{}"),
        ("vendor/shared/lib/index.js", "1"),
    ]);
    let state = StateDir::lock(&folder.path).unwrap();
    let mut store = CodeStore::new(&state, &package(&folder, "a")).unwrap();
    let mut seen = vec![store.snapshot().unwrap().deps];
    for (path, text) in [
        ("vendor/shared/lib/index.js", "2"),
        ("vendor/shared/lib/more.js", ""),
        ("vendor/shared/package.json", r#"{"main": "lib"}"#),
    ] {
        folder.write(path, text);
        let deps = store.snapshot().unwrap().deps;
        assert!(deps.is_some() && !seen.contains(&deps), "{path}");
        seen.push(deps);
        assert_eq!(store.snapshot().unwrap().deps, deps);
    }
}
