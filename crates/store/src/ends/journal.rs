//! The file: one line of JSON for each end, appended by one `write(2)`, emptied when all of them are in the tables.

use std::fs::File;
use std::io::{self, BufRead as _, BufReader, Seek as _, SeekFrom, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use atoll_ports::ExecRecord;

use crate::entity::exec::Model;
use crate::query::exec_writes::End;

/// Longest line that is read back, in bytes: a command of 2 MiB whose every byte is escaped, and the rest.
const LINE_BYTES_MAX: u64 = 16 << 20;

/// An open journal.
#[derive(Debug)]
pub(super) struct Journal {
    path: PathBuf,
    file: File,
    bytes: u64,
}

impl Journal {
    /// Opens the file, made where it is missing, and reads what it holds. A line that is not whole was never acknowledged;
    /// one that a loss of power has damaged is told and left out.
    pub(super) fn open(path: &Path) -> io::Result<(Self, Vec<End>)> {
        let mut options = File::options();
        let mut file = options.read(true).append(true).create(true).truncate(false).mode(0o600).open(path)?;
        let held = read(&mut file)?;
        let bytes = file.seek(SeekFrom::End(0))?;
        Ok((Self { path: path.to_owned(), file, bytes }, held))
    }

    pub(super) const fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Appends an end. Once it returns, the end survives the death of any process; when it fails, nothing is left of it.
    pub(super) fn append(&mut self, end: &End) -> io::Result<()> {
        // In one call: JSON has no newline of its own.
        let line = [end.row.as_bytes(), b"\n"].concat();
        if let Err(error) = self.file.write_all(&line) {
            self.file.set_len(self.bytes)?;
            return Err(error);
        }
        self.bytes += u64::try_from(line.len()).unwrap_or(u64::MAX);
        Ok(())
    }

    /// Empties it.
    pub(super) fn clear(&mut self) -> io::Result<()> {
        if self.bytes > 0 {
            self.file.set_len(0)?;
            self.bytes = 0;
        }
        Ok(())
    }

    /// Removes the file, when it holds nothing.
    pub(super) fn remove_empty(&self) -> io::Result<()> {
        if self.bytes == 0 { std::fs::remove_file(&self.path) } else { Ok(()) }
    }
}

fn read(file: &mut File) -> io::Result<Vec<End>> {
    let mut held = Vec::new();
    let mut lines = BufReader::new(file);
    let mut line = Vec::new();
    loop {
        line.clear();
        let read = io::Read::take(&mut lines, LINE_BYTES_MAX).read_until(b'\n', &mut line)?;
        if read == 0 {
            return Ok(held);
        }
        match parse(&line) {
            Some(end) => held.push(end),
            None => tracing::warn!(bytes = read, "an end of an exec in the store's journal is damaged"),
        }
    }
}

fn parse(line: &[u8]) -> Option<End> {
    let model: Model = serde_json::from_slice(line).ok()?;
    End::new(&ExecRecord::try_from(model).ok()?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use atoll_testkit::samples;
    use atoll_types::{ExecId, SandboxId};

    fn ended() -> End {
        End::new(&samples::finished(&samples::exec(&SandboxId::random()), samples::exited(3))).unwrap()
    }

    fn ids(held: &[End]) -> Vec<&ExecId> {
        held.iter().map(|end| &end.exec).collect()
    }

    #[test]
    fn what_was_appended_is_there_when_it_is_opened_again_until_it_is_cleared() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("ends");
        let (first, second) = (ended(), ended());
        let (mut journal, held) = Journal::open(&path).unwrap();
        assert!(held.is_empty());
        journal.append(&first).unwrap();
        drop(journal);
        let (mut journal, held) = Journal::open(&path).unwrap();
        assert_eq!(ids(&held), [&first.exec]);
        journal.append(&second).unwrap();
        assert_eq!(ids(&Journal::open(&path).unwrap().1), [&first.exec, &second.exec]);
        journal.clear().unwrap();
        assert!(journal.bytes() == 0 && Journal::open(&path).unwrap().1.is_empty());
    }

    #[test]
    fn a_damaged_line_costs_itself_alone() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("ends");
        let (first, second) = (ended().row, ended());
        let torn = [&first[..40], "\n", &second.row, "\n", &first[..first.len() - 9]].concat();
        std::fs::write(&path, torn).unwrap();
        assert_eq!(ids(&Journal::open(&path).unwrap().1), [&second.exec]);
    }
}
