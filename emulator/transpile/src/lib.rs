//! TypeScript to JavaScript, as a pure function of sources and `tsconfig.json`.
//!
//! For each TypeScript file of a package, a JavaScript file is made that stands beside it:
//! `a.ts` becomes `a.ts.mjs` or `a.ts.cjs`, with a map to `a.ts` in it. Imports name the made files,
//! so no Node.js needs a hook to find them. A package of which a Node.js that strips types can run
//! every file as it is says so ([`Emitted::plain`]), and the wrapper then leaves the made files alone.
//!
//! A file that cannot be translated becomes one that throws the reason, with its place in the source:
//! like a JavaScript file that cannot be parsed, it breaks what imports it and nothing else.

#[cfg(feature = "typescript")]
mod bounded;
#[cfg(feature = "typescript")]
mod emit;
#[cfg(feature = "typescript")]
mod facts;
#[cfg(feature = "typescript")]
mod fields;
#[cfg(feature = "typescript")]
mod json_imports;
#[cfg(feature = "typescript")]
mod package;
#[cfg(feature = "typescript")]
mod package_json;
#[cfg(feature = "typescript")]
mod parse;
#[cfg(feature = "typescript")]
mod paths;
#[cfg(feature = "typescript")]
mod resolve;
#[cfg(feature = "typescript")]
mod specifiers;
#[cfg(feature = "typescript")]
mod throwing;
#[cfg(feature = "typescript")]
mod tsconfig;
mod types;
#[cfg(not(feature = "typescript"))]
mod without;

#[cfg(feature = "typescript")]
pub use package::Transpiler;
pub use types::{ConfigError, Emitted, EmittedFile, Sources};
#[cfg(not(feature = "typescript"))]
pub use without::Transpiler;

/// The name of the file that tells the wrapper that files were made: `plain` or `made` is in it.
pub const MARK: &str = ".fnlocal-typescript";
