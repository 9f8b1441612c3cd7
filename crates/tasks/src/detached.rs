//! Work that goes on when its caller has gone.

use std::borrow::Cow;

use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;

use crate::group::{Group, caught};
use crate::registry::ShuttingDown;

/// Why detached work gave no result.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DetachedError {
    /// It was not begun, since the program is stopping.
    #[error(transparent)]
    ShuttingDown(#[from] ShuttingDown),
    /// It was begun, and aborted at the deadline of the shutdown.
    #[error("the work was cut off, since the program is stopping")]
    CutOff,
    /// It panicked; the panic is in the log.
    #[error("the work failed unexpectedly")]
    Panicked,
}

impl Group {
    /// Runs `work` as a task of its own and returns a future of its result.
    ///
    /// # Cancel safety
    /// The work is begun by this call, not by the first poll, and goes on when the returned future is dropped: a
    /// connection that closes cannot cut a mutation. Shutdown waits for it.
    pub fn run_detached<T, Fut>(
        &self,
        name: &'static str,
        work: Fut,
    ) -> impl Future<Output = Result<T, DetachedError>> + Send + use<T, Fut>
    where
        T: Send + 'static,
        Fut: Future<Output = T> + Send + 'static,
    {
        let (tell, told) = oneshot::channel();
        let group = self.name;
        let entered = self.registry.enter(Cow::Borrowed(name), false).map(|place| {
            let run = async move {
                let result = caught(work).await.map_err(|panic| {
                    tracing::error!(group, task = name, "task {name} panicked: {panic}");
                    DetachedError::Panicked
                });
                // Nobody may be listening any more; the work was done all the same.
                drop(tell.send(result));
            };
            self.start(place, CancellationToken::new(), run);
        });
        async move {
            entered?;
            told.await.unwrap_or(Err(DetachedError::CutOff))
        }
    }
}
