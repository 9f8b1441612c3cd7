//! Variables in what `FROM` names, as a shell would put them in.

use std::collections::BTreeMap;

/// How deep one may stand in the other's default.
const DEPTH_MAX: usize = 8;
/// Characters of what comes out.
const CHARS_MAX: usize = 4_096;

/// Values by name. One that was not given has none.
#[derive(Debug, Clone, Default)]
pub(crate) struct Variables(BTreeMap<String, String>);

/// Whether it can be the name of one.
pub(crate) fn is_name(text: &str) -> bool {
    let word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    text.chars().all(word) && text.starts_with(|c: char| !c.is_ascii_digit())
}

impl Variables {
    pub(crate) fn set(&mut self, name: &str, value: String) {
        self.0.insert(name.to_owned(), value);
    }

    /// The text with quotes taken away and variables put in.
    ///
    /// # Errors
    /// What is not understood.
    pub(crate) fn expand(&self, text: &str) -> Result<String, &'static str> {
        let out = self.at_depth(text, DEPTH_MAX)?;
        if out.chars().count() > CHARS_MAX { Err("is too long with its variables") } else { Ok(out) }
    }

    fn at_depth(&self, text: &str, depth: usize) -> Result<String, &'static str> {
        let deeper = depth.checked_sub(1).ok_or("has variables within variables that are too deep")?;
        let (mut out, mut rest, mut in_double) = (String::new(), text, false);
        while let Some(next) = rest.chars().next() {
            let after = &rest[next.len_utf8()..];
            match next {
                '"' => (in_double, rest) = (!in_double, after),
                '\'' if !in_double => {
                    let (quoted, after) = after.split_once('\'').ok_or("has a quote without its end")?;
                    out.push_str(quoted);
                    rest = after;
                }
                '\\' => {
                    let escaped = after.chars().next().ok_or("must not end with a backslash")?;
                    out.push(escaped);
                    rest = &after[escaped.len_utf8()..];
                }
                '$' => {
                    let (value, after) = self.variable(after, deeper)?;
                    out.push_str(&value);
                    rest = after;
                }
                other => {
                    out.push(other);
                    rest = after;
                }
            }
        }
        if in_double { Err("has a quote without its end") } else { Ok(out) }
    }

    /// The value of what follows a `$`, and what is behind it.
    fn variable<'a>(&self, text: &'a str, depth: usize) -> Result<(String, &'a str), &'static str> {
        let Some(inner) = text.strip_prefix('{') else {
            let end = text.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(text.len());
            let (name, after) = text.split_at(end);
            return Ok((self.value(name)?.unwrap_or_default().to_owned(), after));
        };
        let end = closing(inner).ok_or("has a ${ without its }")?;
        let (inner, after) = (&inner[..end], &inner[end + 1..]);
        let split = inner.find([':', '-', '+']).unwrap_or(inner.len());
        let (name, how) = inner.split_at(split);
        let value = self.value(name)?;
        let filled = value.filter(|value| !value.is_empty());
        // With a colon an empty one counts as none.
        let (value, how) = how.strip_prefix(':').map_or((value, how), |how| (filled, how));
        let value = match (value, how.strip_prefix('-'), how.strip_prefix('+')) {
            (Some(value), Some(_), _) => value.to_owned(),
            (None, Some(word), _) | (Some(_), _, Some(word)) => self.at_depth(word, depth)?,
            (None, _, Some(_)) => String::new(),
            (value, None, None) if end == split => value.unwrap_or_default().to_owned(),
            _ => return Err("has a ${ with something else than a name, '-' or '+' in it"),
        };
        Ok((value, after))
    }

    fn value(&self, name: &str) -> Result<Option<&str>, &'static str> {
        if name.is_empty() || !is_name(name) {
            return Err("has a $ without the name of a variable");
        }
        Ok(self.0.get(name).map(String::as_str))
    }
}

/// Where the `}` is that belongs to a `${` before the text.
fn closing(text: &str) -> Option<usize> {
    let mut open = 0_usize;
    for (at, c) in text.char_indices() {
        match c {
            '{' => open += 1,
            '}' if open == 0 => return Some(at),
            '}' => open -= 1,
            _ => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn some() -> Variables {
        let mut some = Variables::default();
        some.set("TAG", "12".to_owned());
        some.set("EMPTY", String::new());
        some
    }

    #[test]
    fn values_take_the_place_of_names() {
        for (text, made) in [
            ("debian:$TAG", "debian:12"),
            ("debian:${TAG}-slim", "debian:12-slim"),
            ("\"debian\":'$TAG'", "debian:$TAG"),
            ("a${NONE:-b${TAG}}c", "ab12c"),
            ("${EMPTY:-x}${EMPTY-y}${NONE-z}", "xz"),
            ("${TAG:+set}${EMPTY:+no}${EMPTY+yes}${NONE+no}", "setyes"),
            ("$NONE", ""),
            ("a\\$b", "a$b"),
            ("é$TAG", "é12"),
        ] {
            assert_eq!(some().expand(text).as_deref(), Ok(made), "{text}");
        }
    }

    #[test]
    fn what_is_not_understood_is_refused() {
        let deep = "${A:-".repeat(20) + &"}".repeat(20);
        for text in [
            "$",
            "a$-b",
            "${",
            "${TAG",
            "${TAG%x}",
            "${}",
            "${TAG:é}",
            "${TAG:}",
            "${1x}",
            "'a",
            "\"a",
            "a\\",
            &deep,
        ] {
            assert!(some().expand(text).is_err(), "{text}");
        }
    }
}
