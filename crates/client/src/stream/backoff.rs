//! How long to wait before the next connection, and when to give up.

use std::time::Duration;

use tokio::time::Instant;

use crate::ClientError;

/// First wait: a server that lets its sockets outlive it is back at once.
const WAIT_MIN: Duration = Duration::from_millis(50);
/// Longest wait: a person watches.
const WAIT_MAX: Duration = Duration::from_secs(2);
/// Time without any new event after which failures are told instead of tried again: an upgrade with a reboot of the
/// service fits, and a person has not gone away yet.
pub(super) const PATIENCE: Duration = Duration::from_secs(120);
/// Tries with an answer that makes no sense: it is not Atoll that listens there, or one of another time.
const SENSELESS_TRIES_MAX: u32 = 5;

#[derive(Debug, Default)]
pub(crate) struct Backoff {
    tries: u32,
    since: Option<Instant>,
}

impl Backoff {
    /// An event came: everything is well.
    pub(crate) fn reset(&mut self) {
        *self = Self::default();
    }

    /// Waits before the next try; answers with the error when another try would not help.
    pub(crate) async fn wait(&mut self, error: ClientError) -> Result<(), ClientError> {
        let since = *self.since.get_or_insert_with(Instant::now);
        let senseless = matches!(error, ClientError::Protocol { .. }) && self.tries >= SENSELESS_TRIES_MAX;
        if is_final(&error) || senseless || since.elapsed() >= PATIENCE {
            return Err(error);
        }
        tokio::time::sleep(WAIT_MIN.saturating_mul(1 << self.tries.min(8)).min(WAIT_MAX)).await;
        self.tries += 1;
        Ok(())
    }
}

/// Whether the server will say the same again: it said that the request is wrong.
fn is_final(error: &ClientError) -> bool {
    match error {
        ClientError::Api(error) => (400..500).contains(&error.status) && error.status != 429,
        ClientError::Unreachable { .. } | ClientError::Interrupted { .. } | ClientError::Protocol { .. } => {
            false
        }
        ClientError::BaseUrl { .. } | ClientError::Token | ClientError::Setup(_) | ClientError::Read(_) => {
            true
        }
    }
}
