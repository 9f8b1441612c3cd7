//! Files of a sandbox.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::Encoding;

/// Body of `POST /sandboxes/{id}/files` as JSON.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct WriteFile {
    /// Absolute, or from the home of the user.
    #[schema(example = "hello.txt")]
    pub path: String,
    /// The content, as `encoding` says.
    #[schema(example = "hello\n")]
    pub content: String,
    /// How `content` is written.
    #[serde(default)]
    pub encoding: Encoding,
    /// Rights, octal; those of the file that is replaced when absent, else 0644.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(example = "0644")]
    pub mode: Option<String>,
}

/// Body of `PATCH /sandboxes/{id}/files/{path}`: at least one of `to` and `mode`.
#[derive(Debug, Clone, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ChangeFile {
    /// New path, absolute or from the home of the user; directories on the way are made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(example = "notes/hello.txt")]
    pub to: Option<String>,
    /// Whether a file that has the new path is replaced.
    #[serde(default)]
    pub overwrite: bool,
    /// New rights, octal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(example = "0755")]
    pub mode: Option<String>,
}

/// A file of a sandbox.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct File {
    /// Last part of its path. Bytes that are no UTF-8 are shown as U+FFFD.
    pub name: String,
    /// Its path; in a search from where that began. Bytes that are no UTF-8 are shown as U+FFFD.
    pub path: String,
    /// `path` as its bytes in base 64, where it is no UTF-8.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path_base64: Option<String>,
    /// `file`, `directory`, `symlink`, `fifo`, `socket`, `character_device`, `block_device` or `other`.
    #[serde(rename = "type")]
    pub kind: String,
    /// In bytes.
    pub size: u64,
    /// Rights, octal.
    #[schema(example = "0644")]
    pub mode: String,
    /// Owner, as a number of the sandbox.
    pub uid: u32,
    /// Group, as a number of the sandbox.
    pub gid: u32,
    /// RFC 3339: last change of its content.
    pub modified_at: String,
    /// Of a symbolic link: where it leads.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target: Option<String>,
}

/// What came of an archive.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct UnpackedArchive {
    /// Entries made: files, directories, links.
    pub entries: u64,
    /// Bytes of its files.
    pub bytes: u64,
}

/// What a search found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct FileMatches {
    /// The matches, in no order.
    pub matches: Vec<FileMatch>,
    /// Whether a bound of number, time or work ended the search.
    pub truncated: bool,
}

/// Something that was looked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct FileMatch {
    /// The file.
    pub file: File,
    /// Of a match in a content: number of the line, from 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub line: Option<u64>,
    /// Of a match in a content: the line, cut to 256 bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
}

/// One message of `WS /sandboxes/{id}/watch`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct FileEvent {
    /// `ready` (the watch stands), `created`, `modified`, `deleted`, `attributes`, `moved_from`, `moved_to`, `overflow`
    /// (events were lost: look again) or `gone` (what is watched is gone; nothing follows).
    #[serde(rename = "type")]
    pub kind: String,
    /// Below what is watched; empty: itself. Bytes that are no UTF-8 are shown as U+FFFD.
    pub path: String,
    /// `path` as its bytes in base 64, where it is no UTF-8.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path_base64: Option<String>,
    /// Whether it is a directory.
    pub directory: bool,
    /// The two halves of one move have the same.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cookie: Option<u32>,
}
