//! Output of an exec from its log.

use atoll_types::{ExecEventKind, ExecId, SandboxId};

use super::capture::{Capture, Captured};
use crate::{Engine, EngineError};

/// Output that is read from the log at once.
const READ_BYTES: usize = 256 << 10;

impl Engine {
    /// The end of what an exec has written so far.
    pub(crate) async fn logged_output(
        &self,
        sandbox: &SandboxId,
        exec: &ExecId,
    ) -> Result<Captured, EngineError> {
        let mut log = self.inner.ports.exec_logs.reader(sandbox, exec, 0).await?;
        let mut capture = Capture::default();
        loop {
            let page = log.next(READ_BYTES).await?;
            if page.events.is_empty() {
                return Ok(capture.finish());
            }
            for event in page.events {
                if let ExecEventKind::Output(stream, data) = event.kind {
                    capture.push(stream, &data);
                }
            }
        }
    }
}
