//! The records in memory, and what those of each user take of a quota.

use std::collections::HashMap;
use std::collections::hash_map::Values;
use std::sync::Arc;

use atoll_ports::SandboxRecord;
use atoll_types::{SandboxId, UserId};

use crate::quota::Taken;

/// Records by their id.
#[derive(Debug, Default)]
pub(crate) struct Cache {
    records: HashMap<SandboxId, Arc<SandboxRecord>>,
    /// Kept beside them: to look at a thousand records takes a seventh of a millisecond, and each create asks.
    taken: HashMap<UserId, Taken>,
}

impl Cache {
    pub(crate) fn get(&self, id: &SandboxId) -> Option<&Arc<SandboxRecord>> {
        self.records.get(id)
    }

    pub(super) fn values(&self) -> Values<'_, SandboxId, Arc<SandboxRecord>> {
        self.records.values()
    }

    /// Puts a record in the place of the one before.
    pub(super) fn insert(&mut self, record: Arc<SandboxRecord>) {
        self.remove(&record.id);
        let taken = self.taken.entry(record.owner.clone()).or_default();
        *taken = taken.plus(Taken::of(&record));
        self.records.insert(record.id.clone(), record);
    }

    /// Takes a record out.
    pub(super) fn remove(&mut self, id: &SandboxId) -> Option<Arc<SandboxRecord>> {
        let record = self.records.remove(id)?;
        let rest = self.taken(&record.owner).minus(Taken::of(&record));
        if rest == Taken::default() {
            self.taken.remove(&record.owner);
        } else {
            self.taken.insert(record.owner.clone(), rest);
        }
        Some(record)
    }

    /// What the sandboxes of a user take.
    pub(crate) fn taken(&self, user: &UserId) -> Taken {
        self.taken.get(user).copied().unwrap_or_default()
    }
}

impl FromIterator<SandboxRecord> for Cache {
    fn from_iter<All: IntoIterator<Item = SandboxRecord>>(all: All) -> Self {
        let mut cache = Self::default();
        all.into_iter().for_each(|record| cache.insert(Arc::new(record)));
        cache
    }
}

#[cfg(test)]
mod tests {
    use atoll_testkit::samples;
    use atoll_types::{Desired, NodeId};

    use super::*;

    #[test]
    fn what_is_kept_beside_the_records_is_their_sum() {
        let node = NodeId::random();
        let users: Vec<UserId> = (0..3).map(|_| UserId::random()).collect();
        let mut made: Vec<SandboxRecord> =
            users.iter().cycle().take(9).map(|user| samples::sandbox(user, &node)).collect();
        let mut cache: Cache = made.iter().take(5).cloned().collect();
        let all = [Desired::Stopped, Desired::Running, Desired::Paused, Desired::Deleted];
        for step in 0..200_u32 {
            let at = usize::try_from(step * 7 % 9).unwrap();
            let record = &mut made[at];
            record.desired = all[usize::try_from(step / 3 % 4).unwrap()];
            record.spec.limits.disk_bytes = u64::from(step % 5 + 1) << 30;
            if step % 4 == 0 {
                cache.remove(&record.id);
            } else {
                cache.insert(Arc::new(record.clone()));
            }
            for user in &users {
                let own = cache.values().filter(|record| record.owner == *user);
                let sum = own.fold(Taken::default(), |sum, record| sum.plus(Taken::of(record)));
                assert_eq!(cache.taken(user), sum, "step {step}");
            }
        }
        made.iter().for_each(|record| drop(cache.remove(&record.id)));
        assert!(cache.taken.is_empty(), "nobody who has nothing is remembered");
    }
}
