//! The file: one line of JSON for each item, appended by one `write(2)`, emptied when all of them are in the tables.

use std::fs::File;
use std::io::{self, BufRead as _, BufReader, Seek as _, SeekFrom, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

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
    pub(super) fn open<T>(path: &Path, parse: impl Fn(&[u8]) -> Option<T>) -> io::Result<(Self, Vec<T>)> {
        let mut options = File::options();
        let mut file = options.read(true).append(true).create(true).truncate(false).mode(0o600).open(path)?;
        let held = read(&mut file, parse)?;
        let bytes = file.seek(SeekFrom::End(0))?;
        Ok((Self { path: path.to_owned(), file, bytes }, held))
    }

    pub(super) const fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Appends items, each in JSON, which has no newline of its own. Once it returns, they survive the death of any process;
    /// when it fails, nothing is left of them.
    pub(super) fn append<'a>(&mut self, items: impl Iterator<Item = &'a str>) -> io::Result<()> {
        let lines: String = items.flat_map(|item| [item, "\n"]).collect();
        if let Err(error) = self.file.write_all(lines.as_bytes()) {
            self.file.set_len(self.bytes)?;
            return Err(error);
        }
        self.bytes += u64::try_from(lines.len()).unwrap_or(u64::MAX);
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

fn read<T>(file: &mut File, parse: impl Fn(&[u8]) -> Option<T>) -> io::Result<Vec<T>> {
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
            Some(item) => held.push(item),
            None => tracing::warn!(bytes = read, "a line of the store's journal is damaged"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &[u8]) -> Option<String> {
        serde_json::from_slice(line).ok()
    }

    fn open(path: &Path) -> (Journal, Vec<String>) {
        Journal::open(path, parse).unwrap()
    }

    #[test]
    fn what_was_appended_is_there_when_it_is_opened_again_until_it_is_cleared() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("ends");
        let (mut journal, held) = open(&path);
        assert!(held.is_empty());
        journal.append([r#""one""#].into_iter()).unwrap();
        drop(journal);
        let (mut journal, held) = open(&path);
        assert_eq!(held, ["one"]);
        journal.append([r#""two""#, r#""three""#].into_iter()).unwrap();
        assert_eq!(open(&path).1, ["one", "two", "three"]);
        journal.clear().unwrap();
        assert!(journal.bytes() == 0 && open(&path).1.is_empty());
    }

    #[test]
    fn a_damaged_line_costs_itself_alone() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("ends");
        std::fs::write(&path, "\"fir\n\"second\"\n\"thi").unwrap();
        assert_eq!(open(&path).1, ["second"]);
    }
}
