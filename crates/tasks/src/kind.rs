//! What a task is to the program: what cancel and failure mean to it.

/// What happens to a task when its group is cancelled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnCancel {
    /// It sees its token cancelled and is waited for until the deadline of the shutdown.
    Wait,
    /// It is dropped at its next await: only for tasks that hold nothing half done there.
    Abort,
}

/// What the failure or the panic of a task means to the program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnFailure {
    /// It is logged; the rest goes on.
    Log,
    /// It is logged, and the program is asked to stop: it cannot do its work without this task.
    ShutDown,
}

/// The two together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Kind {
    /// On cancel.
    pub on_cancel: OnCancel,
    /// On an error or a panic.
    pub on_failure: OnFailure,
}

impl Kind {
    /// Work that must come to its end; its failure concerns nobody else.
    pub const WORK: Self = Self { on_cancel: OnCancel::Wait, on_failure: OnFailure::Log };
    /// A part without which the program is of no use: it stops cleanly, and takes the program along when it fails.
    pub const ESSENTIAL: Self = Self { on_cancel: OnCancel::Wait, on_failure: OnFailure::ShutDown };
    /// Something that may end at any await, as a watcher does.
    pub const DISPOSABLE: Self = Self { on_cancel: OnCancel::Abort, on_failure: OnFailure::Log };
}

/// Why a task failed.
pub type TaskError = Box<dyn std::error::Error + Send + Sync>;

/// What a task may return: nothing, or a result whose error is handled by its [`Kind`].
pub trait Outcome: Send + 'static {
    /// The error, if it is one.
    fn into_error(self) -> Option<TaskError>;
}

impl Outcome for () {
    fn into_error(self) -> Option<TaskError> {
        None
    }
}

impl<E: Into<TaskError> + Send + 'static> Outcome for Result<(), E> {
    fn into_error(self) -> Option<TaskError> {
        self.err().map(Into::into)
    }
}

/// An error with all its causes in one line, for a log.
pub(crate) fn chain(error: &TaskError) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}

/// What a panic said.
pub(crate) fn panic_text(payload: &(dyn std::any::Any + Send)) -> String {
    if let Some(text) = payload.downcast_ref::<&str>() {
        return (*text).to_owned();
    }
    payload.downcast_ref::<String>().cloned().unwrap_or_else(|| "a panic without text".to_owned())
}
