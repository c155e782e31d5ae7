//! Imports that name what was made, instead of the source.

use std::collections::BTreeMap;

use swc_core::atoms::Wtf8Atom;
use swc_core::common::{DUMMY_SP, SyntaxContext};
use swc_core::ecma::ast::*;
use swc_core::ecma::utils::{ExprFactory, quote_ident};
use swc_core::ecma::visit::{VisitMut, VisitMutWith};

use crate::emit::Format;
use crate::facts::{Usage, beside, loaded};

/// The text that replaces each specifier.
pub(crate) type Replacements = BTreeMap<(String, Usage), String>;

/// Replaces specifiers.
pub(crate) struct Rewriter<'a> {
    pub replacements: &'a Replacements,
    /// Of names that nothing in the file declares.
    pub free: SyntaxContext,
    pub format: Format,
}

impl Rewriter<'_> {
    fn replace(&self, literal: &mut Str, usage: Usage) {
        if let Some(text) = literal.value.as_str()
            && let Some(new) = self.replacements.get(&(text.to_owned(), usage))
        {
            literal.value = Wtf8Atom::from(new.as_str());
            literal.raw = None;
        }
    }
}

impl Rewriter<'_> {
    /// `Promise.resolve().then(() => require(…))`: what `import()` of CommonJS made of an ES module
    /// gives in CommonJS, with its default export in the right place.
    fn required(&self, call: &mut CallExpr) -> Option<Expr> {
        let is_made = |arg: &ExprOrSpread| match &*arg.expr {
            Expr::Lit(Lit::Str(literal)) => {
                let text = literal.value.as_str().unwrap_or_default();
                [".ts.cjs", ".tsx.cjs", ".cts.cjs", ".jsx.cjs"]
                    .iter()
                    .any(|ending| text.ends_with(ending))
            }
            _ => false,
        };
        let is_import = matches!(call.callee, Callee::Import(_));
        if self.format != Format::CommonJs || !is_import || !call.args.first().is_some_and(is_made)
        {
            return None;
        }
        let free = |name: &str| Ident::new(name.into(), DUMMY_SP, self.free);
        let required = free("require").as_call(DUMMY_SP, vec![call.args.swap_remove(0)]);
        let arrow = ArrowExpr {
            body: Box::new(ArrowFunctionBody::Expr(Box::new(required))),
            ..ArrowExpr::default()
        };
        let resolve = free("Promise").make_member(quote_ident!("resolve"));
        let then = resolve
            .as_call(DUMMY_SP, Vec::new())
            .make_member(quote_ident!("then"));
        Some(then.as_call(call.span, vec![Expr::Arrow(arrow).as_arg()]))
    }
}

impl VisitMut for Rewriter<'_> {
    fn visit_mut_expr(&mut self, expression: &mut Expr) {
        expression.visit_mut_children_with(self);
        if let Expr::Call(call) = expression
            && let Some(required) = self.required(call)
        {
            *expression = required;
        }
    }

    fn visit_mut_import_decl(&mut self, import: &mut ImportDecl) {
        self.replace(&mut import.src, Usage::Import);
    }

    fn visit_mut_named_export(&mut self, export: &mut NamedExport) {
        if let Some(source) = &mut export.src {
            self.replace(source, Usage::Import);
        }
    }

    fn visit_mut_export_all(&mut self, export: &mut ExportAll) {
        self.replace(&mut export.src, Usage::Import);
    }

    fn visit_mut_ts_external_module_ref(&mut self, module: &mut TsExternalModuleRef) {
        self.replace(&mut module.expr, Usage::Require);
    }

    fn visit_mut_call_expr(&mut self, call: &mut CallExpr) {
        let usage = loaded(call, self.free).map(|(_, usage)| usage);
        if let Some(usage) = usage
            && let Some(first) = call.args.first_mut()
            && let Expr::Lit(Lit::Str(literal)) = &mut *first.expr
        {
            self.replace(literal, usage);
        }
        call.visit_mut_children_with(self);
    }

    fn visit_mut_new_expr(&mut self, new: &mut NewExpr) {
        if beside(new, self.free).is_some()
            && let Some(first) = new.args.as_mut().and_then(|args| args.first_mut())
            && let Expr::Lit(Lit::Str(literal)) = &mut *first.expr
        {
            self.replace(literal, Usage::Import);
        }
        new.visit_mut_children_with(self);
    }

    fn visit_mut_ts_type(&mut self, _: &mut TsType) {}
}
