//! What every way to the files of a sandbox promises.

use atoll_ports::{
    ContentIn, ContentOut, FileAt, FileChange, FileEventKind, FilePart, FileProblem, FileSearch, Files,
    FilesError,
};
use atoll_types::{FileKind, FileMode, FilePath, SandboxId};
use bytes::Bytes;
use futures_util::{StreamExt, stream};

/// A content of these pieces.
pub fn content(pieces: &[&[u8]]) -> ContentIn {
    let pieces: Vec<_> = pieces.iter().map(|piece| Ok(Bytes::copy_from_slice(piece))).collect();
    Box::pin(stream::iter(pieces))
}

/// All of a content.
pub async fn gathered(mut content: ContentOut) -> Vec<u8> {
    let mut all = Vec::new();
    while let Some(piece) = content.next().await {
        all.extend_from_slice(&piece.unwrap());
    }
    all
}

struct Contract<'a> {
    files: &'a dyn Files,
    sandbox: &'a SandboxId,
    user: &'a str,
    top: &'a str,
}

/// Checks files beneath a directory that does not exist yet; its parent does.
pub async fn files(files: &dyn Files, sandbox: &SandboxId, user: &str, top: &str) {
    let contract = Contract { files, sandbox, user, top };
    contract.content_is_kept().await;
    contract.directories_are_listed_in_pages().await;
    contract.files_move_and_change().await;
    contract.what_cannot_be_is_refused().await;
    contract.archives_carry_a_tree().await;
    contract.texts_are_found().await;
    contract.changes_are_told().await;
}

impl Contract<'_> {
    fn at(&self, name: &str) -> FileAt {
        let path = FilePath::new(format!("{}/{name}", self.top).into_bytes()).unwrap();
        FileAt { user: self.user.parse().unwrap(), path, or_root: false }
    }

    async fn write(&self, name: &str, text: &str) {
        let written = self.files.write(self.sandbox, &self.at(name), None, content(&[text.as_bytes()])).await;
        assert_eq!(written.unwrap().size_bytes, text.len() as u64);
    }

    async fn part(&self, name: &str, part: FilePart) -> Result<(u64, Vec<u8>), FilesError> {
        let read = self.files.read(self.sandbox, &self.at(name), part).await?;
        let (offset, length) = (read.offset, read.length);
        let bytes = gathered(read.content).await;
        assert_eq!(bytes.len() as u64, length);
        Ok((offset, bytes))
    }

    async fn text(&self, name: &str) -> String {
        String::from_utf8(self.part(name, FilePart::WHOLE).await.unwrap().1).unwrap()
    }

    async fn content_is_kept(&self) {
        let big = vec![7_u8; 300_000];
        let pieces = content(&[b"a", &big, b"", b"z"]);
        let (place, mode) = (self.at("content/big"), Some(FileMode::from_bits(0o600)));
        let made = self.files.write(self.sandbox, &place, mode, pieces).await.unwrap();
        assert_eq!((made.kind, made.size_bytes, made.mode.bits()), (FileKind::File, 300_002, 0o600));
        let (_, whole) = self.part("content/big", FilePart::WHOLE).await.unwrap();
        assert!(whole.first() == Some(&b'a') && whole.last() == Some(&b'z') && whole.len() == 300_002);
        self.write("content/file", "0123456789").await;
        for (part, offset, bytes) in [
            (FilePart::From(3, Some(4)), 3, "3456"),
            (FilePart::From(8, Some(100)), 8, "89"),
            (FilePart::From(9, None), 9, "9"),
            (FilePart::Last(3), 7, "789"),
            (FilePart::Last(30), 0, "0123456789"),
        ] {
            assert_eq!(self.part("content/file", part).await.unwrap(), (offset, bytes.into()), "{part:?}");
        }
        for part in [FilePart::From(10, None), FilePart::Last(0)] {
            assert_eq!(self.part("content/file", part).await, Err(FilesError::Range { size_bytes: 10 }));
        }
        // It is replaced with its rights; what breaks off changes nothing.
        self.write("content/big", "new").await;
        assert_eq!(self.files.stat(self.sandbox, &self.at("content/big")).await.unwrap().mode.bits(), 0o600);
        let broken = stream::iter([Ok(Bytes::from_static(b"half")), Err(std::io::Error::other("gone"))]);
        let refused = self.files.write(self.sandbox, &self.at("content/big"), None, Box::pin(broken)).await;
        assert!(matches!(refused, Err(FilesError::Content(_))), "{refused:?}");
        assert_eq!(self.text("content/big").await, "new");
        self.write("content/empty", "").await;
        assert_eq!(self.text("content/empty").await, "");
    }

    async fn directories_are_listed_in_pages(&self) {
        for name in ["c", "a", "B", "d/inside"] {
            self.write(&format!("list/{name}"), name).await;
        }
        let (mut after, mut names) = (Vec::new(), Vec::new());
        loop {
            let page = self.files.list(self.sandbox, &self.at("list"), &after, 3).await.unwrap();
            assert!(page.entries.len() <= 3);
            names.extend(page.entries.iter().map(|entry| String::from_utf8(entry.name.clone()).unwrap()));
            if !page.more {
                break;
            }
            after = page.entries.last().unwrap().name.clone();
        }
        assert_eq!(names, ["B", "a", "c", "d"]);
        let page = self.files.list(self.sandbox, &self.at("list"), b"c", 10).await.unwrap();
        assert_eq!((page.entries[0].kind, page.more), (FileKind::Directory, false));
    }

    async fn files_move_and_change(&self) {
        self.write("move/old", "content").await;
        self.write("move/other", "other").await;
        let path = |name: &str| Some(self.at(name).path);
        let change = FileChange {
            to: path("move/new/name"),
            mode: Some(FileMode::from_bits(0o750)),
            overwrite: false,
        };
        let moved = self.files.change(self.sandbox, &self.at("move/old"), &change).await.unwrap();
        assert_eq!((moved.mode.bits(), moved.size_bytes), (0o750, 7));
        self.fails("move/old", FileProblem::NotFound).await;
        let taken = FileChange { to: path("move/other"), ..FileChange::default() };
        let refused = self.files.change(self.sandbox, &self.at("move/new/name"), &taken).await;
        assert!(matches!(refused, Err(FilesError::File(FileProblem::Exists, _))), "{refused:?}");
        let replace = FileChange { overwrite: true, ..taken };
        self.files.change(self.sandbox, &self.at("move/new/name"), &replace).await.unwrap();
        assert_eq!(self.text("move/other").await, "content");
    }

    async fn fails(&self, name: &str, problem: FileProblem) {
        match self.part(name, FilePart::WHOLE).await {
            Err(FilesError::File(found, _)) => assert_eq!(found, problem, "{name}"),
            other => panic!("{name}: {other:?}"),
        }
    }

    async fn what_cannot_be_is_refused(&self) {
        self.write("wrong/file", "x").await;
        self.fails("wrong", FileProblem::IsDirectory).await;
        self.fails("wrong/missing", FileProblem::NotFound).await;
        let is = |result: Result<(), FilesError>, problem| match result {
            Err(FilesError::File(found, _)) => assert_eq!(found, problem),
            other => panic!("{other:?}"),
        };
        let write = async |name: &str| {
            self.files.write(self.sandbox, &self.at(name), None, content(&[b"y"])).await.map(drop)
        };
        is(write("wrong").await, FileProblem::IsDirectory);
        is(write("wrong/file/below").await, FileProblem::NotDirectory);
        let list = self.files.list(self.sandbox, &self.at("wrong/file"), b"", 10).await;
        is(list.map(drop), FileProblem::NotDirectory);
        is(self.files.remove(self.sandbox, &self.at("wrong"), false).await, FileProblem::NotEmpty);
        is(self.files.remove(self.sandbox, &self.at("wrong/missing"), false).await, FileProblem::NotFound);
        self.files.remove(self.sandbox, &self.at("wrong"), true).await.unwrap();
        self.fails("wrong/file", FileProblem::NotFound).await;
    }

    async fn archives_carry_a_tree(&self) {
        self.write("from/one", "1").await;
        self.write("from/sub/two", "22").await;
        let archive = gathered(self.files.pack(self.sandbox, &self.at("from")).await.unwrap()).await;
        let done = self.files.unpack(self.sandbox, &self.at("to/new"), content(&[&archive])).await.unwrap();
        assert_eq!(done.bytes, 3);
        assert_eq!(
            (self.text("to/new/one").await, self.text("to/new/sub/two").await),
            ("1".into(), "22".into())
        );
        let refused = self.files.unpack(self.sandbox, &self.at("to"), content(&[&[7; 2_048]])).await;
        assert!(matches!(refused, Err(FilesError::File(FileProblem::BadArchive, _))), "{refused:?}");
    }

    async fn texts_are_found(&self) {
        self.write("search/Needle.txt", "hay\nneedle in hay\n").await;
        let search =
            |in_names, in_contents, limit| FileSearch { text: "needle".into(), in_names, in_contents, limit };
        let found =
            self.files.search(self.sandbox, &self.at("search"), &search(true, true, 10)).await.unwrap();
        assert_eq!((found.matches.len(), found.truncated), (2, false), "{found:?}");
        assert!(found.matches.iter().all(|found| found.entry.name == b"Needle.txt"), "{found:?}");
        assert_eq!(found.matches[1].line, Some((2, b"needle in hay".to_vec())));
        let found =
            self.files.search(self.sandbox, &self.at("search"), &search(true, true, 1)).await.unwrap();
        assert_eq!((found.matches.len(), found.truncated), (1, true));
    }

    async fn changes_are_told(&self) {
        self.write("watch/sub/before", "x").await;
        let mut events = self.files.watch(self.sandbox, &self.at("watch"), true).await.unwrap();
        assert_eq!(events.next().await.unwrap().unwrap()[0].kind, FileEventKind::Ready);
        self.write("watch/sub/new", "x").await;
        self.files.remove(self.sandbox, &self.at("watch/sub/before"), false).await.unwrap();
        let mut told = Vec::new();
        while !told.iter().any(|(kind, _)| *kind == FileEventKind::Deleted) {
            let more = events.next().await.unwrap().unwrap();
            told.extend(more.into_iter().map(|event| (event.kind, event.path)));
        }
        assert!(told.contains(&(FileEventKind::Created, b"sub/new".to_vec())), "{told:?}");
        assert!(told.contains(&(FileEventKind::Deleted, b"sub/before".to_vec())), "{told:?}");
        // What is written has no name until it is whole, and is told under none.
        assert!(told.iter().all(|(_, path)| !path.contains(&b'#')), "{told:?}");
    }
}
