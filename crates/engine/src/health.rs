//! How Atoll is.

use atoll_ports::RuntimeInfo;
use atoll_types::RuntimeKind;

use crate::account::admin;
use crate::{Caller, CountsView, Engine, EngineError, HealthView};

impl Engine {
    /// The runtimes of this machine.
    ///
    /// # Errors
    /// `forbidden`.
    pub async fn admin_runtimes(&self, caller: &Caller) -> Result<Vec<RuntimeInfo>, EngineError> {
        admin(caller)?;
        Ok(self.inner.ports.runtimes.infos().await)
    }

    /// Whether requests can be served. A runtime beside the native one that is away, as while Docker is restarted, keeps nobody else's
    /// from that.
    pub async fn is_ready(&self) -> bool {
        let native = async {
            match self.inner.ports.runtimes.of(RuntimeKind::Native) {
                Ok(runtime) => runtime.info().await.available,
                Err(_) => false,
            }
        };
        let (database, native) = tokio::join!(self.inner.ports.store.check(), native);
        database.is_ok() && native
    }

    /// Asks the database and the runtimes.
    pub async fn health(&self) -> HealthView {
        let (database, runtimes) =
            tokio::join!(self.inner.ports.store.check(), self.inner.ports.runtimes.infos());
        HealthView {
            database_problem: database.err().map(|e| e.to_string()),
            running: self.inner.records.running(),
            runtimes,
        }
    }

    /// Counts what there is.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn counts(&self) -> Result<CountsView, EngineError> {
        Ok(CountsView {
            sandboxes_running: self.inner.records.running(),
            sandboxes: self.inner.records.count(),
            sessions: self.public_sessions_count(),
            users: self.inner.ports.store.user_count().await?,
            environments: self.inner.ports.store.environment_count(None).await?,
        })
    }
}
