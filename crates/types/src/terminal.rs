//! Terminals: their names and sizes.

use serde::{Deserialize, Serialize};

use crate::input::{InputError, text_input};

/// Most columns, and most rows.
const SIDE_MAX: u32 = 1_000;
/// Longest name, in bytes.
const NAME_BYTES_MAX: usize = 64;
/// Longest name of a kind of terminal, in bytes.
const TERM_BYTES_MAX: usize = 64;

text_input!(
    /// Name by which a terminal of a sandbox is found again.
    TerminalName, "terminal", "1 to 64 letters, digits, '-', '_' and '.'",
    |text| {
        (1..=NAME_BYTES_MAX).contains(&text.len())
            && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b))
    }
);

impl TerminalName {
    /// The terminal of those who name none.
    #[must_use]
    pub fn main() -> Self {
        #[expect(clippy::expect_used, reason = "a constant")]
        "main".parse().expect("a valid name")
    }
}

text_input!(
    /// Kind of terminal that programs are told (`TERM`).
    TerminalKind, "term", "the name of a kind of terminal, such as xterm-256color",
    |text| {
        (1..=TERM_BYTES_MAX).contains(&text.len())
            && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.+".contains(&b))
    }
);

impl Default for TerminalKind {
    /// What every emulator of today understands, and every image knows.
    fn default() -> Self {
        #[expect(clippy::expect_used, reason = "a constant")]
        "xterm-256color".parse().expect("a valid kind")
    }
}

/// Columns and rows of a terminal. Written as a pair of numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "(u32, u32)", into = "(u32, u32)")]
pub struct TerminalSize {
    cols: u16,
    rows: u16,
}

impl TerminalSize {
    /// A size of 1 to 1000 columns and rows.
    ///
    /// # Errors
    /// For any other.
    pub fn new(cols: u32, rows: u32) -> Result<Self, InputError> {
        let side = |what, side: u32| {
            let side = u16::try_from(side).ok().filter(|_| (1..=SIDE_MAX).contains(&side));
            side.ok_or(InputError { what, expected: "1 to 1000" })
        };
        Ok(Self { cols: side("cols", cols)?, rows: side("rows", rows)? })
    }

    /// Columns.
    #[must_use]
    pub const fn cols(self) -> u16 {
        self.cols
    }

    /// Rows.
    #[must_use]
    pub const fn rows(self) -> u16 {
        self.rows
    }
}

impl TryFrom<(u32, u32)> for TerminalSize {
    type Error = InputError;

    fn try_from((cols, rows): (u32, u32)) -> Result<Self, InputError> {
        Self::new(cols, rows)
    }
}

impl From<TerminalSize> for (u32, u32) {
    fn from(size: TerminalSize) -> Self {
        (size.cols.into(), size.rows.into())
    }
}

impl Default for TerminalSize {
    /// The size of the terminals after which all others are modelled.
    fn default() -> Self {
        Self { cols: 80, rows: 24 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_sizes_have_bounds() {
        assert_eq!(TerminalName::main().as_str(), "main");
        assert_eq!(TerminalKind::default().as_str(), "xterm-256color");
        for name in ["", "a/b", "..\0", "a b", "é", &"x".repeat(65)] {
            assert!(name.parse::<TerminalName>().is_err(), "{name:?}");
            assert!(name.parse::<TerminalKind>().is_err(), "{name:?}");
        }
        assert!(TerminalSize::new(1, 1_000).is_ok());
        for (cols, rows) in [(0, 24), (80, 0), (1_001, 24), (80, u32::MAX)] {
            assert!(TerminalSize::new(cols, rows).is_err());
        }
    }
}
