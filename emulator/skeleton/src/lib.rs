//! What of a module's text can matter while the module is loaded, if none of the functions it
//! defines is called.
//!
//! Node is asked what a package exports by loading it. Most edits change the body of a function
//! that nobody calls meanwhile, and then the answer stays true. Which functions are called is not
//! guessed here: the module is loaded once with a mark at the beginning of every outermost body
//! ([`Skeleton::watched`]), and the marks say which bodies ran. Take a second version of the module
//! whose text is the same outside of its bodies and inside of those that ran. Loading it does, step
//! by step, what loading the first one did: the first step that could differ would be one into a
//! body that differs, and no such step was taken. Getters, constructors, `toJSON`, tagged templates
//! and whatever else calls functions in hidden ways need no rules, since their bodies carry marks.
//!
//! What remains are the ways in which the text of a body matters without being run:
//!
//! - **It cannot be parsed.** Both versions are checked for early errors; with one, or with what the
//!   parser here and Node may see differently (regular expressions, whose texts are kept, decorators,
//!   `using`), there is no skeleton or the body is kept.
//! - **Node reads the text before it runs it**: to tell CommonJS from ES modules, to find the names
//!   a CommonJS module exports, for comments that name a source map. Bodies with the words that such
//!   readers look for are kept.
//! - **The code reads its own text**, by `Function.prototype.toString` or from its file. The marks
//!   are in such a text, so whoever loads the module can notice.
//! - **Lines and columns** in the stack of an error made while loading, and the size and times of
//!   the file. Nothing is done about code whose exports depend on those.
//!
//! Bodies of nested functions belong to the outermost one's. Parameters, their defaults included,
//! names, `async` and `*` are kept, and so are static blocks and initialisers of fields.
//!
//! Pure: text in, text out. Recursion is as deep as the text's nesting, so callers bound the text
//! and give the thread a stack that suits it.
#![warn(clippy::disallowed_macros, clippy::disallowed_methods)]

mod bodies;
mod check;
mod types;

use std::ops::Range;

use oxc_allocator::Allocator;
use oxc_ast::ast::Program;
use oxc_span::{GetSpan, Span};

use bodies::Body;

/// What the marks of [`Skeleton::watched`] call with the body's number.
pub const MARK: &str = "fnlocal$ran";

/// How Node takes a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// With `require`.
    CommonJs,
    /// With `import`.
    Module,
}

/// What is known of a file before it is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Dialect {
    /// Whether Node strips types from it.
    pub typescript: bool,
    /// What its name or package.json says; Node looks at the text when that is nothing.
    pub kind: Option<Kind>,
}

impl Dialect {
    /// By a file's extension, without its dot, and the `type` of its package.json. Nothing for a
    /// file that is no code for Node.
    #[must_use]
    pub fn of(extension: &str, package_type: Option<&str>) -> Option<Self> {
        let typescript = extension.ends_with("ts");
        let kind = match (extension, package_type) {
            ("mjs" | "mts", _) | ("js" | "ts", Some("module")) => Some(Kind::Module),
            ("cjs" | "cts", _) | ("js" | "ts", Some("commonjs")) => Some(Kind::CommonJs),
            ("js" | "ts", _) => None,
            _ => return None,
        };
        Some(Self { typescript, kind })
    }
}

/// A module's text, taken apart.
#[derive(Clone, Debug)]
pub struct Skeleton {
    kind: Kind,
    kept: Vec<u8>,
    bodies: Vec<Body>,
}

impl Skeleton {
    /// Takes a module's text apart; nothing when it cannot be said what of it matters, or when
    /// Node would refuse it.
    #[must_use]
    pub fn of(text: &str, dialect: Dialect) -> Option<Self> {
        // Node takes it off, and counts columns without it.
        if text.starts_with('\u{feff}') || text.contains(MARK) {
            return None;
        }
        let stripped = dialect.typescript.then(|| types::blank(text, dialect.kind));
        let plain = match &stripped {
            Some(stripped) => stripped.as_deref()?,
            None => text,
        };
        let allocator = Allocator::default();
        let (program, kind) = check::parse(&allocator, plain, dialect.kind)?;
        let bodies = bodies::find(program, text)?;
        let kept = keep(program, kind, text, &bodies);
        Some(Self { kind, kept, bodies })
    }

    /// How Node takes the module.
    #[must_use]
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// All that matters when no body runs, and how many bodies there are.
    #[must_use]
    pub fn kept(&self) -> &[u8] {
        &self.kept
    }

    /// Where the bodies that were left out are in the text, in its order.
    pub fn bodies(&self) -> impl ExactSizeIterator<Item = Range<usize>> {
        self.bodies.iter().map(|body| body.range.clone())
    }

    /// The text with a mark at the beginning of every body that was left out, numbered from
    /// `first`. Lines stay where they are.
    #[must_use]
    pub fn watched(&self, text: &str, first: usize) -> String {
        let mut marked = String::with_capacity(text.len() + 24 * self.bodies.len());
        let mut at = 0;
        for (number, body) in (first..).zip(&self.bodies) {
            marked.push_str(&text[at..body.begin]);
            at = body.begin;
            if body.is_expression {
                marked.push_str(&format!("({MARK}({number}),"));
                marked.push_str(&text[at..body.range.end]);
                marked.push(')');
                at = body.range.end;
            } else {
                marked.push_str(&format!(";{MARK}({number});"));
            }
        }
        marked.push_str(&text[at..]);
        marked
    }
}

/// What lies between statements matters to nobody, unless it looks like more than a comment.
fn keep(program: &Program<'_>, kind: Kind, text: &str, bodies: &[Body]) -> Vec<u8> {
    let mut kept = vec![match kind {
        Kind::CommonJs => b'c',
        Kind::Module => b'm',
    }];
    let hashbang = program.hashbang.iter().map(|one| one.span);
    let directives = program.directives.iter().map(|one| one.span);
    let statements = program.body.iter().map(GetSpan::span);
    let mut bodies = bodies.iter().peekable();
    let mut at = 0;
    for span in hashbang.chain(directives).chain(statements) {
        let span = range(span);
        between(&mut kept, &text[at..span.start]);
        at = span.start;
        while let Some(body) = bodies.next_if(|body| body.range.end <= span.end) {
            field(&mut kept, b't', &text[at..body.range.start]);
            field(&mut kept, b'b', &text[body.range.start..body.begin]);
            for regex in &body.regexes {
                field(&mut kept, b'r', &text[regex.clone()]);
            }
            at = body.range.end;
        }
        field(&mut kept, b't', &text[at..span.end]);
        at = span.end;
    }
    between(&mut kept, &text[at..]);
    kept
}

fn between(kept: &mut Vec<u8>, text: &str) {
    if bodies::is_read_unrun(text) {
        field(kept, b'c', text);
    }
}

/// With its length, so that two texts in a row are no other two.
fn field(kept: &mut Vec<u8>, tag: u8, text: &str) {
    kept.push(tag);
    kept.extend((text.len() as u64).to_le_bytes());
    kept.extend(text.as_bytes());
}

fn range(span: Span) -> Range<usize> {
    span.start as usize..span.end as usize
}
