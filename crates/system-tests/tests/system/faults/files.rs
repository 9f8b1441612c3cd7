//! Files that are written while Atoll dies: whole or not at all.

use atoll_client::{Client, ClientError, Content, FileAt};
use atoll_types::SandboxId;
use bytes::Bytes;
use futures_util::stream;

use super::{Dice, through};

/// Largest file, in bytes: some pieces, and some milliseconds.
const BYTES_MAX: u64 = 4 << 20;
/// Bytes that are sent at once.
const PIECE_BYTES: usize = 64 << 10;

/// A file that tells its first byte apart from another's.
fn content(dice: &Dice) -> Vec<u8> {
    let (size, first) = (1 + dice.roll(BYTES_MAX), dice.roll(256));
    (0..size).map(|at| u8::try_from((first + at * 31) % 256).unwrap()).collect()
}

fn pieces(bytes: &[u8]) -> Content {
    let all: Vec<_> = bytes.chunks(PIECE_BYTES).map(|piece| Ok(Bytes::copy_from_slice(piece))).collect();
    Box::pin(stream::iter(all))
}

/// What is there; nothing where there is no file.
async fn read(client: &Client, at: FileAt<'_>) -> Result<Option<Vec<u8>>, ClientError> {
    let mut download = match client.file_read(at).await {
        Ok(download) => download,
        Err(error) if error.code() == Some("file_not_found") => return Ok(None),
        Err(error) => return Err(error),
    };
    let mut all = Vec::new();
    while let Some(piece) = download.next().await? {
        all.extend_from_slice(&piece);
    }
    Ok(Some(all))
}

/// One file that is made and replaced. Answers how often a write was acknowledged and so checked.
pub(super) async fn one_file(client: &Client, sandbox: &SandboxId, dice: &Dice) -> u32 {
    let at = FileAt { sandbox, path: "kept", user: None };
    let (mut before, mut checked) = (None, 0);
    for _write in 0..2 {
        let new = content(dice);
        let written = client.file_write(at, None, None, pieces(&new)).await;
        let found = through("read a file", async || read(client, at).await).await;
        match written {
            Ok(_) => {
                assert!(found.as_ref() == Some(&new), "a file of {sandbox} is not what was acknowledged");
                checked += 1;
            }
            Err(error) if error.is_transient() => {
                let whole = found == before || found.as_ref() == Some(&new);
                assert!(whole, "a file of {sandbox} is there in part: {:?} bytes", found.map(|f| f.len()));
            }
            Err(error) => panic!("write in {sandbox}: {error:?}"),
        }
        before = found;
    }
    checked
}
