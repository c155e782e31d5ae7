//! The translation of one file.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use swc_core::common::errors::{DiagnosticBuilder, Emitter, HANDLER, Handler};
use swc_core::common::source_map::SourceMapGenConfig;
use swc_core::common::sync::Lrc;
use swc_core::common::{
    BytePos, FileName, GLOBALS, Globals, LineCol, Mark, SourceMap, SyntaxContext,
};
use swc_core::ecma::ast::{Pass, Program};
use swc_core::ecma::codegen::text_writer::JsWriter;
use swc_core::ecma::codegen::{Config as CodegenConfig, Emitter as CodeEmitter};
use swc_core::ecma::transforms::base::fixer::fixer;
use swc_core::ecma::transforms::base::helpers::{HELPERS, Helpers, inject_helpers};
use swc_core::ecma::transforms::base::hygiene::hygiene;
use swc_core::ecma::transforms::base::resolver;
use swc_core::ecma::transforms::module::common_js::{
    Config as CommonJsConfig, FeatureFlag, common_js,
};
use swc_core::ecma::transforms::module::path::Resolver;
use swc_core::ecma::transforms::module::util::ImportInterop;
use swc_core::ecma::transforms::proposal::decorator_2023_11::decorator_2023_11;
use swc_core::ecma::transforms::proposal::decorators;
use swc_core::ecma::transforms::proposal::explicit_resource_management::explicit_resource_management;
use swc_core::ecma::transforms::react::{self, jsx};
use swc_core::ecma::transforms::typescript::{
    Config as TypesConfig, TsImportExportAssignConfig, TsxConfig, tsx, typescript,
};
use swc_core::ecma::visit::visit_mut_pass;

use crate::fields::AssignedFields;
use crate::json_imports::JsonImports;
use crate::parse::{Language, Parsed, Problem, parse};
use crate::specifiers::{Replacements, Rewriter};

/// The kind of a made module.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Format {
    Module,
    CommonJs,
}

/// How JSX becomes calls.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Jsx {
    /// Calls of `SOURCE/jsx-runtime`.
    Automatic { source: Option<String> },
    /// Calls of a function in scope.
    Classic {
        factory: Option<String>,
        fragment: Option<String>,
    },
}

/// The facts that decide how a file is translated, beside its text.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct FileOptions {
    pub format: Format,
    pub legacy_decorators: bool,
    pub decorator_metadata: bool,
    pub assigned_fields: bool,
    pub verbatim: bool,
    pub interop: bool,
    pub module_syntax: bool,
    /// Names of CommonJS that an ES module makes itself.
    pub context: BTreeSet<&'static str>,
    pub jsx: Jsx,
}

/// Translates a file. `name` is the source's, beside what is made. Within a bounded thread only.
pub(crate) fn emit(
    text: &str,
    name: &str,
    language: Language,
    options: &FileOptions,
    replacements: &Replacements,
) -> Result<String, Problem> {
    let map: Lrc<SourceMap> = Lrc::default();
    let parsed = parse(&map, name, text, language)?;
    let errors = Errors::default();
    let handler = Handler::with_emitter(false, false, Box::new(errors.clone()));
    let program = GLOBALS.set(&Globals::new(), || {
        HELPERS.set(&Helpers::new(false), || {
            HANDLER.set(&handler, || {
                transform(&map, parsed, language, options, replacements)
            })
        })
    });
    if let Some((message, position)) = errors.first() {
        return Err(match position {
            Some(position) => Problem::at(&map, position, message),
            None => Problem::of_file(message),
        });
    }
    print(&map, &program, options)
}

fn transform(
    map: &Lrc<SourceMap>,
    parsed: Parsed,
    language: Language,
    options: &FileOptions,
    replacements: &Replacements,
) -> Program {
    let (unresolved, top_level) = (Mark::new(), Mark::new());
    let typed = matches!(language, Language::TypeScript { .. });
    let comments = parsed.comments;
    let mut program = parsed.program.apply(resolver(unresolved, top_level, typed));
    program.mutate(visit_mut_pass(Rewriter {
        replacements,
        free: SyntaxContext::empty().apply_mark(unresolved),
        format: options.format,
    }));
    if options.assigned_fields {
        program.mutate(visit_mut_pass(AssignedFields));
    }
    if options.legacy_decorators {
        // Before types go: metadata is made of them.
        program.mutate(decorators(decorators::Config {
            legacy: true,
            emit_metadata: options.decorator_metadata,
            use_define_for_class_fields: !options.assigned_fields,
        }));
    } else {
        program.mutate(decorator_2023_11());
    }
    if typed {
        program.mutate(types(
            map,
            language,
            options,
            &comments,
            (unresolved, top_level),
        ));
    }
    // After types went, or names of types would count as uses.
    program.mutate(explicit_resource_management());
    if language.is_jsx() {
        let jsx = jsx::jsx(
            map.clone(),
            Some(comments.clone()),
            react_options(&options.jsx),
            top_level,
            unresolved,
        );
        program.mutate(jsx);
    }
    match options.format {
        Format::Module => program.mutate(visit_mut_pass(JsonImports)),
        Format::CommonJs => program.mutate(common_js(
            Resolver::Default,
            unresolved,
            CommonJsConfig {
                import_interop: Some(if options.interop {
                    ImportInterop::Swc
                } else {
                    ImportInterop::None
                }),
                export_interop_annotation: Some(true),
                strict_mode: options.module_syntax,
                allow_top_level_this: !options.module_syntax,
                // ES modules cannot always be required.
                ignore_dynamic: true,
                ..CommonJsConfig::default()
            },
            FeatureFlag {
                support_block_scoping: true,
                support_arrow: true,
            },
        )),
    }
    program.mutate(inject_helpers(unresolved));
    program.mutate(hygiene());
    program.mutate(fixer(None));
    program
}

/// Takes types away, and makes enums, namespaces and parameter properties JavaScript.
fn types<'a>(
    map: &Lrc<SourceMap>,
    language: Language,
    options: &FileOptions,
    comments: &'a swc_core::common::comments::SingleThreadedComments,
    (unresolved, top_level): (Mark, Mark),
) -> Box<dyn Pass + 'a> {
    let config = TypesConfig {
        verbatim_module_syntax: options.verbatim,
        native_class_properties: true,
        import_export_assign_config: match options.format {
            Format::Module => TsImportExportAssignConfig::NodeNext,
            Format::CommonJs => TsImportExportAssignConfig::Preserve,
        },
        no_empty_export: options.format == Format::CommonJs,
        ..TypesConfig::default()
    };
    if !language.is_jsx() {
        return Box::new(typescript(config, unresolved, top_level));
    }
    let names = match &options.jsx {
        Jsx::Automatic { .. } => TsxConfig::default(),
        Jsx::Classic { factory, fragment } => TsxConfig {
            pragma: factory.clone().map(Into::into),
            pragma_frag: fragment.clone().map(Into::into),
        },
    };
    Box::new(tsx(
        map.clone(),
        config,
        names,
        comments,
        unresolved,
        top_level,
    ))
}

fn react_options(jsx: &Jsx) -> react::Options {
    match jsx {
        Jsx::Automatic { source } => react::Options {
            runtime: Some(react::Runtime::Automatic),
            import_source: source.as_deref().map(Into::into),
            ..react::Options::default()
        },
        Jsx::Classic { factory, fragment } => react::Options {
            runtime: Some(react::Runtime::Classic),
            pragma: factory.clone().map(Into::into),
            pragma_frag: fragment.clone().map(Into::into),
            ..react::Options::default()
        },
    }
}

fn print(
    map: &Lrc<SourceMap>,
    program: &Program,
    options: &FileOptions,
) -> Result<String, Problem> {
    let mut bytes = Vec::new();
    let mut mappings: Vec<(BytePos, LineCol)> = Vec::new();
    let writer = JsWriter::new(map.clone(), "\n", &mut bytes, Some(&mut mappings));
    let mut emitter = CodeEmitter {
        cfg: CodegenConfig::default(),
        cm: map.clone(),
        comments: None,
        wr: writer,
    };
    let unprinted =
        |why: &dyn std::fmt::Display| Problem::of_file(format!("it cannot be printed: {why}"));
    emitter
        .emit_program(program)
        .map_err(|error| unprinted(&error))?;
    let mut code = String::from_utf8(bytes).map_err(|error| unprinted(&error))?;
    // What `import *` of a module without interop does not say itself.
    let commonjs_module =
        options.format == Format::CommonJs && options.module_syntax && !options.interop;
    if commonjs_module && !code.contains("\"__esModule\"") {
        code.push_str("Object.defineProperty(exports, \"__esModule\", { value: true });\n");
    }
    let context = context(&options.context);
    if !context.is_empty() {
        code.insert_str(0, &context);
        // One line more before all others.
        for (_, place) in &mut mappings {
            place.line += 1;
        }
    }
    let mut json = Vec::new();
    map.build_source_map(&mappings, None, MapConfig)
        .to_writer(&mut json)
        .map_err(|error| unprinted(&error))?;
    code.push_str("//# sourceMappingURL=data:application/json;base64,");
    STANDARD.encode_string(json, &mut code);
    code.push('\n');
    Ok(code)
}

/// The line that makes names of CommonJS in an ES module.
fn context(names: &BTreeSet<&'static str>) -> String {
    if names.is_empty() {
        return String::new();
    }
    let mut constants = Vec::new();
    for name in names {
        constants.push(match *name {
            "require" => {
                "require = process.getBuiltinModule(\"node:module\").createRequire(import.meta.url)"
            }
            "__filename" => "__filename = import.meta.filename",
            _ => "__dirname = import.meta.dirname",
        });
    }
    format!("const {};\n", constants.join(", "))
}

struct MapConfig;

impl SourceMapGenConfig for MapConfig {
    fn file_name_to_source(&self, name: &FileName) -> String {
        match name {
            FileName::Custom(name) => name.clone(),
            other => other.to_string(),
        }
    }

    // The source stands beside.
    fn inline_sources_content(&self, _: &FileName) -> bool {
        false
    }
}

/// The complaints of passes.
#[derive(Clone, Default)]
struct Errors(Arc<Mutex<Vec<Complaint>>>);

/// A message, and its place.
type Complaint = (String, Option<BytePos>);

impl Errors {
    fn first(&self) -> Option<Complaint> {
        let errors = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        errors.first().cloned()
    }
}

impl Emitter for Errors {
    fn emit(&mut self, diagnostic: &mut DiagnosticBuilder<'_>) {
        let mut errors = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let place = diagnostic.span.primary_span().map(|span| span.lo);
        errors.push((diagnostic.message(), place));
    }
}
