//! What file helpers say.

use atoll_agent_protocol::encode;
use atoll_agent_protocol::frames::{FrameKind, frame_header};
use atoll_agent_protocol::v1::{FileEntry, FileReply};
use atoll_ports::{FileAt, FilePart, Files, FilesError};
use atoll_types::FilePath;
use bytes::Bytes;

use crate::host::Host;
use crate::liar::Liar;

fn frame(kind: FrameKind, message: &impl prost::Message) -> Vec<u8> {
    let message = encode(message);
    [&frame_header(kind, message.len()).unwrap()[..], &message].concat()
}

fn listing(name: &[u8]) -> FileReply {
    let entry = FileEntry { name: Bytes::copy_from_slice(name), ..FileEntry::default() };
    FileReply { entries: vec![entry], ..FileReply::default() }
}

#[tokio::test]
async fn what_a_file_helper_says_is_not_believed() {
    let end = frame(FrameKind::End, &());
    let reading = FileReply { entry: Some(FileEntry::default()), length: 1, ..FileReply::default() };
    let many = FileReply { entries: vec![listing(b"a").entries[0].clone(); 50], ..FileReply::default() };
    for (pieces, expected) in [
        (vec![], FilesError::Interrupted),
        (vec![b"HTTP/1.1 200 OK".to_vec()], FilesError::Protocol("what it says is no frame".to_owned())),
        (vec![vec![0; 70_000]], FilesError::Protocol("a piece is too large".to_owned())),
        (vec![frame(FrameKind::Reply, &listing(b"../up")), end.clone()], impossible_name()),
        (vec![frame(FrameKind::Reply, &listing(b"..")), end.clone()], impossible_name()),
        (vec![frame(FrameKind::Reply, &listing(b"")), end.clone()], impossible_name()),
        (vec![frame(FrameKind::Reply, &listing(b"a"))], FilesError::Interrupted),
        (
            vec![frame(FrameKind::Reply, &many), end.clone()],
            FilesError::Protocol("a listing is longer than was asked".to_owned()),
        ),
        (
            vec![frame(FrameKind::Data, &listing(b"a")), end.clone()],
            FilesError::Protocol("it sends data that nobody asked for".to_owned()),
        ),
    ] {
        let host = Host::with(Liar { file_pieces: pieces, ..Liar::default() });
        let at = FileAt { user: "root".parse().unwrap(), path: FilePath::home(), or_root: false };
        let answer = Files::list(&host.client, &host.sandbox, &at, b"", 10).await;
        assert_eq!(answer, Err(expected));
    }
    let host = Host::with(Liar { file_pieces: vec![frame(FrameKind::Reply, &reading)], ..Liar::default() });
    let at = FileAt { user: "root".parse().unwrap(), path: FilePath::home(), or_root: false };
    let read = host.client.read(&host.sandbox, &at, FilePart::WHOLE).await;
    assert_eq!(read.err(), Some(FilesError::Protocol("the part is beyond the file".to_owned())));
}

#[tokio::test]
async fn an_agent_that_announces_a_descriptor_and_hands_none_over_is_an_error() {
    let entry = FileEntry { name: "x".into(), size: 5, ..FileEntry::default() };
    let reply = FileReply { entry: Some(entry), length: 5, hand_over: true, ..FileReply::default() };
    let host = Host::with(Liar { file_pieces: vec![frame(FrameKind::Reply, &reply)], ..Liar::default() });
    let at = FileAt { user: "root".parse().unwrap(), path: FilePath::home(), or_root: false };
    let read = host.client.read(&host.sandbox, &at, FilePart::WHOLE).await;
    assert!(matches!(read, Err(FilesError::Unreachable(_) | FilesError::Interrupted)), "{read:?}");
}

fn impossible_name() -> FilesError {
    FilesError::Protocol("a listing has an impossible name".to_owned())
}
