//! Bytes that sandboxes of a user send in a month.

use std::collections::HashMap;

use atoll_types::{ErrorCode, Network, SandboxId, Timestamp, UserId};
use parking_lot::Mutex;
use time::OffsetDateTime;

use crate::counters::Violation;
use crate::{Engine, EngineError};

#[derive(Debug, Default)]
struct Tables {
    /// As 202611.
    month: u32,
    sent: HashMap<UserId, u64>,
    /// What is not in the store yet.
    unkept: HashMap<UserId, u64>,
    /// The last reading of each sandbox that sends.
    read: HashMap<SandboxId, u64>,
}

/// The counts. What was sent in the last minute is lost with serve, and what a sandbox sent after its last reading.
#[derive(Debug, Default)]
pub(crate) struct Egress(Mutex<Tables>);

/// The month of a moment in UTC, as 202611.
fn month(at: Timestamp) -> u32 {
    let time =
        OffsetDateTime::from_unix_timestamp(at.as_unix_ms() / 1_000).unwrap_or(OffsetDateTime::UNIX_EPOCH);
    u32::try_from(time.year()).unwrap_or(1970) * 100 + u32::from(u8::from(time.month()))
}

impl Egress {
    /// Takes in a reading of a sandbox's counter, which begins anew whenever it comes up.
    fn read(&self, user: &UserId, sandbox: &SandboxId, tx_bytes: u64) -> (u64, u64) {
        let mut tables = self.0.lock();
        let before = tables.read.insert(sandbox.clone(), tx_bytes).unwrap_or_default();
        let sent = if tx_bytes >= before { tx_bytes - before } else { tx_bytes };
        if sent > 0 {
            *tables.unkept.entry(user.clone()).or_default() += sent;
        }
        let all = tables.sent.entry(user.clone()).or_default();
        let had = *all;
        *all = all.saturating_add(sent);
        (had, *all)
    }

    fn of(&self, user: &UserId, now: u32) -> u64 {
        let tables = self.0.lock();
        if tables.month == now { tables.sent.get(user).copied().unwrap_or_default() } else { 0 }
    }

    /// Forgets sandboxes that are gone.
    pub(crate) fn retain(&self, keep: impl Fn(&SandboxId) -> bool) {
        self.0.lock().read.retain(|id, _| keep(id));
    }
}

impl Engine {
    fn month(&self) -> u32 {
        month(self.inner.ports.clock.now())
    }

    /// What a user's sandboxes have sent in this month.
    pub(super) fn egress_used(&self, user: &UserId) -> u64 {
        self.inner.egress.of(user, self.month())
    }

    /// Refuses a network to who has sent all that he may.
    pub(super) fn check_egress(&self, user: &UserId, network: &Network) -> Result<(), EngineError> {
        let most = self.quota(user).egress_bytes;
        if *network == Network::None || self.egress_used(user) < most {
            return Ok(());
        }
        let text = format!(
            "your sandboxes have sent the {} MiB that they may send in a month: make this one without a network, or ask the operator for more",
            most >> 20
        );
        Err(self.violation(Violation::Egress, EngineError::new(ErrorCode::QuotaExceeded, text)))
    }

    /// Takes in what a sandbox has sent since it came up.
    pub(crate) fn count_egress(&self, user: &UserId, sandbox: &SandboxId, tx_bytes: u64) {
        let (had, has) = self.inner.egress.read(user, sandbox, tx_bytes);
        if has > had {
            self.warn_of(user, Violation::Egress, had, has, self.quota(user).egress_bytes);
        }
    }

    /// Writes down what was sent, and begins anew with each month.
    pub(crate) async fn keep_egress(&self) -> Result<(), EngineError> {
        let now = self.month();
        let (of, unkept) = {
            let mut tables = self.inner.egress.0.lock();
            let of = tables.month;
            let unkept: Vec<(UserId, u64)> = tables.unkept.drain().collect();
            if of != now {
                tables.month = now;
                tables.sent.clear();
            }
            (of, unkept)
        };
        if unkept.is_empty() {
            return Ok(());
        }
        if let Err(error) = self.inner.ports.store.egress_add(of, unkept.clone()).await {
            let mut tables = self.inner.egress.0.lock();
            for (user, bytes) in unkept {
                *tables.unkept.entry(user).or_default() += bytes;
            }
            return Err(error.into());
        }
        Ok(())
    }

    pub(super) async fn load_egress(&self) -> Result<(), EngineError> {
        let now = self.month();
        let sent = self.inner.ports.store.egress_list(now).await?;
        let mut tables = self.inner.egress.0.lock();
        tables.month = now;
        tables.sent = sent.into_iter().collect();
        Ok(())
    }

    /// A sandbox that runs since an earlier serve has sent before: the first reading is where counting begins.
    pub(crate) fn begin_egress(&self, sandbox: &SandboxId, tx_bytes: u64) {
        self.inner.egress.0.lock().read.entry(sandbox.clone()).or_insert(tx_bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_counter_that_begins_anew_counts_on() {
        let egress = Egress::default();
        let (user, sandbox) = (UserId::random(), SandboxId::random());
        assert_eq!(egress.read(&user, &sandbox, 100), (0, 100));
        assert_eq!(egress.read(&user, &sandbox, 150), (100, 150));
        assert_eq!(egress.read(&user, &sandbox, 20), (150, 170));
        assert_eq!(egress.0.lock().unkept[&user], 170);
    }

    #[test]
    fn months_are_those_of_utc() {
        assert_eq!(month(Timestamp::from_unix_ms(1_767_225_599_999)), 202_512);
        assert_eq!(month(Timestamp::from_unix_ms(1_767_225_600_000)), 202_601);
    }
}
