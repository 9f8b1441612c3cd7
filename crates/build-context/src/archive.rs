//! The context of a build as it came: a tar, plain or compressed by gzip, of whoever.

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::unix::fs::FileExt as _;
use std::path::{Component, Path, PathBuf};

use tar::{EntryType, Header};

use crate::dockerfile::DOCKERFILE_BYTES_MAX;

/// Bytes of a context, unpacked.
const CONTEXT_BYTES_MAX: u64 = 2 << 30;
/// Files of a context.
const ENTRIES_MAX: usize = 500_000;
/// Bytes of a path.
const PATH_BYTES_MAX: usize = 4_096;
/// Name under which a Dockerfile may be sent that is no part of the context; Docker gets its own under it.
pub const DOCKERFILE_SENT: &str = ".atoll.Dockerfile";
/// What tells Docker to take both away before it builds.
const IGNORE: &str = ".dockerignore";
/// What files that are compressed by gzip begin with.
const GZIP: [u8; 2] = [0x1F, 0x8B];

/// Why a context cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ContextError {
    /// It is not what it should be.
    #[error("{0}")]
    Bad(String),
    /// It is larger than a context may be.
    #[error("the context must have at most {} MiB, unpacked: leave out what the build does not need, with .dockerignore", CONTEXT_BYTES_MAX >> 20)]
    TooLarge,
    /// The Dockerfile is not there.
    #[error("the context has no file '{0}'")]
    NoDockerfile(String),
    /// It cannot be read, or nobody wants it.
    #[error("the context cannot be read or passed on")]
    Io(#[from] io::Error),
}

/// A context. It is read as often as it is needed, from its beginning.
#[derive(Debug)]
pub struct Context<'a> {
    file: &'a File,
    is_packed: bool,
    bytes_max: u64,
}

/// A file from its beginning, wherever others read it.
struct FromStart<'a> {
    file: &'a File,
    at: u64,
}

impl Read for FromStart<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.file.read_at(buffer, self.at)?;
        self.at += read as u64;
        Ok(read)
    }
}

/// One thing in a context.
struct Found<'a, R: Read> {
    path: PathBuf,
    kind: EntryType,
    entry: tar::Entry<'a, R>,
}

impl<'a> Context<'a> {
    /// The context in a regular file.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn open(file: &'a File) -> Result<Self, ContextError> {
        let mut head = [0; 2];
        let read = file.read_at(&mut head, 0)?;
        let is_packed = read == head.len() && head == GZIP;
        Ok(Self { file, is_packed, bytes_max: CONTEXT_BYTES_MAX })
    }

    fn reader(&self) -> Box<dyn Read + 'a> {
        let plain = io::BufReader::with_capacity(256 << 10, FromStart { file: self.file, at: 0 });
        if self.is_packed { Box::new(flate2::bufread::MultiGzDecoder::new(plain)) } else { Box::new(plain) }
    }

    /// The text of the Dockerfile at a path; all of the context is looked at.
    ///
    /// # Errors
    /// What is wrong with the context.
    pub fn dockerfile(&self, path: &str) -> Result<String, ContextError> {
        let wanted = plain(Path::new(path)).map_err(|_| ContextError::NoDockerfile(path.to_owned()))?;
        let mut found = None;
        self.each(|mut one| {
            if one.path != wanted {
                return Ok(());
            }
            if !is_file(one.kind) {
                return Err(bad("the Dockerfile must be a file, and no link to one"));
            }
            let mut bytes = Vec::new();
            (&mut one.entry).take(DOCKERFILE_BYTES_MAX + 1).read_to_end(&mut bytes).map_err(broken)?;
            if bytes.len() as u64 > DOCKERFILE_BYTES_MAX {
                let most = DOCKERFILE_BYTES_MAX >> 10;
                return Err(bad(format!("the Dockerfile must have at most {most} KiB")));
            }
            found = Some(bytes);
            Ok(())
        })?;
        let bytes = found.ok_or_else(|| ContextError::NoDockerfile(path.to_owned()))?;
        String::from_utf8(bytes).map_err(|_| bad("the Dockerfile must be text in UTF-8"))
    }

    /// Writes the files anew as a tar, with `dockerfile` under the name [`DOCKERFILE_SENT`]: plain names below the context, no devices, no
    /// owners and nothing else beside rights and times.
    ///
    /// # Errors
    /// What is wrong with the context, or that it cannot be written.
    pub fn write(&self, dockerfile: &str, to: impl Write) -> Result<(), ContextError> {
        let mut made = tar::Builder::new(to);
        self.each(|one| copy(one, &mut made))?;
        for (name, text) in
            [(IGNORE, format!("{IGNORE}\n{DOCKERFILE_SENT}\n")), (DOCKERFILE_SENT, dockerfile.to_owned())]
        {
            let mut header = new_header();
            header.set_mode(0o644);
            header.set_size(text.len() as u64);
            made.append_data(&mut header, name, text.as_bytes())?;
        }
        made.into_inner()?.flush()?;
        Ok(())
    }

    fn each(
        &self,
        mut visit: impl FnMut(Found<'_, Bounded<'a>>) -> Result<(), ContextError>,
    ) -> Result<(), ContextError> {
        let exceeded = std::rc::Rc::new(std::cell::Cell::new(false));
        let bounded = Bounded { inner: self.reader(), left: self.bytes_max, exceeded: exceeded.clone() };
        let seen = visit_all(bounded, &mut visit);
        if exceeded.get() { Err(ContextError::TooLarge) } else { seen }
    }
}

fn visit_all<'a>(
    reader: Bounded<'a>,
    visit: &mut impl FnMut(Found<'_, Bounded<'a>>) -> Result<(), ContextError>,
) -> Result<(), ContextError> {
    let mut archive = tar::Archive::new(reader);
    for (number, entry) in archive.entries().map_err(broken)?.enumerate() {
        if number == ENTRIES_MAX {
            return Err(bad(format!("the context must have at most {ENTRIES_MAX} files")));
        }
        let entry = entry.map_err(broken)?;
        let kind = entry.header().entry_type();
        if kind == EntryType::GNUSparse {
            return Err(bad("the context must be a tar without sparse files"));
        }
        // Devices, pipes and what archives say of themselves.
        let wanted =
            is_file(kind) || [EntryType::Directory, EntryType::Symlink, EntryType::Link].contains(&kind);
        if !wanted {
            continue;
        }
        let path = plain(&entry.path().map_err(broken)?)?;
        if !path.as_os_str().is_empty() {
            visit(Found { path, kind, entry })?;
        }
    }
    Ok(())
}

/// Ends with an error where there is too much.
struct Bounded<'a> {
    inner: Box<dyn Read + 'a>,
    left: u64,
    exceeded: std::rc::Rc<std::cell::Cell<bool>>,
}

impl Read for Bounded<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer)?;
        let Some(left) = self.left.checked_sub(read as u64) else {
            self.exceeded.set(true);
            return Err(io::Error::other("more than is allowed"));
        };
        self.left = left;
        Ok(read)
    }
}

fn is_file(kind: EntryType) -> bool {
    matches!(kind, EntryType::Regular | EntryType::Continuous)
}

fn bad(what: impl Into<String>) -> ContextError {
    ContextError::Bad(what.into())
}

fn broken(error: io::Error) -> ContextError {
    bad(format!("the context must be a tar, plain or compressed by gzip: {error}"))
}

/// A path below the context, without anything that leads nowhere.
fn plain(path: &Path) -> Result<PathBuf, ContextError> {
    let shown = || path.display().to_string().chars().take(80).collect::<String>().escape_debug().to_string();
    if path.as_os_str().len() > PATH_BYTES_MAX {
        return Err(bad(format!("the path '{}' is too long", shown())));
    }
    let mut made = PathBuf::new();
    for part in path.components() {
        match part {
            Component::Normal(name) => made.push(name),
            Component::CurDir => {}
            _ => return Err(bad(format!("the path '{}' leads out of the context", shown()))),
        }
    }
    Ok(made)
}

/// Of nobody in particular.
fn new_header() -> Header {
    let mut header = Header::new_gnu();
    header.set_uid(0);
    header.set_gid(0);
    header.set_mtime(0);
    header.set_size(0);
    header
}

fn copy<W: Write>(mut one: Found<'_, impl Read>, made: &mut tar::Builder<W>) -> Result<(), ContextError> {
    let is_ours = |name: &str| one.path.starts_with(name);
    if is_ours(IGNORE) || is_ours(DOCKERFILE_SENT) {
        return Ok(());
    }
    let given = one.entry.header();
    let mut header = new_header();
    header.set_mode(given.mode().map_err(broken)? & 0o7777);
    header.set_mtime(given.mtime().unwrap_or_default());
    header.set_entry_type(if is_file(one.kind) { EntryType::Regular } else { one.kind });
    match one.kind {
        EntryType::Symlink | EntryType::Link => {
            let target = one.entry.link_name().map_err(broken)?.ok_or_else(|| bad("a link leads nowhere"))?;
            // Docker follows no link out of the context; of another name for a file there is nothing to follow.
            let target = if one.kind == EntryType::Link { plain(&target)? } else { target.into_owned() };
            made.append_link(&mut header, &one.path, target)?;
        }
        EntryType::Directory => made.append_data(&mut header, &one.path, io::empty())?,
        _ => {
            header.set_size(one.entry.size());
            made.append_data(&mut header, &one.path, &mut one.entry)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::io::Seek as _;

    use super::*;

    /// A tar with what is said, written byte by byte: some of it no honest program would write.
    fn archive(entries: &[(EntryType, &str, &str)]) -> File {
        let mut made = tar::Builder::new(tempfile::tempfile().unwrap());
        for (kind, path, content) in entries {
            let mut header = Header::new_gnu();
            let bytes = header.as_old_mut();
            bytes.name[..path.len()].copy_from_slice(path.as_bytes());
            header.set_entry_type(*kind);
            header.set_mode(0o4755);
            header.set_uid(1_000);
            let is_link = [EntryType::Link, EntryType::Symlink].contains(kind);
            if is_link {
                header.as_old_mut().linkname[..content.len()].copy_from_slice(content.as_bytes());
            }
            header.set_size(if is_link { 0 } else { content.len() as u64 });
            header.set_cksum();
            made.append(&header, if is_link { &[][..] } else { content.as_bytes() }).unwrap();
        }
        made.into_inner().unwrap()
    }

    /// Kind, path, size or target, and owner of everything in what Docker gets.
    fn rewritten(file: &File) -> Result<Vec<String>, ContextError> {
        let mut made = tempfile::tempfile().unwrap();
        Context::open(file)?.write("FROM x\n", &mut made)?;
        made.rewind().unwrap();
        let mut archive = tar::Archive::new(made);
        let one = |entry: io::Result<tar::Entry<'_, File>>| {
            let entry = entry.unwrap();
            let header = entry.header();
            let target = entry.link_name().unwrap().map(|target| target.display().to_string());
            let what = target.unwrap_or_else(|| entry.size().to_string());
            let kind = char::from(header.entry_type().as_byte());
            format!("{kind} {} {what} {}", entry.path().unwrap().display(), header.uid().unwrap())
        };
        Ok(archive.entries().unwrap().map(one).collect())
    }

    #[test]
    fn the_files_go_under_plain_names_and_ours_come_last() {
        let long = "long/".repeat(18) + "name";
        let file = archive(&[
            (EntryType::Directory, "./", ""),
            (EntryType::Regular, "./Dockerfile", "FROM a"),
            (EntryType::Regular, "a//./b", "text"),
            (EntryType::Symlink, "link", "../../etc/passwd"),
            (EntryType::Link, "other", "./a/b"),
            (EntryType::Char, "zero", ""),
            (EntryType::Fifo, "pipe", ""),
            (EntryType::Regular, ".dockerignore", "x"),
            (EntryType::Regular, "./.atoll.Dockerfile", "FROM evil"),
            (EntryType::Regular, ".atoll.Dockerfile/below", "x"),
            (EntryType::Regular, &long, "x"),
        ]);
        let long = format!("0 {long} 1 0");
        let expected = [
            "0 Dockerfile 6 0",
            "0 a/b 4 0",
            "2 link ../../etc/passwd 0",
            "1 other a/b 0",
            &long,
            "0 .dockerignore 32 0",
            "0 .atoll.Dockerfile 7 0",
        ];
        assert_eq!(rewritten(&file).unwrap(), expected);
        let context = Context::open(&file).unwrap();
        assert_eq!(context.dockerfile("./Dockerfile").unwrap(), "FROM a");
        assert_eq!(context.dockerfile(".atoll.Dockerfile").unwrap(), "FROM evil");
        assert!(matches!(context.dockerfile("none"), Err(ContextError::NoDockerfile(_))));
        assert!(matches!(context.dockerfile("../Dockerfile"), Err(ContextError::NoDockerfile(_))));
    }

    #[test]
    fn what_leads_out_of_the_context_is_refused() {
        for (kind, path, content) in [
            (EntryType::Regular, "../x", ""),
            (EntryType::Regular, "a/../../x", ""),
            (EntryType::Regular, "/etc/x", ""),
            (EntryType::Link, "x", "../y"),
            (EntryType::Link, "x", "/etc/passwd"),
        ] {
            let error = rewritten(&archive(&[(kind, path, content)])).unwrap_err().to_string();
            assert!(error.contains("out of the context"), "{path}: {error}");
        }
    }

    #[test]
    fn a_dockerfile_is_a_small_file_of_text() {
        let refused = |kind, content: &str| {
            let file = archive(&[(kind, "Dockerfile", content)]);
            Context::open(&file).unwrap().dockerfile("Dockerfile").unwrap_err().to_string()
        };
        assert!(refused(EntryType::Symlink, "/etc/shadow").contains("no link"));
        assert!(refused(EntryType::Regular, &"x".repeat(300 << 10)).contains("256 KiB"));
    }

    #[test]
    fn it_may_be_compressed_and_is_bounded() {
        let mut plain = archive(&[(EntryType::Regular, "Dockerfile", "FROM a")]);
        plain.rewind().unwrap();
        let mut packed =
            flate2::write::GzEncoder::new(tempfile::tempfile().unwrap(), flate2::Compression::fast());
        io::copy(&mut plain, &mut packed).unwrap();
        let packed = packed.finish().unwrap();
        assert_eq!(Context::open(&packed).unwrap().dockerfile("Dockerfile").unwrap(), "FROM a");
        let mut tight = Context::open(&packed).unwrap();
        tight.bytes_max = 1_023;
        let error = tight.dockerfile("Dockerfile").unwrap_err();
        assert!(matches!(error, ContextError::TooLarge) && error.to_string().contains("2048 MiB"), "{error}");
        let noise = tempfile::tempfile().unwrap();
        noise.write_all_at(&[7; 2_000], 0).unwrap();
        assert!(matches!(rewritten(&noise), Err(ContextError::Bad(_))));
    }
}
