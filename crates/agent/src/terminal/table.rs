//! The terminals of the sandbox, by name.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use atoll_agent_protocol::TERMINALS_MAX;
use tonic::Status;

use super::state::Terminal;
use crate::clock::{now, wall_ms};
use crate::lock::lock;

/// How long a terminal is kept whose program has ended: a restart of serve fits.
const ENDED_KEEP: Duration = Duration::from_secs(60);

/// All of them.
#[derive(Debug, Default)]
pub(crate) struct Terminals(Mutex<Table>);

#[derive(Debug, Default)]
struct Table {
    by_name: BTreeMap<String, Arc<Terminal>>,
    last_generation: u64,
}

impl Terminals {
    /// The one of this name; with a generation other than 0, that one and no other.
    pub(crate) fn find(&self, name: &str, generation: u64) -> Result<Arc<Terminal>, Status> {
        self.tidy();
        let found = lock(&self.0).by_name.get(name).cloned();
        found
            .filter(|terminal| generation == 0 || terminal.generation == generation)
            .ok_or_else(|| Status::not_found("no such terminal"))
    }

    pub(crate) fn list(&self) -> Vec<Arc<Terminal>> {
        self.tidy();
        lock(&self.0).by_name.values().cloned().collect()
    }

    /// Whether another one fits. Those that have ended make room.
    pub(crate) fn has_room(&self) -> bool {
        let by_name = &mut lock(&self.0).by_name;
        if by_name.len() >= TERMINALS_MAX {
            by_name.retain(|_, terminal| terminal.end().is_none());
        }
        by_name.len() < TERMINALS_MAX
    }

    /// The number of a new terminal: larger than every earlier one of this sandbox, across its restarts too.
    pub(crate) fn next_generation(&self) -> u64 {
        let mut table = lock(&self.0);
        let wall = u64::try_from(wall_ms()).unwrap_or(0);
        table.last_generation = wall.max(table.last_generation + 1);
        table.last_generation
    }

    pub(crate) fn hold(&self, terminal: &Arc<Terminal>) {
        lock(&self.0).by_name.insert(terminal.name.clone(), Arc::clone(terminal));
    }

    /// Streams that show any of them.
    pub(crate) fn viewers(&self) -> usize {
        lock(&self.0).by_name.values().map(|terminal| terminal.viewers()).sum()
    }

    /// Forgets those that have ended long ago and that nobody looks at.
    fn tidy(&self) {
        let at = now();
        let old = |terminal: &Terminal| terminal.end().is_some_and(|end| at >= end.at + ENDED_KEEP);
        lock(&self.0).by_name.retain(|_, terminal| !old(terminal) || terminal.viewers() > 0);
    }
}
