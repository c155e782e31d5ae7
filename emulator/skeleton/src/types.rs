//! Types made blank, as Node does it before it runs TypeScript.
//!
//! Only what is a type to everybody: whatever else TypeScript adds stays, and is then refused as
//! JavaScript.

use std::ops::Range;

use oxc_allocator::Allocator;
use oxc_ast::ast::{
    Declaration, ExportNamedDeclaration, FormalParameter, ImportDeclaration,
    ImportDeclarationSpecifier, ImportOrExportKind, TSAsExpression, TSInterfaceDeclaration,
    TSNonNullExpression, TSSatisfiesExpression, TSTypeAliasDeclaration, TSTypeAnnotation,
    TSTypeParameterDeclaration, TSTypeParameterInstantiation,
};
use oxc_ast_visit::{Visit, walk};
use oxc_span::{GetSpan, SourceType};

use super::{Kind, check, range};

/// The text with blanks where its types are; nothing if it is no TypeScript.
pub(super) fn blank(text: &str, kind: Option<Kind>) -> Option<String> {
    let source_type = match kind {
        Some(Kind::CommonJs) => SourceType::ts().with_commonjs(true),
        Some(Kind::Module) => SourceType::ts(),
        None => SourceType::ts().with_unambiguous(true),
    };
    let allocator = Allocator::default();
    let program = check::parse_as(&allocator, text, source_type)?;
    let mut types = Types {
        text,
        spans: Vec::new(),
    };
    types.visit_program(program);
    let mut bytes = text.as_bytes().to_vec();
    for span in types.spans {
        for byte in &mut bytes[span] {
            if !matches!(*byte, b'\n' | b'\r') {
                *byte = b' ';
            }
        }
    }
    String::from_utf8(bytes).ok()
}

struct Types<'t> {
    text: &'t str,
    spans: Vec<Range<usize>>,
}

impl Types<'_> {
    /// As [`Range`], with a character that follows it.
    fn with_next(&self, span: Range<usize>, next: char) -> Range<usize> {
        let rest = &self.text[span.end..];
        let after = rest.trim_start();
        if after.starts_with(next) {
            span.start..self.text.len() - after.len() + 1
        } else {
            span
        }
    }
}

impl<'a> Visit<'a> for Types<'_> {
    fn visit_ts_type_annotation(&mut self, it: &TSTypeAnnotation<'a>) {
        self.spans.push(range(it.span));
    }

    fn visit_ts_type_parameter_declaration(&mut self, it: &TSTypeParameterDeclaration<'a>) {
        self.spans.push(range(it.span));
    }

    fn visit_ts_type_parameter_instantiation(&mut self, it: &TSTypeParameterInstantiation<'a>) {
        self.spans.push(range(it.span));
    }

    fn visit_ts_type_alias_declaration(&mut self, it: &TSTypeAliasDeclaration<'a>) {
        self.spans.push(range(it.span));
    }

    fn visit_ts_interface_declaration(&mut self, it: &TSInterfaceDeclaration<'a>) {
        self.spans.push(range(it.span));
    }

    fn visit_ts_as_expression(&mut self, it: &TSAsExpression<'a>) {
        let end = range(it.expression.span()).end;
        self.spans.push(end..range(it.span).end);
        self.visit_expression(&it.expression);
    }

    fn visit_ts_satisfies_expression(&mut self, it: &TSSatisfiesExpression<'a>) {
        let end = range(it.expression.span()).end;
        self.spans.push(end..range(it.span).end);
        self.visit_expression(&it.expression);
    }

    fn visit_ts_non_null_expression(&mut self, it: &TSNonNullExpression<'a>) {
        let end = range(it.expression.span()).end;
        self.spans.push(end..range(it.span).end);
        self.visit_expression(&it.expression);
    }

    fn visit_formal_parameter(&mut self, it: &FormalParameter<'a>) {
        if it.optional {
            let end = range(it.pattern.span()).end;
            let mark = self.with_next(end..end, '?');
            self.spans.push(mark);
        }
        walk::walk_formal_parameter(self, it);
    }

    fn visit_import_declaration(&mut self, it: &ImportDeclaration<'a>) {
        if it.import_kind == ImportOrExportKind::Type {
            self.spans.push(range(it.span));
        } else {
            walk::walk_import_declaration(self, it);
        }
    }

    fn visit_import_declaration_specifier(&mut self, it: &ImportDeclarationSpecifier<'a>) {
        if let ImportDeclarationSpecifier::ImportSpecifier(named) = it
            && named.import_kind == ImportOrExportKind::Type
        {
            let span = self.with_next(range(named.span), ',');
            self.spans.push(span);
        }
    }

    fn visit_export_named_declaration(&mut self, it: &ExportNamedDeclaration<'a>) {
        let declares_type = matches!(
            it.declaration,
            Some(Declaration::TSTypeAliasDeclaration(_) | Declaration::TSInterfaceDeclaration(_))
        );
        if it.export_kind == ImportOrExportKind::Type || declares_type {
            self.spans.push(range(it.span));
        } else {
            walk::walk_export_named_declaration(self, it);
        }
    }
}
