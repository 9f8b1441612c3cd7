//! Sentences about wrong fields. What the client sent appears in them cut short and escaped.

use std::fmt::Display;
use std::ops::RangeInclusive;

use atoll_api_types::FieldError;
use atoll_types::InputError;

use crate::answer::ApiFailure;
use crate::bounds::{FIELD_MESSAGE_CHARS_MAX, FIELD_NAME_CHARS_MAX, FIELD_PROBLEMS_MAX};

/// The wrong fields of one request: all, within a bound, are found before it is refused.
#[derive(Debug, Default)]
pub(crate) struct Problems(Vec<FieldError>);

impl Problems {
    /// Notes one; beyond [`FIELD_PROBLEMS_MAX`] none is told any more.
    pub(crate) fn add(&mut self, field: &str, message: impl Display) {
        if self.0.len() == FIELD_PROBLEMS_MAX {
            return;
        }
        self.0.push(FieldError { field: field_name(field), message: sentence(&message.to_string()) });
    }

    /// The value, or a note of why there is none.
    pub(crate) fn check<T, E: Display>(&mut self, field: &str, value: Result<T, E>) -> Option<T> {
        value.map_err(|error| self.add(field, error)).ok()
    }

    /// A text that becomes a validated input.
    pub(crate) fn parse<T>(&mut self, field: &str, text: Option<String>) -> Option<T>
    where
        T: TryFrom<String, Error = InputError>,
    {
        let value = T::try_from(text?).map_err(|error| format!("must be {}", error.expected));
        self.check(field, value)
    }

    /// One of a few words.
    pub(crate) fn word<T: Copy>(
        &mut self,
        field: &str,
        text: Option<&str>,
        words: &[(&str, T)],
    ) -> Option<T> {
        let text = text?;
        let found = words.iter().find(|(word, _)| *word == text).map(|(_, value)| *value);
        if found.is_none() {
            let known: Vec<_> = words.iter().map(|(word, _)| format!("'{word}'")).collect();
            self.add(field, format!("must be {}", known.join(" or ")));
        }
        found
    }

    /// A number within bounds.
    pub(crate) fn within<T: PartialOrd + Display>(
        &mut self,
        field: &str,
        value: Option<T>,
        range: &RangeInclusive<T>,
    ) -> Option<T> {
        let value = value?;
        if range.contains(&value) {
            return Some(value);
        }
        self.add(field, format!("must be {} to {}", range.start(), range.end()));
        None
    }

    /// What was made of the fields, if all were right. `None` without a problem is a defect of ours.
    pub(crate) fn finish<T>(self, made: Option<T>) -> Result<T, ApiFailure> {
        match made {
            Some(made) if self.0.is_empty() => Ok(made),
            None if self.0.is_empty() => Err(ApiFailure::internal("a request was refused without a reason")),
            _ => Err(ApiFailure::fields(self.0)),
        }
    }
}

/// What serde says about a field, as one of ours. `prefix` is `query` for those, else empty.
pub(crate) fn from_serde(prefix: &str, path: &str, said: &str) -> ApiFailure {
    let said = said.split(" at line ").next().unwrap_or(said);
    let path = if path == "." { "" } else { path };
    let quoted = |text: &str| text.split('`').nth(1).map(str::to_owned);
    let (path, message) = if said.starts_with("missing field `") {
        (join(path, &quoted(said).unwrap_or_default()), "is required".to_owned())
    } else if let Some(known) = said.strip_prefix("unknown field `") {
        // The path ends with the unknown field already.
        let known = known.rsplit_once("expected ").map_or("none", |(_, known)| known);
        (
            path.to_owned(),
            format!("is not known here; known: {}", known.replace('`', "").trim_start_matches("one of ")),
        )
    } else if said.starts_with("duplicate key `") {
        // The path ends with the map.
        (join(path, &quoted(said).unwrap_or_default()), "is given twice".to_owned())
    } else if said.starts_with("duplicate field `") {
        let field = quoted(said).unwrap_or_default();
        let path = if path == field || path.ends_with(&format!(".{field}")) {
            path.to_owned()
        } else {
            join(path, &field)
        };
        (path, "is given twice".to_owned())
    } else {
        (path.to_owned(), said.to_owned())
    };
    let field = match (prefix, path.as_str()) {
        ("", "") => "body".to_owned(),
        (prefix, path) => join(prefix, path),
    };
    ApiFailure::field(field_name(&field), sentence(&message))
}

fn join(parent: &str, child: &str) -> String {
    if parent.is_empty() || child.is_empty() {
        format!("{parent}{child}")
    } else {
        format!("{parent}.{child}")
    }
}

fn field_name(text: &str) -> String {
    safe(text, FIELD_NAME_CHARS_MAX)
}

fn sentence(text: &str) -> String {
    safe(text, FIELD_MESSAGE_CHARS_MAX)
}

/// Cut short, and without control characters: it ends up in terminals and logs.
fn safe(text: &str, chars_max: usize) -> String {
    let mut out = String::with_capacity(text.len().min(chars_max));
    for (at, c) in text.chars().enumerate() {
        if at == chars_max {
            out.push('…');
            break;
        }
        if c.is_control() { out.extend(c.escape_default()) } else { out.push(c) }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_sent_is_cut_and_escaped() {
        assert_eq!(safe("a\u{1b}[2J\0b", 100), "a\\u{1b}[2J\\u{0}b");
        assert_eq!(safe(&"x".repeat(1_000), 5), "xxxxx…");
    }
}
