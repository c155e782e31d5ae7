//! TypeScript that Node.js cannot run itself, on containers and as processes, with a Node.js that
//! strips types and with one that does not.
#![allow(clippy::unwrap_used, reason = "in a test, a panic is the report")]

use std::path::PathBuf;
use std::process::Command;

use crate::support::{Dev, Folder, command, eventually, fnlocal};
use serde_json::{Value, json};

const DOCKER: [&str; 2] = ["--runtime", "docker"];
const PROCESS: [&str; 2] = ["--runtime", "process"];

/// The value of `PATH` for each kind of Node.js that this machine has: stripping types, and not.
fn nodes() -> Vec<String> {
    let path = std::env::var_os("PATH").unwrap();
    let folders: Vec<PathBuf> = std::env::split_paths(&path).collect();
    let strips = |folder: &PathBuf| {
        let node = folder.join("node");
        let said = Command::new(node)
            .args(["-p", "!!process.features.typescript"])
            .output();
        let said = said.ok().filter(|output| output.status.success())?;
        Some(said.stdout.starts_with(b"true"))
    };
    let known: Vec<(PathBuf, Option<bool>)> = folders
        .into_iter()
        .map(|folder| (folder.clone(), strips(&folder)))
        .collect();
    let with = |wanted: bool| {
        let (first, others): (Vec<_>, Vec<_>) = known
            .iter()
            .partition(|(_, strips)| *strips == Some(wanted));
        let ordered = first.iter().chain(&others).map(|(folder, _)| folder);
        let path = std::env::join_paths(ordered).unwrap();
        (!first.is_empty()).then(|| path.into_string().unwrap())
    };
    let nodes: Vec<String> = [true, false].into_iter().filter_map(with).collect();
    assert!(!nodes.is_empty(), "there is no node in PATH");
    nodes
}

fn start(folder: &Folder, args: &[&str], path: &str) -> Dev {
    let mut command = command(folder.path(), args);
    command.env("PATH", path);
    Dev::start_command(command)
}

async fn answer(dev: &Dev, path: &str) -> (u16, Value) {
    let answer = reqwest::get(dev.at(path)).await.unwrap();
    let status = answer.status().as_u16();
    (status, answer.json().await.unwrap_or(Value::Null))
}

const TSCONFIG: &str = r#"// what tsc --init writes, more or less
{
  "extends": "./config/base",
  "compilerOptions": {
    "baseUrl": ".", /* for paths */
    "paths": { "@/*": ["src/*"], },
  },
}
"#;
const BASE: &str = r#"{ "compilerOptions": {
  "experimentalDecorators": true, "emitDecoratorMetadata": true, "target": "ES2022",
  "jsx": "react", "jsxFactory": "h" } }"#;
/// The part of the package reflect-metadata that the test needs.
const REFLECT: &str = r#"const all = new WeakMap<object, Map<string, unknown>>();
const of = (target: object, key?: string) => all.get(target)?.get(key ?? "");
(Reflect as any).metadata = (name: string, value: unknown) => (target: object, key?: string) => {
  if (name !== "design:paramtypes") return;
  if (!all.has(target)) all.set(target, new Map());
  all.get(target)!.set(key ?? "", value);
};
(Reflect as any).paramTypes = of;
"#;
const INJECT: &str = r#"import "./reflect";
const routes: Record<string, [any, string]> = {};
export function Controller(): ClassDecorator {
  return (target: any) => {
    const wanted: any[] = (Reflect as any).paramTypes(target) ?? [];
    target.make = () => new target(...wanted.map((one) => new one()));
  };
}
export function Get(path: string): MethodDecorator {
  return (target: any, key) => void (routes[path] = [target.constructor, key as string]);
}
export function call(path: string) {
  const [type, key] = routes[path];
  return type.make()[key]();
}
"#;
const INDEX: &str = r#"import { Shape, Color, Size } from "./types.js";
import { Controller, Get, call } from "@/inject";
import Greeter, { greet } from "src/greet";
import { view } from "./view";
import { version } from "./data.json";
import legacy from "./legacy.cjs";
import fs = require("node:fs");
import type { Nothing } from "./nowhere";

namespace Geometry {
  export const side = 3;
  export const area = () => side * side;
}
class Clock { now() { return "noon"; } }
@Controller()
class Times {
  constructor(private readonly clock: Clock) {}
  @Get("/now") now() { return this.clock.now(); }
}
const shape = <Shape>{ kind: "square" };

export const kinds = async (req: any, res: any) => {
  const late = await import("./greet");
  res.send({
    shape, color: Color[Color.Green], size: Size.Large, area: Geometry.area(), now: call("/now"),
    greet: greet("Ada"), class: new Greeter("Bob").say(), view: view("Cleo"), version,
    legacy: legacy.base("/a/b.txt"), late: late.greet("Dan"), here: fs.existsSync(__dirname),
  });
};
export const fails = (req: any, res: any) => {
  console.error(new Error("told"));
  const place: string = "here";
  throw new TypeError(`lost ${place}`);
};
"#;

/// A package with each kind of syntax and of import that Node.js does not know.
fn kinds() -> Folder {
    Folder::new(&[
        (
            "package.json",
            r#"{ "name": "kinds", "main": "src/index.ts" }"#,
        ),
        ("tsconfig.json", TSCONFIG),
        ("config/base.json", BASE),
        ("src/index.ts", INDEX),
        ("src/reflect.ts", REFLECT),
        ("src/inject.ts", INJECT),
        (
            "src/types.ts",
            "export interface Shape { kind: string }\nexport enum Color { Red, Green }\n\
             export const enum Size { Large = 7 }\n",
        ),
        (
            "src/greet.ts",
            "export function greet(name: string): string { return `hello ${name}`; }\n\
             export default class Greeter {\n  constructor(private name: string) {}\n  \
             say() { return greet(this.name); }\n}\n",
        ),
        (
            "src/view.tsx",
            "const h = (tag: string, props: object, ...kids: any[]) => `<${tag}>${kids.join('')}</${tag}>`;\n\
             export const view = (name: string) => <b>hi {name}</b>;\n",
        ),
        ("src/data.json", r#"{ "version": "1.2.3" }"#),
        (
            "src/legacy.cts",
            "import path = require(\"node:path\");\nexport = { base: (file: string) => path.basename(file) };\n",
        ),
        ("src/types.d.ts", "declare const unused: never;\n"),
    ])
}

async fn every_kind_runs(dev: &mut Dev) {
    let expected = json!({
        "shape": { "kind": "square" }, "color": "Green", "size": 7, "area": 9, "now": "noon",
        "greet": "hello Ada", "class": "hello Bob", "view": "<b>hi Cleo</b>", "version": "1.2.3",
        "legacy": "b.txt", "late": "hello Dan", "here": true,
    });
    assert_eq!(answer(dev, "/kinds").await, (200, expected));
    assert_eq!(answer(dev, "/fails").await.0, 500);
    let told = dev.wait_for("the frame of what was printed", |record| {
        let line = record["line"].as_str();
        line.is_some_and(|line| line.contains(" at ") && line.contains("index.ts"))
    });
    let line = told["line"].as_str().unwrap();
    assert!(line.contains("src/index.ts:31:"), "{line}");
    let failed = dev.wait_for("the error", |record| {
        let error = record["error"].as_str();
        record["event"] == "error" && error.is_some_and(|error| error.contains("lost here"))
    });
    let text = failed.to_string();
    assert!(text.contains("src/index.ts:33"), "{text}");
    assert!(
        !text.contains(".ts.mjs") && !text.contains(".ts.cjs"),
        "{text}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_kind_of_typescript_runs_as_processes() {
    for path in nodes() {
        let folder = kinds();
        every_kind_runs(&mut start(&folder, &PROCESS, &path)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_kind_of_typescript_runs_on_containers() {
    for path in nodes() {
        let folder = kinds();
        every_kind_runs(&mut start(&folder, &DOCKER, &path)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_release_holds_what_was_made_of_typescript() {
    let folder = kinds();
    let code = |dev: &Dev| dev.at("/kinds");
    let of_dev = {
        let dev = Dev::start(&folder);
        let answer = reqwest::get(code(&dev)).await.unwrap();
        answer.headers()["x-fnlocal-code"].clone()
    };
    let mut dev = Dev::up(&folder);
    let answer = reqwest::get(code(&dev)).await.unwrap();
    assert_eq!(answer.headers()["x-fnlocal-code"], of_dev);
    every_kind_runs(&mut dev).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_saved_enum_is_served_by_the_next_request() {
    for path in nodes() {
        let says = |word: &str| {
            format!(
                "enum Word {{ Said = '{word}' }}\nexport const hi = (req: any, res: any) => res.json(Word.Said);\n"
            )
        };
        let folder = Folder::new(&[("index.ts", &says("one"))]);
        let mut dev = start(&folder, &PROCESS, &path);
        assert_eq!(answer(&dev, "/hi").await, (200, json!("one")));
        folder.write("index.ts", &says("two"));
        dev.wait_reloaded("hi");
        assert_eq!(answer(&dev, "/hi").await, (200, json!("two")));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_that_cannot_be_translated_breaks_its_own_functions_and_says_where() {
    for path in nodes() {
        let fine = |name: &str| {
            format!(
                "enum A {{ B = 1 }}\nexport const {name} = (req: any, res: any) => res.json(A.B);\n"
            )
        };
        let folder = Folder::new(&[
            ("package.json", r#"{ "type": "module" }"#),
            ("functions/good.ts", &fine("good")),
            (
                "functions/bad.ts",
                "import { word } from '../lib/word.js';\nexport const bad = (req: any, res: any) => res.json(word);\n",
            ),
            ("lib/word.ts", "export const word: string = 'one';\n"),
        ]);
        let mut dev = start(&folder, &PROCESS, &path);
        assert_eq!(answer(&dev, "/bad").await, (200, json!("one")));
        folder.write(
            "lib/word.ts",
            "// a comment\nexport const word: string = ;\n",
        );
        let told = dev.wait_for("the error", |record| record["event"] == "import_failed");
        assert_eq!(told["line"], 2, "{told}");
        let file = told["file"].as_str().unwrap();
        assert!(file.ends_with("lib/word.ts"), "{told}");
        let frame = told["frame"].as_str().unwrap();
        assert!(frame.contains("word: string = ;"), "{told}");
        assert_eq!(answer(&dev, "/bad").await.0, 500);
        assert_eq!(answer(&dev, "/good").await, (200, json!(1)));
        folder.write("lib/word.ts", "export const word: string = 'two';\n");
        eventually("the mended code is served", async || {
            answer(&dev, "/bad").await == (200, json!("two"))
        })
        .await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn files_too_deep_or_too_large_are_refused_and_the_rest_is_served() {
    let deep = format!(
        "export const deep = {}1{};\n",
        "(".repeat(100_000),
        ")".repeat(100_000)
    );
    let negated = format!("export const negated = {}1;\n", "!".repeat(100_000));
    let large = format!("// {}\nexport const large = 1;\n", "x".repeat(5 << 20));
    let folder = Folder::new(&[
        ("functions/deep.ts", &deep),
        ("functions/negated.ts", &negated),
        ("functions/large.ts", &large),
        (
            "functions/fine.ts",
            "enum A { B = 1 }\nexport default (req: any, res: any) => res.json(A.B);\n",
        ),
    ]);
    let dev = Dev::start_with(&folder, &PROCESS);
    for (name, why) in [("deep", "nests"), ("negated", "nests"), ("large", "5 MiB")] {
        let (status, problem) = answer(&dev, &format!("/{name}")).await;
        assert_eq!(status, 500, "{name}: {problem}");
        let detail = problem["detail"].as_str().unwrap();
        assert!(detail.contains(why), "{name}: {problem}");
    }
    assert_eq!(answer(&dev, "/fine").await, (200, json!(1)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_broken_tsconfig_is_refused_with_its_line_and_the_old_code_stays() {
    let index = "enum A { B = 1 }\nexport const f = (req: any, res: any) => res.json(A.B);\n";
    let folder = Folder::new(&[("index.ts", index), ("tsconfig.json", "{}")]);
    let mut dev = Dev::start_with(&folder, &PROCESS);
    assert_eq!(answer(&dev, "/f").await, (200, json!(1)));
    folder.write(
        "tsconfig.json",
        "{\n  // options\n  \"compilerOptions\": { oops }\n}\n",
    );
    let told = dev.wait_for("the refusal", |record| {
        record.to_string().contains("tsconfig.json:3")
    });
    assert!(told.to_string().contains("oops"), "{told}");
    assert_eq!(answer(&dev, "/f").await, (200, json!(1)));
    folder.write("tsconfig.json", "{}");
    folder.write("index.ts", &index.replace("= 1", "= 2"));
    dev.wait_reloaded("f");
    assert_eq!(answer(&dev, "/f").await, (200, json!(2)));
}

#[test]
fn an_image_of_a_broken_tsconfig_is_not_built() {
    let folder = Folder::new(&[
        (
            "index.ts",
            "export const f = (req: any, res: any) => res.json(1);\n",
        ),
        ("tsconfig.json", "{\n  \"extends\": \"./a.json\"\n}\n"),
        ("a.json", "{ \"extends\": \"./b\" }"),
        ("b.json", "{ \"extends\": \"./a.json\" }"),
    ]);
    let (code, _, stderr) = fnlocal(&["build", folder.path().to_str().unwrap()]);
    assert_ne!(code, 0);
    assert!(stderr.contains("b.json:1"), "{stderr}");
    assert!(stderr.contains("extends itself"), "{stderr}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_package_that_is_depended_on_may_be_typescript() {
    for runtime in [PROCESS, DOCKER] {
        let folder = Folder::new(&[
            (
                "package.json",
                r#"{ "name": "shop", "main": "index.ts", "dependencies": { "shared": "file:vendor/shared" } }"#,
            ),
            (
                "index.ts",
                "import { Color, name } from 'shared';\n\
                 export const f = (req: any, res: any) => res.json(name(Color.Green));\n",
            ),
            (
                "vendor/shared/package.json",
                r#"{ "name": "shared", "version": "1.0.0", "exports": "./src/index.ts" }"#,
            ),
            ("vendor/shared/src/index.ts", "export * from './color';\n"),
            (
                "vendor/shared/src/color.ts",
                "export enum Color { Red, Green }\nexport const name = (color: Color) => Color[color];\n",
            ),
        ]);
        let dev = Dev::start_with(&folder, &runtime);
        assert_eq!(answer(&dev, "/f").await, (200, json!("Green")));
    }
}
