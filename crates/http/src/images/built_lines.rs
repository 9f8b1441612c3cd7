//! What a build writes. Nothing of it is left out, unlike how far a pull is.

use atoll_api_types::BuildProgress;
use atoll_ports::BuildProgress as Progress;
use tokio::sync::mpsc::UnboundedReceiver;

use super::lines::{Heard, News};

/// Bytes of output in one line, before a last piece.
const LINE_OUTPUT_BYTES: usize = 256 << 10;

/// What happens in a build.
#[derive(Debug)]
pub(super) enum Step {
    Output(String),
    Status(&'static str, String),
}

impl From<Progress<'_>> for Step {
    fn from(step: Progress<'_>) -> Self {
        match step {
            Progress::Output(text) => Self::Output(text.to_owned()),
            Progress::Pulling(image) => Self::Status("pulling", format!("Pulling {image}\n")),
            Progress::Unpacking => Self::Status("unpacking", String::new()),
        }
    }
}

/// A build that goes on.
#[derive(Debug)]
pub(super) struct Building {
    steps: UnboundedReceiver<Step>,
    status: &'static str,
}

impl Building {
    pub(super) const fn new(steps: UnboundedReceiver<Step>) -> Self {
        Self { steps, status: "building" }
    }
}

impl News for Building {
    type Line = BuildProgress;

    fn next(&mut self) -> Heard<BuildProgress> {
        let (mut output, mut is_new, mut is_all) = (String::new(), false, false);
        while output.len() < LINE_OUTPUT_BYTES {
            let Ok(step) = self.steps.try_recv() else {
                is_all = true;
                break;
            };
            is_new = true;
            let (status, text) = match step {
                Step::Output(text) => ("building", text),
                Step::Status(status, text) => (status, text),
            };
            self.status = status;
            output.push_str(&text);
        }
        let line = BuildProgress { status: self.status.to_owned(), output, ..BuildProgress::default() };
        Heard { line, is_new, is_all }
    }
}
