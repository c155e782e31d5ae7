//! Texts of bounded length: what code prints and throws may have any.

/// The maximum length of a line a function printed, in bytes, without the marker.
pub const MAX_LINE_BYTES: usize = 64 << 10;
/// Room for the marker of a text that an instance has cut already.
const MARKER_BYTES: usize = 48;

/// Cuts a text to `max_bytes`, between characters, and says how much was cut. A text that an
/// instance cut to as much is left as it is.
pub fn cut(text: &mut String, max_bytes: usize) {
    if text.len() <= max_bytes + MARKER_BYTES {
        return;
    }
    let end = text.floor_char_boundary(max_bytes);
    let gone = text.len() - end;
    text.truncate(end);
    text.push_str(&format!("… [{gone} bytes cut]"));
    text.shrink_to_fit();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_text_is_cut_between_characters_with_a_note() {
        let mut text = "ü".repeat(100_000);
        cut(&mut text, 1001);
        assert_eq!(text, format!("{}… [199000 bytes cut]", "ü".repeat(500)));
        let before = text.clone();
        cut(&mut text, 1001);
        assert_eq!(text, before, "it is cut once");
    }
}
