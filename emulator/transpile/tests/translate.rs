//! Packages in memory, and what is made of them.
#![allow(clippy::unwrap_used, reason = "in a test, a panic is the report")]

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::Path;
use std::sync::Arc;

use fnlocal_transpile::{ConfigError, Emitted, Sources, Transpiler};
use proptest::prelude::{ProptestConfig, prop, proptest};
use sha2::{Digest, Sha256};

struct Memory(BTreeMap<String, String>);

impl Memory {
    fn new(files: &[(&str, &str)]) -> Self {
        let files = files.iter();
        Self(
            files
                .map(|(path, text)| (path.to_string(), text.to_string()))
                .collect(),
        )
    }

    fn try_emit(&self) -> Result<Emitted, Box<ConfigError>> {
        Transpiler::default().emit(self)
    }

    fn emit(&self) -> Emitted {
        self.try_emit().unwrap()
    }
}

impl Sources for Memory {
    fn root(&self) -> &Path {
        Path::new("/project/package")
    }

    fn project(&self) -> &Path {
        Path::new("/project")
    }

    fn entries(&self) -> Option<&[String]> {
        None
    }

    fn paths(&self) -> BTreeSet<Arc<str>> {
        self.0.keys().map(|path| Arc::from(path.as_str())).collect()
    }

    fn digest(&self, path: &str) -> io::Result<[u8; 32]> {
        Ok(Sha256::digest(self.read(path)?).into())
    }

    fn read(&self, path: &str) -> io::Result<Vec<u8>> {
        let text = self.0.get(path).ok_or(io::ErrorKind::NotFound)?;
        Ok(text.clone().into_bytes())
    }

    fn read_outside(&self, _: &Path) -> io::Result<Vec<u8>> {
        Err(io::ErrorKind::NotFound.into())
    }
}

/// The code of what was made of the file `path`, without its map.
fn code(emitted: &Emitted, path: &str) -> String {
    let of_path = |made: &&fnlocal_transpile::EmittedFile| {
        made.path
            .strip_prefix(path)
            .is_some_and(|rest| [".mjs", ".cjs"].contains(&rest))
    };
    let made = emitted.files.iter().find(of_path).unwrap();
    let text = std::str::from_utf8(&made.bytes).unwrap();
    text.split("//# sourceMappingURL")
        .next()
        .unwrap()
        .to_owned()
}

fn of_one(text: &str) -> String {
    code(&Memory::new(&[("a.ts", text)]).emit(), "a.ts")
}

fn is_plain(files: &[(&str, &str)]) -> bool {
    Memory::new(files).emit().plain
}

const MODULE: (&str, &str) = ("package.json", r#"{ "type": "module" }"#);

#[test]
fn a_package_is_plain_only_if_node_strips_its_types_and_finds_its_imports() {
    let b = ("b.ts", "export type T = 1;\nexport const b: T = 1;\n");
    let plain = [
        "import { b, type T } from './b.ts'; export const a: T = b;",
        "import type { T } from './b.ts'; export class A { x: T = 1; declare y: T }",
        "export function a<T>(x: T): x is T { return x satisfies T as any; }",
        "declare enum E { A }\ndeclare namespace N { const a: 1 }\nexport {};",
        "export const late = () => import('./b.ts');",
    ];
    for text in plain {
        assert!(is_plain(&[MODULE, ("a.ts", text), b]), "{text}");
    }
    let others = [
        "export enum E { A }",
        "namespace N { export const a = 1 }\nexport {};",
        "export class A { constructor(private x: number) {} }",
        "function d(x: any, y: any) {}\n@d export class A {}",
        "export class A { accessor x = 1 }",
        "import fs = require('fs');\nexport const a = fs;",
        "import { b } from './b';\nexport const a = b;",
        "import { b } from './b.js';\nexport const a = b;",
        "import { b, T } from './b.ts';\nexport const a: T = b;",
        "export const a = <number>1;",
        "export const a = ;",
    ];
    for text in others {
        assert!(!is_plain(&[MODULE, ("a.ts", text), b]), "{text}");
    }
    assert!(!is_plain(&[MODULE, ("a.tsx", "export const a = 1;")]));
}

#[test]
fn a_file_is_the_kind_of_module_it_was_written_for() {
    let kind = |files: &[(&str, &str)], path: &str| {
        let made = Memory::new(files).emit();
        let ending = |ending: &str| {
            made.files
                .iter()
                .any(|file| *file.path == *format!("{path}{ending}"))
        };
        if ending(".mjs") { "module" } else { "commonjs" }
    };
    let export = "export enum E { A }";
    let commonjs = (
        "tsconfig.json",
        r#"{ "compilerOptions": { "module": "CommonJS" } }"#,
    );
    assert_eq!(kind(&[("a.ts", export)], "a.ts"), "module");
    assert_eq!(
        kind(&[("a.ts", "const a: number = 1;")], "a.ts"),
        "commonjs"
    );
    assert_eq!(kind(&[("a.ts", export), commonjs], "a.ts"), "commonjs");
    assert_eq!(
        kind(&[("a.ts", export), commonjs, MODULE], "a.ts"),
        "module"
    );
    assert_eq!(
        kind(&[("a.ts", "await 1;\nexport {};"), commonjs], "a.ts"),
        "module"
    );
    assert_eq!(kind(&[("a.cts", export), MODULE], "a.cts"), "commonjs");
    assert_eq!(kind(&[("a.mts", export), commonjs], "a.mts"), "module");
    assert_eq!(
        kind(
            &[("a.ts", "export const a = 1;\nmodule.exports.b = 2;")],
            "a.ts"
        ),
        "commonjs"
    );
    assert_eq!(
        kind(&[("a.ts", "const a = 1;\nexport = a;")], "a.ts"),
        "commonjs"
    );
}

#[test]
fn imports_mean_what_they_mean_to_typescript() {
    let files = [
        (
            "tsconfig.json",
            r#"{ "compilerOptions": { "baseUrl": "src", "paths": { "@/*": ["lib/*"], "@/one": ["./two"] } } }"#,
        ),
        (
            "package.json",
            r##"{ "imports": { "#in/*": "./src/lib/*.ts" } }"##,
        ),
        (
            "src/a.ts",
            "import '@/x'; import '@/one'; import 'lib/x'; import './lib'; import '.'; import './lib/x.js'; import '#in/x'; import 'react'; import './types'; export const b = () => [import('./lib/x'), require('./lib/x')];",
        ),
        ("src/index.ts", ""),
        ("src/two.ts", ""),
        ("src/types.d.ts", ""),
        ("src/lib/index.ts", ""),
        ("src/lib/x.tsx", "export const x = 1;"),
        ("src/lib/x.ts", "export const x = 1;"),
    ];
    let made = code(&Memory::new(&files).emit(), "src/a.ts");
    for (wanted, times) in [
        ("\"./lib/x.ts.mjs\"", 6),
        ("\"./two.ts.cjs\"", 1),
        ("\"./lib/index.ts.cjs\"", 1),
        ("\"./index.ts.cjs\"", 1),
        ("react", 1),
        ("./types", 1),
    ] {
        assert_eq!(made.matches(wanted).count(), times, "{wanted}: {made}");
    }
}

#[test]
fn class_fields_are_assigned_where_typescript_assigns_them() {
    let class = "export class A extends B { x?: string; y = 1; static z = 2; constructor(public w = 3) { super(); } }\nclass B {}";
    let with = |options: &str| {
        let config = format!(r#"{{ "compilerOptions": {{ {options} }} }}"#);
        let files = [("a.ts", class), ("tsconfig.json", config.as_str())];
        code(&Memory::new(&files).emit(), "a.ts")
    };
    for assigned in [
        r#""target": "ES2021""#,
        r#""useDefineForClassFields": false"#,
    ] {
        let made = with(assigned);
        assert!(
            made.contains("this.y = 1") && !made.contains("x;"),
            "{made}"
        );
        assert!(made.find("this.w = w") < made.find("this.y = 1"), "{made}");
    }
    let made = with(r#""target": "ES2022""#);
    assert!(
        made.contains("x;") && !made.contains("this.y = 1"),
        "{made}"
    );
}

#[test]
fn an_untranslatable_file_throws_the_reason_and_keeps_the_exports_that_others_import() {
    let files = [
        MODULE,
        ("bad.ts", "\n\n  export const a = ;"),
        (
            "good.ts",
            "import { a, type T } from './bad.ts';\nexport default a;",
        ),
    ];
    let made = code(&Memory::new(&files).emit(), "bad.ts");
    assert!(
        made.contains("SyntaxError(\"Expression expected\")"),
        "{made}"
    );
    assert!(made.contains(":3\\n  export const a = ;\\n"), "{made}");
    assert!(
        made.contains("none as a") && made.contains("none as default"),
        "{made}"
    );
}

#[test]
fn long_files_that_do_not_nest_are_translated_and_deep_ones_are_not() {
    let semicolons = "const x = f(a.b + 1, [2]) ? -1 : !c;\n".repeat(3_000);
    let none = "const x = f(a.b + 1, [2]) ? -1 : !c\ng(x).h()\n".repeat(3_000);
    let list = format!(
        "export const a = [{}];",
        "{ a: 1 + 2, b: '((((' },\n".repeat(20_000)
    );
    let union = format!("export type A = {};", "'a' | ".repeat(500) + "'b'");
    for text in [semicolons, none, list, union] {
        let made = of_one(&format!("{text}\nenum Last {{ A }}"));
        assert!(made.contains("Last"), "{}", &made[..200]);
    }
    for deep in [
        "(",
        "[",
        "{",
        "!",
        "a.",
        "x => ",
        "typeof ",
        "`${",
        "a + ",
        "if (a) b; else ",
    ] {
        let made = of_one(&deep.repeat(50_000));
        assert!(
            made.contains("levels are translated"),
            "{deep}: {}",
            &made[..200]
        );
    }
}

#[test]
fn a_configuration_that_is_no_json_is_an_error_with_its_place() {
    for (text, line) in [
        ("{ oops", 1),
        ("{\n  \"a\": [1,\n  }", 3),
        ("[]", 1),
        ("{\n\"extends\": \"./gone\"}", 2),
    ] {
        let files = [("a.ts", ""), ("tsconfig.json", text)];
        let error = Memory::new(&files).try_emit().unwrap_err();
        assert_eq!(error.line, line, "{text}: {}", error.message);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_text_is_translated_or_throws(parts in prop::collection::vec(prop::sample::select(vec![
        "enum ", "class ", "A ", "{ ", "} ", "( ", ") ", "@d ", "= ", "=> ", "import ", "from ", "'./a' ", "export ",
        "default ", "namespace ", "private ", "constructor", "? ", ": ", "<T> ", "as ", "const ", ", ", "; ", "\n", "`", "${",
        "/", "\\", "\"", "await ", "using ", "accessor ", "= require('x')", "é", "\u{0}", "...", "static ", "declare ",
    ]), 0..40)) {
        let made = of_one(&parts.concat());
        assert!(!made.contains("broke down"), "{made}");
    }
}
