use std::num::NonZeroU16;
use std::time::Duration;

use atoll_ports::{DialError, Runtime};
use atoll_types::SandboxId;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

/// Longest that anything here may take.
const PATIENCE: Duration = Duration::from_secs(20);

/// In a running sandbox, somebody on `echo` sends back what comes until its end, then closes; nobody is on `nobody`.
pub async fn dial(runtime: &dyn Runtime, sandbox: &SandboxId, echo: NonZeroU16, nobody: NonZeroU16) {
    let two = async {
        let mut one = runtime.dial(sandbox, echo).await.unwrap();
        one.write_all(b"what ").await.unwrap();
        one.write_all(b"comes").await.unwrap();
        // One way ends, the other goes on to its own end.
        one.shutdown().await.unwrap();
        let mut back = String::new();
        one.read_to_string(&mut back).await.unwrap();
        assert_eq!(back, "what comes");
        drop(one);
        // One that is dropped is no reason not to take the next.
        drop(runtime.dial(sandbox, echo).await.unwrap());
        drop(runtime.dial(sandbox, echo).await.unwrap());
    };
    tokio::time::timeout(PATIENCE, two).await.unwrap();
    assert_eq!(runtime.dial(sandbox, nobody).await.unwrap_err(), DialError::Refused);
    assert_eq!(runtime.dial(&SandboxId::random(), echo).await.unwrap_err(), DialError::NotRunning);
}
