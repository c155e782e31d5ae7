//! The ids of requests.

use std::sync::Arc;

/// A name for the next request: 64 random bits as 16 hexadecimal digits, so that no name can be guessed
/// from others. Without the formatter's machinery: every request gets one.
#[must_use]
pub fn request_name() -> Arc<str> {
    digits(rand::random())
}

fn digits(number: u64) -> Arc<str> {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digit = |at: usize| DIGITS[(number >> (60 - 4 * at) & 15) as usize];
    let text: [u8; 16] = std::array::from_fn(digit);
    std::str::from_utf8(&text)
        .expect("hexadecimal digits")
        .into()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn a_request_id_is_16_hexadecimal_digits() {
        assert_eq!(&*digits(0x5f0c_21aa_0000_0001), "5f0c21aa00000001");
        assert_eq!(&*digits(7), "0000000000000007");
        assert_eq!(&*digits(u64::MAX), "ffffffffffffffff");
    }

    #[test]
    fn request_ids_share_neither_prefixes_nor_suffixes() {
        let names: Vec<_> = (0..1000).map(|_| request_name()).collect();
        let begin: BTreeSet<&str> = names.iter().map(|name| &name[..8]).collect();
        let end: BTreeSet<&str> = names.iter().map(|name| &name[8..]).collect();
        // Two of a thousand are alike in 32 bits once in 8,600 times; three pairs, never.
        assert!(begin.len() > 997 && end.len() > 997);
    }
}
