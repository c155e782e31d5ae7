//! The parts of a file: its imports, its kind of module, and whether types can be stripped from it.

use std::collections::BTreeSet;

use swc_core::common::sync::Lrc;
use swc_core::common::{GLOBALS, Globals, Mark, SourceMap, Span, SyntaxContext};
use swc_core::ecma::ast::*;
use swc_core::ecma::transforms::base::resolver;
use swc_core::ecma::transforms::typescript::strip;
use swc_core::ecma::visit::{Visit, VisitWith};

use crate::parse::{Language, Problem, parse};

/// How a specifier is used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Usage {
    /// `import`, `export from`, `import()`, `new URL("…", import.meta.url)`.
    Import,
    /// `require`, `import x = require`.
    Require,
}

/// The names that Node.js gives to CommonJS modules, and an ES module can make itself.
pub(crate) const CONTEXT_NAMES: [&str; 3] = ["require", "__filename", "__dirname"];

/// The name of a module in an import.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Specifier {
    pub text: String,
    pub usage: Usage,
    /// Where its literal is, in bytes of the file.
    pub range: (usize, usize),
    /// `with { … }` stands beside it.
    pub attributes: bool,
}

/// The parts of a file.
#[derive(Clone, Debug, Default)]
pub(crate) struct Facts {
    pub specifiers: Vec<Specifier>,
    /// Names that are imported from other files.
    pub names: BTreeSet<String>,
    /// `import` and `export` declarations.
    pub module_syntax: bool,
    /// `import.meta`, or `await` outside of functions: an ES module and nothing else.
    pub only_module: bool,
    /// `export =`: CommonJS and nothing else.
    pub only_commonjs: bool,
    /// `module` or `exports` of CommonJS.
    pub commonjs_exports: bool,
    /// Those of [`CONTEXT_NAMES`] that are used and not declared.
    pub context_names: BTreeSet<&'static str>,
    /// Syntax that is more than a type: enums, decorators and the like.
    pub inerasable: bool,
    /// Imports without `type` of which nothing is used as a value.
    pub unused_imports: bool,
    /// Classes with fields.
    pub fields: bool,
    /// A default import, `import x from`.
    pub default_imports: bool,
}

/// Reads a file. Within a bounded thread only.
pub(crate) fn read(text: &str, language: Language) -> Result<Facts, Problem> {
    let map: Lrc<SourceMap> = Lrc::default();
    let parsed = parse(&map, "source", text, language)?;
    let start = parsed.file.start_pos;
    GLOBALS.set(&Globals::new(), || {
        let (unresolved, top_level) = (Mark::new(), Mark::new());
        let typed = matches!(language, Language::TypeScript { .. });
        let program = parsed.program.apply(resolver(unresolved, top_level, typed));
        let mut reader = Reader {
            facts: Facts::default(),
            start: start.0,
            free: SyntaxContext::empty().apply_mark(unresolved),
            functions: 0,
        };
        program.visit_with(&mut reader);
        let mut facts = reader.facts;
        if typed && !language.is_jsx() {
            let imported = imported(&program);
            facts.unused_imports = imported > 0
                && self::imported(&program.apply(strip(unresolved, top_level))) < imported;
        }
        Ok(facts)
    })
}

/// Counts the names that are imported as values, as far as is written down.
fn imported(program: &Program) -> usize {
    let Program::Module(module) = program else {
        return 0;
    };
    let imports = module.body.iter().filter_map(|item| match item {
        ModuleItem::ModuleDecl(ModuleDecl::Import(import)) if !import.type_only => Some(import),
        _ => None,
    });
    let is_value = |specifier: &&ImportSpecifier| match specifier {
        ImportSpecifier::Named(named) => !named.is_type_only,
        _ => true,
    };
    imports
        .map(|import| import.specifiers.iter().filter(is_value).count())
        .sum()
}

struct Reader {
    facts: Facts,
    start: u32,
    /// Of names that nothing in the file declares.
    free: SyntaxContext,
    functions: usize,
}

impl Reader {
    fn add(&mut self, literal: &Str, usage: Usage, attributes: bool) {
        let Some(text) = literal.value.as_str() else {
            return;
        };
        let at = |span: Span| {
            let offset = |position: u32| (position - self.start) as usize;
            (offset(span.lo.0), offset(span.hi.0))
        };
        self.facts.specifiers.push(Specifier {
            text: text.to_owned(),
            usage,
            range: at(literal.span),
            attributes,
        });
    }

    fn name(&mut self, name: &ModuleExportName) {
        if let ModuleExportName::Ident(name) = name {
            self.facts.names.insert(name.sym.to_string());
        }
    }

    fn inside_function(&mut self, visit: impl FnOnce(&mut Self)) {
        self.functions += 1;
        visit(self);
        self.functions -= 1;
    }
}

/// The literal of a call that loads a module, and how it does.
pub(crate) fn loaded(call: &CallExpr, free: SyntaxContext) -> Option<(&Str, Usage)> {
    let usage = match &call.callee {
        Callee::Import(_) => Usage::Import,
        Callee::Expr(callee) if is_require(callee, free) => Usage::Require,
        _ => return None,
    };
    match &*call.args.first()?.expr {
        Expr::Lit(Lit::Str(literal)) => Some((literal, usage)),
        _ => None,
    }
}

/// Returns whether an expression is `require` or `require.resolve`.
fn is_require(callee: &Expr, free: SyntaxContext) -> bool {
    match callee {
        Expr::Ident(name) => name.sym == *"require" && name.ctxt == free,
        Expr::Member(member) => {
            member.prop.is_ident_with("resolve") && is_require(&member.obj, free)
        }
        _ => false,
    }
}

/// The literal of `new URL("…", import.meta.url)`.
pub(crate) fn beside(new: &NewExpr, free: SyntaxContext) -> Option<&Str> {
    let is_url =
        matches!(&*new.callee, Expr::Ident(name) if name.sym == *"URL" && name.ctxt == free);
    let [first, second] = new.args.as_deref()? else {
        return None;
    };
    let base = second.expr.as_member()?;
    let from_here = base.obj.is_meta_prop() && base.prop.is_ident_with("url");
    match &*first.expr {
        Expr::Lit(Lit::Str(literal)) if is_url && from_here => Some(literal),
        _ => None,
    }
}

impl Visit for Reader {
    fn visit_module_decl(&mut self, item: &ModuleDecl) {
        match item {
            ModuleDecl::Import(import) => {
                self.facts.module_syntax = true;
                if !import.type_only {
                    self.add(&import.src, Usage::Import, import.with.is_some());
                }
                for specifier in &import.specifiers {
                    match specifier {
                        ImportSpecifier::Named(named) => match &named.imported {
                            Some(name) => self.name(name),
                            None => self.name(&ModuleExportName::Ident(named.local.clone())),
                        },
                        ImportSpecifier::Default(_) => self.facts.default_imports = true,
                        ImportSpecifier::Namespace(_) => {}
                    }
                }
            }
            ModuleDecl::ExportNamed(export) => {
                self.facts.module_syntax = true;
                if let Some(source) = export.src.as_ref().filter(|_| !export.type_only) {
                    self.add(source, Usage::Import, export.with.is_some());
                    for specifier in &export.specifiers {
                        if let ExportSpecifier::Named(named) = specifier {
                            self.name(&named.orig);
                        }
                    }
                }
            }
            ModuleDecl::ExportAll(export) => {
                self.facts.module_syntax = true;
                if !export.type_only {
                    self.add(&export.src, Usage::Import, export.with.is_some());
                }
            }
            ModuleDecl::TsImportEquals(import) => {
                self.facts.inerasable |= !import.is_type_only;
                self.facts.module_syntax |= import.is_export;
                if let TsModuleRef::TsExternalModuleRef(module) = &import.module_ref {
                    self.facts.module_syntax = true;
                    self.add(&module.expr, Usage::Require, false);
                }
            }
            ModuleDecl::TsExportAssignment(_) => {
                self.facts.inerasable = true;
                self.facts.only_commonjs = true;
            }
            ModuleDecl::TsNamespaceExport(_) => {}
            ModuleDecl::ExportDecl(_)
            | ModuleDecl::ExportDefaultDecl(_)
            | ModuleDecl::ExportDefaultExpr(_) => self.facts.module_syntax = true,
        }
        item.visit_children_with(self);
    }

    fn visit_call_expr(&mut self, call: &CallExpr) {
        if let Some((literal, usage)) = loaded(call, self.free) {
            self.add(literal, usage, call.args.len() > 1);
        }
        call.visit_children_with(self);
    }

    fn visit_new_expr(&mut self, new: &NewExpr) {
        if let Some(literal) = beside(new, self.free) {
            self.add(literal, Usage::Import, true);
        }
        new.visit_children_with(self);
    }

    fn visit_ident(&mut self, name: &Ident) {
        if name.ctxt != self.free {
            return;
        }
        self.facts.commonjs_exports |= ["module", "exports"].contains(&&*name.sym);
        let context = CONTEXT_NAMES.iter().find(|known| name.sym == **known);
        self.facts.context_names.extend(context);
    }

    fn visit_meta_prop_expr(&mut self, meta: &MetaPropExpr) {
        self.facts.only_module |= meta.kind == MetaPropKind::ImportMeta;
    }

    fn visit_await_expr(&mut self, expression: &AwaitExpr) {
        self.facts.only_module |= self.functions == 0;
        expression.visit_children_with(self);
    }

    fn visit_for_of_stmt(&mut self, statement: &ForOfStmt) {
        self.facts.only_module |= statement.is_await && self.functions == 0;
        statement.visit_children_with(self);
    }

    fn visit_using_decl(&mut self, declaration: &UsingDecl) {
        self.facts.inerasable = true;
        self.facts.only_module |= declaration.is_await && self.functions == 0;
        declaration.visit_children_with(self);
    }

    fn visit_function(&mut self, function: &Function) {
        self.inside_function(|reader| function.visit_children_with(reader));
    }

    fn visit_arrow_expr(&mut self, function: &ArrowExpr) {
        self.inside_function(|reader| function.visit_children_with(reader));
    }

    fn visit_constructor(&mut self, function: &Constructor) {
        let is_property = |param: &ParamOrTsParamProp| param.is_ts_param_prop();
        self.facts.inerasable |= function.params.iter().any(is_property);
        self.inside_function(|reader| function.visit_children_with(reader));
    }

    fn visit_class_prop(&mut self, field: &ClassProp) {
        self.facts.fields |= !field.declare;
        self.inside_function(|reader| field.visit_children_with(reader));
    }

    fn visit_auto_accessor(&mut self, field: &AutoAccessor) {
        self.facts.inerasable = true;
        self.inside_function(|reader| field.visit_children_with(reader));
    }

    fn visit_decorator(&mut self, decorator: &Decorator) {
        self.facts.inerasable = true;
        decorator.visit_children_with(self);
    }

    fn visit_ts_enum_decl(&mut self, declaration: &TsEnumDecl) {
        self.facts.inerasable |= !declaration.declare;
    }

    fn visit_ts_module_decl(&mut self, declaration: &TsModuleDecl) {
        if declaration.declare || declaration.global {
            return;
        }
        self.facts.inerasable = true;
        declaration.visit_children_with(self);
    }

    // `<T>value`, which Node.js does not strip.
    fn visit_ts_type_assertion(&mut self, assertion: &TsTypeAssertion) {
        self.facts.inerasable = true;
        assertion.visit_children_with(self);
    }

    fn visit_ts_type(&mut self, _: &TsType) {}
    fn visit_ts_interface_decl(&mut self, _: &TsInterfaceDecl) {}
    fn visit_ts_type_alias_decl(&mut self, _: &TsTypeAliasDecl) {}
}
