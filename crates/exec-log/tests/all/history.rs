//! Any history of appends, restarts and crashes in the middle of a write reads back exactly.

use atoll_exec_log::DirExecLogs;
use atoll_ports::{ExecLogWriter, ExecLogs};
use atoll_types::{ExecEvent, ExecEventKind, ExecId, ExecKind, SandboxId};
use proptest::prelude::*;

use crate::output;

const SEGMENT_BYTES: u64 = 4_000;

#[derive(Debug, Clone)]
enum Step {
    /// One call with outputs of these lengths.
    Append(Vec<usize>),
    /// The same from a writer that was just opened.
    Reopen,
    /// The process dies in its next write: this many bytes of it are there, less than all.
    Cut(usize),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        6 => prop::collection::vec(0..900_usize, 1..5).prop_map(Step::Append),
        2 => Just(Step::Reopen),
        2 => (1..10_000_usize).prop_map(Step::Cut),
    ];
    prop::collection::vec(step, 1..40)
}

struct History {
    dir: tempfile::TempDir,
    logs: DirExecLogs,
    sandbox: SandboxId,
    exec: ExecId,
    kind: ExecKind,
    writer: Option<Box<dyn ExecLogWriter>>,
    /// What was acknowledged.
    events: Vec<ExecEvent>,
}

impl History {
    fn new(kind: ExecKind) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let logs = super::small(dir.path(), SEGMENT_BYTES, 1 << 40);
        let (sandbox, exec) = (SandboxId::random(), ExecId::random());
        Self { dir, logs, sandbox, exec, kind, writer: None, events: Vec::new() }
    }

    fn path(&self) -> std::path::PathBuf {
        self.dir.path().join(self.sandbox.as_str()).join(format!("{}.log", self.exec))
    }

    async fn writer(&mut self) -> &mut Box<dyn ExecLogWriter> {
        if self.writer.is_none() {
            let writer = self.logs.writer(&self.sandbox, &self.exec, self.kind).await.unwrap();
            assert_eq!(writer.last_seq(), self.events.last().map_or(0, |e| e.seq));
            self.writer = Some(writer);
        }
        self.writer.as_mut().unwrap()
    }

    async fn append(&mut self, lens: &[usize]) {
        let mut seq = self.events.last().map_or(1, |e| e.seq);
        let mut new = Vec::new();
        for len in lens {
            seq += 1;
            new.push(output(
                seq,
                (0..*len).map(|at| u8::try_from((at * 31 + *len) % 256).unwrap()).collect(),
            ));
        }
        self.writer().await.append(&new).await.unwrap();
        self.events.extend(new);
    }

    /// Leaves what a death in the middle of writing one more record leaves.
    async fn cut(&mut self, bytes: usize) {
        let _open = self.writer().await;
        if !self.path().exists() {
            return;
        }
        let before = std::fs::read(self.path()).unwrap();
        let seq = self.events.last().map_or(1, |e| e.seq) + 1;
        // Small enough not to begin another segment, unless this one is full; then nothing is left half.
        self.writer().await.append(&[output(seq, vec![7; 50])]).await.unwrap();
        self.writer = None;
        let after = std::fs::read(self.path()).unwrap();
        if after.len() > before.len() && after.starts_with(&before) {
            let half = &after[..before.len() + bytes % (after.len() - before.len())];
            std::fs::write(self.path(), half).unwrap();
        } else {
            self.events.push(output(seq, vec![7; 50]));
        }
    }

    async fn check(&self) {
        let page = super::held(&self.logs, &self.sandbox, &self.exec).await;
        let skipped = self.events.len() - page.events.len();
        assert_eq!(page.events, self.events[skipped..]);
        assert_eq!(page.first_held.is_some(), skipped > 0);
        assert!(page.first_held.is_none_or(|first| first == self.events[skipped].seq));
        if skipped > 0 {
            let bytes: usize = page.events.iter().map(len).sum();
            let least = if self.kind == ExecKind::Main { SEGMENT_BYTES } else { SEGMENT_BYTES / 2 };
            assert!(bytes as u64 + 2_000 > least, "dropped although little was there: {bytes}");
        }
    }
}

fn len(event: &ExecEvent) -> usize {
    match &event.kind {
        ExecEventKind::Output(_, data) => data.len() + 28,
        _ => 0,
    }
}

async fn run(kind: ExecKind, steps: Vec<Step>) {
    let mut history = History::new(kind);
    for step in steps {
        match step {
            Step::Append(lens) => history.append(&lens).await,
            Step::Reopen => history.writer = None,
            Step::Cut(bytes) => history.cut(bytes).await,
        }
        history.check().await;
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn any_history_reads_back(main in any::<bool>(), steps in steps()) {
        let kind = if main { ExecKind::Main } else { ExecKind::Exec };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(run(kind, steps));
    }
}
