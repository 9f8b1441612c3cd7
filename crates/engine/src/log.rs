//! The log of a sandbox: what its main process wrote since it last came up.

use std::collections::VecDeque;

use atoll_ports::{ExecFilter, ExecRecord, SandboxRecord};
use atoll_types::{
    ErrorCode, ExecEvent, ExecEventKind, ExecId, ExecKind, ExecStatus, OutputStream, SandboxId, Timestamp,
};
use futures_util::StreamExt;

use crate::{Caller, Engine, EngineError, ExecEvents, LogLineView, LogLines, LogQuery, LogView};

/// Lines that an answer holds at most, and the bound of a sandbox's log.
pub(crate) const LINES_MAX: usize = 10_000;
/// Bytes of lines that an answer holds at most, the other bound of a sandbox's log.
pub(crate) const BYTES_MAX: usize = 10 << 20;
/// Longest line; the rest of a longer one is the next line.
const LINE_BYTES_MAX: usize = 64 << 10;
/// Output that is read from the log at once.
pub(crate) const READ_BYTES: usize = 256 << 10;

impl Engine {
    /// Lines of the log, oldest first.
    ///
    /// # Errors
    /// `sandbox_not_found`.
    pub async fn sandbox_logs(
        &self,
        caller: &Caller,
        id: &SandboxId,
        query: LogQuery,
    ) -> Result<LogView, EngineError> {
        let Some(main) = self.last_main(caller, id).await? else {
            return Ok(LogView { lines: Vec::new(), truncated: false });
        };
        let mut lines = Lines::new(&query);
        self.read_log(&main, &mut lines).await?;
        Ok(lines.finish())
    }

    /// Lines of the log, those that are there and then those that come, until the main process has ended.
    ///
    /// # Errors
    /// `sandbox_not_found`; the stream itself ends with `unavailable` when serve stops before the process does.
    pub async fn sandbox_log_lines(
        &self,
        caller: &Caller,
        id: &SandboxId,
        query: LogQuery,
    ) -> Result<LogLines, EngineError> {
        let Some(main) = self.last_main(caller, id).await? else {
            return Ok(Box::pin(futures_util::stream::empty()));
        };
        let mut lines = Lines::new(&query);
        let seq = self.read_log(&main, &mut lines).await?;
        if main.outcome.is_some() {
            // All of it is there, and a last line without an end is a line of the tail too.
            let lines = lines.finish().lines.into_iter().map(Ok);
            return Ok(Box::pin(futures_util::stream::iter(lines)));
        }
        let events = self.exec_events(caller, id, &main.id, seq).await?;
        lines.follow();
        let follow =
            Follow { engine: self.clone(), caller: caller.clone(), main, lines, events, is_over: false };
        Ok(Box::pin(futures_util::stream::unfold(follow, |mut follow| async move {
            let line = follow.next().await?;
            Some((line, follow))
        })))
    }

    async fn last_main(&self, caller: &Caller, id: &SandboxId) -> Result<Option<ExecRecord>, EngineError> {
        self.owned(caller, id)?;
        let mains = ExecFilter { kind: Some(ExecKind::Main), ..ExecFilter::default() };
        let page = self.inner.ports.store.exec_list(id, &mains, None, 1).await?;
        Ok(page.items.into_iter().next())
    }

    /// Drops what earlier main processes wrote: the log of a sandbox is that of the last one, and has one bound.
    pub(crate) async fn drop_earlier_main_logs(
        &self,
        sandbox: &SandboxRecord,
        new: &ExecId,
    ) -> Result<(), EngineError> {
        let mains = ExecFilter { kind: Some(ExecKind::Main), ..ExecFilter::default() };
        // Each start drops that of the one before; the new one may be written down already.
        let page = self.inner.ports.store.exec_list(&sandbox.id, &mains, None, 2).await?;
        for earlier in page.items.iter().filter(|main| main.id != *new) {
            self.inner.ports.exec_logs.remove(&sandbox.id, &earlier.id).await?;
        }
        Ok(())
    }

    /// Takes in what is there; answers with the number of its last event.
    async fn read_log(&self, main: &ExecRecord, lines: &mut Lines) -> Result<u64, EngineError> {
        let mut log = self.inner.ports.exec_logs.reader(&main.sandbox, &main.id, 0).await?;
        let mut last = 0;
        loop {
            let page = log.next(READ_BYTES).await?;
            lines.drop_older(page.first_held.is_some());
            let Some(event) = page.events.last() else { return Ok(last) };
            last = event.seq;
            page.events.into_iter().for_each(|event| lines.push(event));
        }
    }
}

/// One reader that waits for lines.
struct Follow {
    engine: Engine,
    caller: Caller,
    main: ExecRecord,
    lines: Lines,
    events: ExecEvents,
    is_over: bool,
}

impl Follow {
    async fn next(&mut self) -> Option<Result<LogLineView, EngineError>> {
        loop {
            if let Some(line) = self.lines.kept.pop_front() {
                return Some(Ok(line));
            }
            if self.is_over {
                return None;
            }
            let failed = match self.events.next().await {
                Some(Ok(event)) => {
                    self.lines.push(event);
                    continue;
                }
                Some(Err(error)) => Some(error),
                None => self.unfinished().await,
            };
            self.is_over = true;
            match failed {
                Some(error) => return Some(Err(error)),
                // A last line may have no end.
                None => self.lines.flush(),
            }
        }
    }

    /// Why there are no more events, unless it is that the process has ended.
    async fn unfinished(&mut self) -> Option<EngineError> {
        let record = self.engine.exec_get(&self.caller, &self.main.sandbox, &self.main.id).await;
        match record {
            Ok(view) if view.record.status == ExecStatus::Running => {
                Some(EngineError::new(ErrorCode::Unavailable, "Atoll is stopping: try again"))
            }
            Ok(_) => None,
            // Deleted meanwhile: there is nothing more to come.
            Err(error) if matches!(error.code, ErrorCode::SandboxNotFound | ErrorCode::ExecNotFound) => None,
            Err(error) => Some(error),
        }
    }
}

/// Where a piece of a line came from.
#[derive(Clone, Copy)]
struct Origin {
    seq: u64,
    time: Timestamp,
    stream: OutputStream,
}

impl Origin {
    /// Each stream has a line of its own that is not whole yet.
    fn slot(self) -> usize {
        usize::from(self.stream == OutputStream::Stderr)
    }
}

/// Cuts events into lines and keeps the last ones.
pub(crate) struct Lines {
    kept: VecDeque<LogLineView>,
    open: [Option<LogLineView>; 2],
    bytes: usize,
    most: usize,
    bytes_most: usize,
    since: Option<Timestamp>,
    after_seq: u64,
    dropped: bool,
}

impl Lines {
    pub(crate) fn new(query: &LogQuery) -> Self {
        let tail = query.tail.map_or(LINES_MAX, |t| usize::try_from(t).unwrap_or(LINES_MAX));
        Self {
            kept: VecDeque::new(),
            open: [None, None],
            bytes: 0,
            most: tail.min(LINES_MAX),
            bytes_most: BYTES_MAX,
            since: query.since,
            after_seq: query.after_seq.unwrap_or(0),
            dropped: false,
        }
    }

    /// From here on everything is taken out after each event, so an event is all that is ever held.
    fn follow(&mut self) {
        (self.most, self.bytes_most) = (usize::MAX, usize::MAX);
    }

    /// Notes that lines before the next one were dropped.
    pub(crate) fn drop_older(&mut self, dropped: bool) {
        self.dropped |= dropped;
    }

    pub(crate) fn push(&mut self, event: ExecEvent) {
        let ExecEventKind::Output(stream, data) = event.kind else { return };
        let from = Origin { seq: event.seq, time: event.time, stream };
        for line in data.split_inclusive(|b| *b == b'\n') {
            self.push_pieces(from, line);
        }
    }

    /// A line or a part of it, cut where it becomes too long.
    fn push_pieces(&mut self, from: Origin, mut text: &[u8]) {
        loop {
            let open = self.open[from.slot()].as_ref();
            let room = LINE_BYTES_MAX - open.map_or(0, |line| line.line.len());
            if text.len() <= room {
                return self.push_piece(from, text);
            }
            let (piece, rest) = text.split_at(room);
            self.push_piece(from, piece);
            text = rest;
        }
    }

    fn push_piece(&mut self, from: Origin, piece: &[u8]) {
        let Origin { seq, time, stream } = from;
        let slot = from.slot();
        let mut line =
            self.open[slot].take().unwrap_or_else(|| LogLineView { seq, time, stream, line: Vec::new() });
        line.seq = seq;
        let text = piece.strip_suffix(b"\n").unwrap_or(piece);
        line.line.extend_from_slice(text);
        if piece.ends_with(b"\n") || line.line.len() >= LINE_BYTES_MAX {
            self.keep(line);
        } else {
            self.open[slot] = Some(line);
        }
    }

    fn keep(&mut self, line: LogLineView) {
        if line.seq <= self.after_seq || self.since.is_some_and(|since| line.time < since) {
            return;
        }
        self.bytes += line.line.len();
        self.kept.push_back(line);
        while self.kept.len() > self.most || self.bytes > self.bytes_most {
            let Some(oldest) = self.kept.pop_front() else { break };
            self.bytes -= oldest.line.len();
            self.dropped = true;
        }
    }

    /// Takes what has no end for whole lines.
    fn flush(&mut self) {
        for slot in 0..self.open.len() {
            if let Some(line) = self.open[slot].take() {
                self.keep(line);
            }
        }
    }

    pub(crate) fn finish(mut self) -> LogView {
        self.flush();
        LogView { lines: self.kept.into(), truncated: self.dropped }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn output(time: i64, text: &str) -> ExecEvent {
        let kind = ExecEventKind::Output(OutputStream::Stdout, text.as_bytes().to_vec());
        ExecEvent { seq: 2, time: Timestamp::from_unix_ms(time), kind }
    }

    fn text(view: &LogView) -> Vec<&str> {
        view.lines.iter().map(|l| std::str::from_utf8(&l.line).unwrap()).collect()
    }

    #[test]
    fn lines_are_joined_over_events() {
        let mut lines = Lines::new(&LogQuery::default());
        for (time, piece) in [(1, "one\ntw"), (2, "o\n\nlast")] {
            lines.push(output(time, piece));
        }
        let view = lines.finish();
        assert_eq!(text(&view), ["one", "two", "", "last"]);
        assert_eq!(view.lines[1].time, Timestamp::from_unix_ms(1));
        assert!(!view.truncated);
    }

    #[test]
    fn long_lines_and_large_logs_are_bounded() {
        let mut lines = Lines::new(&LogQuery::default());
        for time in 0..300 {
            lines.push(output(time, &"x".repeat(LINE_BYTES_MAX - 100)));
        }
        let view = lines.finish();
        assert!(view.truncated);
        assert!(view.lines.iter().all(|l| l.line.len() <= LINE_BYTES_MAX));
        assert!(view.lines.iter().map(|l| l.line.len()).sum::<usize>() <= BYTES_MAX);
        assert!(view.lines.len() > 150);
    }

    #[test]
    fn tail_and_since_bound_the_answer() {
        let query = LogQuery { tail: Some(2), since: Some(Timestamp::from_unix_ms(2)), after_seq: None };
        let mut lines = Lines::new(&query);
        for time in 1..=5 {
            lines.push(output(time, &format!("{time}\n")));
        }
        let view = lines.finish();
        assert_eq!(text(&view), ["4", "5"]);
        assert!(view.truncated);
    }

    #[test]
    fn only_lines_that_ended_after_an_event_are_kept() {
        let query = LogQuery { after_seq: Some(2), ..LogQuery::default() };
        let mut lines = Lines::new(&query);
        for (seq, piece) in [(2, "one\ntw"), (3, "o\nthree\n")] {
            lines.push(ExecEvent { seq, ..output(1, piece) });
        }
        let view = lines.finish();
        assert_eq!(text(&view), ["two", "three"]);
        assert!(view.lines.iter().all(|line| line.seq == 3));
    }
}
