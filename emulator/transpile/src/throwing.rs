//! A module that throws the reason why its source could not be translated.

use std::collections::BTreeSet;

use serde_json::json;

use crate::emit::Format;
use crate::parse::Problem;

/// The maximum length of the shown source line, in characters.
const MAX_SHOWN: usize = 200;

/// Returns JavaScript that throws a `SyntaxError` whose stack begins like that of Node.js: the file,
/// the line, its text and a caret. `name` is the source's file, beside the module. `wanted` are the
/// names that importers want of it: an ES module that lacks one is refused before it can throw.
pub(crate) fn module(
    problem: &Problem,
    (name, text): (&str, &str),
    format: Format,
    wanted: &BTreeSet<String>,
) -> String {
    let (line, column) = problem.place.unwrap_or((1, 1));
    let shown: String = text
        .lines()
        .nth(line.saturating_sub(1))
        .unwrap_or_default()
        .chars()
        .take(MAX_SHOWN)
        .collect();
    let caret = " ".repeat(column.saturating_sub(1).min(MAX_SHOWN));
    let header = format!(":{line}\n{shown}\n{caret}^\n\n");
    let (message, name, header) = (json!(problem.message), json!(name), json!(header));
    let folder = match format {
        Format::Module => "decodeURIComponent(new URL(\".\", import.meta.url).pathname)",
        Format::CommonJs => "__dirname + \"/\"",
    };
    let throwing = format!(
        "const error = new SyntaxError({message});\n\
         error.stack = {folder} + {name} + {header} + \"SyntaxError: \" + error.message;\n\
         throw error;\n"
    );
    match format {
        Format::Module => {
            let names = wanted.iter().filter(|name| *name != "default");
            let exports: Vec<String> = names.map(|name| format!("none as {name}")).collect();
            let exports = exports.join(", ");
            format!("const none = undefined;\nexport {{ none as default, {exports} }};\n{throwing}")
        }
        Format::CommonJs => throwing,
    }
}
