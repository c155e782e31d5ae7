//! Node says whether a skeleton told the truth: modules that are equal by their skeletons, and by
//! the bodies that ran, export the same.
#![allow(clippy::unwrap_used, reason = "in a test, a panic is the report")]

use std::collections::BTreeSet;
use std::process::Command;

use fnlocal_skeleton::{Dialect, Skeleton};
use rand::seq::IndexedRandom;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde::Deserialize;

/// A third of a minute of Node's time.
const CASES: usize = 400;

/// Parts of CommonJS modules. `#` is a number, `@` a body.
const COMMON: &[&str] = &[
    "exports.f# = (req, res) => { @ };",
    "exports.f# = { func: async (req, res) => { @ }, config: { timeout: # } };",
    "function g#(a) { @ } exports.f# = { func: g#, config: { rps: g#.length } };",
    "function g#() { @ } exports.f# = { func: (a, b) => a, config: { of: [g#()] } };",
    "const o# = { get v() { @ } }; exports.f# = { func: (a, b) => a, config: { ...o# } };",
    "class C# { constructor() { @ } } exports.f# = { func: (a, b) => a, config: Object.keys(new C#()) };",
    "class C# { m() { @ } } exports.f# = { func: new C#().m, config: {} };",
    "class C# { m() { @ } } exports.f# = { func: (a) => a, config: [new C#().m()] };",
    "class C# extends Map { static x = (() => { @ })(); } exports.f# = { func: (a) => a, config: [C#.x] };",
    "class C# { static { (() => { @ })(); } }",
    "exports.f# = { func: (a) => a, config: { toJSON() { @ } } };",
    "exports.f# = { func: (a) => a, config: { x: [1, 2].map((x) => { @ }) } };",
    "exports.f# = { func: (a) => a, config: { x: `${{ toString() { @ } }}` } };",
    "exports.f# = { func: (a) => a, config: { x: 1 + { valueOf() { @ } } } };",
    "exports.f# = { get func() { @ }, config: {} };",
    "exports.f# = new Proxy({ func: (a) => a }, { get(o, k) { if (k === 'config') return { a: (() => { @ })() }; return o[k]; } });",
    "Object.defineProperty(exports, 'f#', { enumerable: true, get: () => { @ } });",
    "exports.f# = Object.defineProperty((a, b) => { @ }, 'length', { value: 1 });",
    "exports.f# = (() => (req, res) => { @ })();",
    "exports.f# = ((a = (() => { @ })()) => (req, res) => a)();",
    "exports.f# = { func: (a) => a, config: { x: t#`x` } }; function t#() { @ }",
    "exports.f# = { func: (a) => a, config: [...(function* () { @ })()] };",
    "exports.f# = { func: (a) => a, config: { x: [...{ *[Symbol.iterator]() { @ } }] } };",
    "exports.f# = { func: (a) => a, config: [{} instanceof { [Symbol.hasInstance]() { @ } }] };",
    "async function g#() { @ } g#().catch(() => {}); exports.f# = (a, b) => g#;",
    "try { (function () { @ })(); } catch {}",
    "(function () { @ })();",
    "if (false) { (function () { @ })(); }",
    "process.once('x#', () => { @ }); exports.f# = { func: (a) => a, config: [process.emit('x#')] };",
];
/// Parts of ES modules.
const MODULES: &[&str] = &[
    "export const f# = (req, res) => { @ };",
    "export async function f#(req, res) { @ }",
    "export const f# = { func: (a, b) => a, config: [await (async () => { @ })()] };",
    "export const f# = { func: (a, b) => a, config: [await { then(f) { f((() => { @ })()); } }] };",
    "class C# { #p; m() { @ } } export const f# = { func: (a, b) => a, config: [new C#()] };",
    "function g#() { @ } export { g# as f# };",
    "import { join as j# } from 'node:path'; export const f# = { func: (a) => { @ }, config: [j#('a', 'b')] };",
];
/// Parts of TypeScript.
const TYPES: &[&str] = &[
    "type T# = { a: string }; export const f# = (req: T#, res?: unknown): void => { @ };",
    "interface T# { a: string } export function f#<A>(req: T#, res: A): void { @ }",
    "export const f# = { func: (a: number): unknown => { @ }, config: { a: 1 } satisfies object };",
    "const g# = (a: string) => { @ }; export const f# = { func: (a) => a, config: [g#('a') as unknown] };",
];
/// How many of the bodies do no harm wherever they stand.
const SAFE: usize = 6;
const BODIES: &[&str] = &[
    "",
    "return 1;",
    "return { timeout: 7 };",
    "return [1, 2, 3];",
    "return (a, b) => a;",
    "return (a) => a;",
    "throw new Error('no');",
    "exports.extra = (a, b) => a;",
    "globalThis.exports?.x;",
    "this.z = 1; return 3;",
    "return { func: (a) => a, config: { b: 1 } };",
    "yield 1;",
    "await null; return 2;",
    "let a; let a;",
    "let b; var b;",
    "return this.#p;",
    "return ( ;",
    "break;",
    "x: for (;;) continue y;",
    "return new.target;",
    "super.a;",
    "super();",
    "return /a(?<n>b)(?<n>c)/;",
    "return /(?i:a)/.test('A');",
    "return /[/.test(1);",
    "delete b0;",
    "with ({}) return 1;",
    "eval = 1;",
    "return 017;",
    "return '\\08';",
    "return '\\u{110000}';",
    "1 = 2;",
    "const c;",
    "for (const d of [1]) return d;",
    "function e() {} let e;",
    "'use strict'; return 1;",
    "return `${`${1}`}`;",
    "if (1) function h() {} return 2;",
    "class I { constructor() {} constructor() {} }",
    "class J extends K { constructor() { super(); } }",
    "return a ?? b || c;",
    "return -1 ** 2;",
    "return async (await) => 1;",
    "let [l, l] = [];",
    "try {} catch (m) { let m; }",
    "return { __proto__: 1, __proto__: 2 };",
    "({ n = 1 });",
    "return import.meta;",
    "module.exports = (a, b) => 1;",
    "using p = null;",
    "enum Q { R }",
    "const s = <any>1;",
    "const t: number = 1 as any; return t!;",
    "return a?.b = 1;",
    "let let = 1;",
    "label: function* u() {}",
    "new.target = 1;",
    "return 1_000n ** 2n;",
    "return 1__0;",
    "// comment",
    "<!-- html",
];

struct Case {
    /// Whether it looks the same, but for bodies that may have run.
    same: bool,
    /// Bodies that differ, by their numbers.
    differ: BTreeSet<usize>,
    texts: [String; 2],
}

#[derive(Deserialize)]
struct Said {
    /// Functions before and after of each case; nothing where it failed.
    said: Vec<[Option<String>; 2]>,
    ran: BTreeSet<usize>,
}

#[test]
fn modules_that_seem_the_same_export_the_same() {
    let mut random = ChaCha8Rng::seed_from_u64(7);
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().canonicalize().unwrap();
    let (mut cases, mut first) = (Vec::new(), 0);
    for number in 0..CASES {
        let extension = *["cjs", "js", "mjs", "mts", "ts"]
            .choose(&mut random)
            .unwrap();
        let (before, after) = pair(&mut random, extension);
        let dialect = Dialect::of(extension, None).unwrap();
        let (one, two) = (
            Skeleton::of(&before, dialect),
            Skeleton::of(&after, dialect),
        );
        let mut case = Case {
            same: false,
            differ: BTreeSet::new(),
            texts: [before.clone(), after.clone()],
        };
        let mut marked = before.clone();
        if let Some(one) = one {
            marked = one.watched(&before, first);
            if let Some(two) = two.filter(|two| two.kept() == one.kept()) {
                case.same = true;
                let bodies = one.bodies().zip(two.bodies()).zip(first..);
                case.differ = bodies
                    .filter(|((a, b), _)| before[a.clone()] != after[b.clone()])
                    .map(|(_, number)| number)
                    .collect();
            }
            first += one.bodies().len();
        }
        for (version, text) in [("before", &marked), ("after", &after)] {
            let place = root.join(format!("{number}/{version}"));
            std::fs::create_dir_all(&place).unwrap();
            std::fs::write(place.join(format!("code.{extension}")), text).unwrap();
            std::fs::write(place.join("entry.txt"), format!("code.{extension}")).unwrap();
        }
        cases.push(case);
    }
    let driver = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/node.mjs");
    let output = Command::new("node")
        .arg(driver)
        .arg(&root)
        .arg(CASES.to_string())
        .output()
        .unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    let said = serde_json::from_slice(&output.stdout);
    let said: Said = said.unwrap_or_else(|error| panic!("{error}, {}: {stderr}", output.status));
    let mut known = 0;
    for (case, [functions, functions_after]) in cases.iter().zip(&said.said) {
        if !case.same || functions.is_none() || !case.differ.is_disjoint(&said.ran) {
            continue;
        }
        known += 1;
        let [before, after] = &case.texts;
        assert_eq!(functions, functions_after, "{before}\n---\n{after}");
    }
    println!("{known} of {CASES} edits needed no node");
    assert!(known > CASES / 10, "only {known} edits say anything");
}

/// A module, and the same after an edit of some body or some other part.
fn pair(random: &mut ChaCha8Rng, extension: &str) -> (String, String) {
    let parts: &[&[&str]] = match extension {
        "cjs" | "js" => &[COMMON],
        "mjs" => &[MODULES],
        _ => &[MODULES, TYPES],
    };
    let (mut before, mut after) = (String::new(), String::new());
    let edited = random.random_range(0..3);
    for number in 0..3 {
        let part = *parts.choose(random).unwrap().choose(random).unwrap();
        // Most modules should be importable at first.
        let body = BODIES[random.random_range(0..SAFE)];
        let part = part.replace('#', &number.to_string());
        // Private names keep their sign.
        let part = part.replace(&format!("{{ {number}p;"), "{ #p;");
        let kept = part.replace('@', body);
        before.push_str(&format!("{kept}\n"));
        if number != edited {
            after.push_str(&format!("{kept}\n"));
        } else if random.random_bool(0.95) {
            let body = BODIES.choose(random).unwrap();
            after.push_str(&format!("{}\n", part.replace('@', body)));
        }
    }
    (before, after)
}
