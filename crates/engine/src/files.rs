//! Files of a sandbox: whoever may use the sandbox may use them, as any of its users.

use std::sync::Arc;

use atoll_ports::{
    ContentIn, ContentOut, FileAt, FileChange, FileEntry, FileEvents, FileMatches, FilePage, FilePart,
    FileRead, FileSearch, Files, FilesError, SandboxRecord, Unpacked,
};
use atoll_types::{FileMode, FilePath, GuestUser, SandboxId};

use crate::{Caller, Engine, EngineError};

/// The files of a sandbox that runs and is the caller's, as one of its users sees them. Every error is one of the file
/// codes, or `too_many_file_operations`, `user_not_found`, `agent_unreachable`.
#[derive(Debug)]
pub struct SandboxFiles {
    engine: Engine,
    caller: Caller,
    record: Arc<SandboxRecord>,
    at: FileAt,
}

impl Engine {
    /// What is at a path of a sandbox. Without a user it is the one of its execs. With `or_root` a relative path that is
    /// not in the user's home is meant from the root.
    ///
    /// # Errors
    /// `sandbox_not_found`, `sandbox_not_running`, `sandbox_deleting`.
    pub fn files(
        &self,
        caller: &Caller,
        sandbox: &SandboxId,
        user: Option<GuestUser>,
        path: FilePath,
        or_root: bool,
    ) -> Result<SandboxFiles, EngineError> {
        let record = self.running_sandbox(caller, sandbox)?;
        self.touch(sandbox);
        let user = user.unwrap_or_else(|| record.spec.user.clone());
        let at = FileAt { user, path, or_root };
        Ok(SandboxFiles { engine: self.clone(), caller: caller.clone(), record, at })
    }
}

impl SandboxFiles {
    fn told<T>(&self, asked: Result<T, FilesError>) -> Result<T, EngineError> {
        asked.map_err(|error| self.engine.told(&self.caller, &self.record, error.into()))
    }

    fn files(&self) -> &dyn Files {
        &*self.engine.inner.ports.files
    }

    /// What is there; a link is told as such.
    ///
    /// # Errors
    /// As all of these.
    pub async fn stat(&self) -> Result<FileEntry, EngineError> {
        self.told(self.files().stat(&self.record.id, &self.at).await)
    }

    /// Entries of a directory, by name, after a name.
    ///
    /// # Errors
    /// As all of these.
    pub async fn list(&self, after: &[u8], limit: u32) -> Result<FilePage, EngineError> {
        self.told(self.files().list(&self.record.id, &self.at, after, limit).await)
    }

    /// A part of a regular file.
    ///
    /// # Errors
    /// As all of these, and `range_not_satisfiable`.
    pub async fn read(&self, part: FilePart) -> Result<FileRead, EngineError> {
        self.told(self.files().read(&self.record.id, &self.at, part).await)
    }

    /// Makes or replaces a file, whole or not at all.
    ///
    /// # Errors
    /// As all of these.
    pub async fn write(&self, mode: Option<FileMode>, content: ContentIn) -> Result<FileEntry, EngineError> {
        self.told(self.files().write(&self.record.id, &self.at, mode, content).await)
    }

    /// Removes a file or a directory.
    ///
    /// # Errors
    /// As all of these.
    pub async fn remove(&self, recursive: bool) -> Result<(), EngineError> {
        self.told(self.files().remove(&self.record.id, &self.at, recursive).await)
    }

    /// Moves a file, then changes its rights.
    ///
    /// # Errors
    /// As all of these.
    pub async fn change(&self, change: &FileChange) -> Result<FileEntry, EngineError> {
        self.told(self.files().change(&self.record.id, &self.at, change).await)
    }

    /// A tar of it.
    ///
    /// # Errors
    /// As all of these.
    pub async fn pack(&self) -> Result<ContentOut, EngineError> {
        self.told(self.files().pack(&self.record.id, &self.at).await)
    }

    /// A tar into it.
    ///
    /// # Errors
    /// As all of these, and `invalid_archive`.
    pub async fn unpack(&self, archive: ContentIn) -> Result<Unpacked, EngineError> {
        self.told(self.files().unpack(&self.record.id, &self.at, archive).await)
    }

    /// Looks for a text below it.
    ///
    /// # Errors
    /// As all of these.
    pub async fn search(&self, search: &FileSearch) -> Result<FileMatches, EngineError> {
        self.told(self.files().search(&self.record.id, &self.at, search).await)
    }

    /// Tells what happens to it.
    ///
    /// # Errors
    /// As all of these.
    pub async fn watch(&self, recursive: bool) -> Result<FileEvents, EngineError> {
        self.told(self.files().watch(&self.record.id, &self.at, recursive).await)
    }
}
