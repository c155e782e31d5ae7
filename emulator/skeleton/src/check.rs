//! Whether Node would take a text, and as what.

use oxc_allocator::Allocator;
use oxc_ast::ast::Program;
use oxc_parser::{ParseOptions, Parser};
use oxc_semantic::SemanticBuilder;
use oxc_span::SourceType;

use super::Kind;

/// The text as JavaScript without early errors. Where nobody said what it is, it is CommonJS if it
/// can be, as Node decides.
pub(super) fn parse<'a>(
    allocator: &'a Allocator,
    text: &'a str,
    kind: Option<Kind>,
) -> Option<(&'a Program<'a>, Kind)> {
    let tried: &[Kind] = match kind {
        Some(Kind::CommonJs) => &[Kind::CommonJs],
        Some(Kind::Module) => &[Kind::Module],
        None => &[Kind::CommonJs, Kind::Module],
    };
    tried
        .iter()
        .find_map(|&kind| Some((parse_as(allocator, text, source_type(kind))?, kind)))
}

/// The text without early errors.
pub(super) fn parse_as<'a>(
    allocator: &'a Allocator,
    text: &'a str,
    source_type: SourceType,
) -> Option<&'a Program<'a>> {
    let options = ParseOptions {
        parse_regular_expression: true,
        ..ParseOptions::default()
    };
    let parser = Parser::new(allocator, text, source_type).with_options(options);
    let parsed = parser.parse();
    if parsed.panicked || !parsed.diagnostics.is_empty() {
        return None;
    }
    let program: &'a Program<'a> = allocator.alloc(parsed.program);
    let checked = SemanticBuilder::new()
        .with_check_syntax_error(true)
        .with_class_table(true)
        .build(program);
    checked.diagnostics.is_empty().then_some(program)
}

fn source_type(kind: Kind) -> SourceType {
    match kind {
        Kind::CommonJs => SourceType::cjs(),
        Kind::Module => SourceType::mjs(),
    }
}
