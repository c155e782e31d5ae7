//! The outermost bodies of a module's functions.

use std::ops::Range;

use oxc_ast::ast::{
    AccessorProperty, ArrowFunctionExpression, BindingIdentifier, Decorator, Function,
    FunctionBody, Program, RegExpLiteral, Statement, VariableDeclaration, VariableDeclarationKind,
};
use oxc_ast_visit::{Visit, walk};
use oxc_span::GetSpan;
use oxc_syntax::scope::ScopeFlags;

use super::range;

/// Words that somebody looks for in a text without running it: Node in order to tell what a module
/// is and exports, V8 in comments. `<!--` begins a comment in some texts only.
const READ_UNRUN: [&str; 8] = [
    "import",
    "export",
    "module",
    "__esModule",
    "sourceURL",
    "sourceMappingURL",
    "<!--",
    "-->",
];
/// What Node declares around CommonJS. A text that declares one itself may be a module to it.
const AROUND: [&str; 5] = ["exports", "require", "module", "__filename", "__dirname"];

/// A body that is left out.
#[derive(Clone, Debug)]
pub(super) struct Body {
    /// With its braces, if it has any.
    pub range: Range<usize>,
    /// Where what runs begins: after its brace and directives.
    pub begin: usize,
    /// Whether it is an arrow function's expression.
    pub is_expression: bool,
    /// Which expressions are regular differs between versions of Node.
    pub regexes: Vec<Range<usize>>,
}

/// Whether a text may matter though it is not run.
pub(super) fn is_read_unrun(text: &str) -> bool {
    READ_UNRUN.iter().any(|word| text.contains(word))
}

/// The bodies to leave out, in the text's order; nothing when Node may take the module for another
/// kind than was parsed.
pub(super) fn find(program: &Program<'_>, text: &str) -> Option<Vec<Body>> {
    let mut found = Outermost {
        text,
        bodies: Vec::new(),
        odd: false,
    };
    found.visit_program(program);
    found.bodies.sort_unstable_by_key(|body| body.range.start);
    (!found.odd).then_some(found.bodies)
}

struct Outermost<'t> {
    text: &'t str,
    bodies: Vec<Body>,
    odd: bool,
}

impl Outermost<'_> {
    fn add(&mut self, body: &FunctionBody<'_>, is_expression: bool) {
        let whole = if is_expression {
            // The statement around an expression may not reach over its parentheses.
            let [Statement::ExpressionStatement(only)] = body.statements.as_slice() else {
                return;
            };
            range(only.expression.span())
        } else {
            range(body.span)
        };
        let mut inside = Inside::default();
        inside.visit_function_body(body);
        if inside.odd || is_read_unrun(&self.text[whole.clone()]) {
            return;
        }
        let begin = if is_expression {
            whole.start
        } else {
            let last = body.directives.last();
            last.map_or(whole.start + 1, |last| range(last.span).end)
        };
        self.bodies.push(Body {
            range: whole,
            begin,
            is_expression,
            regexes: inside.regexes,
        });
    }
}

impl<'a> Visit<'a> for Outermost<'_> {
    // Neither goes further in: parameters and what is nested are part of what is kept or left out.
    fn visit_function(&mut self, function: &Function<'a>, _flags: ScopeFlags) {
        if let Some(id) = &function.id {
            self.visit_binding_identifier(id);
        }
        if let Some(body) = &function.body {
            self.add(body, false);
        }
    }

    fn visit_arrow_function_expression(&mut self, arrow: &ArrowFunctionExpression<'a>) {
        self.add(&arrow.body, arrow.expression);
    }

    fn visit_binding_identifier(&mut self, name: &BindingIdentifier<'a>) {
        self.odd |= AROUND.contains(&name.name.as_str());
    }
}

/// What in a body Node may see differently from the parser here.
#[derive(Default)]
struct Inside {
    odd: bool,
    regexes: Vec<Range<usize>>,
}

impl<'a> Visit<'a> for Inside {
    fn visit_reg_exp_literal(&mut self, regex: &RegExpLiteral<'a>) {
        self.regexes.push(range(regex.span));
    }

    fn visit_decorator(&mut self, _decorator: &Decorator<'a>) {
        self.odd = true;
    }

    fn visit_accessor_property(&mut self, _accessor: &AccessorProperty<'a>) {
        self.odd = true;
    }

    fn visit_variable_declaration(&mut self, declaration: &VariableDeclaration<'a>) {
        self.odd |= matches!(
            declaration.kind,
            VariableDeclarationKind::Using | VariableDeclarationKind::AwaitUsing
        );
        walk::walk_variable_declaration(self, declaration);
    }
}
