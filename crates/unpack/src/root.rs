//! Creates files beneath the root. Links on the way are resolved inside the root by the kernel, as a link of the archive
//! means it; nothing is ever written through the last part of a path.

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::{BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

use rustix::fs::{
    AtFlags, FileType, Gid, Mode, OFlags, RawMode, ResolveFlags, Timespec, Timestamps, Uid, XattrFlags,
    chownat, fchmod, fchown, fsetxattr, futimens, linkat, mkdirat, mknodat, openat2, symlinkat, unlinkat,
};
use rustix::io::{Errno, Result};

use crate::layers::Fresh;
use crate::names::Name;

/// Bytes of the names of folders whose times are remembered: a large distribution has a tenth of it. The times of more
/// are those of the import.
const FOLDER_NAMES_BYTES_MAX: usize = 16 << 20;

const INSIDE: ResolveFlags = ResolveFlags::IN_ROOT.union(ResolveFlags::NO_MAGICLINKS);

/// Who owns a file and how it may be used.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Attributes {
    pub(crate) uid: u32,
    pub(crate) gid: u32,
    pub(crate) mode: u32,
    /// Seconds since 1970.
    pub(crate) modified: i64,
}

/// The root that is filled.
#[derive(Debug)]
pub(crate) struct Root<'a> {
    fd: BorrowedFd<'a>,
    /// The folder of the last file: the next is mostly in it too.
    last: Option<(PathBuf, OwnedFd)>,
    /// Times of folders, which every file in them changes: set at the end.
    folders: Vec<(PathBuf, i64)>,
    folder_names_bytes: usize,
    /// The layers: of a root file system there are none.
    fresh: Fresh,
}

impl<'a> Root<'a> {
    pub(crate) fn new(fd: BorrowedFd<'a>) -> Self {
        Self { fd, last: None, folders: Vec::new(), folder_names_bytes: 0, fresh: Fresh::default() }
    }

    /// What comes from here on is over what is there.
    pub(crate) fn begin_layer(&mut self) {
        self.last = None;
        self.fresh.begin_layer();
    }

    /// Removes what has the name, unless it is this layer's own.
    pub(crate) fn hide(&mut self, parent: &Path, last: &[u8]) -> Result<()> {
        self.last = None;
        match self.open_to_read(parent) {
            Ok(folder) => self.fresh.hide(&folder, last),
            // What is not there needs not be hidden.
            Err(Errno::NOENT | Errno::NOTDIR) => Ok(()),
            Err(errno) => Err(errno),
        }
    }

    /// Removes everything in the folder that is not this layer's own.
    pub(crate) fn hide_all(&mut self, path: &Path) -> Result<()> {
        self.last = None;
        match self.open_to_read(path) {
            Ok(folder) => self.fresh.hide_all(folder),
            Err(Errno::NOENT | Errno::NOTDIR) => Ok(()),
            Err(errno) => Err(errno),
        }
    }

    fn open_to_read(&self, path: &Path) -> Result<OwnedFd> {
        let path = if path.as_os_str().is_empty() { Path::new(".") } else { path };
        openat2(self.fd, path, OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty(), INSIDE)
    }

    /// Notes that a name is this layer's. Its folder is there.
    fn note(&mut self, name: &Name) -> Result<()> {
        if self.fresh.notes()
            && let Some((_, folder)) = &self.last
        {
            self.fresh.note(folder, &name.last)?;
        }
        Ok(())
    }

    /// Notes that the folders on the way are this layer's.
    fn note_way(&mut self, path: &Path) -> Result<()> {
        let mut way = PathBuf::new();
        for part in path {
            let folder = self.open_folder(&way)?;
            self.fresh.note(&folder, part.as_encoded_bytes())?;
            way.push(part);
        }
        Ok(())
    }

    /// Opens the folder of a name, made where it is missing.
    fn parent(&mut self, path: &Path) -> Result<&OwnedFd> {
        if self.last.as_ref().is_none_or(|(last, _)| last != path) {
            let folder = self.open_or_make(path)?;
            if self.fresh.notes() {
                self.note_way(path)?;
            }
            self.last = Some((path.to_owned(), folder));
        }
        self.last.as_ref().map(|(_, folder)| folder).ok_or(Errno::IO)
    }

    fn open_or_make(&self, path: &Path) -> Result<OwnedFd> {
        match self.open_folder(path) {
            Err(Errno::NOENT) => {}
            other => return other,
        }
        let mut way = PathBuf::new();
        for part in path {
            let folder = self.open_folder(&way)?;
            way.push(part);
            match mkdirat(&folder, part, Mode::from_raw_mode(0o755)) {
                Ok(()) | Err(Errno::EXIST) => {}
                Err(errno) => return Err(errno),
            }
        }
        self.open_folder(path)
    }

    fn open_folder(&self, path: &Path) -> Result<OwnedFd> {
        let path = if path.as_os_str().is_empty() { Path::new(".") } else { path };
        openat2(self.fd, path, OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty(), INSIDE)
    }

    /// Removes what has the name, so that it is not written through.
    fn clear(&mut self, name: &Name) -> Result<()> {
        let layered = self.fresh.layered();
        self.parent(&name.parent)?;
        self.note(name)?;
        let parent = self.parent(&name.parent)?;
        match unlinkat(parent, &*name.last, AtFlags::empty()) {
            Ok(()) | Err(Errno::NOENT) => Ok(()),
            Err(Errno::ISDIR) if layered => {
                crate::layers::remove(parent, &name.last)?;
                self.last = None;
                Ok(())
            }
            Err(Errno::ISDIR) => {
                unlinkat(parent, &*name.last, AtFlags::REMOVEDIR)?;
                // What was remembered may have been it.
                self.last = None;
                Ok(())
            }
            Err(errno) => Err(errno),
        }
    }

    /// Makes a folder, or changes one that is there. A link to one stays: the archive meant the folder.
    pub(crate) fn folder(&mut self, name: &Name, attributes: Attributes) -> Result<()> {
        let folder = if name.last.is_empty() {
            self.open_for_change(&[])?
        } else {
            let layered = self.fresh.layered();
            self.parent(&name.parent)?;
            self.note(name)?;
            let parent = self.parent(&name.parent)?;
            // A folder of a layer takes the place of whatever else is there, a link too; NOENT, ISDIR: nothing else is.
            if layered && unlinkat(parent, &*name.last, AtFlags::empty()).is_ok() {
                self.last = None;
            }
            let parent = self.parent(&name.parent)?;
            match mkdirat(parent, &*name.last, Mode::from_raw_mode(0o755)) {
                Ok(()) | Err(Errno::EXIST) => {}
                Err(errno) => return Err(errno),
            }
            let flags = OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
            match openat2(parent, &*name.last, flags, Mode::empty(), INSIDE) {
                Err(Errno::LOOP | Errno::NOTDIR) => {
                    let mut path = name.parent.clone();
                    path.push(<std::ffi::OsStr as std::os::unix::ffi::OsStrExt>::from_bytes(&name.last));
                    return self.open_folder(&path).map(drop);
                }
                other => other?,
            }
        };
        apply(&folder, attributes)?;
        self.remember_time(name, attributes.modified);
        Ok(())
    }

    fn remember_time(&mut self, name: &Name, modified: i64) {
        let mut path = name.parent.clone();
        path.push(<std::ffi::OsStr as std::os::unix::ffi::OsStrExt>::from_bytes(&name.last));
        self.folder_names_bytes += path.as_os_str().len() + size_of::<(PathBuf, i64)>();
        if self.folder_names_bytes <= FOLDER_NAMES_BYTES_MAX {
            self.folders.push((path, modified));
        }
    }

    /// Gives folders the times that the archive says, once nothing is put into them any more. In its order, so that of
    /// two that say something about the same folder the last is right.
    pub(crate) fn finish(self) {
        for (path, modified) in &self.folders {
            let path = if path.as_os_str().is_empty() { Path::new(".") } else { path };
            let flags = OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
            // What was a folder may have become something else; its time is then not this one.
            let Ok(folder) = openat2(self.fd, path, flags, Mode::empty(), INSIDE) else { continue };
            let _best_effort = futimens(&folder, &times(*modified));
        }
    }

    fn open_for_change(&self, path: &[u8]) -> Result<OwnedFd> {
        let path = if path.is_empty() { b"." } else { path };
        openat2(self.fd, path, OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty(), INSIDE)
    }

    /// Makes a file with its content.
    pub(crate) fn file(
        &mut self,
        name: &Name,
        attributes: Attributes,
        extended: &[(String, Vec<u8>)],
        content: &mut impl Read,
    ) -> std::io::Result<u64> {
        self.clear(name)?;
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let parent = self.parent(&name.parent)?;
        let mut file = File::from(openat2(parent, &*name.last, flags, Mode::from_raw_mode(0o600), INSIDE)?);
        let written = copy(content, &mut file)?;
        apply(&file, attributes)?;
        for (key, value) in extended {
            // Not every file system has them; none is needed for the file to be right.
            let _best_effort = fsetxattr(&file, key, value, XattrFlags::empty());
        }
        Ok(written)
    }

    /// Makes a symbolic link, to whatever it says.
    pub(crate) fn symlink(&mut self, name: &Name, to: &[u8], attributes: Attributes) -> Result<()> {
        self.clear(name)?;
        let parent = self.parent(&name.parent)?;
        symlinkat(to, parent, &*name.last)?;
        let (uid, gid) = owner(attributes);
        chownat(parent, &*name.last, uid, gid, AtFlags::SYMLINK_NOFOLLOW)
    }

    /// Makes another name of a file that was unpacked before.
    pub(crate) fn hard_link(&mut self, name: &Name, to: &Name) -> Result<()> {
        if name == to {
            return Ok(());
        }
        self.clear(name)?;
        let from = self.open_folder(&to.parent)?;
        let parent = self.parent(&name.parent)?;
        linkat(from, &*to.last, parent, &*name.last, AtFlags::empty())
    }

    /// Makes a named pipe.
    pub(crate) fn pipe(&mut self, name: &Name, attributes: Attributes) -> Result<()> {
        self.clear(name)?;
        let parent = self.parent(&name.parent)?;
        let mode = Mode::from_raw_mode(attributes.mode & 0o777);
        mknodat(parent, &*name.last, FileType::Fifo, mode, 0)?;
        let (uid, gid) = owner(attributes);
        chownat(parent, &*name.last, uid, gid, AtFlags::SYMLINK_NOFOLLOW)
    }
}

fn owner(attributes: Attributes) -> (Option<Uid>, Option<Gid>) {
    (Some(Uid::from_raw(attributes.uid)), Some(Gid::from_raw(attributes.gid)))
}

/// The owner first: a change of it takes the set-uid bits away.
fn apply(file: impl std::os::fd::AsFd, attributes: Attributes) -> Result<()> {
    let (uid, gid) = owner(attributes);
    fchown(&file, uid, gid)?;
    fchmod(&file, Mode::from_raw_mode(RawMode::from(attributes.mode & 0o7777)))?;
    futimens(&file, &times(attributes.modified))
}

fn times(modified: i64) -> Timestamps {
    let modified = Timespec { tv_sec: modified, tv_nsec: 0 };
    Timestamps { last_access: modified, last_modification: modified }
}

pub(crate) fn copy(content: &mut impl Read, file: &mut File) -> std::io::Result<u64> {
    let mut chunk = [0; 64 << 10];
    let mut written = 0;
    loop {
        match content.read(&mut chunk)? {
            0 => return Ok(written),
            read => {
                file.write_all(&chunk[..read])?;
                written += read as u64;
            }
        }
    }
}
