//! The id under which one request is found in the log.

use std::fmt;

use axum::http::{HeaderMap, HeaderName, HeaderValue};

/// Every answer carries it.
pub(crate) const TRACE_HEADER: HeaderName = HeaderName::from_static("x-trace-id");
const DIGITS: usize = 32;

/// What a request says of the trace that it belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Trace {
    /// That of the caller's `traceparent` when it is valid, else a random one.
    pub(crate) id: TraceId,
    /// The caller's span.
    pub(crate) parent: Option<u64>,
    /// Whether the caller records the trace; a trace that begins here is recorded.
    pub(crate) is_sampled: bool,
}

impl Trace {
    pub(crate) fn of(headers: &HeaderMap) -> Self {
        let parent = headers.get("traceparent").and_then(|value| Self::parse(value.as_bytes()));
        parent.unwrap_or_else(|| Self { id: TraceId::random(), parent: None, is_sampled: true })
    }

    /// From `00-<trace id>-<parent id>-<flags>`; later versions may have more behind it.
    fn parse(parent: &[u8]) -> Option<Self> {
        let mut parts = parent.splitn(5, |b| *b == b'-');
        let (version, trace, span, flags) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
        let hex = |part: &[u8], len: usize| {
            part.len() == len && part.iter().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(b))
        };
        let shape = hex(version, 2) && hex(trace, DIGITS) && hex(span, 16) && hex(flags, 2);
        let only_version_0_ends_here = version != b"00" || parts.next().is_none();
        let zero = |part: &[u8]| part.iter().all(|b| *b == b'0');
        let valid = shape && version != b"ff" && only_version_0_ends_here && !zero(trace) && !zero(span);
        if !valid {
            return None;
        }
        let number = |part| u64::from_str_radix(str::from_utf8(part).ok()?, 16).ok();
        let id = TraceId(trace.try_into().ok()?);
        Some(Self { id, parent: number(span), is_sampled: number(flags)? & 1 == 1 })
    }
}

/// 32 lower-case hexadecimal digits, as W3C trace context has them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct TraceId([u8; DIGITS]);

impl TraceId {
    fn random() -> Self {
        let mut bytes = [0_u8; DIGITS / 2];
        // It only has to be rare: without the kernel's generator all requests share one id, and nothing else fails.
        if getrandom::fill(&mut bytes).is_err() {
            bytes = [1; DIGITS / 2];
        }
        let digit = |nibble: u8| b"0123456789abcdef"[usize::from(nibble)];
        let mut digits = [0; DIGITS];
        for (pair, byte) in digits.chunks_exact_mut(2).zip(bytes) {
            pair.copy_from_slice(&[digit(byte >> 4), digit(byte & 15)]);
        }
        Self(digits)
    }

    pub(crate) fn number(&self) -> u128 {
        u128::from_str_radix(self.as_str(), 16).unwrap_or_default()
    }

    pub(crate) fn as_str(&self) -> &str {
        str::from_utf8(&self.0).unwrap_or_default()
    }

    pub(crate) fn header(&self) -> HeaderValue {
        HeaderValue::from_bytes(&self.0).unwrap_or(HeaderValue::from_static(""))
    }
}

impl fmt::Display for TraceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";

    #[rstest]
    #[case("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", true)]
    #[case("cc-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-more", true)]
    #[case("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-more", false)]
    #[case("ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", false)]
    #[case("00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01", false)]
    #[case("00-00000000000000000000000000000000-00f067aa0ba902b7-01", false)]
    #[case("00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01", false)]
    #[case("00-4bf92f3577b34da6a3ce929d0e0e473-00f067aa0ba902b7-01", false)]
    #[case("", false)]
    fn only_a_valid_parent_gives_its_id(#[case] parent: &'static str, #[case] taken: bool) {
        let mut headers = HeaderMap::new();
        headers.insert("traceparent", HeaderValue::from_static(parent));
        let Trace { id, parent, .. } = Trace::of(&headers);
        assert_eq!((id.as_str() == TRACE, parent.is_some()), (taken, taken));
        assert_eq!(id.as_str().len(), DIGITS);
        assert_ne!(id.number(), 0);
    }

    #[rstest]
    #[case("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", true)]
    #[case("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00", false)]
    #[case("01-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-fe", false)]
    fn the_caller_decides_whether_his_trace_is_recorded(#[case] parent: &'static str, #[case] sampled: bool) {
        let mut headers = HeaderMap::new();
        headers.insert("traceparent", HeaderValue::from_static(parent));
        let trace = Trace::of(&headers);
        assert_eq!((trace.parent, trace.is_sampled), (Some(0x00f0_67aa_0ba9_02b7), sampled));
        assert_eq!(trace.id.number(), 0x4bf9_2f35_77b3_4da6_a3ce_929d_0e0e_4736);
    }

    #[test]
    fn without_a_parent_each_id_is_new() {
        assert_ne!(Trace::of(&HeaderMap::new()), Trace::of(&HeaderMap::new()));
    }
}
