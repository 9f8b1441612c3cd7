//! Secrets of an environment.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::bounds;
use crate::input::{InputError, text_input};

text_input!(
    /// Name of a secret: that of the variable which processes find it in.
    SecretName, "key", "a variable's name: letters, digits and '_', not a digit first, at most 128 characters",
    |text| {
        (1..=bounds::SECRET_NAME_BYTES_MAX).contains(&text.len())
            && !text.as_bytes()[0].is_ascii_digit()
            && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
    }
);

/// Value of a secret. It is not shown, not even for debugging.
#[derive(Clone, PartialEq, Eq)]
pub struct SecretValue(String);

impl fmt::Debug for SecretValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretValue(…)")
    }
}

impl SecretValue {
    /// Text that a variable can have.
    ///
    /// # Errors
    /// When it is too long or has a NUL. The error does not say what it was.
    pub fn new(text: String) -> Result<Self, InputError> {
        if text.len() > bounds::SECRET_BYTES_MAX || text.contains('\0') {
            return Err(InputError { what: "value", expected: "at most 32 KiB, without NUL" });
        }
        Ok(Self(text))
    }

    /// The value.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}
