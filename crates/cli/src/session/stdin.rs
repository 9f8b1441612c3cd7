//! Standard input, passed on piece by piece, as fast as the command reads.

use std::io::{self, IsTerminal, Read};
use std::time::Duration;

use anyhow::Context as _;
use atoll_client::ClientError;
use atoll_types::{ExecId, SandboxId};
use rustix::fs::FileType;
use tokio::sync::mpsc;

use crate::commands::Call;
use crate::shell::Escape;

/// Piece that is read and sent at once, in bytes.
const PIECE_BYTES: usize = 256 << 10;
/// Waits before a piece is sent again: a restart of the server fits.
const WAITS: [Duration; 6] = [
    Duration::from_millis(50),
    Duration::from_millis(200),
    Duration::from_secs(1),
    Duration::from_secs(3),
    Duration::from_secs(10),
    Duration::from_secs(30),
];
/// Device number of /dev/null.
const NULL_DEVICE: (u32, u32) = (1, 3);

/// What the command line says about standard input.
#[derive(Debug, Clone, Copy)]
pub(crate) struct StdinChoice {
    /// Pass it on even from a terminal.
    pub(crate) interactive: bool,
    /// Pass nothing on.
    pub(crate) none: bool,
}

impl StdinChoice {
    /// Whether there is anything to pass on. A terminal is left to the person, who may type the next command; from
    /// /dev/null nothing comes.
    pub(super) fn is_open(self) -> bool {
        let input = io::stdin();
        !self.none && (self.interactive || !input.is_terminal()) && !is_null(&input)
    }
}

fn is_null(input: &io::Stdin) -> bool {
    rustix::fs::fstat(input).is_ok_and(|stat| {
        let device = (rustix::fs::major(stat.st_rdev), rustix::fs::minor(stat.st_rdev));
        FileType::from_raw_mode(stat.st_mode) == FileType::CharacterDevice && device == NULL_DEVICE
    })
}

/// Why nothing more is passed on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Passed {
    /// It is at its end, or the command takes no more.
    All,
    /// The person typed what leaves the command.
    Left,
}

/// Passes standard input on to its end, or until the command takes no more. As keys, `~.` after Enter ends it too.
pub(super) async fn pass(
    call: &Call,
    sandbox: &SandboxId,
    exec: &ExecId,
    keys: bool,
) -> anyhow::Result<Passed> {
    let mut pieces = read();
    let mut escape = keys.then(Escape::default);
    let mut offset = 0;
    while let Some(piece) = pieces.recv().await {
        let piece = piece.context("cannot read standard input")?;
        let (piece, left) = match &mut escape {
            Some(escape) => escape.pass(&piece),
            None => (piece, false),
        };
        if !piece.is_empty() && !send(call, sandbox, exec, offset, &piece, false).await? {
            return Ok(Passed::All);
        }
        if left {
            return Ok(Passed::Left);
        }
        offset += u64::try_from(piece.len())?;
    }
    send(call, sandbox, exec, offset, &[], true).await?;
    Ok(Passed::All)
}

/// Reading blocks, so a thread does it: one piece ahead, so that a slow command slows whoever writes to us.
fn read() -> mpsc::Receiver<io::Result<Vec<u8>>> {
    let (send, receive) = mpsc::channel(1);
    std::thread::spawn(move || {
        let mut input = io::stdin().lock();
        loop {
            let mut piece = vec![0; PIECE_BYTES];
            let result = match input.read(&mut piece) {
                Ok(0) => break,
                Ok(length) => {
                    piece.truncate(length);
                    Ok(piece)
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => Err(error),
            };
            let failed = result.is_err();
            if send.blocking_send(result).is_err() || failed {
                break;
            }
        }
    });
    receive
}

/// Sends one piece; answers with whether the command takes more. Its offset says which bytes they are, so that it is sent
/// again whatever became of it when the server went away.
async fn send(
    call: &Call,
    sandbox: &SandboxId,
    exec: &ExecId,
    offset: u64,
    piece: &[u8],
    eof: bool,
) -> anyhow::Result<bool> {
    let mut waits = WAITS.iter();
    loop {
        let error = match call.client.exec_stdin(sandbox, exec, Some(offset), piece, eof).await {
            Ok(()) => return Ok(true),
            Err(error) => error,
        };
        match &error {
            ClientError::Api(api) if matches!(api.code.as_str(), "exec_not_running" | "stdin_closed") => {
                return Ok(false);
            }
            // A server that has just come back may not reach the agent at once.
            ClientError::Api(api) if api.code == "agent_unreachable" => {}
            error if error.is_transient() => {}
            _ => return Err(error).context("standard input could not be passed on"),
        }
        match waits.next() {
            Some(wait) => tokio::time::sleep(*wait).await,
            None => return Err(error).context("standard input could not be passed on"),
        }
    }
}
