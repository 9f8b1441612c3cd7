//! Buckets by who asks, of bounded number.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::Arc;

use governor::nanos::Nanos;
use governor::state::{InMemoryState, NotKeyed, StateStore};
use parking_lot::Mutex;

/// Buckets of one generation, about 100 bytes each. Two generations are held: whoever has more networks than that has as
/// many full buckets anyway.
const GENERATION_MAX: usize = 32_768;

/// When one generation is full, a new one begins, and the one before is forgotten. Whoever asks again is taken over.
#[derive(Debug)]
struct Generations<K> {
    now: HashMap<K, Arc<InMemoryState>>,
    before: HashMap<K, Arc<InMemoryState>>,
}

#[derive(Debug)]
pub(super) struct Table<K>(Mutex<Generations<K>>);

impl<K> Default for Table<K> {
    fn default() -> Self {
        Self(Mutex::new(Generations { now: HashMap::new(), before: HashMap::new() }))
    }
}

impl<K: Clone + Eq + Hash> Table<K> {
    fn bucket(&self, key: &K) -> Arc<InMemoryState> {
        let mut generations = self.0.lock();
        if let Some(bucket) = generations.now.get(key) {
            return Arc::clone(bucket);
        }
        let bucket = generations.before.remove(key).unwrap_or_default();
        if generations.now.len() >= GENERATION_MAX {
            generations.before = std::mem::take(&mut generations.now);
        }
        generations.now.insert(key.clone(), Arc::clone(&bucket));
        bucket
    }
}

impl<K: Clone + Eq + Hash> StateStore for Table<K> {
    type Key = K;

    fn measure_and_replace<T, F, E>(&self, key: &K, decide: F) -> Result<T, E>
    where
        F: Fn(Option<Nanos>) -> Result<(T, Nanos), E>,
    {
        self.bucket(key).measure_and_replace(&NotKeyed::NonKey, decide)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_bounded_and_forgets_who_asks_no_more() {
        let table = Table::<usize>::default();
        let first = table.bucket(&0);
        for key in 0..3 * GENERATION_MAX {
            table.bucket(&key);
            if key.is_multiple_of(1_000) {
                assert!(Arc::ptr_eq(&first, &table.bucket(&0)), "who asks on keeps his bucket");
            }
            let generations = table.0.lock();
            assert!(generations.now.len() <= GENERATION_MAX && generations.before.len() <= GENERATION_MAX);
        }
        let generations = table.0.lock();
        assert!(!generations.now.contains_key(&1) && !generations.before.contains_key(&1));
    }
}
