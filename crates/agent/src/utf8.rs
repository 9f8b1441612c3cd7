//! Cuts a stream of bytes where characters end.

/// Longest beginning of a character that is not a whole one, in bytes.
pub(crate) const HELD_MAX: usize = 3;

/// How many bytes at the end of `bytes` are the beginning of a UTF-8 character whose rest has not come: 0 to
/// [`HELD_MAX`]. What can no longer become a character is not held back, so bytes that are not UTF-8 pass as they are.
pub(crate) fn incomplete_tail(bytes: &[u8]) -> usize {
    let is_continuation = |b: &u8| b & 0b1100_0000 == 0b1000_0000;
    let continuations = bytes.iter().rev().take(HELD_MAX).take_while(|b| is_continuation(b)).count();
    let tail = continuations + 1;
    let Some(start) = bytes.len().checked_sub(tail) else { return 0 };
    match std::str::from_utf8(&bytes[start..]) {
        // No length: the end came too early, rather than a byte that cannot be.
        Err(error) if error.valid_up_to() == 0 && error.error_len().is_none() => tail,
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn only_the_beginning_of_a_character_is_held() {
        for (bytes, held) in [
            (&b""[..], 0),
            (b"abc", 0),
            ("é".as_bytes(), 0),
            (b"a\xC3", 1),
            (b"\xE2\x82", 2),
            (b"\xF0\x9F\x98", 3),
            (b"\x80\x80\x80\x80", 0),
            (b"\xFF", 0),
            (b"\xED\xA0", 0),
        ] {
            assert_eq!(incomplete_tail(bytes), held, "{bytes:?}");
        }
    }

    proptest! {
        #[test]
        fn text_cut_anywhere_comes_in_whole_characters(text in "\\PC{0,40}", cuts in prop::collection::vec(1_usize..7, 1..40)) {
            let (mut held, mut out, mut rest) = (Vec::new(), String::new(), text.as_bytes());
            for cut in cuts.iter().cycle() {
                if rest.is_empty() { break; }
                let (now, later) = rest.split_at((*cut).min(rest.len()));
                rest = later;
                held.extend_from_slice(now);
                let cut_at = held.len() - incomplete_tail(&held);
                out.push_str(std::str::from_utf8(&held[..cut_at]).unwrap());
                held.drain(..cut_at);
            }
            prop_assert!(held.is_empty());
            prop_assert_eq!(out, text);
        }

        #[test]
        fn never_more_than_three_bytes_are_held(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
            prop_assert!(incomplete_tail(&bytes) <= HELD_MAX.min(bytes.len()));
        }
    }
}
