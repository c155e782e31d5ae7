//! The files that projects in JavaScript and TypeScript begin with.

use crate::StarterTemplate;

const PACKAGE: (&str, &str) = ("package.json", include_str!("templates/js/package.json"));

pub(super) const TEMPLATES: [StarterTemplate; 5] = [
    StarterTemplate {
        word: "js",
        files: &[("index.js", include_str!("templates/js/index.js")), PACKAGE],
        function: "hello",
    },
    StarterTemplate {
        word: "ts",
        files: &[
            ("index.ts", include_str!("templates/ts/index.ts")),
            ("greet.ts", include_str!("templates/ts/greet.ts")),
            ("package.json", include_str!("templates/ts/package.json")),
            ("tsconfig.json", include_str!("templates/ts/tsconfig.json")),
        ],
        function: "hello",
    },
    StarterTemplate {
        word: "auction",
        files: &[
            (
                "index.js",
                include_str!("../../../../examples/auction/index.js"),
            ),
            PACKAGE,
            (
                "fnlocal.toml",
                include_str!("../../../../examples/auction/fnlocal.toml"),
            ),
        ],
        function: "bid",
    },
    StarterTemplate {
        word: "lambda",
        files: &[
            ("index.mjs", include_str!("templates/lambda/index.mjs")),
            PACKAGE,
        ],
        function: "/",
    },
    StarterTemplate {
        word: "hono",
        files: &[
            ("index.mjs", include_str!("templates/hono/index.mjs")),
            ("package.json", include_str!("templates/hono/package.json")),
        ],
        function: "/",
    },
];
