//! The agent's tasks: they live as long as it does, or end by themselves with what they follow (a command, a
//! connection, a block of input), so nobody holds a handle to them.

/// Runs `task` beside the others.
#[expect(clippy::disallowed_methods, reason = "the agent is never shut down: there is no order to keep")]
pub(crate) fn spawn(task: impl Future<Output = ()> + Send + 'static) {
    drop(tokio::spawn(task));
}
