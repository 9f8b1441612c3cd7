//! Files in memory: directories and regular files of any sandbox, each with its rights, as every user sees them.

use std::collections::{BTreeMap, HashMap};
use std::io::Read as _;
use std::sync::Arc;

use async_trait::async_trait;
use atoll_ports::{
    ContentIn, ContentOut, FileAt, FileChange, FileEntry, FileEvent, FileEventKind, FileEvents, FileMatch,
    FileMatches, FilePage, FilePart, FileProblem, FileRead, FileSearch, Files, FilesError, Unpacked,
};
use atoll_types::{FileKind, FileMode, SandboxId, Timestamp};
use bytes::Bytes;
use futures_util::{StreamExt, stream};
use parking_lot::Mutex;
use tokio::sync::broadcast;

use crate::faults::Faults;

/// Where relative paths begin.
const HOME: &str = "/home/agent";
/// Events that one watch may not have taken yet.
const EVENTS_WAITING: usize = 64;

#[derive(Debug, Clone, PartialEq, Eq)]
struct Node {
    /// None: a directory.
    content: Option<Bytes>,
    mode: FileMode,
}

type Tree = BTreeMap<Vec<u8>, Node>;
type Happened = (SandboxId, FileEventKind, Vec<u8>);

#[derive(Debug)]
struct Inner {
    trees: Mutex<HashMap<SandboxId, Tree>>,
    happened: broadcast::Sender<Happened>,
    faults: Faults<FilesError>,
}

/// Files of all sandboxes. A clone is the same files.
#[derive(Debug, Clone)]
pub struct FakeFiles(Arc<Inner>);

impl Default for FakeFiles {
    fn default() -> Self {
        let (happened, _) = broadcast::channel(EVENTS_WAITING);
        Self(Arc::new(Inner { trees: Mutex::default(), happened, faults: Faults::default() }))
    }
}

fn problem(problem: FileProblem) -> FilesError {
    FilesError::File(problem, format!("{problem:?}"))
}

/// An absolute path without dots; it never climbs above the root.
fn absolute(path: &[u8]) -> Vec<u8> {
    let whole = if path.starts_with(b"/") { path.to_vec() } else { [HOME.as_bytes(), b"/", path].concat() };
    let mut parts: Vec<&[u8]> = Vec::new();
    for part in whole.split(|byte| *byte == b'/').filter(|part| !part.is_empty() && *part != b".") {
        if part == b".." {
            parts.pop();
        } else {
            parts.push(part);
        }
    }
    [b"/", parts.join(&b'/').as_slice()].concat()
}

fn parent(path: &[u8]) -> &[u8] {
    let slash = path.iter().rposition(|byte| *byte == b'/').unwrap_or(0);
    &path[..slash.max(1)]
}

fn below<'a>(path: &'a [u8], directory: &[u8]) -> Option<&'a [u8]> {
    let rest = path.strip_prefix(directory)?;
    if directory == b"/" { Some(rest) } else { rest.strip_prefix(b"/") }.filter(|rest| !rest.is_empty())
}

fn entry(name: &[u8], node: &Node) -> FileEntry {
    FileEntry {
        name: name.to_vec(),
        kind: if node.content.is_some() { FileKind::File } else { FileKind::Directory },
        size_bytes: node.content.as_ref().map_or(0, |content| content.len() as u64),
        mode: node.mode,
        uid: 1_000,
        gid: 1_000,
        modified: Timestamp::from_unix_ms(0),
        target: None,
    }
}

fn make_directory(tree: &mut Tree, path: &[u8]) -> Result<(), FilesError> {
    let mut at = path;
    let mut missing = Vec::new();
    while at != b"/" {
        match tree.get(at) {
            Some(node) if node.content.is_some() => return Err(problem(FileProblem::NotDirectory)),
            Some(_) => break,
            None => missing.push(at.to_vec()),
        }
        at = parent(at);
    }
    let directory = Node { content: None, mode: FileMode::from_bits(0o755) };
    tree.extend(missing.into_iter().map(|path| (path, directory.clone())));
    Ok(())
}

impl FakeFiles {
    /// Faults to plan, by names of the methods of [`Files`].
    pub fn faults(&self) -> &Faults<FilesError> {
        &self.0.faults
    }

    fn with<T>(&self, sandbox: &SandboxId, act: impl FnOnce(&mut Tree) -> T) -> T {
        let mut trees = self.0.trees.lock();
        let tree = trees.entry(sandbox.clone()).or_insert_with(|| {
            let directory = Node { content: None, mode: FileMode::from_bits(0o755) };
            ["/", "/home", HOME, "/tmp"].map(|path| (path.as_bytes().to_vec(), directory.clone())).into()
        });
        act(tree)
    }

    fn tell(&self, sandbox: &SandboxId, kind: FileEventKind, path: &[u8]) {
        // Nobody may watch.
        let _unheard = self.0.happened.send((sandbox.clone(), kind, path.to_vec()));
    }

    fn find(&self, sandbox: &SandboxId, at: &FileAt) -> Result<(Vec<u8>, Node), FilesError> {
        let path = absolute(at.path.as_bytes());
        let rooted = absolute(&[b"/", at.path.as_bytes()].concat());
        self.with(sandbox, |tree| {
            let found = tree.get(&path).map(|node| (path.clone(), node.clone()));
            let found =
                found.or_else(|| Some((rooted.clone(), tree.get(&rooted).filter(|_| at.or_root)?.clone())));
            found.ok_or_else(|| problem(FileProblem::NotFound))
        })
    }

    fn put(
        &self,
        sandbox: &SandboxId,
        path: &[u8],
        content: Bytes,
        mode: Option<FileMode>,
    ) -> Result<FileEntry, FilesError> {
        let (made, was_there) = self.with(sandbox, |tree| {
            make_directory(tree, parent(path))?;
            let before = tree.get(path);
            if before.is_some_and(|node| node.content.is_none()) {
                return Err(problem(FileProblem::IsDirectory));
            }
            let mode = mode.or_else(|| before.map(|node| node.mode)).unwrap_or(FileMode::from_bits(0o644));
            let was_there = before.is_some();
            let node = Node { content: Some(content), mode };
            let made = entry(path, &node);
            tree.insert(path.to_vec(), node);
            Ok((made, was_there))
        })?;
        self.tell(sandbox, if was_there { FileEventKind::MovedTo } else { FileEventKind::Created }, path);
        Ok(made)
    }
}

async fn gathered(mut content: ContentIn) -> Result<Bytes, FilesError> {
    let mut all = Vec::new();
    while let Some(piece) = content.next().await {
        all.extend_from_slice(&piece.map_err(|error| FilesError::Content(error.to_string()))?);
    }
    Ok(all.into())
}

fn once(content: Bytes) -> ContentOut {
    Box::pin(stream::iter((!content.is_empty()).then_some(Ok(content))))
}

#[async_trait]
impl Files for FakeFiles {
    async fn stat(&self, sandbox: &SandboxId, at: &FileAt) -> Result<FileEntry, FilesError> {
        let find = async || self.find(sandbox, at).map(|(path, node)| entry(&path, &node));
        self.0.faults.around("stat", find).await
    }

    async fn list(
        &self,
        sandbox: &SandboxId,
        at: &FileAt,
        after: &[u8],
        limit: u32,
    ) -> Result<FilePage, FilesError> {
        let (path, node) = self.find(sandbox, at)?;
        if node.content.is_some() {
            return Err(problem(FileProblem::NotDirectory));
        }
        let mut entries: Vec<FileEntry> = self.with(sandbox, |tree| {
            let names = tree.iter().filter_map(|(found, node)| Some((below(found, &path)?, node)));
            let names = names.filter(|(name, _)| !name.contains(&b'/') && *name > after);
            names.map(|(name, node)| entry(name, node)).collect()
        });
        entries.sort_by(|a, b| a.name.cmp(&b.name));
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        let more = entries.len() > limit;
        entries.truncate(limit);
        Ok(FilePage { entries, more })
    }

    async fn read(&self, sandbox: &SandboxId, at: &FileAt, part: FilePart) -> Result<FileRead, FilesError> {
        let act = async || {
            let (path, node) = self.find(sandbox, at)?;
            let content = node.content.clone().ok_or_else(|| problem(FileProblem::IsDirectory))?;
            let size_bytes = content.len() as u64;
            let (offset, length) = match part {
                FilePart::WHOLE => (0, size_bytes),
                FilePart::From(offset, length) if offset < size_bytes => {
                    (offset, length.unwrap_or(u64::MAX).min(size_bytes - offset))
                }
                FilePart::Last(bytes) if bytes > 0 && size_bytes > 0 => {
                    (size_bytes.saturating_sub(bytes), bytes.min(size_bytes))
                }
                FilePart::From(..) | FilePart::Last(_) => return Err(FilesError::Range { size_bytes }),
            };
            let index = |n: u64| usize::try_from(n).unwrap_or(usize::MAX);
            let part = content.slice(index(offset)..index(offset + length));
            Ok(FileRead { entry: entry(&path, &node), offset, length, content: once(part) })
        };
        self.0.faults.around("read", act).await
    }

    async fn write(
        &self,
        sandbox: &SandboxId,
        at: &FileAt,
        mode: Option<FileMode>,
        content: ContentIn,
    ) -> Result<FileEntry, FilesError> {
        let content = gathered(content).await?;
        let path = absolute(at.path.as_bytes());
        self.0.faults.around("write", async || self.put(sandbox, &path, content.clone(), mode)).await
    }

    async fn remove(&self, sandbox: &SandboxId, at: &FileAt, recursive: bool) -> Result<(), FilesError> {
        let (path, _) = self.find(sandbox, at)?;
        self.with(sandbox, |tree| {
            let inside: Vec<Vec<u8>> =
                tree.keys().filter(|found| below(found, &path).is_some()).cloned().collect();
            if !inside.is_empty() && !recursive {
                return Err(problem(FileProblem::NotEmpty));
            }
            tree.retain(|found, _| *found != path && !inside.contains(found));
            Ok(())
        })?;
        self.tell(sandbox, FileEventKind::Deleted, &path);
        Ok(())
    }

    async fn change(
        &self,
        sandbox: &SandboxId,
        at: &FileAt,
        change: &FileChange,
    ) -> Result<FileEntry, FilesError> {
        let (mut path, _) = self.find(sandbox, at)?;
        if let Some(to) = &change.to {
            let to = absolute(to.as_bytes());
            self.with(sandbox, |tree| {
                if tree.contains_key(&to) && !change.overwrite {
                    return Err(problem(FileProblem::Exists));
                }
                make_directory(tree, parent(&to))?;
                let moved: Vec<Vec<u8>> = tree
                    .keys()
                    .filter(|found| **found == path || below(found, &path).is_some())
                    .cloned()
                    .collect();
                for from in moved {
                    let rest = from.strip_prefix(path.as_slice()).unwrap_or_default();
                    let new = [to.as_slice(), rest].concat();
                    let node = tree.remove(&from);
                    tree.extend(node.map(|node| (new, node)));
                }
                Ok(())
            })?;
            self.tell(sandbox, FileEventKind::MovedFrom, &path);
            self.tell(sandbox, FileEventKind::MovedTo, &to);
            path = to;
        }
        self.with(sandbox, |tree| {
            let node = tree.get_mut(&path).ok_or_else(|| problem(FileProblem::NotFound))?;
            node.mode = change.mode.unwrap_or(node.mode);
            Ok(entry(&path, node))
        })
    }

    async fn pack(&self, sandbox: &SandboxId, at: &FileAt) -> Result<ContentOut, FilesError> {
        let (path, node) = self.find(sandbox, at)?;
        let mut tar = tar::Builder::new(Vec::new());
        let mut add = |name: &[u8], node: &Node| {
            let content = node.content.clone().unwrap_or_default();
            let mut header = tar::Header::new_gnu();
            let kind =
                if node.content.is_some() { tar::EntryType::Regular } else { tar::EntryType::Directory };
            header.set_entry_type(kind);
            header.set_mode(node.mode.bits());
            header.set_size(content.len() as u64);
            tar.append_data(&mut header, String::from_utf8_lossy(name).as_ref(), &*content)
        };
        let failed = |error: std::io::Error| FilesError::File(FileProblem::Failed, error.to_string());
        if node.content.is_some() {
            add(path.rsplit(|byte| *byte == b'/').next().unwrap_or_default(), &node).map_err(failed)?;
        } else {
            let inside = self.with(sandbox, |tree| tree.clone());
            for (name, node) in inside.iter().filter_map(|(found, node)| Some((below(found, &path)?, node))) {
                add(name, node).map_err(failed)?;
            }
        }
        Ok(once(tar.into_inner().map_err(failed)?.into()))
    }

    async fn unpack(
        &self,
        sandbox: &SandboxId,
        at: &FileAt,
        archive: ContentIn,
    ) -> Result<Unpacked, FilesError> {
        let archive = gathered(archive).await?;
        let top = absolute(at.path.as_bytes());
        self.with(sandbox, |tree| make_directory(tree, &top))?;
        let bad = |error: std::io::Error| FilesError::File(FileProblem::BadArchive, error.to_string());
        let mut done = Unpacked::default();
        for found in tar::Archive::new(&*archive).entries().map_err(bad)? {
            let mut found = found.map_err(bad)?;
            let name = found.path_bytes().into_owned();
            if name.split(|byte| *byte == b'/').any(|part| part == b"..") {
                return Err(problem(FileProblem::BadArchive));
            }
            let path = absolute(&[top.as_slice(), b"/", &name].concat());
            let mode = FileMode::from_bits(found.header().mode().map_err(bad)?);
            done.files += 1;
            if found.header().entry_type().is_dir() {
                self.with(sandbox, |tree| make_directory(tree, &path))?;
            } else {
                let mut content = Vec::new();
                found.read_to_end(&mut content).map_err(bad)?;
                done.bytes += content.len() as u64;
                self.put(sandbox, &path, content.into(), Some(mode))?;
            }
        }
        Ok(done)
    }

    async fn search(
        &self,
        sandbox: &SandboxId,
        at: &FileAt,
        search: &FileSearch,
    ) -> Result<FileMatches, FilesError> {
        let (top, _) = self.find(sandbox, at)?;
        let tree = self.with(sandbox, |tree| tree.clone());
        let mut matches = Vec::new();
        for (name, node) in tree.iter().filter_map(|(found, node)| Some((below(found, &top)?, node))) {
            let last = String::from_utf8_lossy(name.rsplit(|byte| *byte == b'/').next().unwrap_or_default())
                .to_lowercase();
            if search.in_names && last.contains(&search.text.to_lowercase()) {
                matches.push(FileMatch { entry: entry(name, node), line: None });
            }
            let content = String::from_utf8_lossy(node.content.as_deref().unwrap_or_default()).into_owned();
            for (number, line) in (1..).zip(content.lines()) {
                if search.in_contents && line.contains(&search.text) {
                    matches.push(FileMatch { entry: entry(name, node), line: Some((number, line.into())) });
                }
            }
        }
        let limit = usize::try_from(search.limit).unwrap_or(usize::MAX);
        let truncated = matches.len() > limit;
        matches.truncate(limit);
        Ok(FileMatches { matches, truncated })
    }

    async fn watch(
        &self,
        sandbox: &SandboxId,
        at: &FileAt,
        recursive: bool,
    ) -> Result<FileEvents, FilesError> {
        let (top, _) = self.find(sandbox, at)?;
        let (happened, sandbox) = (self.0.happened.subscribe(), sandbox.clone());
        let event =
            |kind, path: &[u8]| FileEvent { kind, path: path.to_vec(), directory: false, cookie: None };
        let ready = Ok(vec![event(FileEventKind::Ready, b"")]);
        let rest = stream::unfold(happened, move |mut happened| {
            let (top, sandbox) = (top.clone(), sandbox.clone());
            async move {
                loop {
                    let told = match happened.recv().await {
                        Ok((of, kind, path)) if of == sandbox => {
                            let Some(name) = below(&path, &top) else { continue };
                            if !recursive && name.contains(&b'/') {
                                continue;
                            }
                            event(kind, name)
                        }
                        Ok(_) => continue,
                        Err(broadcast::error::RecvError::Lagged(_)) => event(FileEventKind::Overflow, b""),
                        Err(broadcast::error::RecvError::Closed) => return None,
                    };
                    return Some((Ok(vec![told]), happened));
                }
            }
        });
        Ok(Box::pin(stream::iter([ready]).chain(rest)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn it_keeps_the_promises() {
        crate::contract::files(&FakeFiles::default(), &SandboxId::random(), "agent", "/tmp/contract").await;
    }
}
