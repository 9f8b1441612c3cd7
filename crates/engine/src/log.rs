//! The log of a sandbox: what its main process wrote since it last came up.

use std::collections::VecDeque;

use atoll_ports::ExecFilter;
use atoll_types::{ExecEvent, ExecEventKind, ExecKind, OutputStream, SandboxId, Timestamp};

use crate::{Caller, Engine, EngineError, LogLineView, LogQuery, LogView};

/// Lines that an answer holds at most, and the bound of a sandbox's log.
const LINES_MAX: usize = 10_000;
/// Bytes of lines that an answer holds at most, the other bound of a sandbox's log.
const BYTES_MAX: usize = 10 << 20;
/// Longest line; the rest of a longer one is the next line.
const LINE_BYTES_MAX: usize = 64 << 10;
/// Output that is read from the log at once.
const READ_BYTES: usize = 256 << 10;

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
        self.owned(caller, id)?;
        let mains = ExecFilter { kind: Some(ExecKind::Main), ..ExecFilter::default() };
        let page = self.inner.ports.store.exec_list(id, &mains, None, 1).await?;
        let Some(main) = page.items.into_iter().next() else {
            return Ok(LogView { lines: Vec::new(), truncated: false });
        };
        let mut log = self.inner.ports.exec_logs.reader(id, &main.id, 0).await?;
        let mut lines = Lines::new(&query);
        loop {
            let page = log.next(READ_BYTES).await?;
            lines.dropped |= page.first_held.is_some();
            if page.events.is_empty() {
                return Ok(lines.finish());
            }
            page.events.into_iter().for_each(|event| lines.push(event));
        }
    }
}

/// Cuts events into lines and keeps the last ones.
struct Lines {
    kept: VecDeque<LogLineView>,
    open: [Option<LogLineView>; 2],
    bytes: usize,
    most: usize,
    since: Option<Timestamp>,
    dropped: bool,
}

impl Lines {
    fn new(query: &LogQuery) -> Self {
        let tail = query.tail.map_or(LINES_MAX, |t| usize::try_from(t).unwrap_or(LINES_MAX));
        Self {
            kept: VecDeque::new(),
            open: [None, None],
            bytes: 0,
            most: tail.min(LINES_MAX),
            since: query.since,
            dropped: false,
        }
    }

    fn push(&mut self, event: ExecEvent) {
        let ExecEventKind::Output(stream, data) = event.kind else { return };
        for line in data.split_inclusive(|b| *b == b'\n') {
            self.push_pieces(stream, event.time, line);
        }
    }

    /// A line or a part of it, cut where it becomes too long.
    fn push_pieces(&mut self, stream: OutputStream, time: Timestamp, mut text: &[u8]) {
        loop {
            let open = self.open[usize::from(stream == OutputStream::Stderr)].as_ref();
            let room = LINE_BYTES_MAX - open.map_or(0, |line| line.line.len());
            if text.len() <= room {
                return self.push_piece(stream, time, text);
            }
            let (piece, rest) = text.split_at(room);
            self.push_piece(stream, time, piece);
            text = rest;
        }
    }

    fn push_piece(&mut self, stream: OutputStream, time: Timestamp, piece: &[u8]) {
        let slot = usize::from(stream == OutputStream::Stderr);
        let mut line =
            self.open[slot].take().unwrap_or_else(|| LogLineView { time, stream, line: Vec::new() });
        let text = piece.strip_suffix(b"\n").unwrap_or(piece);
        line.line.extend_from_slice(text);
        if piece.ends_with(b"\n") || line.line.len() >= LINE_BYTES_MAX {
            self.keep(line);
        } else {
            self.open[slot] = Some(line);
        }
    }

    fn keep(&mut self, line: LogLineView) {
        if self.since.is_some_and(|since| line.time < since) {
            return;
        }
        self.bytes += line.line.len();
        self.kept.push_back(line);
        while self.kept.len() > self.most || self.bytes > BYTES_MAX {
            let Some(oldest) = self.kept.pop_front() else { break };
            self.bytes -= oldest.line.len();
            self.dropped = true;
        }
    }

    fn finish(mut self) -> LogView {
        for slot in 0..self.open.len() {
            if let Some(line) = self.open[slot].take() {
                self.keep(line);
            }
        }
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
        let query = LogQuery { tail: Some(2), since: Some(Timestamp::from_unix_ms(2)) };
        let mut lines = Lines::new(&query);
        for time in 1..=5 {
            lines.push(output(time, &format!("{time}\n")));
        }
        let view = lines.finish();
        assert_eq!(text(&view), ["4", "5"]);
        assert!(view.truncated);
    }
}
