//! Parsing of one file.

use swc_core::common::comments::SingleThreadedComments;
use swc_core::common::sync::Lrc;
use swc_core::common::{BytePos, FileName, SourceFile, SourceMap};
use swc_core::ecma::ast::{EsVersion, Program};
use swc_core::ecma::parser::{EsSyntax, Syntax, TsSyntax, parse_file_as_program};

/// The language of a file, by its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Language {
    TypeScript { jsx: bool },
    JavaScript { jsx: bool },
}

impl Language {
    /// Returns the language of a file; `None` if it is no code, or only declares types.
    pub fn of(path: &str) -> Option<Self> {
        let name = path.rsplit('/').next().unwrap_or(path);
        let (stem, ending) = name.rsplit_once('.')?;
        match ending {
            // `a.d.ts`, and `a.d.css.ts` for `a.css`.
            "ts" | "mts" | "cts" if stem.ends_with(".d") || stem.contains(".d.") => None,
            "ts" | "mts" | "cts" => Some(Self::TypeScript { jsx: false }),
            "tsx" => Some(Self::TypeScript { jsx: true }),
            "jsx" => Some(Self::JavaScript { jsx: true }),
            "js" | "mjs" | "cjs" => Some(Self::JavaScript { jsx: false }),
            _ => None,
        }
    }

    /// Returns whether a file of this language is translated.
    pub fn is_translated(self) -> bool {
        self != Self::JavaScript { jsx: false }
    }

    pub fn is_jsx(self) -> bool {
        matches!(
            self,
            Self::TypeScript { jsx: true } | Self::JavaScript { jsx: true }
        )
    }

    fn syntax(self) -> Syntax {
        match self {
            Self::TypeScript { jsx } => Syntax::Typescript(TsSyntax {
                tsx: jsx,
                decorators: true,
                // What is left to a type checker is none of our business.
                no_early_errors: true,
                ..TsSyntax::default()
            }),
            Self::JavaScript { jsx } => Syntax::Es(EsSyntax {
                jsx,
                decorators: true,
                import_attributes: true,
                explicit_resource_management: true,
                auto_accessors: true,
                ..EsSyntax::default()
            }),
        }
    }
}

/// Why a file cannot be translated.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Problem {
    pub message: String,
    /// The line and column in the source, from 1; `None` if the whole file is meant.
    pub place: Option<(usize, usize)>,
}

impl Problem {
    pub fn of_file(message: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            place: None,
        }
    }

    pub fn at(map: &SourceMap, position: BytePos, message: impl Into<String>) -> Self {
        let place = map.try_lookup_char_pos(position).ok();
        Self {
            message: message.into(),
            place: place.map(|place| (place.line, place.col.0 + 1)),
        }
    }
}

/// A file as it was parsed.
pub(crate) struct Parsed {
    pub program: Program,
    pub comments: SingleThreadedComments,
    pub file: Lrc<SourceFile>,
}

/// Parses a file. `name` is what its map calls it.
pub(crate) fn parse(
    map: &Lrc<SourceMap>,
    name: &str,
    text: &str,
    language: Language,
) -> Result<Parsed, Problem> {
    let name = FileName::Custom(name.to_owned());
    let file = map.new_source_file(name.into(), text.to_owned());
    let comments = SingleThreadedComments::default();
    let mut errors = Vec::new();
    let parsed = parse_file_as_program(
        &file,
        language.syntax(),
        EsVersion::latest(),
        Some(&comments),
        &mut errors,
    );
    let error = match parsed {
        Ok(program) if errors.is_empty() => {
            return Ok(Parsed {
                program,
                comments,
                file,
            });
        }
        Ok(_) => errors.swap_remove(0),
        Err(error) => error,
    };
    use swc_core::common::Spanned;
    let message = error.kind().msg().into_owned();
    Err(Problem::at(map, error.span().lo, message))
}
