//! Text that other people chose, made safe to print.
//!
//! Functions, clients, repositories, peers and AWS choose text that `fnlocal` prints. A terminal
//! takes some of it for commands: it would move the cursor, set the title, answer as if typed, or
//! show text in another order than it is read in. Such characters become visible escapes.

use std::borrow::Cow;
use std::fmt::Write as _;

/// The maximum length in bytes of a colour sequence that passes: `38;2;R;G;B` twice fits.
const MAX_COLOUR_BYTES: usize = 40;
/// Ends all colours.
const RESET: &str = "\x1b[0m";

/// Returns whether a terminal acts on a character, or a reader cannot see that it is there.
///
/// Joiners (U+200C, U+200D) stay: scripts and emoji need them.
pub fn deceives(c: char) -> bool {
    c.is_control()
        || matches!(
            c,
            '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}' | '\u{feff}'
        )
        || matches!(c, '\u{200e}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}')
        || matches!(c, '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

/// Returns whether a character stands for itself where lines and tabs are layout.
fn passes(c: char) -> bool {
    matches!(c, '\n' | '\t') || !deceives(c)
}

/// Appends a character as a visible escape.
fn escape(c: char, to: &mut String) {
    let _infallible = match c {
        '\n' => write!(to, "\\n"),
        '\r' => write!(to, "\\r"),
        '\t' => write!(to, "\\t"),
        c if c.is_ascii() => write!(to, "\\x{:02x}", u32::from(c)),
        c => write!(to, "\\u{{{:x}}}", u32::from(c)),
    };
}

/// Returns text with no line feed, tab, colour or anything else that is not seen: for names, paths
/// and messages that stand inside a line.
pub fn one_line(text: &str) -> Cow<'_, str> {
    if !text.chars().any(deceives) {
        return Cow::Borrowed(text);
    }
    let mut line = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        if deceives(c) {
            escape(c, &mut line);
        } else {
            line.push(c);
        }
    }
    Cow::Owned(line)
}

/// Returns a line that a function printed. Its colours and tabs stay, for [`lines`] to judge.
pub fn printed_line(text: &str) -> Cow<'_, str> {
    let text = text.trim_end_matches(['\r', '\n']);
    if text.contains('\n') {
        Cow::Owned(text.replace('\n', "\\n"))
    } else {
        Cow::Borrowed(text)
    }
}

/// Returns text for people, safe to print. Colours pass and end with their line; `max_chars` is
/// the maximum length of a line, `None` if nothing is cut.
///
/// Everything printed goes through this, the platform's own colours included.
pub fn lines(text: &str, max_chars: Option<usize>) -> Cow<'_, str> {
    let short = max_chars.is_none_or(|most| text.lines().all(|line| line.len() <= most));
    if short && text.chars().all(passes) {
        return Cow::Borrowed(text);
    }
    let mut safe = String::with_capacity(text.len() + 64);
    for line in text.split_inclusive('\n') {
        let (line, end) = match line.strip_suffix('\n') {
            Some(line) => (line.strip_suffix('\r').unwrap_or(line), "\n"),
            None => (line, ""),
        };
        push_line(line, max_chars.unwrap_or(usize::MAX), &mut safe);
        safe.push_str(end);
    }
    Cow::Owned(safe)
}

fn push_line(line: &str, max_chars: usize, to: &mut String) {
    let (mut rest, mut chars, mut coloured) = (line, 0, false);
    while let Some(c) = rest.chars().next() {
        if let Some(colour) = colour(rest) {
            coloured = colour != RESET;
            to.push_str(colour);
            rest = &rest[colour.len()..];
            continue;
        }
        if chars == max_chars {
            break;
        }
        if passes(c) {
            to.push(c);
        } else {
            escape(c, to);
        }
        chars += 1;
        rest = &rest[c.len_utf8()..];
    }
    if coloured {
        to.push_str(RESET);
    }
    if !rest.is_empty() {
        let _infallible = write!(to, "… {} more bytes", rest.len());
    }
}

/// Returns the colour sequence that text begins with: `ESC [ digits ; digits m`, of attributes
/// that hide nothing.
fn colour(text: &str) -> Option<&str> {
    let parameters = text.strip_prefix("\x1b[")?;
    let end = parameters.find(|c: char| c != ';' && !c.is_ascii_digit())?;
    let known = end <= MAX_COLOUR_BYTES && parameters[end..].starts_with('m');
    (known && shows(&parameters[..end])).then(|| &text[..end + 3])
}

/// Returns whether all attributes leave text readable: not blinking (5, 6), not concealed (8).
fn shows(parameters: &str) -> bool {
    let mut numbers = parameters.split(';');
    while let Some(number) = numbers.next() {
        let skipped = match number.parse::<u16>() {
            Err(_) if number.is_empty() => 0,
            Ok(0..=4 | 7 | 9 | 21..=24 | 27 | 29..=37 | 39..=47 | 49 | 90..=97 | 100..=107) => 0,
            Ok(38 | 48) => match numbers.next() {
                Some("5") => 1,
                Some("2") => 3,
                _ => return false,
            },
            _ => return false,
        };
        if (0..skipped).any(|_| numbers.next().and_then(|n| n.parse::<u8>().ok()).is_none()) {
            return false;
        }
    }
    true
}

/// Returns JSON that means the same, without characters that a terminal acts on. Such can only
/// stand in strings, where `\u` may stand for them.
pub fn json(text: &str) -> Cow<'_, str> {
    if text.chars().all(|c| c == '\n' || !deceives(c)) {
        return Cow::Borrowed(text);
    }
    let mut safe = String::with_capacity(text.len() + 64);
    for c in text.chars() {
        if c == '\n' || !deceives(c) {
            safe.push(c);
        } else {
            for unit in c.encode_utf16(&mut [0; 2]) {
                let _infallible = write!(safe, "\\u{unit:04x}");
            }
        }
    }
    Cow::Owned(safe)
}

/// A stream of bytes that is shown on a terminal. Nothing in it is taken for a colour.
#[derive(Default)]
pub struct Bytes {
    /// The beginning of a character whose end is still to come, at most three bytes.
    begun: Vec<u8>,
}

impl Bytes {
    /// Returns the next piece as text: what is not UTF-8 becomes `\xNN`.
    pub fn next(&mut self, piece: &[u8]) -> String {
        let mut bytes = std::mem::take(&mut self.begun);
        bytes.extend_from_slice(piece);
        if let Err(error) = std::str::from_utf8(tail(&bytes))
            && error.error_len().is_none()
        {
            let begun = tail(&bytes).len() - error.valid_up_to();
            self.begun = bytes.split_off(bytes.len() - begun);
        }
        shown(&bytes)
    }

    /// Returns what is left when the stream has ended.
    pub fn end(&mut self) -> String {
        shown(&std::mem::take(&mut self.begun))
    }
}

/// The last bytes, which may hold a character that is cut.
fn tail(bytes: &[u8]) -> &[u8] {
    let begins = |byte: &u8| byte & 0b1100_0000 != 0b1000_0000;
    let last = &bytes[bytes.len().saturating_sub(4)..];
    let at = last.iter().rposition(begins).unwrap_or(last.len());
    &last[at..]
}

fn shown(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        for c in chunk.valid().chars() {
            if passes(c) {
                text.push(c);
            } else {
                escape(c, &mut text);
            }
        }
        for byte in chunk.invalid() {
            let _infallible = write!(text, "\\x{byte:02x}");
        }
    }
    text.replace("\\r\n", "\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn terminal_control_sequences_are_shown_as_escapes() {
        let hostile = "a\x1b]0;title\x07b\x1b[2Jc\u{9b}31md\x7fe\rf\x08g\u{0}";
        assert_eq!(
            lines(hostile, None),
            r"a\x1b]0;title\x07b\x1b[2Jc\u{9b}31md\x7fe\rf\x08g\x00"
        );
        assert_eq!(lines("\x1b[31", None), r"\x1b[31");
        assert_eq!(lines("\x1b", None), r"\x1b");
    }

    #[test]
    fn bidirectional_and_invisible_characters_are_shown_as_escapes() {
        let hostile = "\u{202e}abc\u{2066}\u{200b}\u{feff}\u{e0041}";
        assert_eq!(
            lines(hostile, None),
            r"\u{202e}abc\u{2066}\u{200b}\u{feff}\u{e0041}"
        );
    }

    #[test]
    fn ordinary_text_of_any_script_is_unchanged() {
        let text = "déjà\t漢字 👩\u{200d}💻 نص\nשלום\n";
        assert!(matches!(lines(text, Some(80)), Cow::Borrowed(_)));
        assert!(matches!(json(text.trim_end_matches('\t')), Cow::Owned(_)));
        assert!(matches!(json("{\"a\": \"漢\"}\n"), Cow::Borrowed(_)));
    }

    #[test]
    fn colours_are_kept_and_reset_at_the_end_of_the_line() {
        assert_eq!(
            lines("\x1b[1;31mred\nno\n", None),
            "\x1b[1;31mred\x1b[0m\nno\n"
        );
        assert_eq!(lines("\x1b[32mok\x1b[0m\n", None), "\x1b[32mok\x1b[0m\n");
        let many = "\x1b[38;5;200mx\x1b[48;2;1;2;3my";
        assert_eq!(lines(many, None), format!("{many}{RESET}"));
    }

    #[test]
    fn sequences_that_hide_text_or_are_invalid_are_not_treated_as_colours() {
        for hostile in [
            "\x1b[8m",
            "\x1b[5m",
            "\x1b[38;5;999m",
            "\x1b[38m",
            "\x1b[1;2",
            "\x1b[?1m",
        ] {
            assert!(!lines(hostile, None).contains('\x1b'), "{hostile:?}");
        }
        let long = format!("\x1b[{}m", "1;".repeat(100));
        assert!(!lines(&long, None).contains('\x1b'));
    }

    #[test]
    fn a_name_is_kept_on_one_line_without_colours() {
        assert_eq!(one_line("a\n\x1b[31mb\tc"), r"a\n\x1b[31mb\tc");
        assert_eq!(printed_line("\x1b[31ma\nb\r"), "\x1b[31ma\\nb");
    }

    #[test]
    fn a_long_line_is_truncated_with_the_number_of_bytes_cut() {
        assert_eq!(lines("abcdef\ngh\n", Some(3)), "abc… 3 more bytes\ngh\n");
        assert_eq!(lines("abc\n", Some(3)), "abc\n");
    }

    #[test]
    fn escaped_json_parses_to_the_same_value() {
        let value = serde_json::json!({"a": "\u{9b}\x7f\u{202e}\u{e0041}\x1b", "b": ["ü"]});
        let text = format!("{value}\n");
        let safe = json(&text);
        assert!(
            safe.contains(r"\u009b\u007f\u202e\udb40\udc41\u001b"),
            "{safe}"
        );
        assert_eq!(
            serde_json::from_str::<serde_json::Value>(&safe).unwrap(),
            value
        );
    }

    #[test]
    fn binary_output_is_escaped_the_same_wherever_the_stream_is_split() {
        let whole = "é漢👩\x1b[2J\r\nend".as_bytes();
        for at in 0..whole.len() {
            let mut bytes = Bytes::default();
            let shown = bytes.next(&whole[..at]) + &bytes.next(&whole[at..]) + &bytes.end();
            let shown = shown.replace("\\r\n", "\n");
            assert_eq!(shown, "é漢👩\\x1b[2J\nend", "cut at {at}");
        }
        let mut bytes = Bytes::default();
        assert_eq!(bytes.next(b"\x9b31m\xff\xe6\xbc"), "\\x9b31m\\xff");
        assert_eq!(bytes.end(), "\\xe6\\xbc");
    }
}
