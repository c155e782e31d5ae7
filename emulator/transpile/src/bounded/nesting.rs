//! How deep a file nests, by its text alone.

/// Keywords that can stand one after the other, each a node inside of the one before.
const WORDS: [&str; 29] = [
    "as",
    "asserts",
    "async",
    "await",
    "case",
    "class",
    "delete",
    "do",
    "else",
    "export",
    "extends",
    "for",
    "function",
    "if",
    "in",
    "infer",
    "instanceof",
    "is",
    "keyof",
    "new",
    "readonly",
    "return",
    "satisfies",
    "throw",
    "typeof",
    "unique",
    "void",
    "while",
    "yield",
];
/// Marks that are no brackets.
const OPERATORS: &[u8] = b"<!~-+*/%&|^?:=.`";

/// Counts all that a file can nest by, in strings and comments too: it nests no deeper.
pub(super) fn count(text: &str) -> usize {
    let nests = |byte: &u8| OPERATORS.contains(byte) || b"([{".contains(byte);
    let words = text.split(|part: char| !is_word(part));
    text.bytes().filter(nests).count() + words.filter(|word| WORDS.contains(word)).count()
}

fn is_word(part: char) -> bool {
    part.is_alphanumeric() || part == '_' || part == '$'
}

/// Estimates how deep a file nests: open brackets, and what stands in a row within each. Regular
/// expressions are not told from divisions, so a text that is made for it can hide some.
pub(super) fn depth(text: &str) -> usize {
    let mut scan = Scan {
        rows: vec![0],
        open: 0,
        elses: 0,
        deepest: 0,
        // Text between tags looks like statements.
        statements: !(text.contains("</") || text.contains("/>")),
        line_begins: false,
        operand: false,
    };
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let mut taken = skipped(rest);
        if taken > 0 {
            scan.operand |= !rest.starts_with('/');
        } else if is_word(first) {
            taken = rest.find(|part| !is_word(part)).unwrap_or(rest.len());
            scan.word(&rest[..taken]);
        } else {
            taken = first.len_utf8();
            scan.mark(first);
        }
        rest = &rest[taken..];
    }
    scan.deepest
}

/// The length of a comment or a string that a text begins with.
fn skipped(text: &str) -> usize {
    if text.starts_with("//") {
        return text.find('\n').unwrap_or(text.len());
    }
    if let Some(comment) = text.strip_prefix("/*") {
        // Without an end it is none.
        return comment.find("*/").map_or(0, |end| end + 4);
    }
    let quote = text.as_bytes()[0];
    if quote != b'"' && quote != b'\'' {
        return 0;
    }
    let mut escaped = false;
    for (at, byte) in text.bytes().enumerate().skip(1) {
        match byte {
            b'\n' => return 0,
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            _ if byte == quote => return at + 1,
            _ => {}
        }
    }
    0
}

struct Scan {
    /// For each open bracket, what stands in a row within it.
    rows: Vec<usize>,
    /// Their sum.
    open: usize,
    /// Each is inside of the one before, whatever stands between them.
    elses: usize,
    deepest: usize,
    /// A line that begins with a word after an operand begins a statement.
    statements: bool,
    line_begins: bool,
    /// The last thing was one that an operator may follow.
    operand: bool,
}

impl Scan {
    fn add(&mut self) {
        if let Some(row) = self.rows.last_mut() {
            *row += 1;
        }
        self.open += 1;
        self.deepest = self.deepest.max(self.open + self.elses);
    }

    fn end_row(&mut self) {
        if let Some(row) = self.rows.last_mut() {
            self.open -= std::mem::take(row);
        }
    }

    fn word(&mut self, word: &str) {
        let nests = WORDS.contains(&word);
        if self.statements && self.line_begins && self.operand && !nests {
            self.end_row();
        }
        self.elses += usize::from(word == "else");
        if nests {
            self.add();
        }
        self.operand = !nests;
        self.line_begins = false;
    }

    fn mark(&mut self, mark: char) {
        match mark {
            '\n' => {
                self.line_begins = true;
                return;
            }
            ' ' | '\t' | '\r' => return,
            '(' | '[' | '{' => {
                self.add();
                self.rows.push(0);
            }
            ')' | ']' | '}' if self.rows.len() > 1 => {
                self.end_row();
                self.rows.pop();
            }
            ';' | ',' => self.end_row(),
            mark if mark.is_ascii() && OPERATORS.contains(&(mark as u8)) => self.add(),
            _ => {}
        }
        self.line_begins = false;
        self.operand = [')', ']', '}', '`'].contains(&mark);
    }
}
