//! Which edits of a module's text leave its skeleton as it was.
#![allow(clippy::unwrap_used, reason = "in a test, a panic is the report")]

use fnlocal_skeleton::{Dialect, Kind, Skeleton};

fn of(extension: &str, text: &str) -> Option<Skeleton> {
    Skeleton::of(text, Dialect::of(extension, None).unwrap())
}

fn kept(extension: &str, text: &str) -> Vec<u8> {
    let skeleton = of(extension, text).unwrap_or_else(|| panic!("no skeleton of {text}"));
    skeleton.kept().to_vec()
}

#[test]
fn bodies_are_left_out() {
    for (extension, before, after) in [
        (
            "js",
            "exports.f = () => 1;",
            "exports.f = () => ({ a: [2] });",
        ),
        (
            "js",
            "function f(a) { return 1 }",
            "function f(a) {\n  g(); // new\n}",
        ),
        (
            "js",
            "exports.f = { func(a, b) {} };",
            "exports.f = { func(a, b) { if (a) b(); } };",
        ),
        (
            "js",
            "x = { get a() { return 1 } }",
            "x = { get a() { return 2 } }",
        ),
        (
            "js",
            "class A { #a = 1; m() {} }",
            "class A { #a = 1; m() { return this.#a; } }",
        ),
        (
            "js",
            "class A { static { (() => 1)(); } }",
            "class A { static { (() => 2)(); } }",
        ),
        (
            "js",
            "app.get('/', (req) => { a })",
            "app.get('/', (req) => { b })",
        ),
        (
            "mjs",
            "export const f = async () => {};",
            "export const f = async () => { await 1 };",
        ),
        (
            "mjs",
            "export default function () {}",
            "export default function () { return 1 }",
        ),
        (
            "ts",
            "export const f = (a: A): B => { c };",
            "export const f = (a: A): B => { d as E };",
        ),
        (
            "ts",
            "import { a, type B } from './b.ts'; export const f = (a?: B) => { 1 };",
            "import { a, type B } from './b.ts'; export const f = (a?: B) => { a! };",
        ),
    ] {
        assert_eq!(kept(extension, before), kept(extension, after), "{after}");
    }
}

#[test]
fn comments_between_statements_are_left_out() {
    assert_eq!(
        kept("js", "a();\nb();"),
        kept("js", "// new\na();\n\n/* and */ b(); // this\n")
    );
    let named = "a(); //# sourceURL=b.js";
    assert_ne!(kept("js", "a();"), kept("js", named));
    assert_ne!(kept("js", "a();"), kept("js", "a();\n/*\nimport x\n*/"));
}

#[test]
fn all_else_is_kept() {
    for (extension, before, after) in [
        ("js", "exports.f = () => 1;", "exports.g = () => 1;"),
        ("js", "exports.f = () => 1;", "exports.f = (a) => 1;"),
        (
            "js",
            "exports.f = (a = 1) => 1;",
            "exports.f = (a = b()) => 1;",
        ),
        (
            "js",
            "exports.f = (a = () => 1) => 1;",
            "exports.f = (a = () => 2) => 1;",
        ),
        ("js", "exports.f = () => 1;", "exports.f = async () => 1;"),
        ("js", "exports.f = () => 1;", "exports.f = () => { 1 };"),
        ("js", "function f() {}", "function* f() {}"),
        ("js", "f({ timeout: 1 });", "f({ timeout: 2 });"),
        ("js", "a(); b();", "b(); a();"),
        ("js", "a(); function f() {}", "function f() {} a();"),
        ("js", "a()", "'use strict'; a()"),
        ("js", "class A { a = 1 }", "class A { a = 2 }"),
        ("js", "class A { static { a } }", "class A { static { b } }"),
        ("js", "#!/usr/bin/env node\na", "a"),
        ("js", "require('a')", "require('b')"),
        ("mjs", "import 'a'", "import 'b'"),
        ("mjs", "export const a = 1", "export const a = 2"),
        (
            "js",
            "const a = () => {}",
            "const a = () => {}, b = () => {}",
        ),
        // Those that somebody reads who does not run them.
        (
            "js",
            "function f() { a }",
            "function f() { 'use strict'; a }",
        ),
        ("js", "function f() { a }", "function f() { exports.b = a }"),
        ("js", "function f() { a }", "function f() { module }"),
        (
            "js",
            "function f() { a }",
            "function f() { return import('b') }",
        ),
        (
            "js",
            "function f() { a }",
            "function f() { //# sourceMappingURL=b\n }",
        ),
        ("js", "function f() { /a/ }", "function f() { /(?i:a)/ }"),
        (
            "mjs",
            "export function f() { a }",
            "export function f() { using a = b }",
        ),
    ] {
        let kept = |text| of(extension, text).map(|skeleton| skeleton.kept().to_vec());
        assert_ne!(kept(before), kept(after), "{after}");
    }
}

#[test]
fn what_node_would_refuse_has_no_skeleton() {
    for (extension, text) in [
        ("js", "function f() { return ( }"),
        ("js", "function f() { let a; let a }"),
        ("js", "function f() { this.#a }"),
        ("cjs", "import 'a'"),
        ("mjs", "export function f() { with (a) b }"),
        ("ts", "enum A { B }"),
        ("ts", "namespace A { b() }"),
        ("ts", "class A { constructor(private a: B) {} }"),
        ("ts", "export const f = () => { enum A { B } };"),
        ("ts", "export const f = () => <A>b;"),
        ("ts", "import a = require('a')"),
        ("ts", "function f() { let a: B; let a: C }"),
        ("js", "const a = <b></b>"),
        ("js", "const require = 1; a()"),
    ] {
        assert!(of(extension, text).is_none(), "{text}");
    }
    assert!(Dialect::of("json", None).is_none());
}

#[test]
fn a_kind_nobody_said_is_told_by_the_text() {
    let kind = |text| of("js", text).unwrap().kind();
    assert_eq!(kind("exports.a = 1"), Kind::CommonJs);
    assert_eq!(kind("with (a) b"), Kind::CommonJs);
    assert_eq!(kind("export const a = 1"), Kind::Module);
    assert_eq!(kind("await a"), Kind::Module);
    assert_eq!(
        Dialect::of("js", Some("module")).unwrap().kind,
        Some(Kind::Module)
    );
    assert_eq!(
        Dialect::of("cts", Some("module")).unwrap().kind,
        Some(Kind::CommonJs)
    );
}

#[test]
fn every_body_that_is_left_out_gets_a_mark_and_lines_stay() {
    let text = "exports.f = () => (1);\nfunction g() {\n  'use strict'\n  return 1;\n}\nconst h = { get i() {} };\n";
    let skeleton = of("js", text).unwrap();
    assert_eq!(
        skeleton.watched(text, 7),
        "exports.f = () => (fnlocal$ran(7),(1));\nfunction g() {\n  'use strict';fnlocal$ran(8);\n  return 1;\n}\n\
         const h = { get i() {;fnlocal$ran(9);} };\n"
    );
    let bodies: Vec<&str> = skeleton.bodies().map(|body| &text[body]).collect();
    assert_eq!(bodies, ["(1)", "{\n  'use strict'\n  return 1;\n}", "{}"]);
}

#[test]
fn every_example_can_be_edited_in_its_handlers() {
    let examples = concat!(env!("CARGO_MANIFEST_DIR"), "/../../examples");
    let mut seen = 0;
    for example in std::fs::read_dir(examples).unwrap() {
        for file in std::fs::read_dir(example.unwrap().path()).unwrap() {
            let path = file.unwrap().path();
            let extension = path.extension().unwrap_or_default().to_str().unwrap();
            let Some(dialect) = Dialect::of(extension, None) else {
                continue;
            };
            let text = std::fs::read_to_string(&path).unwrap();
            let skeleton = Skeleton::of(&text, dialect);
            let bodies = skeleton.map(|skeleton| skeleton.bodies().len());
            assert!(
                bodies.is_some_and(|bodies| bodies > 0),
                "{}",
                path.display()
            );
            seen += 1;
        }
    }
    assert!(seen >= 8, "only {seen} files");
}
