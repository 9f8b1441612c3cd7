//! The port, over sessions.

use std::time::Duration;

use async_trait::async_trait;
use atoll_agent_protocol::frames::FILE_ENTRIES_MAX;
use atoll_agent_protocol::hand_over::Use;
use atoll_agent_protocol::v1::{
    FileChangeCall, FileListCall, FilePackCall, FileReadCall, FileRemoveCall, FileReply, FileSearchCall,
    FileStatCall, FileUnpackCall, FileWatchCall, FileWriteCall, file_request::Call,
};
use atoll_ports::{
    ContentIn, ContentOut, FileAt, FileChange, FileEntry, FileEvents, FileMatches, FilePage, FilePart,
    FileRead, FileSearch, Files, FilesError, Unpacked,
};
use atoll_types::{FileMode, SandboxId};
use bytes::Bytes;
use tokio_stream::StreamExt;

use super::check::{self, broke};
use super::direct_read::DirectContent;
use super::direct_write::{self, Block};
use super::hand_over;
use super::session::{QUIET_LIMIT, Session};
use crate::AgentClient;

/// Longest time for what may touch very many files before it answers: a removal, a move to another file system.
const LONG_LIMIT: Duration = Duration::from_secs(15 * 60);
/// Longest time from the end of an archive until what it holds is unpacked.
const UNPACK_LIMIT: Duration = Duration::from_secs(5 * 60);

impl AgentClient {
    async fn session(&self, sandbox: &SandboxId, at: &FileAt, call: Call) -> Result<Session, FilesError> {
        Session::open(&self.files, sandbox, at, call).await
    }

    /// The one reply of a short call.
    async fn ask(
        &self,
        sandbox: &SandboxId,
        at: &FileAt,
        call: Call,
        limit: Duration,
    ) -> Result<Option<FileReply>, FilesError> {
        let mut session = self.session(sandbox, at, call).await?;
        let reply = session.parts.reply(limit).await?;
        if reply.is_some() && session.parts.reply(limit).await?.is_some() {
            return Err(broke("more than one reply"));
        }
        Ok(reply)
    }

    /// The one reply that follows a content.
    async fn give(
        &self,
        sandbox: &SandboxId,
        at: &FileAt,
        call: Call,
        content: ContentIn,
        limit: Duration,
    ) -> Result<FileReply, FilesError> {
        let mut session = self.session(sandbox, at, call).await?;
        session.send(content).await?;
        only_reply(&mut session, limit).await
    }

    /// A large file: its content goes by a descriptor where the agent knows how, and where the file may.
    async fn give_by_descriptor(
        &self,
        sandbox: &SandboxId,
        at: &FileAt,
        mode: Option<u32>,
        first: Block,
        content: ContentIn,
    ) -> Result<FileReply, FilesError> {
        let mut session =
            self.session(sandbox, at, Call::Write(FileWriteCall { mode, hand_over: true })).await?;
        // An older agent takes no notice of what it does not know.
        if session.hands_over() && session.parts.reply(QUIET_LIMIT).await?.ok_or_else(no_reply)?.hand_over {
            let file = hand_over::take(&self.files, sandbox, &mut session, Use::Writing).await?;
            direct_write::write(&mut session, file, first, content).await?;
        } else {
            session.send(first.before(content)).await?;
        }
        only_reply(&mut session, QUIET_LIMIT).await
    }
}

/// The reply at the end of a call.
async fn only_reply(session: &mut Session, limit: Duration) -> Result<FileReply, FilesError> {
    let reply = session.parts.reply(limit).await?.ok_or_else(no_reply)?;
    match session.parts.reply(limit).await? {
        None => Ok(reply),
        Some(_) => Err(broke("more than one reply")),
    }
}

/// The beginning of a content, and whether it is all of it.
async fn first_block(content: &mut ContentIn) -> Result<(Block, bool), FilesError> {
    let mut block = Block::default();
    while !block.is_full() {
        match content.next().await {
            Some(Ok(piece)) => block.add(piece),
            Some(Err(error)) => return Err(FilesError::Content(error.to_string())),
            None => return Ok((block, true)),
        }
    }
    Ok((block, false))
}

fn no_reply() -> FilesError {
    broke("it ended without a reply")
}

#[async_trait]
impl Files for AgentClient {
    async fn stat(&self, sandbox: &SandboxId, at: &FileAt) -> Result<FileEntry, FilesError> {
        let reply = self.ask(sandbox, at, Call::Stat(FileStatCall {}), QUIET_LIMIT).await?;
        check::entry(reply.ok_or_else(no_reply)?.entry)
    }

    async fn list(
        &self,
        sandbox: &SandboxId,
        at: &FileAt,
        after: &[u8],
        limit: u32,
    ) -> Result<FilePage, FilesError> {
        let limit = limit.min(FILE_ENTRIES_MAX);
        let call = FileListCall { after: Bytes::copy_from_slice(after), limit };
        let mut session = self.session(sandbox, at, Call::List(call)).await?;
        let mut page = FilePage::default();
        while let Some(reply) = session.parts.reply(QUIET_LIMIT).await? {
            page.more = reply.more;
            for entry in reply.entries {
                page.entries.push(check::listed(entry)?);
            }
            if page.entries.len() > usize::try_from(limit).unwrap_or(usize::MAX) {
                return Err(broke("a listing is longer than was asked"));
            }
        }
        Ok(page)
    }

    async fn read(&self, sandbox: &SandboxId, at: &FileAt, part: FilePart) -> Result<FileRead, FilesError> {
        let call = match part {
            FilePart::From(offset, length) => FileReadCall { offset, length, ..FileReadCall::default() },
            FilePart::Last(bytes) => FileReadCall { suffix: Some(bytes), ..FileReadCall::default() },
        };
        let call = FileReadCall { hand_over_from: Some(hand_over::FROM_BYTES), ..call };
        let mut session = self.session(sandbox, at, Call::Read(call)).await?;
        let reply = session.parts.reply(QUIET_LIMIT).await?.ok_or_else(no_reply)?;
        let entry = check::entry(reply.entry)?;
        let FileReply { offset, length, hand_over, .. } = reply;
        if offset.checked_add(length).is_none_or(|end| end > entry.size_bytes) {
            return Err(broke("the part is beyond the file"));
        }
        let content: ContentOut = if hand_over {
            let file = hand_over::take(&self.files, sandbox, &mut session, Use::Reading).await?;
            Box::pin(DirectContent::new(session, file, offset, length))
        } else {
            Box::pin(session.into_content())
        };
        Ok(FileRead { entry, offset, length, content })
    }

    async fn write(
        &self,
        sandbox: &SandboxId,
        at: &FileAt,
        mode: Option<FileMode>,
        mut content: ContentIn,
    ) -> Result<FileEntry, FilesError> {
        let mode = mode.map(FileMode::bits);
        let (first, is_whole) = first_block(&mut content).await?;
        let reply = if is_whole {
            let call = Call::Write(FileWriteCall { mode, hand_over: false });
            // Its source has ended, and must not be asked again.
            self.give(sandbox, at, call, first.alone(), QUIET_LIMIT).await?
        } else {
            self.give_by_descriptor(sandbox, at, mode, first, content).await?
        };
        check::entry(reply.entry)
    }

    async fn remove(&self, sandbox: &SandboxId, at: &FileAt, recursive: bool) -> Result<(), FilesError> {
        let call = Call::Remove(FileRemoveCall { recursive });
        self.ask(sandbox, at, call, LONG_LIMIT).await.map(drop)
    }

    async fn change(
        &self,
        sandbox: &SandboxId,
        at: &FileAt,
        change: &FileChange,
    ) -> Result<FileEntry, FilesError> {
        let to = change.to.as_ref().map(|to| Bytes::copy_from_slice(to.as_bytes())).unwrap_or_default();
        let mode = change.mode.map(FileMode::bits);
        let call = Call::Change(FileChangeCall { to, overwrite: change.overwrite, mode });
        check::entry(self.ask(sandbox, at, call, LONG_LIMIT).await?.ok_or_else(no_reply)?.entry)
    }

    async fn pack(&self, sandbox: &SandboxId, at: &FileAt) -> Result<ContentOut, FilesError> {
        let mut session = self.session(sandbox, at, Call::Pack(FilePackCall {})).await?;
        session.parts.reply(QUIET_LIMIT).await?.ok_or_else(no_reply)?;
        Ok(Box::pin(session.into_content()))
    }

    async fn unpack(
        &self,
        sandbox: &SandboxId,
        at: &FileAt,
        archive: ContentIn,
    ) -> Result<Unpacked, FilesError> {
        let reply = self.give(sandbox, at, Call::Unpack(FileUnpackCall {}), archive, UNPACK_LIMIT).await?;
        Ok(Unpacked { files: reply.files, bytes: reply.bytes })
    }

    async fn search(
        &self,
        sandbox: &SandboxId,
        at: &FileAt,
        search: &FileSearch,
    ) -> Result<FileMatches, FilesError> {
        let limit = search.limit.min(FILE_ENTRIES_MAX);
        let call = FileSearchCall {
            text: Bytes::copy_from_slice(search.text.as_bytes()),
            in_names: search.in_names,
            in_contents: search.in_contents,
            limit,
        };
        let mut session = self.session(sandbox, at, Call::Search(call)).await?;
        let mut found = FileMatches::default();
        while let Some(reply) = session.parts.reply(QUIET_LIMIT).await? {
            found.truncated |= reply.truncated;
            for one in reply.matches {
                found.matches.push(check::matched(one)?);
            }
            if found.matches.len() > usize::try_from(limit).unwrap_or(usize::MAX) {
                return Err(broke("more matches than were asked"));
            }
        }
        Ok(found)
    }

    async fn watch(
        &self,
        sandbox: &SandboxId,
        at: &FileAt,
        recursive: bool,
    ) -> Result<FileEvents, FilesError> {
        let call = Call::Watch(FileWatchCall { recursive });
        let session = self.session(sandbox, at, call).await?;
        Ok(Box::pin(session.into_events()))
    }
}
