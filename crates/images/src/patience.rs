//! How long and how often something is tried.

use std::time::Duration;

/// How long and how often something is tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Patience {
    /// Until an answer begins, or its next piece comes.
    pub silence: Duration,
    /// Before the second try; twice as long before each one after it.
    pub first_wait: Duration,
    /// Longest wait between two tries, also where a registry asks for a longer one.
    pub longest_wait: Duration,
    /// Tries of one request that bring nothing.
    pub tries: u32,
    /// For a whole image.
    pub whole: Duration,
}

impl Default for Patience {
    /// A registry that is being restarted is back within a minute; one that asks for more than a minute of quiet says so to
    /// whoever wants the image.
    fn default() -> Self {
        Self {
            silence: Duration::from_secs(30),
            first_wait: Duration::from_millis(500),
            longest_wait: Duration::from_secs(60),
            tries: 6,
            whole: Duration::from_secs(3_600),
        }
    }
}

impl Patience {
    /// How long to wait after this many tries that brought nothing.
    pub(crate) fn wait(&self, tries: u32) -> Duration {
        let doubled = self.first_wait.saturating_mul(2_u32.saturating_pow(tries.saturating_sub(1)));
        doubled.min(self.longest_wait)
    }
}
