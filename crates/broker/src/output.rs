//! What a build writes, and what it reads.

use std::collections::VecDeque;
use std::io::{self, Write};

use atoll_broker_protocol::OUTPUT_BYTES_MAX;
use bytes::Bytes;
use tokio::sync::mpsc;

/// Bytes of output that are passed on; a build may go on writing without being heard.
const TOLD_BYTES_MAX: usize = 8 << 20;
/// Characters of the last output that stand with a failure.
const TAIL_CHARS_MAX: usize = 1_500;
/// Characters of what Docker says of a failure.
const REASON_CHARS_MAX: usize = 1_000;
/// Bytes of the context in one piece.
const PIECE_BYTES: usize = 256 << 10;

/// What Docker writes of a build, as the author of the Dockerfile shall see it: without the steps that are ours, and with the others as he
/// wrote them.
#[derive(Debug)]
pub(crate) struct Output {
    steps: Vec<Option<String>>,
    is_ours: bool,
    told_bytes: usize,
    tail: VecDeque<char>,
    tell: mpsc::Sender<String>,
}

impl Output {
    pub(crate) fn new(steps: Vec<Option<String>>, tell: mpsc::Sender<String>) -> Self {
        Self { steps, is_ours: false, told_bytes: 0, tail: VecDeque::new(), tell }
    }

    /// Takes a piece of it.
    pub(crate) async fn take(&mut self, text: &str) {
        let Some(shown) = self.shown(text) else { return };
        for piece in pieces(&shown) {
            let room = TOLD_BYTES_MAX.saturating_sub(self.told_bytes);
            if room == 0 {
                return;
            }
            self.told_bytes += piece.len();
            let text = if piece.len() < room {
                piece.to_owned()
            } else {
                format!(
                    "\n(what it writes from here on is not shown: {} MiB are enough)\n",
                    TOLD_BYTES_MAX >> 20
                )
            };
            // Nobody listens: then the build is given up elsewhere.
            let _unheard = self.tell.send(text).await;
        }
    }

    fn shown(&mut self, text: &str) -> Option<String> {
        if let Some(number) = step(text).filter(|number| *number < self.steps.len()) {
            self.tail.clear();
            let of = self.steps.iter().flatten().count();
            let at = self.steps[..=number].iter().flatten().count();
            let shown = self.steps[number].as_ref().map(|known| format!("Step {at}/{of} : {known}"));
            self.is_ours = shown.is_none();
            return shown;
        }
        if self.is_ours || is_chatter(text) {
            return None;
        }
        self.tail.extend(text.chars());
        let more = self.tail.len().saturating_sub(TAIL_CHARS_MAX);
        self.tail.drain(..more);
        Some(text.to_owned())
    }

    /// A reason, with the last of what the step wrote.
    pub(crate) fn explained(&self, reason: &str) -> String {
        let reason: String = reason.chars().filter(|c| !c.is_control()).take(REASON_CHARS_MAX).collect();
        let tail: String = self.tail.iter().filter(|c| !c.is_control() || **c == '\n').collect();
        match tail.trim() {
            "" => reason,
            tail => format!("{reason}\n{tail}"),
        }
    }
}

/// The number, from 0, of a step that Docker begins: `Step 2/7 : RUN x`.
fn step(text: &str) -> Option<usize> {
    let (number, rest) = text.strip_prefix("Step ")?.split_once('/')?;
    rest.split_once(" : ")?;
    number.parse::<usize>().ok()?.checked_sub(1)
}

/// Ids of Docker's, which nobody can use.
fn is_chatter(text: &str) -> bool {
    let is_id = |id: &str| id.len() == 12 && id.bytes().all(|byte| byte.is_ascii_hexdigit());
    let before = ["Removing intermediate container ", " ---> Running in ", " ---> "];
    before.iter().any(|words| text.strip_prefix(words).is_some_and(|id| is_id(id.trim_end())))
}

/// Cuts a text where characters end.
fn pieces(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = text;
    std::iter::from_fn(move || {
        let end = (0..=rest.len().min(OUTPUT_BYTES_MAX)).rev().find(|end| rest.is_char_boundary(*end))?;
        let (piece, after) = rest.split_at(end);
        rest = after;
        (!piece.is_empty()).then_some(piece)
    })
}

/// Sends what is written to it piece by piece, to somebody who waits elsewhere.
#[derive(Debug)]
pub(crate) struct Pieces<'a> {
    to: &'a mpsc::Sender<io::Result<Bytes>>,
    piece: Vec<u8>,
}

impl<'a> Pieces<'a> {
    pub(crate) fn new(to: &'a mpsc::Sender<io::Result<Bytes>>) -> Self {
        Self { to, piece: Vec::new() }
    }
}

impl Write for Pieces<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.piece.len() >= PIECE_BYTES {
            self.flush()?;
        }
        self.piece.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        let piece = std::mem::take(&mut self.piece);
        if piece.is_empty() {
            return Ok(());
        }
        self.to.blocking_send(Ok(piece.into())).map_err(|_| io::ErrorKind::BrokenPipe.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn steps_of_ours_are_not_shown() {
        let (tell, mut told) = mpsc::channel(100);
        let steps = [Some("FROM debian"), None, Some("RUN x"), None];
        let mut output = Output::new(steps.map(|step| step.map(str::to_owned)).into(), tell);
        for text in [
            "Step 1/4 : FROM atoll-x:aa",
            "\n",
            " ---> 0123456789ab\n",
            "Step 2/4 : LABEL atoll.build=\"x\"",
            "\n",
            " ---> Running in 0123456789ab\n",
            "Step 3/4 : RUN x",
            "\n",
            "Successfully built wheels\n",
            " ---> and so on\n",
        ] {
            output.take(text).await;
        }
        let why = "The command '/bin/sh -c x' returned a non-zero code: 7";
        assert_eq!(output.explained(why), format!("{why}\nSuccessfully built wheels\n ---> and so on"));
        output.take("Step 4/4 : LABEL atoll.build=").await;
        output.take("Successfully tagged atoll-x-build:y\n").await;
        drop(output);
        let mut all = String::new();
        while let Some(text) = told.recv().await {
            all.push_str(&text);
        }
        assert_eq!(
            all,
            "Step 1/2 : FROM debian\nStep 2/2 : RUN x\nSuccessfully built wheels\n ---> and so on\n"
        );
    }

    #[tokio::test]
    async fn what_is_passed_on_is_bounded() {
        let (tell, mut told) = mpsc::channel(10_000);
        let mut output = Output::new(Vec::new(), tell);
        for _ in 0..10 {
            output.take(&"é".repeat(1 << 19)).await;
        }
        drop(output);
        let (mut bytes, mut last) = (0, String::new());
        while let Some(text) = told.recv().await {
            assert!(text.len() <= OUTPUT_BYTES_MAX);
            bytes += text.len();
            last = text;
        }
        assert!(bytes <= TOLD_BYTES_MAX && last.contains("not shown"), "{bytes} {last}");
    }
}
