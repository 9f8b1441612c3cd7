//! What a registry wants to know before it answers.

use reqwest::header::{HeaderMap, WWW_AUTHENTICATE};

/// Longest header that is looked at, in bytes.
const HEADER_BYTES_MAX: usize = 4 << 10;

/// How to say who asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Challenge {
    /// By name and password.
    Basic,
    /// By a token that is to be had elsewhere.
    Bearer {
        /// Where.
        realm: String,
        /// What that calls the registry.
        service: Option<String>,
    },
}

impl Challenge {
    /// Of an answer that asks for it.
    pub(crate) fn of(headers: &HeaderMap) -> Option<Self> {
        let texts = headers.get_all(WWW_AUTHENTICATE).into_iter();
        let texts =
            texts.filter_map(|value| value.to_str().ok()).filter(|text| text.len() <= HEADER_BYTES_MAX);
        let all: Vec<Self> = texts.filter_map(Self::parse).collect();
        let bearer = all.iter().find(|one| matches!(one, Self::Bearer { .. }));
        bearer.or_else(|| all.first()).cloned()
    }

    fn parse(text: &str) -> Option<Self> {
        let (scheme, rest) = text.trim().split_once(' ').unwrap_or_else(|| (text.trim(), ""));
        if scheme.eq_ignore_ascii_case("basic") {
            return Some(Self::Basic);
        }
        if !scheme.eq_ignore_ascii_case("bearer") {
            return None;
        }
        Some(Self::Bearer { realm: parameter(rest, "realm")?, service: parameter(rest, "service") })
    }
}

/// The value of `name="value"` in a list of such.
fn parameter(mut rest: &str, name: &str) -> Option<String> {
    loop {
        let (key, after) = rest.split_once('=')?;
        let (value, next) = match after.strip_prefix('"') {
            Some(quoted) => quoted.split_once('"')?,
            None => after.split_once(',').unwrap_or((after, "")),
        };
        if key.trim_matches([' ', ',']).eq_ignore_ascii_case(name) {
            return Some(value.to_owned());
        }
        rest = next;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn challenge(lines: &[&str]) -> Option<Challenge> {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(WWW_AUTHENTICATE, line.parse().unwrap());
        }
        Challenge::of(&headers)
    }

    #[test]
    fn challenges_are_read() {
        let bearer = |realm: &str, service: Option<&str>| {
            Some(Challenge::Bearer { realm: realm.to_owned(), service: service.map(str::to_owned) })
        };
        let usual =
            r#"Bearer realm="https://auth.example/token",service="registry",scope="repository:a,b:pull""#;
        assert_eq!(challenge(&[usual]), bearer("https://auth.example/token", Some("registry")));
        let other = r#"bearer scope="a=b, c", service=x,realm="r""#;
        assert_eq!(challenge(&[other]), bearer("r", Some("x")));
        assert_eq!(challenge(&[r#"Basic realm="x""#, usual]), challenge(&[usual]));
        assert_eq!(challenge(&[r#"Basic realm="x""#]), Some(Challenge::Basic));
        for none in ["Digest realm=x", "Bearer", "Bearer realm=\"open", "Bearer service=\"x\"", ""] {
            assert_eq!(challenge(&[none]), None, "{none}");
        }
        assert_eq!(challenge(&[&format!("Bearer realm=\"{}\"", "x".repeat(HEADER_BYTES_MAX))]), None);
    }
}
