use std::fs;
use std::os::unix::fs::symlink;

use fnlocal_api::UserError;
use fnlocal_project::{CodeStore, Package, Project, Snapshot, StateDir};

use super::Folder;

fn try_snapshot(folder: &Folder, package: &Package) -> Result<Snapshot, String> {
    let state = StateDir::lock(&folder.path).unwrap();
    let mut store = CodeStore::new(&state, package).unwrap();
    store.snapshot().map_err(|error| error.report())
}

fn snapshot(folder: &Folder) -> Snapshot {
    try_snapshot(folder, &folder.open().packages[0]).unwrap()
}

fn read(snapshot: &Snapshot, path: &str) -> String {
    fs::read_to_string(snapshot.path.join(path)).unwrap()
}

const ENUM: &str = "export enum A { B = 1 }\n";

#[test]
fn translated_files_lie_beside_their_sources_and_do_not_change_the_hash() {
    let files = [
        ("package.json", r#"{ "type": "module" }"#),
        (
            "index.ts",
            "import { A } from './a.js';\nexport const f = () => A.B;\n",
        ),
        ("a.ts", ENUM),
        ("types.d.ts", "declare const a: string;\n"),
    ];
    let folder = Folder::with(&files);
    let made = snapshot(&folder);
    assert_eq!(made.files, 4);
    assert!(read(&made, "index.ts.mjs").contains("\"./a.ts.mjs\""));
    assert!(read(&made, "a.ts.mjs").contains("sourceMappingURL=data:"));
    assert_eq!(read(&made, "a.ts"), ENUM);
    assert_eq!(read(&made, ".fnlocal-typescript"), "made\n");
    assert!(!made.path.join("types.d.ts.mjs").exists());
    let hashed = files.map(|(path, text)| {
        use sha2::Digest;
        (path, false, sha2::Sha256::digest(text).into())
    });
    let mut hashed = hashed.to_vec();
    hashed.sort_unstable();
    assert_eq!(
        made.hash,
        fnlocal_project::hash_of_files(hashed.into_iter())
    );
}

#[test]
fn a_package_that_node_can_run_as_it_is_says_so_and_javascript_has_nothing_made() {
    let plain = Folder::with(&[
        ("package.json", r#"{ "type": "module" }"#),
        (
            "index.ts",
            "import { a, type T } from './a.ts';\nexport const f = (t: T): number => a;\n",
        ),
        (
            "a.ts",
            "export type T = string;\nexport const a: number = 1;\n",
        ),
    ]);
    assert_eq!(read(&snapshot(&plain), ".fnlocal-typescript"), "plain\n");
    let script = Folder::with(&[
        ("index.js", "exports.f = () => 1;\n"),
        ("tsconfig.json", "{ oops"),
    ]);
    let files = fs::read_dir(snapshot(&script).path).unwrap().count();
    assert_eq!(files, 2);
    let compiled = Folder::with(&[
        ("package.json", r#"{ "main": "dist/index.js" }"#),
        ("dist/index.js", "exports.f = () => 1;\n"),
        ("src/index.ts", ENUM),
        ("tsconfig.json", "{ oops"),
    ]);
    let sources = fs::read_dir(snapshot(&compiled).path.join("src"))
        .unwrap()
        .count();
    assert_eq!(sources, 1);
}

#[test]
fn a_script_that_imports_typescript_names_what_was_made_in_a_copy_of_its_own() {
    let folder = Folder::with(&[
        (
            "index.js",
            "// './a'\nconst { A } = require('./a');\nexports.f = () => A.B;\n",
        ),
        ("a.ts", ENUM),
    ]);
    let made = snapshot(&folder);
    let expected = "// './a'\nconst { A } = require(\"./a.ts.mjs\");\nexports.f = () => A.B;\n";
    assert_eq!(read(&made, "index.js"), expected);
    folder.write("index.js", "exports.f = () => 2;\n");
    assert_eq!(
        read(&snapshot(&folder), "index.js"),
        "exports.f = () => 2;\n"
    );
}

#[test]
fn a_configuration_above_the_package_decides_and_is_part_of_the_hash() {
    let folder = Folder::with(&[
        ("package.json", r#"{ "workspaces": ["packages/*"] }"#),
        (
            "tsconfig.base.json",
            r#"{ "compilerOptions": { "module": "commonjs" } }"#,
        ),
        (
            "packages/a/package.json",
            r#"{ "name": "a", "main": "index.ts" }"#,
        ),
        (
            "packages/a/tsconfig.json",
            r#"{ "extends": "../../tsconfig.base.json" }"#,
        ),
        ("packages/a/index.ts", ENUM),
    ]);
    let package = folder.open().packages[0].clone();
    let first = try_snapshot(&folder, &package).unwrap();
    assert!(read(&first, "index.ts.cjs").contains("exports"));
    folder.write("tsconfig.base.json", "{}");
    let second = try_snapshot(&folder, &package).unwrap();
    assert!(read(&second, "index.ts.mjs").contains("export"));
    assert_ne!(first.hash, second.hash);
}

#[test]
fn paths_and_extended_files_do_not_lead_out_of_the_project() {
    let folder = Folder::with(&[
        (
            "tsconfig.json",
            r#"{ "compilerOptions": { "paths": { "@/*": ["../outside/*"], "~/*": ["/etc/*"] } } }"#,
        ),
        (
            "index.ts",
            "import a from '@/a';\nimport b from '~/passwd';\nenum E { A = a + b }\nexport const f = () => E.A;\n",
        ),
    ]);
    let outside = folder.path.parent().unwrap().join("outside");
    fs::create_dir(&outside).unwrap();
    fs::write(outside.join("a.ts"), "export default 1;\n").unwrap();
    fs::write(outside.join("tsconfig.json"), "{}").unwrap();
    let made = read(&snapshot(&folder), "index.ts.mjs");
    assert!(made.contains("\"@/a\"") || made.contains("'@/a'"), "{made}");
    let package = folder.open().packages[0].clone();
    for extended in ["../outside/tsconfig.json", "/etc/passwd"] {
        folder.write(
            "tsconfig.json",
            &format!("{{\n  \"extends\": \"{extended}\"\n}}\n"),
        );
        let error = try_snapshot(&folder, &package).unwrap_err();
        assert!(error.contains("tsconfig.json:2"), "{error}");
    }
    symlink(
        outside.join("tsconfig.json"),
        folder.path.join("linked.json"),
    )
    .unwrap();
    folder.write("tsconfig.json", r#"{ "extends": "./linked.json" }"#);
    assert!(try_snapshot(&folder, &package).is_err());
}

#[test]
fn configurations_may_have_comments_and_extend_one_of_a_package() {
    let folder = Folder::with(&[
        (
            "tsconfig.json",
            "\u{feff}{\r\n  // one\r\n  \"extends\": [\"@tsconfig/legacy\"], /* two */\r\n}\r\n",
        ),
        (
            "node_modules/@tsconfig/legacy/tsconfig.json",
            r#"{ "compilerOptions": { "module": "CommonJS", } }"#,
        ),
        ("index.ts", ENUM),
    ]);
    assert!(read(&snapshot(&folder), "index.ts.cjs").contains("exports"));
    folder.remove("node_modules/@tsconfig/legacy/tsconfig.json");
    let without = snapshot(&folder);
    assert!(without.path.join("index.ts.mjs").exists());
    let warned = &without.warnings[0].text;
    assert!(warned.contains("@tsconfig/legacy"), "{warned}");
}

#[test]
fn a_project_opens_while_its_typescript_is_broken() {
    let folder = Folder::with(&[("index.ts", "export const = ;\n")]);
    let made = read(&snapshot(&folder), "index.ts.mjs");
    assert!(
        made.contains("SyntaxError") && made.contains(":1\\n"),
        "{made}"
    );
    assert!(Project::open(&folder.path, None).is_ok());
}

#[test]
fn packages_that_others_depend_on_name_what_was_made_of_their_typescript() {
    let manifest =
        r#"{ "name": "shared", "exports": { ".": "./src/index.ts", "./*": "./src/*.ts" } }"#;
    let folder = Folder::with(&[
        (
            "package.json",
            r#"{ "name": "a", "dependencies": { "shared": "file:vendor/shared" } }"#,
        ),
        ("index.js", ""),
        ("vendor/shared/package.json", manifest),
        ("vendor/shared/src/index.ts", ENUM),
    ]);
    let package = folder.open().packages[0].clone();
    let local = package.local_dependencies().unwrap().unwrap();
    let files = package.mirror(&local).unwrap();
    let text = |path: &str| {
        let file = files.iter().find(|file| file.path.ends_with(path)).unwrap();
        String::from_utf8(file.bytes.clone()).unwrap()
    };
    let manifest: serde_json::Value = serde_json::from_str(&text("shared/package.json")).unwrap();
    let exports = serde_json::json!({ ".": "./src/index.ts.mjs", "./*": "./src/*.ts.mjs" });
    assert_eq!(manifest["exports"], exports);
    assert!(text("src/index.ts.mjs").contains("export"));
}
