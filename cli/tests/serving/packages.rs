//! The files that run, and the answer of a folder that has none.
#![allow(clippy::unwrap_used, reason = "in a test, a panic is the report")]

use crate::support::{Dev, Folder, eventually};

const PROCESS: [&str; 2] = ["--runtime", "process"];
const HI: &str = "exports.hi = (req, res) => res.send('1');";

async fn text(dev: &Dev, path: &str) -> (u16, String) {
    let answer = reqwest::get(dev.at(path)).await.unwrap();
    (answer.status().as_u16(), answer.text().await.unwrap())
}

/// Waits until a path answers with a status.
async fn answers(dev: &Dev, path: &str, status: u16) {
    let what = format!("{path} answers {status}");
    eventually(&what, async || text(dev, path).await.0 == status).await;
}

/// The notes up to the one that says what is waited for.
fn awaited(dev: &mut Dev) -> String {
    let note = dev.wait_for("what is waited for", |record| {
        let text = record["text"].as_str().unwrap_or_default();
        text.starts_with("no functions yet; waiting for ")
    });
    note["text"].as_str().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn dev_in_an_empty_folder_waits_for_a_function_and_answers_404_after_its_removal() {
    let folder = Folder::new(&[]);
    let mut dev = Dev::start_with(&folder, &PROCESS);
    assert_eq!(dev.ready["functions"].as_array().unwrap().len(), 0);
    assert!(awaited(&mut dev).contains("index.js"));
    assert_eq!(text(&dev, "/hi").await.0, 404);
    for entry in ["index.js", "functions/hi.js", "services/a/index.mjs"] {
        if entry.starts_with("services") {
            folder.write("services/a/package.json", "{}");
            folder.write(entry, "export const hi = (req, res) => res.send('1');");
        } else {
            folder.write(entry, HI);
        }
        answers(&dev, "/hi", 200).await;
        folder.remove(entry);
        answers(&dev, "/hi", 404).await;
    }
    let (_, problem) = text(&dev, "/hi").await;
    assert!(!problem.contains("ENOENT"), "{problem}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn dev_waits_for_a_missing_build_output_and_survives_a_clean_build() {
    let folder = Folder::new(&[
        ("package.json", r#"{"main": "dist/server/index.js"}"#),
        (".gitignore", "dist/\n"),
        ("src/index.ts", ""),
    ]);
    let mut dev = Dev::start_with(&folder, &PROCESS);
    let waits = awaited(&mut dev);
    assert!(waits.contains("dist/server/index.js"), "{waits}");
    let build = |says: &str| {
        let util = format!("module.exports = '{says}';");
        folder.write("dist/util/say.js", &util);
        let index = "exports.hi = (req, res) => res.send(require('../util/say'));";
        folder.write("dist/server/index.js", index);
    };
    build("one");
    answers(&dev, "/hi", 200).await;
    // A build that changes a file which only another one requires.
    folder.write("dist/util/say.js", "module.exports = 'two';");
    eventually("the rebuilt file runs", async || {
        text(&dev, "/hi").await == (200, "two".into())
    })
    .await;
    std::fs::remove_dir_all(folder.path().join("dist")).unwrap();
    answers(&dev, "/hi", 404).await;
    build("three");
    eventually("the new build runs", async || {
        text(&dev, "/hi").await == (200, "three".into())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_removed_single_file_answers_404_until_it_is_restored() {
    let folder = Folder::new(&[("hi.js", HI), ("other.js", "exports.other = () => {};")]);
    let file = folder.path().join("hi.js");
    let dev = Dev::start_command(crate::support::command(&file, &PROCESS));
    answers(&dev, "/hi", 200).await;
    folder.remove("hi.js");
    answers(&dev, "/hi", 404).await;
    folder.write("hi.js", HI);
    answers(&dev, "/hi", 200).await;
    assert_eq!(text(&dev, "/other").await.0, 404);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn code_that_git_ignores_runs_on_containers_and_as_processes() {
    let main = "const { greet } = require('./util/greet');\n\
                const { name } = require('../config.local.json');\n\
                exports.hi = (req, res) => res.send(greet(name));\n";
    for runtime in ["docker", "process"] {
        let folder = Folder::new(&[
            ("package.json", r#"{"main": "lib/index.js"}"#),
            (".gitignore", "lib/**/*.js\nlib/**/*.js.map\n*.local.json\n"),
            ("lib/index.js", main),
            (
                "lib/util/greet.js",
                "exports.greet = (name) => 'hi ' + name;",
            ),
            ("config.local.json", r#"{"name": "Ada"}"#),
        ]);
        let dev = Dev::start_with(&folder, &["--runtime", runtime]);
        assert_eq!(text(&dev, "/hi").await, (200, "hi Ada".into()), "{runtime}");
        folder.write("config.local.json", r#"{"name": "Grace"}"#);
        eventually("the changed JSON is served", async || {
            text(&dev, "/hi").await == (200, "hi Grace".into())
        })
        .await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_ignored_folder_that_code_reads_is_reloaded_when_it_is_made_anew() {
    let code = "const { readFileSync, readdirSync } = require('fs');\n\
        const { join } = require('path');\n\
        const folder = join(__dirname, '..', 'generated', 'pages');\n\
        const pages = readdirSync(folder).map((name) => readFileSync(join(folder, name), 'utf8'));\n\
        exports.hi = (req, res) => res.send(pages.join());\n";
    let folder = Folder::new(&[
        ("package.json", r#"{"main": "src/index.js"}"#),
        (".gitignore", "generated/\n"),
        ("src/index.js", code),
        ("generated/pages/a.html", "one"),
    ]);
    let dev = Dev::start_with(&folder, &PROCESS);
    assert_eq!(text(&dev, "/hi").await, (200, "one".into()));
    folder.write("generated/pages/a.html", "two");
    eventually("the changed page is served", async || {
        text(&dev, "/hi").await == (200, "two".into())
    })
    .await;
    std::fs::remove_dir_all(folder.path().join("generated")).unwrap();
    folder.write("generated/pages/b.html", "three");
    eventually("the page made anew is served", async || {
        text(&dev, "/hi").await == (200, "three".into())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_of_several_broken_files_fails_only_its_own_function() {
    let folder = Folder::new(&[
        ("functions/a.js", "exports.a = (req, res) => res.send('a');"),
        ("functions/b.js", "exports.b = nope();"),
        ("functions/ab.js", "exports.ab = nada();"),
        ("functions/c/index.js", "exports.c = (;"),
    ]);
    let mut dev = Dev::start_with(&folder, &PROCESS);
    assert_eq!(text(&dev, "/a").await, (200, "a".into()));
    for (path, says) in [("/b", "nope"), ("/ab", "nada"), ("/c", "Unexpected token")] {
        let (status, body) = text(&dev, path).await;
        assert_eq!(status, 500, "{path}: {body}");
        assert!(body.contains(says), "{path}: {body}");
    }
    let (status, body) = text(&dev, "/nosuch").await;
    assert_eq!(status, 404, "{body}");
    assert!(body.contains("functions/b.js"), "{body}");
    // Broken once it is known, it is no reason for its neighbour to fail.
    folder.write("functions/b.js", "exports.b = (req, res) => res.send('b');");
    answers(&dev, "/b", 200).await;
    folder.write(
        "functions/ab.js",
        "exports.ab = (req, res) => res.send('ab');",
    );
    answers(&dev, "/ab", 200).await;
    folder.write("functions/ab.js", "exports.ab = nada();");
    dev.wait_for("the error", |record| record["event"] == "import_failed");
    answers(&dev, "/ab", 500).await;
    assert_eq!(text(&dev, "/b").await, (200, "b".into()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_process_that_exits_during_import_is_reported_with_the_cause() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    let listen = format!("createServer().listen({port}, '127.0.0.1')");
    for (code, says, hint) in [
        (
            format!("{listen};"),
            "EADDRINUSE",
            "another process listens",
        ),
        (
            format!("{listen}.on('error', (e) => {{ console.error(e.code); process.exit(3); }});"),
            "EADDRINUSE",
            "called process.exit(3) at",
        ),
        ("process.kill(process.pid, 'SIGKILL');".to_owned(), "", ""),
        ("process.reallyExit(4);".to_owned(), "exit code 4", ""),
    ] {
        let import = "import { createServer } from 'node:net';\n";
        let rest = "\nawait new Promise(() => {});\nexport const hi = () => {};\n";
        let code = format!("{import}{code}{rest}");
        let folder = Folder::new(&[("index.mjs", &code)]);
        let mut dev = Dev::start_with(&folder, &PROCESS);
        let told = dev.wait_for("the error", |record| record["event"] == "import_failed");
        assert!(told.to_string().contains(says), "{told}");
        let shown = told["hint"].as_str().unwrap_or_default();
        assert!(shown.contains(hint), "{told}");
        assert!(!shown.is_empty() || hint.is_empty(), "{told}");
        assert!(!shown.contains("is there a"), "{told}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn code_serves_files_next_to_it_and_finds_no_modules_above_its_package() {
    let code = "const { join } = require('path');\n\
        exports.page = (req, res) => res.sendFile(join(__dirname, 'public/page.html'));\n\
        exports.climb = async (req, res) => {\n\
          const codes = [];\n\
          try { require('above'); } catch (error) { codes.push(error.code); }\n\
          try { await import('above'); } catch (error) { codes.push(error.code); }\n\
          res.json(codes);\n\
        };";
    let folder = Folder::new(&[
        ("app/index.js", code),
        ("app/public/page.html", "<p>here</p>"),
        ("app/node_modules/above/index.js", ""),
        ("node_modules/above/index.js", ""),
    ]);
    let app = folder.path().join("app");
    for runtime in ["process", "docker"] {
        let command = crate::support::command(&app, &["--runtime", runtime]);
        let dev = Dev::start_command(command);
        assert_eq!(text(&dev, "/page").await, (200, "<p>here</p>".into()));
        let codes = r#"["MODULE_NOT_FOUND","ERR_MODULE_NOT_FOUND"]"#;
        assert_eq!(text(&dev, "/climb").await, (200, codes.into()), "{runtime}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_installed_package_finds_nothing_that_it_does_not_depend_on() {
    let shared = "exports.look = async () => {\n\
        const codes = [];\n\
        try { require('above'); } catch (error) { codes.push(error.code); }\n\
        try { await import('above'); } catch (error) { codes.push(error.code); }\n\
        return codes;\n\
        };";
    for runtime in ["process", "docker"] {
        let folder = Folder::new(&[
            (
                "package.json",
                r#"{"name": "app", "dependencies": {"shared": "file:./vendor/shared"}}"#,
            ),
            (
                "index.js",
                "exports.hi = async (req, res) => res.json(await require('shared').look());",
            ),
            (
                "vendor/shared/package.json",
                r#"{"name": "shared", "version": "1.0.0"}"#,
            ),
            ("vendor/shared/index.js", shared),
            ("node_modules/above/index.js", ""),
        ]);
        let dev = Dev::start_with(&folder, &["--runtime", runtime]);
        let codes = r#"["MODULE_NOT_FOUND","ERR_MODULE_NOT_FOUND"]"#;
        assert_eq!(text(&dev, "/hi").await, (200, codes.into()), "{runtime}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn code_that_overwrites_itself_does_not_affect_later_instances() {
    let code = |says: &str| {
        format!(
            "const fs = require('fs');\n\
            const other = \"exports.hi = (req, res) => req.query.end ? process.exit(1) : res.send('changed');\";\n\
            exports.hi = (req, res) => {{\n\
              if (req.query.end) process.exit(1);\n\
              try {{\n\
                if (req.query.write) fs.writeFileSync(__filename, other);\n\
                if (req.query.replace) {{\n\
                  fs.writeFileSync(__dirname + '/beside', other);\n\
                  fs.renameSync(__dirname + '/beside', __filename);\n\
                }}\n\
              }} catch (error) {{ return res.send(error.code); }}\n\
              res.send('{says}' + fs.readdirSync(__dirname));\n\
            }};"
        )
    };
    for runtime in ["process", "docker"] {
        let folder = Folder::new(&[("index.js", &code("one"))]);
        let mut dev = Dev::start_with(&folder, &["--runtime", runtime]);
        let version = async || {
            let answer = reqwest::get(dev.at("/hi")).await.unwrap();
            let code = crate::support::header(&answer, "x-fnlocal-code").to_owned();
            (code, answer.text().await.unwrap())
        };
        let before = version().await;
        assert_eq!(before.1, "oneindex.js");
        for change in ["write", "replace"] {
            text(&dev, &format!("/hi?{change}=1")).await;
            // An instance that had booted before may have read the change, as root may write it.
            eventually(
                "an instance that starts later has the code as saved",
                async || {
                    text(&dev, "/hi?end=1").await;
                    text(&dev, "/hi").await == (200, "oneindex.js".into())
                },
            )
            .await;
            assert_eq!(version().await, before, "{change} in {runtime}");
        }
        text(&dev, "/hi?write=1").await;
        for says in ["two", "one"] {
            folder.write("index.js", &code(says));
            dev.wait_reloaded("hi");
        }
        let answer = text(&dev, "/hi").await;
        assert_eq!(answer, (200, "oneindex.js".into()), "{runtime}");
    }
}

/// A workspace of npm whose members need nothing of a registry. One has the name of a package that
/// the public registry has.
fn workspace() -> Folder {
    let app =
        r#"{"name": "app", "dependencies": {"ms": "^1.0.0", "shared": "file:./vendor/shared"}}"#;
    Folder::new(&[
        (
            "package.json",
            r#"{"name": "all", "private": true, "workspaces": ["packages/*"]}"#,
        ),
        ("packages/app/package.json", app),
        (
            "packages/app/index.js",
            "exports.hi = (req, res) => res.send(require('ms') + require('shared'));",
        ),
        (
            "packages/app/vendor/shared/package.json",
            r#"{"name": "shared", "version": "1.0.0"}"#,
        ),
        (
            "packages/app/vendor/shared/index.js",
            "module.exports = ' and shared';",
        ),
        (
            "packages/ms/package.json",
            r#"{"name": "ms", "version": "1.0.0", "main": "lib/index.js"}"#,
        ),
        (
            "packages/ms/lib/index.js",
            "module.exports = require('deep/name.json');",
        ),
        (
            "packages/deep/package.json",
            r#"{"name": "deep", "version": "1.0.0"}"#,
        ),
        ("packages/deep/name.json", r#""ours""#),
        (
            "packages/ms/package.json",
            r#"{"name": "ms", "version": "1.0.0", "main": "lib/index.js", "dependencies": {"deep": "*"}}"#,
        ),
    ])
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn workspace_members_and_folder_dependencies_are_installed_and_reloaded() {
    for runtime in ["process", "docker"] {
        let folder = workspace();
        let mut dev = Dev::start_with(&folder, &["--runtime", runtime]);
        let names: Vec<_> = dev.ready["functions"].as_array().unwrap().clone();
        assert_eq!(names.len(), 1, "{names:?}");
        assert_eq!(
            text(&dev, "/hi").await,
            (200, "ours and shared".into()),
            "{runtime}"
        );
        folder.write("packages/deep/name.json", r#""changed""#);
        eventually("a changed member is served", async || {
            text(&dev, "/hi").await == (200, "changed and shared".into())
        })
        .await;
        folder.write(
            "packages/app/vendor/shared/index.js",
            "module.exports = ' and more';",
        );
        eventually("a changed folder is served", async || {
            text(&dev, "/hi").await == (200, "changed and more".into())
        })
        .await;
        let app = folder.path().join("packages/app/package.json");
        let other = std::fs::read_to_string(app)
            .unwrap()
            .replace("^1.0.0", "^2.0.0");
        folder.write("packages/app/package.json", &other);
        let told = dev.wait_for("the refusal", |record| {
            record["text"]
                .as_str()
                .is_some_and(|text| text.contains("asks for ms as `^2.0.0`"))
        });
        assert!(told["text"].as_str().unwrap().contains("hint: "), "{told}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_that_a_script_of_the_install_names_installs_anew_when_it_is_saved() {
    for runtime in ["process", "docker"] {
        let folder = Folder::new(&[
            (
                "package.json",
                r#"{"name": "app", "scripts": {"postinstall": "node scripts/mark.js data/mark.json"},
                "dependencies": {"ms": "2.1.3"}}"#,
            ),
            (
                "scripts/mark.js",
                "require('fs').copyFileSync(process.argv[2], 'node_modules/ms/mark.json');",
            ),
            ("data/mark.json", r#""one""#),
            (
                "index.js",
                "exports.hi = (req, res) => res.send(require('ms/mark.json'));",
            ),
        ]);
        let dev = Dev::start_with(&folder, &["--runtime", runtime]);
        assert_eq!(text(&dev, "/hi").await, (200, "one".into()), "{runtime}");
        folder.write("data/mark.json", r#""two""#);
        eventually("what the script made anew is served", async || {
            text(&dev, "/hi").await == (200, "two".into())
        })
        .await;
    }
}
