//! What every place for the logs of execs promises.

use std::sync::Arc;

use atoll_ports::ExecLogs;
use atoll_types::{ExecId, SandboxId};

/// Checks logs; `open` gives empty ones each time.
pub async fn exec_logs(open: impl AsyncFn() -> Arc<dyn ExecLogs>) {
    let logs = open().await;
    let writer = logs.writer(&SandboxId::random(), &ExecId::random()).await.unwrap();
    assert_eq!(writer.last_seq(), 0);
}
