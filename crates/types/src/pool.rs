//! How many sandboxes are kept ready.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::bounds;

/// How many sandboxes of one kind are kept ready: so many, or by demand between two bounds. Nothing by default.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PoolSize {
    min: u32,
    max: u32,
}

/// Why a size of a pool is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be a number such as 8, or two such as 2-16, of at most {}", bounds::WARM_POOL_MAX)]
pub struct BadPoolSize;

impl PoolSize {
    /// Between two bounds, by demand.
    ///
    /// # Errors
    /// When they are the wrong way round, or beyond [`bounds::WARM_POOL_MAX`].
    pub const fn new(min: u32, max: u32) -> Result<Self, BadPoolSize> {
        if min <= max && max <= bounds::WARM_POOL_MAX { Ok(Self { min, max }) } else { Err(BadPoolSize) }
    }

    /// Fewest that are kept, also when nobody asks.
    #[must_use]
    pub const fn min(self) -> u32 {
        self.min
    }

    /// Most that are kept, however many ask.
    #[must_use]
    pub const fn max(self) -> u32 {
        self.max
    }

    /// Of both together, at most [`bounds::WARM_POOL_MAX`].
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        let sum = |a: u32, b: u32| a.saturating_add(b).min(bounds::WARM_POOL_MAX);
        Self { min: sum(self.min, other.min), max: sum(self.max, other.max) }
    }

    /// No more than so many.
    #[must_use]
    pub fn at_most(self, most: u32) -> Self {
        Self { min: self.min.min(most), max: self.max.min(most) }
    }

    /// How many to keep when so many were asked for lately.
    #[must_use]
    pub fn wanted(self, asked_lately: u32) -> u32 {
        asked_lately.clamp(self.min, self.max)
    }
}

impl FromStr for PoolSize {
    type Err = BadPoolSize;

    fn from_str(text: &str) -> Result<Self, BadPoolSize> {
        let number = |text: &str| text.parse().map_err(|_| BadPoolSize);
        match text.split_once('-') {
            Some((min, max)) => Self::new(number(min)?, number(max)?),
            None => number(text).and_then(|both| Self::new(both, both)),
        }
    }
}

impl fmt::Display for PoolSize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.min == self.max { write!(f, "{}", self.min) } else { write!(f, "{}-{}", self.min, self.max) }
    }
}

#[cfg(test)]
mod tests {
    use super::{BadPoolSize, PoolSize};

    #[test]
    fn a_size_is_a_number_or_two() {
        for (text, min, max) in [("0", 0, 0), ("8", 8, 8), ("2-16", 2, 16), ("0-100", 0, 100)] {
            let size: PoolSize = text.parse().unwrap();
            assert_eq!((size.min(), size.max()), (min, max), "{text}");
            assert_eq!(size.to_string(), text);
        }
        for text in ["", "-", "8-", "-8", "9-8", "101", "0-101", "x", "1-2-3", "1.5"] {
            assert_eq!(text.parse::<PoolSize>(), Err(BadPoolSize), "{text}");
        }
    }

    #[test]
    fn sizes_are_added_and_cut_within_their_bounds() {
        let (size, many) = (PoolSize::new(2, 5).unwrap(), PoolSize::new(60, 99).unwrap());
        assert_eq!(size.plus(size), PoolSize::new(4, 10).unwrap());
        assert_eq!(many.plus(many), PoolSize::new(100, 100).unwrap());
        assert_eq!(
            (size.at_most(3), size.at_most(1)),
            (PoolSize::new(2, 3).unwrap(), PoolSize::new(1, 1).unwrap())
        );
    }

    #[test]
    fn demand_moves_it_between_its_bounds() {
        let size = PoolSize::new(2, 5).unwrap();
        assert_eq!([0, 2, 4, 5, 50].map(|asked| size.wanted(asked)), [2, 2, 4, 5, 5]);
    }
}
