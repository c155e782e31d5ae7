//! Text that people write, as editors save it.

use std::io;

/// First bytes of files that are not UTF-8 text, the kind of such a file, and whether it is text.
const KINDS: [(&[u8], &str, bool); 8] = [
    // UTF-32's mark begins with UTF-16's.
    (b"\xff\xfe\0\0", "UTF-32 text", true),
    (b"\0\0\xfe\xff", "UTF-32 text", true),
    (b"\xff\xfe", "UTF-16 text", true),
    (b"\xfe\xff", "UTF-16 text", true),
    (b"\x1f\x8b", "compressed with gzip", false),
    (b"\x28\xb5\x2f\xfd", "compressed with zstd", false),
    (b"PK\x03\x04", "a zip archive", false),
    (b"SQLite format 3\0", "a SQLite database", false),
];
const MARK: &str = "\u{feff}";
/// The share of zero bytes in UTF-16 that holds mostly ASCII is a half; in UTF-8 there are none.
const LOOKED_AT: usize = 512;

/// Why bytes are not the text of a file that a person wrote.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("it is {what}, not UTF-8 text")]
pub struct NotText {
    what: String,
    /// The file is text all the same, in another encoding.
    encoding: bool,
}

impl NotText {
    /// Returns the hint for this error.
    #[must_use]
    pub fn hint(&self) -> &'static str {
        if self.encoding {
            "save it as UTF-8"
        } else {
            "put the text itself in its place, as UTF-8"
        }
    }
}

/// The text of a file, without the byte order mark that some editors write.
///
/// # Errors
/// [`NotText`] names what the bytes are, as an [`io::Error`].
pub fn decode(bytes: Vec<u8>) -> io::Result<String> {
    let fail = |what: &str, encoding: bool| {
        let what = what.to_owned();
        io::Error::new(io::ErrorKind::InvalidData, NotText { what, encoding })
    };
    let known = KINDS.iter().find(|(start, ..)| bytes.starts_with(start));
    if let Some((_, what, encoding)) = known {
        return Err(fail(what, *encoding));
    }
    let start = &bytes[..bytes.len().min(LOOKED_AT)];
    let zeros = start.iter().filter(|byte| **byte == 0).count();
    if zeros > 0 && zeros * 3 >= start.len() {
        return Err(fail("UTF-16 text without a byte order mark", true));
    }
    match String::from_utf8(bytes) {
        Ok(text) => Ok(match text.strip_prefix(MARK) {
            Some(rest) => rest.to_owned(),
            None => text,
        }),
        Err(error) => {
            let valid = error.utf8_error().valid_up_to();
            let line = error.as_bytes()[..valid].split(|byte| *byte == b'\n');
            let what = format!("in another encoding (line {})", line.count());
            Err(fail(&what, true))
        }
    }
}

/// The bytes of a file without the byte order mark.
#[must_use]
pub fn without_mark(bytes: &[u8]) -> &[u8] {
    bytes.strip_prefix(MARK.as_bytes()).unwrap_or(bytes)
}

/// Returns the hint for a file that is not text. `None` if the error is another.
pub(crate) fn hint(error: &io::Error) -> Option<String> {
    let not_text = error.get_ref()?.downcast_ref::<NotText>()?;
    Some(not_text.hint().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_byte_order_mark_is_stripped_from_text() {
        for text in ["", "{}", "{\r\n}\r\n", "\u{feff}"] {
            let marked = format!("{MARK}{text}").into_bytes();
            assert_eq!(without_mark(&marked), text.as_bytes());
            assert_eq!(decode(marked).unwrap(), text);
        }
        assert_eq!(decode(b"a\0b, which is UTF-8".to_vec()).unwrap().len(), 19);
    }

    #[test]
    fn a_file_that_is_not_utf_8_is_refused_with_its_actual_format() {
        let wide = |order: fn(u16) -> [u8; 2], text: &str| {
            text.encode_utf16().flat_map(order).collect::<Vec<u8>>()
        };
        let cases: [(Vec<u8>, &str, &str); 9] = [
            (wide(u16::to_le_bytes, "\u{feff}{}"), "UTF-16", "save it"),
            (wide(u16::to_be_bytes, "\u{feff}{}"), "UTF-16", "save it"),
            (wide(u16::to_le_bytes, "{\"name\":1}"), "UTF-16", "save it"),
            (wide(u16::to_be_bytes, "{}"), "UTF-16", "save it"),
            (b"\xff\xfe\0\0{\0\0\0".to_vec(), "UTF-32", "save it"),
            (b"\x1f\x8b\x08\0\0".to_vec(), "gzip", "put the text"),
            (b"PK\x03\x04\x14".to_vec(), "zip archive", "put the text"),
            (b"\x28\xb5\x2f\xfd\0".to_vec(), "zstd", "put the text"),
            (b"{}\n\"\xe9\"".to_vec(), "(line 2)", "save it"),
        ];
        for (bytes, what, action) in cases {
            let error = decode(bytes).unwrap_err();
            assert!(error.to_string().contains(what), "{error}");
            let hint = hint(&error).unwrap();
            assert!(hint.starts_with(action), "{hint}");
        }
        assert_eq!(hint(&io::ErrorKind::NotFound.into()), None);
    }
}
