use atoll_ports::ExecLogs;
use atoll_types::{ExecId, ExecKind, SandboxId};

use crate::{held, output};

fn folder_bytes(dir: &std::path::Path, sandbox: &SandboxId) -> u64 {
    let files = std::fs::read_dir(dir.join(sandbox.as_str())).unwrap();
    files.map(|file| file.unwrap().metadata().unwrap().len()).sum()
}

#[tokio::test]
async fn beyond_the_quota_the_oldest_ended_output_goes() {
    let dir = tempfile::tempdir().unwrap();
    let quota = 100_000;
    let logs = super::small(dir.path(), 64_000, quota);
    let sandbox = SandboxId::random();
    let mut execs = Vec::new();
    for _ in 0..30 {
        let exec = ExecId::random();
        let mut writer = logs.writer(&sandbox, &exec, ExecKind::Exec).await.unwrap();
        for seq in 2..12 {
            writer.append(&[output(seq, vec![b'x'; 1_000])]).await.unwrap();
        }
        execs.push(exec);
        // The clock of a file system may stand still for some milliseconds.
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        assert!(folder_bytes(dir.path(), &sandbox) < quota + 2_000);
    }
    let first = held(&logs, &sandbox, &execs[0]).await;
    assert_eq!((first.events, first.first_held), (vec![], Some(12)), "it says that it had output up to 11");
    let reopened = logs.writer(&sandbox, &execs[0], ExecKind::Exec).await.unwrap();
    assert_eq!((reopened.last_seq(), reopened.truncated()), (11, true));
    let last = held(&logs, &sandbox, &execs[29]).await;
    assert_eq!((last.events.len(), last.first_held), (10, None));
}

#[tokio::test]
async fn writers_that_go_on_beyond_the_quota_keep_their_latest_output() {
    let dir = tempfile::tempdir().unwrap();
    let quota = 200_000;
    let logs = super::small(dir.path(), 640_000, quota);
    let sandbox = SandboxId::random();
    let execs: Vec<_> = (0..4).map(|_| ExecId::random()).collect();
    let mut writers = Vec::new();
    for exec in &execs {
        writers.push(logs.writer(&sandbox, exec, ExecKind::Exec).await.unwrap());
    }
    for seq in 2..600 {
        for writer in &mut writers {
            writer.append(&[output(seq, vec![b'x'; 1_000])]).await.unwrap();
        }
    }
    let bytes = folder_bytes(dir.path(), &sandbox);
    assert!(bytes < 2 * quota, "{bytes} bytes of 2,400,000 written");
    for (exec, writer) in execs.iter().zip(&writers) {
        assert!(writer.truncated());
        let page = held(&logs, &sandbox, exec).await;
        let seqs: Vec<_> = page.events.iter().map(|e| e.seq).collect();
        let first = page.first_held.unwrap();
        assert!(seqs.iter().copied().eq(first..600) && seqs.len() > 5, "{seqs:?}");
    }
}

#[tokio::test]
async fn a_writer_of_a_removed_sandbox_leaves_nothing_behind() {
    let dir = tempfile::tempdir().unwrap();
    let logs = super::small(dir.path(), 2_000, 1 << 40);
    let sandbox = SandboxId::random();
    let mut writer = logs.writer(&sandbox, &ExecId::random(), ExecKind::Exec).await.unwrap();
    writer.append(&[output(2, vec![b'x'; 1_500])]).await.unwrap();
    logs.remove_sandbox(&sandbox).await.unwrap();
    writer.append(&[output(3, vec![b'x'; 1_500])]).await.unwrap();
    assert_eq!(logs.sandboxes().await.unwrap(), []);
}
