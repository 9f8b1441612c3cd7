//! What every place for the logs of execs promises.

use std::sync::Arc;

use atoll_ports::{ExecLogReader, ExecLogs};
use atoll_types::{ExecEvent, ExecEventKind, ExecExit, ExecId, ExecKind, OutputStream, SandboxId, Timestamp};

/// Checks logs; `open` gives empty ones each time.
pub async fn exec_logs(open: impl AsyncFn() -> Arc<dyn ExecLogs>) {
    written_and_read(&*open().await).await;
    read_while_written(&*open().await).await;
    only_output(&*open().await).await;
    pages(&*open().await).await;
    removed(&*open().await).await;
}

/// Checks logs that keep at most `bytes_max` bytes of each exec, and at least half of it.
pub async fn exec_logs_bounded(bytes_max: usize, open: impl AsyncFn() -> Arc<dyn ExecLogs>) {
    dropped(bytes_max, &*open().await).await;
}

/// An output event.
fn output(seq: u64, data: &[u8]) -> ExecEvent {
    let stream = if seq.is_multiple_of(3) { OutputStream::Stderr } else { OutputStream::Stdout };
    let time = Timestamp::from_unix_ms(1_000 + i64::try_from(seq).unwrap());
    ExecEvent { seq, time, kind: ExecEventKind::Output(stream, data.to_vec()) }
}

/// Everything that is there for this reader.
async fn all(reader: &mut dyn ExecLogReader, max_bytes: usize) -> Vec<ExecEvent> {
    let mut events = Vec::new();
    loop {
        let page = reader.next(max_bytes).await.unwrap();
        if page.events.is_empty() {
            return events;
        }
        events.extend(page.events);
    }
}

async fn written_and_read(logs: &dyn ExecLogs) {
    let (sandbox, exec) = (SandboxId::random(), ExecId::random());
    let every_byte: Vec<u8> = (0..=255).cycle().take(70_000).collect();
    let events =
        [output(2, b"a\n"), output(3, b""), output(4, &every_byte), output(5, "\u{1f40b}".as_bytes())];
    let mut writer = logs.writer(&sandbox, &exec, ExecKind::Exec).await.unwrap();
    assert_eq!((writer.last_seq(), writer.truncated()), (0, false));
    writer.append(&[]).await.unwrap();
    assert_eq!(logs.sandboxes().await.unwrap(), [], "nothing is there before the first output");
    writer.append(&events[..1]).await.unwrap();
    writer.append(&events[1..]).await.unwrap();
    assert_eq!(writer.last_seq(), 5);
    assert_eq!(logs.sandboxes().await.unwrap(), std::slice::from_ref(&sandbox));
    for after_seq in 0..7 {
        let mut reader = logs.reader(&sandbox, &exec, after_seq).await.unwrap();
        let expected: Vec<_> = events.iter().filter(|e| e.seq > after_seq).cloned().collect();
        assert_eq!(all(&mut *reader, 1 << 20).await, expected, "after {after_seq}");
    }
    drop(writer);
    let mut writer = logs.writer(&sandbox, &exec, ExecKind::Exec).await.unwrap();
    assert_eq!(
        (writer.last_seq(), writer.truncated()),
        (5, false),
        "a new writer goes on behind the old one"
    );
    let more = [output(5, b"again"), output(6, b"x")];
    writer.append(&more).await.unwrap();
    let mut reader = logs.reader(&sandbox, &exec, 4).await.unwrap();
    let expected = [events[3].clone(), more[1].clone()];
    assert_eq!(all(&mut *reader, 1).await, expected, "what is there already is not written again");
    let mut other = logs.reader(&sandbox, &ExecId::random(), 0).await.unwrap();
    let page = other.next(10).await.unwrap();
    assert_eq!((page.events, page.first_held), (vec![], None));
}

async fn read_while_written(logs: &dyn ExecLogs) {
    let (sandbox, exec) = (SandboxId::random(), ExecId::random());
    let mut reader = logs.reader(&sandbox, &exec, 0).await.unwrap();
    assert_eq!(reader.next(100).await.unwrap().events, [], "a reader may come before the first output");
    let mut writer = logs.writer(&sandbox, &exec, ExecKind::Exec).await.unwrap();
    for seq in 2..50 {
        let event = output(seq, seq.to_string().as_bytes());
        writer.append(std::slice::from_ref(&event)).await.unwrap();
        assert_eq!(reader.next(100).await.unwrap().events, [event]);
        assert_eq!(reader.next(100).await.unwrap().events, [], "the end of what is written");
    }
}

async fn only_output(logs: &dyn ExecLogs) {
    let (sandbox, exec) = (SandboxId::random(), ExecId::random());
    let time = Timestamp::from_unix_ms(0);
    let start = ExecEvent { seq: 1, time, kind: ExecEventKind::Start };
    let exit =
        |seq| ExecEvent { seq, time, kind: ExecEventKind::Exit(ExecExit { code: 0, timed_out: false }) };
    let mut writer = logs.writer(&sandbox, &exec, ExecKind::Exec).await.unwrap();
    writer.append(&[start.clone(), exit(2)]).await.unwrap();
    assert_eq!(writer.last_seq(), 0, "the start and the exit are kept elsewhere");
    assert_eq!(logs.sandboxes().await.unwrap(), []);
    writer.append(&[start, output(2, b"x"), exit(3)]).await.unwrap();
    assert_eq!(writer.last_seq(), 2);
    let mut reader = logs.reader(&sandbox, &exec, 0).await.unwrap();
    assert_eq!(all(&mut *reader, 10).await, [output(2, b"x")]);
}

async fn pages(logs: &dyn ExecLogs) {
    let (sandbox, exec) = (SandboxId::random(), ExecId::random());
    let mut events: Vec<_> = (2..12).map(|seq| output(seq, &[b'x'; 10])).collect();
    // Events 12 and 13 were lost.
    events.extend((14..20).map(|seq| output(seq, &[b'y'; 10])));
    let mut writer = logs.writer(&sandbox, &exec, ExecKind::Exec).await.unwrap();
    writer.append(&events).await.unwrap();
    for max_bytes in [0, 1, 10, 11, 29, 30, 1_000] {
        let mut reader = logs.reader(&sandbox, &exec, 0).await.unwrap();
        let mut read = Vec::new();
        while let Ok(page) = reader.next(max_bytes).await {
            let bytes = page.events.len() * 10;
            assert!(page.events.len() <= 1 || bytes <= max_bytes, "{bytes} bytes of at most {max_bytes}");
            let gap = page.events.windows(2).any(|pair| pair[0].seq + 1 != pair[1].seq);
            assert!(!gap, "a page has no gap inside");
            if page.events.is_empty() {
                break;
            }
            read.extend(page.events);
        }
        assert_eq!(read, events, "in pages of {max_bytes} bytes");
    }
}

async fn removed(logs: &dyn ExecLogs) {
    let (sandbox, other) = (SandboxId::random(), SandboxId::random());
    let execs: Vec<_> = (0..3).map(|_| ExecId::random()).collect();
    for exec in &execs {
        for sandbox in [&sandbox, &other] {
            let mut writer = logs.writer(sandbox, exec, ExecKind::Exec).await.unwrap();
            writer.append(&[output(2, b"x")]).await.unwrap();
        }
    }
    let count = async |sandbox: &SandboxId, exec: &ExecId| {
        all(&mut *logs.reader(sandbox, exec, 0).await.unwrap(), 10).await.len()
    };
    for _ in 0..2 {
        logs.remove(&sandbox, &execs[0]).await.unwrap();
    }
    assert_eq!(count(&sandbox, &execs[0]).await, 0);
    assert_eq!(count(&sandbox, &execs[1]).await, 1);
    let mut both = vec![sandbox.clone(), other.clone()];
    both.sort();
    assert_eq!(logs.sandboxes().await.unwrap(), both);
    for _ in 0..2 {
        logs.remove_sandbox(&sandbox).await.unwrap();
    }
    assert_eq!(logs.sandboxes().await.unwrap(), std::slice::from_ref(&other));
    assert_eq!(count(&sandbox, &execs[1]).await, 0);
    assert_eq!(count(&other, &execs[0]).await, 1);
}

/// Beyond the bound the oldest go, and a reader hears where what is held begins.
async fn dropped(bytes_max: usize, logs: &dyn ExecLogs) {
    let (sandbox, exec) = (SandboxId::random(), ExecId::random());
    let piece = bytes_max / 64;
    let mut writer = logs.writer(&sandbox, &exec, ExecKind::Exec).await.unwrap();
    let mut follower = logs.reader(&sandbox, &exec, 0).await.unwrap();
    let last_seq = 64 * 5 + 1;
    let mut followed = Vec::new();
    for seq in 2..=last_seq {
        writer.append(&[output(seq, &vec![b'x'; piece])]).await.unwrap();
        if seq.is_multiple_of(5) {
            followed.extend(all(&mut *follower, bytes_max).await.iter().map(|e| e.seq));
        }
    }
    assert!(writer.truncated());
    assert!(followed.iter().copied().eq(2..=320), "who keeps up misses nothing: {followed:?}");

    let mut reader = logs.reader(&sandbox, &exec, 0).await.unwrap();
    let page = reader.next(1).await.unwrap();
    let first = page.events[0].seq;
    assert_eq!(page.first_held, Some(first));
    let rest = all(&mut *reader, bytes_max).await;
    let seqs: Vec<_> = page.events.iter().chain(&rest).map(|e| e.seq).collect();
    assert!(seqs.iter().copied().eq(first..=last_seq), "what is held has no gap: {seqs:?}");
    assert!(seqs.len() * piece <= bytes_max, "no more than the bound: {}", seqs.len());
    assert!(seqs.len() * piece >= bytes_max / 3, "not much less than half of it: {}", seqs.len());
    let reopened = logs.writer(&sandbox, &exec, ExecKind::Exec).await.unwrap();
    assert_eq!((reopened.last_seq(), reopened.truncated()), (last_seq, true));
    // One who comes behind the gap sees it by the numbers.
    let mut late = logs.reader(&sandbox, &exec, 3).await.unwrap();
    let page = late.next(1).await.unwrap();
    assert_eq!((page.events[0].seq, page.first_held), (first, Some(first)));
}
