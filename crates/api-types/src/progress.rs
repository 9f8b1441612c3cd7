//! Work that is told line by line.

use serde::Serialize;

use crate::{BuildProgress, FailureBody, Image, PullProgress, PushProgress, PushedImage};

/// One line of the progress of some work. The last has what was made, or what went wrong.
pub trait ProgressLine: Serialize {
    /// What is made.
    type Made;
    /// The field that has it.
    const MADE: &'static str;

    /// How it ended, if it has; taken out of the line.
    fn end(&mut self) -> Option<Result<Self::Made, FailureBody>>;

    /// The last line, where this one is how far it was.
    #[must_use]
    fn ended(self, end: Result<Self::Made, FailureBody>) -> Self;
}

/// Lines that have `status`, `error` and a field for what is made.
macro_rules! progress_line {
    ($line:ty, $field:ident: $made:ty) => {
        impl ProgressLine for $line {
            type Made = $made;
            const MADE: &'static str = stringify!($field);

            fn end(&mut self) -> Option<Result<$made, FailureBody>> {
                let made = self.$field.take().map(Ok);
                made.or_else(|| self.error.take().map(Err))
            }

            fn ended(mut self, end: Result<$made, FailureBody>) -> Self {
                let status = if end.is_ok() { "done" } else { "failed" };
                status.clone_into(&mut self.status);
                match end {
                    Ok(made) => self.$field = Some(made),
                    Err(error) => self.error = Some(error),
                }
                self
            }
        }
    };
}

progress_line!(PullProgress, image: Image);
progress_line!(BuildProgress, image: Image);
progress_line!(PushProgress, pushed: PushedImage);
