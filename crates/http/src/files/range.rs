//! The header `Range`, as far as one part of a file goes. What is malformed or asks for several parts is ignored, as the
//! standard has it: the answer is then the whole file.

use atoll_ports::FilePart;
use axum::http::{HeaderMap, header};

/// The part that is asked for; none: all of it.
pub(super) fn part(headers: &HeaderMap) -> Option<FilePart> {
    // A part of the file as it was at some time: files have no versions here, so all of it is sent.
    if headers.contains_key(header::IF_RANGE) {
        return None;
    }
    let (unit, range) = headers.get(header::RANGE)?.to_str().ok()?.split_once('=')?;
    let (first, last) = range.trim().split_once('-').filter(|_| unit.trim().eq_ignore_ascii_case("bytes"))?;
    let number = |text: &str| {
        let text = text.trim();
        text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse::<u64>().ok()).flatten()
    };
    match (first.trim(), last.trim()) {
        ("", last) => Some(FilePart::Last(number(last)?)),
        (first, "") => Some(FilePart::From(number(first)?, None)),
        (first, last) => {
            let (first, last) = (number(first)?, number(last)?);
            Some(FilePart::From(first, Some(last.checked_sub(first)?.checked_add(1)?)))
        }
    }
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    #[test]
    fn one_part_is_understood_and_all_else_ignored() {
        for (text, expected) in [
            ("bytes=0-99", Some(FilePart::From(0, Some(100)))),
            ("bytes=5-", Some(FilePart::From(5, None))),
            ("Bytes = 5-5", Some(FilePart::From(5, Some(1)))),
            ("bytes=-7", Some(FilePart::Last(7))),
            ("bytes=-0", Some(FilePart::Last(0))),
            ("bytes=7-5", None),
            ("bytes=-", None),
            ("bytes=0-1,3-4", None),
            ("bytes=+1-2", None),
            ("lines=1-2", None),
            ("bytes=0-18446744073709551615", None),
            ("bytes=99999999999999999999-", None),
            ("x", None),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(header::RANGE, HeaderValue::from_static(text));
            assert_eq!(part(&headers), expected, "{text}");
        }
    }
}
