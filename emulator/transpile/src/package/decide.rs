//! How a file is translated: by its name, what is in it, package.json and `tsconfig.json`.

use std::collections::BTreeSet;

use crate::emit::{FileOptions, Format, Jsx};
use crate::facts::Facts;
use crate::tsconfig::CompilerOptions;

/// How a file is translated.
#[derive(Clone, Debug)]
pub(super) struct Decision {
    pub options: FileOptions,
    /// Node.js runs it as it is, if it strips types and finds what it imports.
    pub plain: bool,
}

impl Decision {
    /// Decides. `module` is what package.json says; `facts` are missing if the file cannot be read.
    pub fn new(
        path: &str,
        facts: Option<&Facts>,
        module: Option<bool>,
        options: &CompilerOptions,
    ) -> Self {
        let Some(facts) = facts else {
            let facts = Facts {
                module_syntax: true,
                ..Facts::default()
            };
            return Self {
                plain: false,
                ..Self::new(path, Some(&facts), module, options)
            };
        };
        let format = format(path, facts, module, options);
        let types_imported = facts.unused_imports && !options.verbatim_module_syntax;
        let assigned = facts.fields && options.assigned_fields();
        let erasable = !(facts.inerasable || types_imported || assigned);
        // Node.js has no `import` declarations in CommonJS.
        let same_module = format == node_format(path, facts, module)
            && (format == Format::Module || !facts.module_syntax);
        // Where package.json decides, a file is written for what it says.
        let context = match (module, format) {
            (None, Format::Module) if !path.ends_with(".mts") => facts.context_names.clone(),
            _ => BTreeSet::new(),
        };
        let stripped = [".ts", ".mts", ".cts"]
            .iter()
            .any(|ending| path.ends_with(ending));
        Self {
            plain: stripped && erasable && same_module && context.is_empty(),
            options: FileOptions {
                format,
                legacy_decorators: options.experimental_decorators,
                decorator_metadata: options.emit_decorator_metadata,
                assigned_fields: options.assigned_fields(),
                // Written for CommonJS, imports cannot stay as they are.
                verbatim: options.verbatim_module_syntax,
                interop: options.es_module_interop.unwrap_or(facts.default_imports),
                module_syntax: facts.module_syntax,
                context,
                jsx: jsx(options),
            },
        }
    }
}

/// The format by the rules of Node.js, which looks at the syntax where package.json says nothing.
fn node_format(path: &str, facts: &Facts, module: Option<bool>) -> Format {
    let is_module = match module {
        _ if path.ends_with(".mts") => true,
        _ if path.ends_with(".cts") => false,
        Some(module) => module,
        None => facts.module_syntax || facts.only_module,
    };
    if is_module {
        Format::Module
    } else {
        Format::CommonJs
    }
}

/// The format that a file was written for: that of Node.js, except where the file cannot be run in it,
/// or `tsconfig.json` asks for CommonJS.
fn format(path: &str, facts: &Facts, module: Option<bool>, options: &CompilerOptions) -> Format {
    let format = node_format(path, facts, module);
    if path.ends_with(".mts") || path.ends_with(".cts") {
        return format;
    }
    if facts.only_commonjs {
        return Format::CommonJs;
    }
    if facts.only_module {
        return Format::Module;
    }
    let asks = options.module.as_deref() == Some("commonjs");
    if module.is_none() && (asks || facts.commonjs_exports) {
        return Format::CommonJs;
    }
    format
}

fn jsx(options: &CompilerOptions) -> Jsx {
    match options.jsx.as_deref() {
        Some("react") => Jsx::Classic {
            factory: options.jsx_factory.clone(),
            fragment: options.jsx_fragment_factory.clone(),
        },
        _ => Jsx::Automatic {
            source: options.jsx_import_source.clone(),
        },
    }
}
