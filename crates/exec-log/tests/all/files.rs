use std::os::unix::fs::PermissionsExt;

use atoll_exec_log::DirExecLogs;
use atoll_ports::{ExecLogReader, ExecLogs};
use atoll_types::{ExecId, ExecKind, SandboxId};

use crate::{held, output};

#[tokio::test]
async fn files_are_for_their_owner_alone() {
    let dir = tempfile::tempdir().unwrap();
    let logs = super::small(dir.path(), 1_000, 1 << 40);
    let (sandbox, exec) = (SandboxId::random(), ExecId::random());
    let mut writer = logs.writer(&sandbox, &exec, ExecKind::Exec).await.unwrap();
    for seq in 2..10 {
        writer.append(&[output(seq, vec![b'x'; 400])]).await.unwrap();
    }
    let folder = dir.path().join(sandbox.as_str());
    let mode = |path: &std::path::Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&folder), 0o700);
    let mut names = Vec::new();
    for file in std::fs::read_dir(&folder).unwrap() {
        let path = file.unwrap().path();
        assert_eq!(mode(&path), 0o600);
        names.push(path.file_name().unwrap().to_str().unwrap().to_owned());
    }
    names.sort();
    assert_eq!(names, [format!("{exec}.log"), format!("{exec}.old")]);
}

/// A main process that writes without end: three files, never more than its bound, and the newest two of them whole.
#[tokio::test]
async fn the_log_of_a_main_process_takes_three_files() {
    const SEGMENT_BYTES: u64 = 1_000;
    let dir = tempfile::tempdir().unwrap();
    let logs = super::small(dir.path(), SEGMENT_BYTES, 1 << 40);
    let (sandbox, exec) = (SandboxId::random(), ExecId::random());
    let mut writer = logs.writer(&sandbox, &exec, ExecKind::Main).await.unwrap();
    let mut reader = logs.reader(&sandbox, &exec, 0).await.unwrap();
    let folder = dir.path().join(sandbox.as_str());
    for seq in 2..100 {
        writer.append(&[output(seq, vec![b'x'; 100])]).await.unwrap();
        let files = std::fs::read_dir(&folder).unwrap().map(|file| file.unwrap().metadata().unwrap().len());
        assert!(files.sum::<u64>() <= 3 * SEGMENT_BYTES, "after {seq}");
        assert_eq!(reader.next(1_000).await.unwrap().events.len(), 1, "who keeps up misses nothing: {seq}");
    }
    for suffix in ["log", "old", "older"] {
        assert!(folder.join(format!("{exec}.{suffix}")).exists(), "{suffix}");
    }
    assert!(writer.truncated());
    let page = held(&logs, &sandbox, &exec).await;
    let seqs: Vec<u64> = page.events.iter().map(|event| event.seq).collect();
    assert!(seqs.iter().copied().eq(seqs[0]..100) && seqs.len() > 14, "{seqs:?}");
    logs.remove(&sandbox, &exec).await.unwrap();
    assert_eq!(std::fs::read_dir(&folder).unwrap().count(), 0);
}

/// Wherever a rotation of three is cut off, the next writer goes on, and nothing that was held is lost.
#[tokio::test]
async fn a_crash_within_a_rotation_of_three_loses_nothing() {
    for renames in 1..=2 {
        let dir = tempfile::tempdir().unwrap();
        let logs = super::small(dir.path(), 1_000, 1 << 40);
        let (sandbox, exec) = (SandboxId::random(), ExecId::random());
        let mut writer = logs.writer(&sandbox, &exec, ExecKind::Main).await.unwrap();
        for seq in 2..12 {
            writer.append(&[output(seq, vec![b'x'; 100])]).await.unwrap();
        }
        drop(writer);
        let path = |suffix| dir.path().join(sandbox.as_str()).join(format!("{exec}.{suffix}"));
        assert!(path("old").exists() && !path("older").exists());
        for (from, to) in [("old", "older"), ("log", "old")].into_iter().take(renames) {
            std::fs::rename(path(from), path(to)).unwrap();
        }
        let mut writer = logs.writer(&sandbox, &exec, ExecKind::Main).await.unwrap();
        assert_eq!((writer.last_seq(), writer.truncated()), (11, false), "cut after {renames}");
        for seq in 12..17 {
            writer.append(&[output(seq, vec![b'x'; 100])]).await.unwrap();
        }
        let page = held(&logs, &sandbox, &exec).await;
        let seqs: Vec<u64> = page.events.iter().map(|event| event.seq).collect();
        assert!(seqs.iter().copied().eq(seqs[0]..17) && seqs.len() > 8, "cut after {renames}: {seqs:?}");
    }
}

/// A process that dies in the middle of a write leaves a part of it; at every length of that part a reader sees only
/// whole records, and a writer goes on behind them.
#[tokio::test]
async fn half_a_record_is_cut() {
    let dir = tempfile::tempdir().unwrap();
    let logs = DirExecLogs::new(dir.path().to_owned());
    let (sandbox, exec) = (SandboxId::random(), ExecId::random());
    let mut writer = logs.writer(&sandbox, &exec, ExecKind::Exec).await.unwrap();
    writer.append(&[output(2, b"first".to_vec())]).await.unwrap();
    let path = dir.path().join(sandbox.as_str()).join(format!("{exec}.log"));
    let before = std::fs::read(&path).unwrap();
    writer.append(&[output(3, b"second".to_vec())]).await.unwrap();
    drop(writer);
    let whole = std::fs::read(&path).unwrap();
    for len in before.len()..whole.len() {
        std::fs::write(&path, &whole[..len]).unwrap();
        assert_eq!(held(&logs, &sandbox, &exec).await.events.len(), 1, "cut to {len}");
        let mut reader = logs.reader(&sandbox, &exec, 2).await.unwrap();
        assert_eq!(reader.next(10).await.unwrap().events, []);
        let mut writer = logs.writer(&sandbox, &exec, ExecKind::Exec).await.unwrap();
        assert_eq!(writer.last_seq(), 2, "cut to {len}");
        let again = output(3, b"again".to_vec());
        writer.append(std::slice::from_ref(&again)).await.unwrap();
        assert_eq!(reader.next(10).await.unwrap().events, [again], "who waited sees it, cut at {len}");
    }
}

#[tokio::test]
async fn a_log_that_lost_its_content_is_begun_again() {
    let dir = tempfile::tempdir().unwrap();
    let logs = DirExecLogs::new(dir.path().to_owned());
    let (sandbox, exec) = (SandboxId::random(), ExecId::random());
    let folder = dir.path().join(sandbox.as_str());
    std::fs::create_dir(&folder).unwrap();
    for content in [vec![], vec![0; 5], vec![0; 5_000], b"somebody's letter, longer than a header".to_vec()] {
        std::fs::write(folder.join(format!("{exec}.log")), content).unwrap();
        assert_eq!(held(&logs, &sandbox, &exec).await.events, []);
        let mut writer = logs.writer(&sandbox, &exec, ExecKind::Exec).await.unwrap();
        assert_eq!(writer.last_seq(), 0);
        let event = output(2, b"x".to_vec());
        writer.append(std::slice::from_ref(&event)).await.unwrap();
        assert_eq!(held(&logs, &sandbox, &exec).await.events, [event]);
    }
}

#[tokio::test]
async fn a_crash_between_the_names_of_a_rotation_loses_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let logs = super::small(dir.path(), 100_000, 1 << 40);
    let (sandbox, exec) = (SandboxId::random(), ExecId::random());
    let mut writer = logs.writer(&sandbox, &exec, ExecKind::Exec).await.unwrap();
    writer.append(&[output(2, b"a".to_vec()), output(3, b"b".to_vec())]).await.unwrap();
    drop(writer);
    let folder = dir.path().join(sandbox.as_str());
    std::fs::rename(folder.join(format!("{exec}.log")), folder.join(format!("{exec}.old"))).unwrap();
    std::fs::write(folder.join(format!("{exec}.new")), b"half a hea").unwrap();
    let mut writer = logs.writer(&sandbox, &exec, ExecKind::Exec).await.unwrap();
    assert_eq!((writer.last_seq(), writer.truncated()), (3, false));
    writer.append(&[output(4, b"c".to_vec())]).await.unwrap();
    let page = held(&logs, &sandbox, &exec).await;
    assert_eq!((page.events.len(), page.first_held), (3, None));
}

#[tokio::test]
async fn what_is_not_ours_is_no_sandbox() {
    let dir = tempfile::tempdir().unwrap();
    let logs = DirExecLogs::new(dir.path().join("not yet there"));
    assert_eq!(logs.sandboxes().await.unwrap(), []);
    let logs = DirExecLogs::new(dir.path().to_owned());
    for name in ["lost+found", "tmp", "UPPERCASE123"] {
        std::fs::create_dir(dir.path().join(name)).unwrap();
    }
    assert_eq!(logs.sandboxes().await.unwrap(), []);
}

/// Reads until `last_seq` came, while another task writes.
async fn follow(reader: &mut dyn ExecLogReader, last_seq: u64) -> Vec<u64> {
    let mut seqs = Vec::new();
    while seqs.last() != Some(&last_seq) {
        let page = reader.next(10_000).await.unwrap();
        for event in page.events {
            let atoll_types::ExecEventKind::Output(_, data) = &event.kind else { panic!("only output") };
            let byte = u8::try_from(event.seq % 251).unwrap();
            assert!(data.iter().all(|b| *b == byte), "record {} holds another's bytes", event.seq);
            seqs.push(event.seq);
        }
        tokio::task::yield_now().await;
    }
    seqs
}

/// Two threads: one writes through many segments, one reads all the time and never sees half a record.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reader_beside_the_writer_sees_whole_records_in_order() {
    const LAST: u64 = 20_000;
    let dir = tempfile::tempdir().unwrap();
    let logs = super::small(dir.path(), 1 << 20, 1 << 40);
    let (sandbox, exec) = (SandboxId::random(), ExecId::random());
    let mut reader = logs.reader(&sandbox, &exec, 0).await.unwrap();
    let mut writer = logs.writer(&sandbox, &exec, ExecKind::Exec).await.unwrap();
    let write = async move {
        for seq in 2..=LAST {
            let len = usize::try_from(seq * 7919 % 3_000).unwrap();
            let data = vec![u8::try_from(seq % 251).unwrap(); len];
            writer.append(&[output(seq, data)]).await.unwrap();
            if seq % 16 == 0 {
                tokio::task::yield_now().await;
            }
        }
    };
    #[expect(clippy::disallowed_methods, reason = "two threads are the point of this test")]
    let write = tokio::spawn(write);
    let seqs = follow(&mut *reader, LAST).await;
    write.await.unwrap();
    assert!(seqs.windows(2).all(|pair| pair[0] < pair[1]), "in order, and none twice");
    assert!(seqs.len() > 100);
}
