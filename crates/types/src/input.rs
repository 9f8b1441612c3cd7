//! Small validated inputs.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::bounds;

/// Text that is not a valid input; says what would be right.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{what} must be {expected}")]
pub struct InputError {
    /// What was given, as the API names it.
    pub what: &'static str,
    /// What would be right.
    pub expected: &'static str,
}

macro_rules! text_input {
    ($(#[$doc:meta])* $name:ident, $what:literal, $expected:literal, $check:expr) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(String);

        impl $name {
            /// The text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl std::str::FromStr for $name {
            type Err = InputError;

            fn from_str(text: &str) -> Result<Self, InputError> {
                let check: fn(&str) -> bool = $check;
                if check(text) { Ok(Self(text.to_owned())) } else { Err(InputError { what: $what, expected: $expected }) }
            }
        }

        impl TryFrom<String> for $name {
            type Error = InputError;

            fn try_from(text: String) -> Result<Self, InputError> {
                text.parse()
            }
        }

        impl From<$name> for String {
            fn from(value: $name) -> Self {
                value.0
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

pub(crate) use text_input;

text_input!(
    /// Name that a person gives to a sandbox. Not unique.
    SandboxName, "name", "1 to 63 printable characters, without a space at either end",
    |text| {
        (1..=bounds::NAME_CHARS_MAX).contains(&text.chars().count())
            && text.trim() == text
            && !text.chars().any(char::is_control)
    }
);

text_input!(
    /// Address of an account, in lower case. Only its shape is checked: whether it exists is for a mail to find out.
    Email, "email", "an address such as name@example.com, at most 254 characters, in lower case",
    |text| {
        let Some((local, domain)) = text.split_once('@') else { return false };
        !local.is_empty()
            && !domain.is_empty()
            && !domain.contains('@')
            && text.len() <= 254
            && !text.chars().any(|c| c.is_whitespace() || c.is_control() || c.is_uppercase())
    }
);

text_input!(
    /// Key or value of a label.
    Label, "label", "1 to 63 characters of letters, digits, '-', '_', '.', '/'",
    |text| {
        (1..=bounds::LABEL_BYTES_MAX).contains(&text.len())
            && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_./".contains(&b))
    }
);

/// Labels of a resource, by key.
pub type Labels = BTreeMap<Label, Label>;
