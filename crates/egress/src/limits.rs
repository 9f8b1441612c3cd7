//! How much may go on at once, for all and for each asker.

use std::cell::RefCell;
use std::collections::HashMap;
use std::net::IpAddr;
use std::rc::Rc;

/// Counts what goes on.
#[derive(Debug, Clone)]
pub(crate) struct Limit {
    counts: Rc<RefCell<Counts>>,
    total_max: usize,
    each_max: usize,
}

#[derive(Debug, Default)]
struct Counts {
    total: usize,
    each: HashMap<IpAddr, usize>,
}

/// Something that goes on; its end counts when this is dropped.
#[derive(Debug)]
pub(crate) struct Permit {
    counts: Rc<RefCell<Counts>>,
    asker: IpAddr,
}

impl Limit {
    pub(crate) fn new(total_max: usize, each_max: usize) -> Self {
        Self { counts: Rc::default(), total_max, each_max }
    }

    /// A permit, unless there are too many.
    pub(crate) fn take(&self, asker: IpAddr) -> Option<Permit> {
        let mut counts = self.counts.borrow_mut();
        let held = counts.each.get(&asker).copied().unwrap_or_default();
        if counts.total >= self.total_max || held >= self.each_max {
            return None;
        }
        counts.total += 1;
        counts.each.insert(asker, held + 1);
        Some(Permit { counts: Rc::clone(&self.counts), asker })
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        let mut counts = self.counts.borrow_mut();
        counts.total -= 1;
        match counts.each.get_mut(&self.asker) {
            Some(held) if *held > 1 => *held -= 1,
            _ => drop(counts.each.remove(&self.asker)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_asker_cannot_use_up_the_others_share() {
        let (one, two) = (IpAddr::from([100, 64, 1, 1]), IpAddr::from([100, 64, 1, 3]));
        let limit = Limit::new(3, 2);
        let held = [limit.take(one).unwrap(), limit.take(one).unwrap()];
        assert!(limit.take(one).is_none());
        let third = limit.take(two).unwrap();
        assert!(limit.take(two).is_none(), "three in all");
        drop(held);
        assert!(limit.take(two).is_some());
        drop(third);
        assert!(limit.counts.borrow().each.is_empty());
    }
}
