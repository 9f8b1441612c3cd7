//! The files of the log of requests: one that is written, and a few older ones.

use std::fs::File;
use std::io::{self, Seek, SeekFrom, Write};
use std::os::fd::OwnedFd;

use atoll_tasks::CancellationToken;
use rustix::fs::{Mode, OFlags, openat, renameat};
use rustix::io::Errno;
use tokio::sync::mpsc;

/// Bytes of one file, about 60,000 requests.
const FILE_BYTES_MAX: u64 = 16 << 20;
/// Files, the one that is written among them: 64 MiB in all.
const FILES: u32 = 4;
/// Lines that are written at once.
const BATCH_LINES_MAX: usize = 512;

/// The files, in a folder of their own.
#[derive(Debug)]
pub(super) struct RequestFiles {
    folder: OwnedFd,
    file: File,
    bytes: u64,
    bytes_max: u64,
    /// Whether the last write failed: it is told once, not for every line.
    is_failing: bool,
}

fn name(age: u32) -> String {
    if age == 0 { "requests.log".to_owned() } else { format!("requests.log.{age}") }
}

impl RequestFiles {
    pub(super) fn open(folder: OwnedFd) -> io::Result<Self> {
        Self::with(folder, FILE_BYTES_MAX)
    }

    fn with(folder: OwnedFd, bytes_max: u64) -> io::Result<Self> {
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::APPEND | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let mut file = File::from(openat(&folder, name(0), flags, Mode::RUSR | Mode::WUSR)?);
        let bytes = file.seek(SeekFrom::End(0))?;
        Ok(Self { folder, file, bytes, bytes_max, is_failing: false })
    }

    /// Writes lines as they come, and those that wait still when it is asked to stop. A write goes to the page cache: it takes
    /// microseconds, and a thread of its own would cost more.
    pub(super) async fn write(mut self, mut lines: mpsc::Receiver<Vec<u8>>, stop: CancellationToken) {
        let mut batch = Vec::with_capacity(BATCH_LINES_MAX);
        loop {
            tokio::select! {
                // Cancel safe: both only wait, and lines that are not taken stay in the queue.
                biased;
                taken = lines.recv_many(&mut batch, BATCH_LINES_MAX) => if taken == 0 { return },
                () = stop.cancelled() => return,
            }
            self.add(&batch.concat());
            batch.clear();
        }
    }

    fn add(&mut self, text: &[u8]) {
        let added = self.make_room(text.len()).and_then(|()| self.file.write_all(text));
        match added {
            Ok(()) => {
                self.bytes += u64::try_from(text.len()).unwrap_or(u64::MAX);
                self.is_failing = false;
            }
            Err(error) => {
                if !self.is_failing {
                    tracing::warn!(
                        "the log of requests cannot be written, and lines of it are lost: {error}"
                    );
                }
                self.is_failing = true;
            }
        }
    }

    /// Begins a new file where this one would grow too large; the oldest goes.
    fn make_room(&mut self, more: usize) -> io::Result<()> {
        let more = u64::try_from(more).unwrap_or(u64::MAX);
        if self.bytes == 0 || self.bytes.saturating_add(more) <= self.bytes_max {
            return Ok(());
        }
        for age in (0..FILES - 1).rev() {
            match renameat(&self.folder, name(age), &self.folder, name(age + 1)) {
                Ok(()) | Err(Errno::NOENT) => {}
                Err(error) => return Err(error.into()),
            }
        }
        let folder = self.folder.try_clone()?;
        *self = Self::with(folder, self.bytes_max)?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn files(dir: &std::path::Path, bytes_max: u64) -> RequestFiles {
        RequestFiles::with(File::open(dir).unwrap().into(), bytes_max).unwrap()
    }

    #[tokio::test]
    async fn the_files_have_a_bound_and_the_newest_lines_are_kept() {
        let dir = tempfile::tempdir().unwrap();
        let mut log = files(dir.path(), 100);
        for n in 0..100 {
            log.add(format!("{n:09}\n").as_bytes());
        }
        drop(log);
        // What a later start adds goes behind it.
        files(dir.path(), 100).add(b"last\n");
        let sizes: Vec<u64> =
            std::fs::read_dir(dir.path()).unwrap().map(|e| e.unwrap().metadata().unwrap().len()).collect();
        assert!(sizes.len() == 4 && sizes.iter().all(|size| *size <= 100), "{sizes:?}");
        let text = |age| std::fs::read_to_string(dir.path().join(name(age))).unwrap();
        assert_eq!(text(0), "last\n");
        assert!(text(1).ends_with("000000099\n") && text(3).ends_with("000000079\n"), "{}", text(3));
    }

    #[tokio::test]
    async fn lines_that_wait_are_written_at_the_end() {
        let dir = tempfile::tempdir().unwrap();
        let (lines, taken) = mpsc::channel(10);
        lines.try_send(b"one\n".to_vec()).unwrap();
        lines.try_send(b"two\n".to_vec()).unwrap();
        let stop = CancellationToken::new();
        stop.cancel();
        files(dir.path(), 100).write(taken, stop).await;
        assert_eq!(std::fs::read_to_string(dir.path().join(name(0))).unwrap(), "one\ntwo\n");
    }
}
