//! What requests are called.

use std::sync::Arc;

/// A request's name: the run's number and the request's, 16 hexadecimal digits. Without the
/// formatter's machinery: every request gets one.
#[must_use]
pub(crate) fn request_name(run: u32, request: u32) -> Arc<str> {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let number = u64::from(run) << 32 | u64::from(request);
    let digit = |at: usize| DIGITS[(number >> (60 - 4 * at) & 15) as usize];
    let text: [u8; 16] = std::array::from_fn(digit);
    std::str::from_utf8(&text)
        .expect("hexadecimal digits")
        .into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_the_runs_number_and_the_requests() {
        assert_eq!(&*request_name(0x5f0c_21aa, 1), "5f0c21aa00000001");
        assert_eq!(&*request_name(7, u32::MAX), "00000007ffffffff");
    }
}
