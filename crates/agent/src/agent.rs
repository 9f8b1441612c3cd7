//! The commands that the agent holds, and what they share.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use atoll_agent_protocol::v1::ExecKind;
use atoll_agent_protocol::v1::event::Kind;
use atoll_agent_protocol::{EXECS_MAX, OUTPUT_BYTES_MAX};
use tonic::Status;

use crate::activity::Activity;
use crate::budget::Budget;
use crate::exec::Exec;
use crate::files::Helpers;
use crate::lock::lock;
use crate::memory::Trimmer;
use crate::port::Connections;
use crate::reaper::Children;
use crate::spares::Spares;
use crate::status;
use crate::terminal::Terminals;
use crate::users::Users;

/// Everything.
#[derive(Debug)]
pub(crate) struct Agent {
    pub(crate) children: Arc<Children>,
    pub(crate) spares: Spares,
    pub(crate) users: Users,
    pub(crate) budget: Budget,
    pub(crate) activity: Activity,
    pub(crate) trimmer: Trimmer,
    pub(crate) terminals: Terminals,
    pub(crate) helpers: Helpers,
    pub(crate) connections: Connections,
    /// Whether serve can be handed descriptors: it comes over sockets.
    pub(crate) hands_over: bool,
    execs: Mutex<HashMap<String, Arc<Exec>>>,
    /// What pipes are read into before it is known how much comes.
    scratch: Mutex<Box<[u8]>>,
}

impl Agent {
    pub(crate) fn new(children: Arc<Children>, spares: Spares, hands_over: bool) -> Self {
        Self {
            children,
            spares,
            users: Users::default(),
            budget: Budget::default(),
            activity: Activity::new(),
            trimmer: Trimmer::default(),
            terminals: Terminals::default(),
            helpers: Helpers::default(),
            connections: Connections::default(),
            hands_over,
            execs: Mutex::default(),
            scratch: Mutex::new(vec![0; OUTPUT_BYTES_MAX].into()),
        }
    }

    pub(crate) fn find(&self, id: &str) -> Result<Arc<Exec>, Status> {
        lock(&self.execs).get(id).cloned().ok_or_else(status::no_such_exec)
    }

    pub(crate) fn list(&self) -> Vec<Arc<Exec>> {
        lock(&self.execs).values().cloned().collect()
    }

    pub(crate) fn hold(&self, exec: &Arc<Exec>) {
        lock(&self.execs).insert(exec.id.clone(), Arc::clone(exec));
    }

    pub(crate) fn is_full(&self) -> bool {
        lock(&self.execs).len() >= EXECS_MAX
    }

    /// Adds an event to a command.
    pub(crate) fn record(&self, exec: &Exec, kind: Kind) {
        self.budget.add_events(exec.record(kind));
        if exec.kind != ExecKind::Probe {
            self.activity.touch();
        }
    }

    /// Events of a command up to `seq` are safe: drops them, and the command with its exit.
    pub(crate) fn ack(&self, id: &str, seq: u64) {
        let Ok(exec) = self.find(id) else { return };
        let (freed, finished) = exec.with_ring(|ring| (ring.ack(seq), ring.finished()));
        self.budget.drop_events(freed);
        if finished {
            let mut execs = lock(&self.execs);
            execs.remove(id);
            if execs.is_empty() {
                execs.shrink_to_fit();
            }
            self.trimmer.freed();
        }
    }

    /// Runs `read` with a buffer of [`OUTPUT_BYTES_MAX`].
    pub(crate) fn with_scratch<T>(&self, read: impl FnOnce(&mut [u8]) -> T) -> T {
        read(&mut lock(&self.scratch))
    }
}
