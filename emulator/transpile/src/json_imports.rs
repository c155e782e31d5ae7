//! JSON files as ES modules: Node.js wants `with { type: "json" }`, and gives a default export only.

use swc_core::common::DUMMY_SP;
use swc_core::ecma::ast::*;
use swc_core::ecma::utils::private_ident;
use swc_core::ecma::visit::{VisitMut, VisitMutWith};

/// Adds the attribute to imports of JSON, and takes named imports from the default export.
pub(crate) struct JsonImports;

fn is_json(literal: &Str) -> bool {
    literal
        .value
        .as_str()
        .is_some_and(|text| text.ends_with(".json"))
}

fn attributes() -> ObjectLit {
    ObjectLit {
        span: DUMMY_SP,
        props: vec![PropOrSpread::Prop(Box::new(Prop::KeyValue(KeyValueProp {
            key: PropName::Ident("type".into()),
            value: Box::new("json".into()),
        })))],
    }
}

/// `const LOCAL = JSON.NAME`, or `const LOCAL = JSON` for the whole.
fn constant(local: Ident, json: &Ident, name: Option<MemberProp>) -> ModuleItem {
    let whole = Expr::Ident(json.clone());
    let value = match name {
        None => whole,
        Some(prop) => Expr::Member(MemberExpr {
            span: DUMMY_SP,
            obj: Box::new(whole),
            prop,
        }),
    };
    let declarator = VarDeclarator {
        span: DUMMY_SP,
        name: local.into(),
        init: Some(Box::new(value)),
        definite: false,
    };
    ModuleItem::Stmt(Stmt::Decl(Decl::Var(Box::new(VarDecl {
        kind: VarDeclKind::Const,
        decls: vec![declarator],
        ..VarDecl::default()
    }))))
}

fn member(named: &ImportNamedSpecifier) -> MemberProp {
    match &named.imported {
        None => MemberProp::Ident(named.local.sym.clone().into()),
        Some(ModuleExportName::Ident(name)) => MemberProp::Ident(name.sym.clone().into()),
        Some(ModuleExportName::Str(name)) => MemberProp::Computed(ComputedPropName {
            span: DUMMY_SP,
            expr: Box::new(Expr::Lit(Lit::Str(name.clone()))),
        }),
    }
}

impl VisitMut for JsonImports {
    fn visit_mut_module(&mut self, module: &mut Module) {
        let mut constants = Vec::new();
        for item in &mut module.body {
            let ModuleItem::ModuleDecl(ModuleDecl::Import(import)) = item else {
                continue;
            };
            if import.with.is_some() || !is_json(&import.src) {
                continue;
            }
            import.with = Some(Box::new(attributes()));
            let json = private_ident!("json");
            for specifier in std::mem::take(&mut import.specifiers) {
                let (local, name) = match specifier {
                    ImportSpecifier::Default(default) => (default.local, None),
                    ImportSpecifier::Namespace(all) => (all.local, None),
                    ImportSpecifier::Named(named) if named.is_type_only => continue,
                    ImportSpecifier::Named(named) => {
                        let name = member(&named);
                        let is_default = name.is_ident_with("default");
                        (named.local, (!is_default).then_some(name))
                    }
                };
                constants.push(constant(local, &json, name));
            }
            import.specifiers = vec![ImportSpecifier::Default(ImportDefaultSpecifier {
                span: DUMMY_SP,
                local: json,
            })];
        }
        if !constants.is_empty() {
            let imports =
                |item: &ModuleItem| matches!(item, ModuleItem::ModuleDecl(ModuleDecl::Import(_)));
            let end = module
                .body
                .iter()
                .rposition(imports)
                .map_or(0, |last| last + 1);
            module.body.splice(end..end, constants);
        }
        module.visit_mut_children_with(self);
    }

    fn visit_mut_call_expr(&mut self, call: &mut CallExpr) {
        if let (Callee::Import(_), [only]) = (&call.callee, call.args.as_slice())
            && matches!(&*only.expr, Expr::Lit(Lit::Str(literal)) if is_json(literal))
        {
            let with = PropOrSpread::Prop(Box::new(Prop::KeyValue(KeyValueProp {
                key: PropName::Ident("with".into()),
                value: Box::new(Expr::Object(attributes())),
            })));
            let options = ObjectLit {
                span: DUMMY_SP,
                props: vec![with],
            };
            call.args.push(Expr::Object(options).into());
        }
        call.visit_mut_children_with(self);
    }
}
