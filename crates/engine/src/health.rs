//! How Atoll is.

use crate::{Engine, HealthView};

impl Engine {
    /// Asks the database and the runtimes.
    pub async fn health(&self) -> HealthView {
        let (database, runtime) =
            tokio::join!(self.inner.ports.store.check(), self.inner.ports.runtime.info());
        HealthView {
            database_problem: database.err().map(|e| e.to_string()),
            running: self.inner.records.running(),
            runtimes: vec![runtime],
        }
    }
}
