//! Questions to the person at the terminal.

use std::fs::File;
use std::io::{BufRead, BufReader};

use anyhow::Context as _;
use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcsetattr};
use tokio::sync::oneshot;

use crate::failure::advised;
use crate::printer::Printer;

/// Turns echo on again, whatever happens in between.
struct Quiet {
    terminal: File,
    before: Termios,
}

impl Quiet {
    fn new(terminal: File) -> anyhow::Result<Self> {
        let before = tcgetattr(&terminal)?;
        let mut quiet = before.clone();
        quiet.local_modes.remove(LocalModes::ECHO);
        quiet.local_modes.insert(LocalModes::ECHONL);
        tcsetattr(&terminal, OptionalActions::Flush, &quiet)?;
        Ok(Self { terminal, before })
    }
}

impl Drop for Quiet {
    fn drop(&mut self) {
        let _gone = tcsetattr(&self.terminal, OptionalActions::Flush, &self.before);
    }
}

/// Asks for a line.
pub(crate) async fn ask(printer: Printer, question: &str) -> anyhow::Result<String> {
    let terminal = open()?;
    printer.ask(question);
    line(terminal).await
}

/// Asks for a line that is not shown.
pub(crate) async fn ask_secret(printer: Printer, question: &str) -> anyhow::Result<String> {
    let terminal = open()?;
    let quiet = Quiet::new(terminal.try_clone()?)?;
    printer.ask(question);
    let line = line(terminal).await;
    drop(quiet);
    line
}

fn open() -> anyhow::Result<File> {
    File::options().read(true).write(true).open("/dev/tty").map_err(|_| {
        advised(
            "there is no terminal to ask at",
            "give --email and --password-stdin, or --token-stdin: `atoll login URL --token-stdin < FILE`",
        )
    })
}

/// One line. Reading blocks, so a thread does it; Ctrl-C ends the waiting here, where echo can be turned on again.
async fn line(terminal: File) -> anyhow::Result<String> {
    let (send, receive) = oneshot::channel();
    std::thread::spawn(move || {
        let mut line = String::new();
        let result = BufReader::new(terminal).read_line(&mut line).map(|_| line);
        let _given_up = send.send(result);
    });
    let line = tokio::select! {
        // Dropping the receiver loses nothing that anybody waits for.
        line = receive => line.context("the terminal is gone")?.context("cannot read the terminal")?,
        _ = tokio::signal::ctrl_c() => anyhow::bail!("given up"),
    };
    Ok(line.trim_end_matches(['\n', '\r']).to_owned())
}
