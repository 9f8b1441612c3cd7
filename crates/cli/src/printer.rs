//! The only place that writes to the standard streams.

use std::io::{self, IsTerminal, Write};

use atoll_types::OutputStream;
use comfy_table::{Table, presets};
use rustix::termios::tcgetwinsize;
use serde::Serialize;

use crate::args::Format;
use crate::failure::Report;

/// Rows of a terminal that does not tell: what terminals have had for ever.
const SCREEN_ROWS: usize = 24;

/// Writes data to standard output, and all the rest to standard error.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Printer {
    format: Format,
    has_colour: bool,
    has_terminal: bool,
}

impl Printer {
    pub(crate) fn new(format: Format) -> Self {
        let has_terminal = io::stderr().is_terminal();
        let set = |name: &str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
        let dumb = std::env::var_os("TERM").is_some_and(|term| term == "dumb");
        Self { format, has_colour: has_terminal && !set("NO_COLOR") && !dumb, has_terminal }
    }

    /// Whether a program reads the data.
    pub(crate) fn is_json(self) -> bool {
        self.format == Format::Json
    }

    /// Data in the API's own shape, or what `people` says of it.
    pub(crate) fn data<T: Serialize + ?Sized>(
        self,
        data: &T,
        people: impl FnOnce() -> String,
    ) -> io::Result<()> {
        let text = if self.is_json() { serde_json::to_string_pretty(data)? } else { people() };
        let mut out = io::stdout().lock();
        out.write_all(text.as_bytes())?;
        if !text.is_empty() && !text.ends_with('\n') {
            out.write_all(b"\n")?;
        }
        out.flush()
    }

    /// Rows of the terminal that shows the data; none where a file or a program takes it.
    pub(crate) fn screen_rows(self) -> Option<usize> {
        let out = io::stdout();
        if self.is_json() || !out.is_terminal() {
            return None;
        }
        let rows = tcgetwinsize(&out).map_or(0, |size| usize::from(size.ws_row));
        Some(if rows == 0 { SCREEN_ROWS } else { rows })
    }

    /// Data for people in place of what the terminal shows.
    pub(crate) fn screen(self, text: &str) -> io::Result<()> {
        write_now(&mut io::stdout().lock(), format!("\x1b[H\x1b[2J{text}\n").as_bytes())
    }

    /// One line of data, at once.
    pub(crate) fn line(self, text: &str) -> io::Result<()> {
        write_now(&mut io::stdout().lock(), format!("{text}\n").as_bytes())
    }

    /// Exact bytes.
    pub(crate) fn bytes(self, stream: OutputStream, data: &[u8]) -> io::Result<()> {
        match stream {
            OutputStream::Stdout => write_now(&mut io::stdout().lock(), data),
            OutputStream::Stderr => write_now(&mut io::stderr().lock(), data),
        }
    }

    /// A remark for people. A closed standard error loses it.
    pub(crate) fn note(self, text: &str) {
        let _closed = writeln!(io::stderr().lock(), "{}", plain(text));
    }

    /// A question; the answer is typed on the same line.
    pub(crate) fn ask(self, question: &str) {
        let _closed = write_now(&mut io::stderr().lock(), question.as_bytes());
    }

    /// How far something is, on one line that is overwritten; nothing where nobody watches.
    pub(crate) fn progress(self, text: &str) {
        if self.has_terminal && !self.is_json() {
            let _closed = write_now(&mut io::stderr().lock(), format!("\r\x1b[K{text}").as_bytes());
        }
    }

    /// What went wrong and what to do next.
    pub(crate) fn error(self, report: &Report) {
        let _closed = if self.is_json() {
            writeln!(io::stderr().lock(), "{}", report.to_json())
        } else {
            let (before, after) = if self.has_colour { ("\x1b[1;31m", "\x1b[0m") } else { ("", "") };
            write!(io::stderr().lock(), "{before}error:{after} {}", report.to_text())
        };
    }

    /// What clap has to say: help goes to standard output, complaints to standard error.
    pub(crate) fn usage(error: &clap::Error) {
        let _closed = error.print();
    }
}

fn write_now(out: &mut dyn Write, data: &[u8]) -> io::Result<()> {
    out.write_all(data)?;
    out.flush()
}

/// Columns for people, without lines between them.
pub(crate) fn table(headers: &[&str], rows: Vec<Vec<String>>) -> String {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_header(headers.to_vec());
    for row in rows {
        table.add_row(row.iter().map(|cell| plain(cell)).collect::<Vec<_>>());
    }
    trim(&table)
}

/// Names and values for people, one pair a line.
pub(crate) fn pairs(pairs: &[(&str, String)]) -> String {
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    for (name, value) in pairs.iter().filter(|(_, value)| !value.is_empty()) {
        table.add_row(vec![format!("{name}:"), plain(value)]);
    }
    trim(&table)
}

/// Columns begin at the margin, and no line ends in spaces.
fn trim(table: &Table) -> String {
    let text = table.to_string();
    text.lines().map(|line| line.strip_prefix(' ').unwrap_or(line).trim_end()).collect::<Vec<_>>().join("\n")
}

/// Text from elsewhere, unable to command the terminal.
pub(crate) fn plain(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    for c in text.chars() {
        if c.is_control() && c != '\n' && c != '\t' {
            plain.extend(c.escape_default())
        } else {
            plain.push(c)
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_from_elsewhere_cannot_command_the_terminal() {
        assert_eq!(plain("a\x1b[2Jb\rc\u{9b}d\n"), "a\\u{1b}[2Jb\\rc\\u{9b}d\n");
    }

    #[test]
    fn columns_stand_below_each_other() {
        let text = table(
            &["ID", "STATE"],
            vec![vec!["a".into(), "running".into()], vec!["bbb".into(), "stopped".into()]],
        );
        assert_eq!(text, "ID   STATE\na    running\nbbb  stopped");
    }

    #[test]
    fn absent_values_are_left_out() {
        assert_eq!(
            pairs(&[("a", "1".into()), ("b", String::new()), ("long", "2".into())]),
            "a:     1\nlong:  2"
        );
    }
}
