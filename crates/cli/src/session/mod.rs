//! A command in a sandbox as if it ran here: its output, its standard input, signals and its exit status.
//!
//! ```text
//!   standard input ─thread─► stdin endpoint        each way waits for its own, so none holds another:
//!   signals ───────────────► signal endpoint       the threads block where the system does, and one
//!   event stream ──thread─► stdout, stderr         task passes between them and the server
//! ```

mod output;
mod signals;
mod stdin;
mod tty;

use std::pin::pin;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context as _;
use atoll_api_types::{CommandBody, Exec, ExecBody};
use atoll_client::{ClientError, ExecEventKind, ExecEvents};
use atoll_types::{ExecId, SandboxId, Signal};
use futures_util::StreamExt;
use tokio::sync::mpsc;

use crate::commands::Call;
pub(crate) use output::Writer;
pub(crate) use signals::Signals;
use stdin::Passed;
pub(crate) use stdin::StdinChoice;
use tty::Tty;

/// Signals that wait to be sent: a person presses keys slower than this fills.
const SIGNALS_WAITING_MAX: usize = 16;
/// How long a command is told that nobody reads it any more.
const FAREWELL: Duration = Duration::from_secs(5);
/// From here on an exit status may have another cause than the command itself, which its record tells.
const STATUS_OF_OTHERS: i32 = 126;

/// How it ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// With this exit status.
    Exited(u8),
    /// The person did not want to wait for this exec, if it was started at all.
    GivenUp(Option<ExecId>),
}

impl Outcome {
    /// Ended by a signal before there was a command.
    pub(crate) fn signalled(signal: Signal) -> Self {
        Self::Exited(u8::try_from(128 + signal.number()).unwrap_or(u8::MAX))
    }

    pub(crate) fn exit_code(&self) -> ExitCode {
        match self {
            Self::Exited(code) => (*code).into(),
            Self::GivenUp(_) => 130.into(),
        }
    }
}

/// Runs a command to its end.
///
/// # Errors
/// When Atoll fails: whatever the command does is an [`Outcome`].
pub(crate) async fn run(
    call: &Call,
    sandbox: &SandboxId,
    mut body: ExecBody,
    stdin: StdinChoice,
    signals: &mut Signals,
) -> anyhow::Result<Outcome> {
    body.open_stdin = stdin.is_open();
    let tty = body.tty.then(|| Tty::enter(body.open_stdin)).transpose()?;
    let Some(started) = signals.during(call.client.exec_start(sandbox, &body)).await else {
        return Ok(Outcome::GivenUp(None));
    };
    let exec: ExecId = started?.id.parse()?;
    let session = Session { call, sandbox, exec };
    let attended = session.attend(body.open_stdin, tty.as_ref(), signals).await;
    // What is said from here on is for a terminal as it was.
    drop(tty);
    match attended? {
        Some(code) => session.outcome(code, &body.command).await,
        None => Ok(Outcome::GivenUp(Some(session.exec))),
    }
}

struct Session<'a> {
    call: &'a Call,
    sandbox: &'a SandboxId,
    exec: ExecId,
}

/// The exit event's code; none for an exec that was lost.
type Code = Option<i32>;

impl Session<'_> {
    /// Passes everything both ways until the exit; none when the person gave up.
    async fn attend(
        &self,
        open_stdin: bool,
        tty: Option<&Tty>,
        signals: &mut Signals,
    ) -> anyhow::Result<Option<Code>> {
        let events = self.call.client.exec_events(self.sandbox, &self.exec, 0);
        let mut reading = pin!(self.pass_output(events));
        let mut writing =
            pin!(stdin::pass(self.call, self.sandbox, &self.exec, tty.is_some_and(Tty::is_raw)));
        let mut sizing = pin!(self.pass_sizes(tty));
        let mut writes = open_stdin;
        let (send, receive) = mpsc::channel(SIGNALS_WAITING_MAX);
        let mut signalling = pin!(self.pass_signals(receive));
        for signal in signals.take() {
            let _full = send.try_send(signal);
        }
        loop {
            tokio::select! {
                // Each is pinned outside and goes on where it was, so nothing is lost when another comes first.
                code = &mut reading => return code.map(Some),
                result = &mut writing, if writes => {
                    if result? == Passed::Left {
                        return Ok(None);
                    }
                    writes = false;
                }
                result = &mut sizing => return result.map(|()| None),
                () = &mut signalling => {}
                signal = signals.next() => {
                    if signals.is_given_up() {
                        return Ok(None);
                    }
                    let _full = send.try_send(signal);
                }
            }
        }
    }

    /// Writes the output as it comes, and answers with the exit code.
    async fn pass_output(&self, mut events: ExecEvents) -> anyhow::Result<Code> {
        let mut writer = Writer::start(self.call.printer);
        let code = loop {
            let event = tokio::select! {
                // Neither loses anything by being dropped: an event stays in its stream, an error with its writer.
                event = events.next() => event.context("the stream ended before the command")??,
                error = writer.failed() => {
                    self.hang_up().await;
                    return Err(error).context("cannot pass the output on");
                }
            };
            match event.kind {
                ExecEventKind::Start => {}
                // As JSON the output is in the record.
                ExecEventKind::Output(..) if self.call.printer.is_json() => {}
                ExecEventKind::Output(stream, data) => writer.write(stream, data).await,
                ExecEventKind::Exit(code) => break code,
            }
        };
        writer.finish().await.context("cannot pass the output on")?;
        Ok(code)
    }

    /// Nobody reads the output any more: a local command would be ended by SIGPIPE.
    async fn hang_up(&self) {
        let signal = self.call.client.exec_signal(self.sandbox, &self.exec, Signal::Hup);
        let _too_late = tokio::time::timeout(FAREWELL, signal).await;
    }

    /// Tells the command the size of the window, for ever; it fails only where signals cannot be caught.
    async fn pass_sizes(&self, tty: Option<&Tty>) -> anyhow::Result<()> {
        let Some(tty) = tty else { return std::future::pending().await };
        let mut sizes = tty.sizes()?;
        loop {
            let (cols, rows) = sizes.next().await;
            // Where it fails the command ends just now, or the next size makes it good.
            let _failed = self.call.client.exec_resize(self.sandbox, &self.exec, cols, rows).await;
        }
    }

    /// Sends signals in their order, for ever.
    async fn pass_signals(&self, mut receive: mpsc::Receiver<Signal>) {
        while let Some(signal) = receive.recv().await {
            match self.call.client.exec_signal(self.sandbox, &self.exec, signal).await {
                Err(ClientError::Api(api)) if api.code == "exec_not_running" => {}
                Err(error) => self.call.printer.note(&format!("the signal could not be passed on: {error}")),
                Ok(()) => {}
            }
        }
        // The sender lives as long as this is asked.
        std::future::pending::<()>().await;
    }

    /// Turns the exit code into an outcome, and tells what the code alone does not.
    async fn outcome(&self, code: Code, command: &CommandBody) -> anyhow::Result<Outcome> {
        let printer = self.call.printer;
        if printer.is_json() || code.is_none_or(|code| code >= STATUS_OF_OTHERS) {
            let exec = self.call.client.exec_get(self.sandbox, &self.exec).await?;
            show(self.call, &exec, command)?;
            if code.or(exec.exit_code).is_none() {
                anyhow::bail!(
                    "{}",
                    exec.error
                        .unwrap_or_else(|| format!("the command was lost: its status is {}", exec.status))
                );
            }
        }
        let code = code.unwrap_or_default();
        Ok(Outcome::Exited(u8::try_from(code).unwrap_or(u8::MAX)))
    }
}

/// Shows the record as JSON, or what it adds for people.
fn show(call: &Call, exec: &Exec, command: &CommandBody) -> anyhow::Result<()> {
    if call.printer.is_json() {
        call.printer.data(exec, String::new)?;
        return Ok(());
    }
    if exec.status == "timed_out" {
        call.printer.note("atoll: the command was killed: its time was over (--timeout)");
    } else if let (Some(error), Some(_)) = (&exec.error, exec.exit_code) {
        call.printer.note(&format!("atoll: {error}"));
    }
    if let (Some(127), CommandBody::Argv(argv)) = (exec.exit_code, command)
        && let [line] = argv.as_slice()
        && line.contains(char::is_whitespace)
    {
        call.printer.note("hint: that is one word; for a shell line give `-- sh -c 'LINE'`");
    }
    Ok(())
}
