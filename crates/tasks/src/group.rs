//! A group of tasks that is stopped as one.

use std::borrow::Cow;
use std::future::poll_fn;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use tokio::sync::watch;
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::kind::{Kind, OnCancel, OnFailure, Outcome, chain, panic_text};
use crate::registry::{Place, Registry, ShuttingDown, TaskInfo};

/// A group of tasks, made by [`crate::Tasks::group`]. A cheap clone.
#[derive(Debug, Clone)]
pub struct Group {
    pub(crate) name: &'static str,
    pub(crate) token: CancellationToken,
    pub(crate) registry: Arc<Registry>,
    // Name of the task whose failure stops the program; the first one stays.
    pub(crate) fatal: watch::Sender<Option<String>>,
}

/// One task that was spawned. Dropping it changes nothing.
#[derive(Debug, Clone)]
pub struct TaskHandle {
    token: CancellationToken,
    ended: CancellationToken,
}

impl TaskHandle {
    /// Cancels this task's token alone.
    pub fn cancel(&self) {
        self.token.cancel();
    }

    /// Whether it has ended, in any way.
    #[must_use]
    pub fn is_finished(&self) -> bool {
        self.ended.is_cancelled()
    }

    /// Returns when it has ended, in any way. Cancel safe.
    pub async fn finished(&self) {
        self.ended.cancelled().await;
    }
}

impl Group {
    /// Name, as in logs.
    #[must_use]
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// The token that shutdown cancels; children of it may be given to what these tasks call.
    #[must_use]
    pub fn token(&self) -> &CancellationToken {
        &self.token
    }

    /// Who is running.
    #[must_use]
    pub fn running(&self) -> Vec<TaskInfo> {
        self.registry.running()
    }

    /// Starts a task. The closure is given the task's own token and makes the future.
    ///
    /// # Errors
    /// When the group is being stopped: then nothing was begun.
    pub fn spawn<F, Fut>(
        &self,
        name: impl Into<Cow<'static, str>>,
        kind: Kind,
        make: F,
    ) -> Result<TaskHandle, ShuttingDown>
    where
        F: FnOnce(CancellationToken) -> Fut,
        Fut: Future<Output: Outcome> + Send + 'static,
    {
        let name = name.into();
        let place = self.registry.enter(name.clone(), kind.on_cancel == OnCancel::Abort)?;
        let token = self.token.child_token();
        let handle = TaskHandle { token: token.clone(), ended: CancellationToken::new() };
        let future = make(token);
        let group = self.clone();
        let run = async move {
            let failure = match caught(future).await {
                Ok(outcome) => outcome.into_error().map(|error| chain(&error)),
                Err(panic) => Some(format!("panicked: {panic}")),
            };
            if let Some(failure) = failure {
                group.failed(&name, kind.on_failure, &failure);
            }
        };
        self.start(place, handle.ended.clone(), run);
        Ok(handle)
    }

    /// Hands a future to tokio. `place` leaves the registry and `ended` is cancelled when it ends or is dropped.
    pub(crate) fn start(
        &self,
        place: Place,
        ended: CancellationToken,
        run: impl Future<Output = ()> + Send + 'static,
    ) {
        let key = place.key();
        let running = Running { run: Box::pin(run), _ended: ended.drop_guard(), _place: place };
        #[expect(clippy::disallowed_methods, reason = "the one place where tasks are made")]
        let joined = tokio::spawn(running);
        self.registry.spawned(key, joined.abort_handle());
    }

    fn failed(&self, task: &str, on_failure: OnFailure, failure: &str) {
        let group = self.name;
        match on_failure {
            OnFailure::Log => tracing::error!(group, task, "task {task} failed: {failure}"),
            OnFailure::ShutDown => {
                tracing::error!(group, task, "task {task} failed, the program cannot go on: {failure}");
                self.fatal.send_if_modified(|first| {
                    let is_first = first.is_none();
                    if is_first {
                        *first = Some(task.to_owned());
                    }
                    is_first
                });
            }
        }
    }
}

/// A task's future. Its fields are dropped in this order, also by an abort: the work is gone before its place is empty.
struct Running {
    run: Pin<Box<dyn Future<Output = ()> + Send>>,
    _ended: DropGuard,
    _place: Place,
}

impl Future for Running {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        self.run.as_mut().poll(cx)
    }
}

/// Runs a future and turns a panic into its text. After a panic the future is never polled again, only dropped.
pub(crate) async fn caught<Fut: Future>(future: Fut) -> Result<Fut::Output, String> {
    let mut future = Box::pin(future);
    poll_fn(move |cx| match catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(cx))) {
        Ok(Poll::Pending) => Poll::Pending,
        Ok(Poll::Ready(output)) => Poll::Ready(Ok(output)),
        Err(payload) => Poll::Ready(Err(panic_text(&*payload))),
    })
    .await
}
