//! A layer on its way into the archive: hashed as it comes, and taken up where it was cut off.

use atoll_oci::hexadecimal;
use atoll_ports::RegistryError;
use reqwest::header::CONTENT_RANGE;
use reqwest::{Response, StatusCode};
use sha2::{Digest as _, Sha256};

use crate::layout::Layout;
use crate::session::Session;

/// Answers with a part of a layer, at most: one cut in a gigabyte is usual on a bad line, a hundred are no use.
const PARTS_MAX: u32 = 100;

/// A layer, by its digest and its size in bytes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Layer<'a> {
    pub(crate) digest: &'a str,
    pub(crate) bytes: u64,
}

/// What is here of a layer.
struct Arrived {
    bytes: u64,
    hash: Sha256,
}

impl Layer<'_> {
    /// Fetches it; `told` hears of each piece how many bytes it has.
    pub(crate) async fn fetch(
        self,
        session: &mut Session<'_>,
        layout: &mut Layout,
        mut told: impl FnMut(u64),
    ) -> Result<(), RegistryError> {
        let mut arrived = Arrived { bytes: 0, hash: Sha256::new() };
        let (mut tries, mut parts) = (0, 0);
        // An empty one is asked for too: it may not be there.
        loop {
            let before = arrived.bytes;
            let response = session.get(&format!("blobs/sha256:{}", self.digest), "*/*", before).await?;
            let cut = self.take(session, response, layout, &mut arrived, &mut told).await?;
            if arrived.bytes == self.bytes {
                break;
            }
            tries = if arrived.bytes > before { 1 } else { tries + 1 };
            parts += 1;
            let why = format!("a layer ended after {} of {} bytes: {cut}", arrived.bytes, self.bytes);
            if parts >= PARTS_MAX {
                return Err(RegistryError::Unavailable(why));
            }
            session.rest_after(tries, why).await?;
        }
        let found = hexadecimal(&arrived.hash.finalize());
        if found == self.digest {
            return Ok(());
        }
        let why = format!(
            "the registry sent a layer with the digest sha256:{found}, and sha256:{} was asked for",
            self.digest
        );
        Err(RegistryError::Invalid(why))
    }

    /// Takes what comes; says why it ended.
    async fn take(
        self,
        session: &Session<'_>,
        mut response: Response,
        layout: &mut Layout,
        arrived: &mut Arrived,
        told: &mut impl FnMut(u64),
    ) -> Result<String, RegistryError> {
        let mut skip = match response.status() {
            StatusCode::PARTIAL_CONTENT if begins_at(&response) == Some(arrived.bytes) => 0,
            StatusCode::PARTIAL_CONTENT => {
                return Err(RegistryError::Invalid(
                    "the registry sends another part than was asked for".to_owned(),
                ));
            }
            // It knows no parts: what is here already comes again.
            _ => arrived.bytes,
        };
        loop {
            let chunk = match session.chunk(&mut response).await {
                Ok(Some(chunk)) => chunk,
                Ok(None) => return Ok("the answer was over".to_owned()),
                Err(why) => return Ok(why),
            };
            let known = usize::try_from(skip).unwrap_or(usize::MAX).min(chunk.len());
            skip -= known as u64;
            let new = &chunk[known..];
            if new.is_empty() {
                continue;
            }
            if new.len() as u64 > self.bytes - arrived.bytes {
                return Err(RegistryError::Invalid(format!(
                    "the registry sends more than the {} bytes of a layer",
                    self.bytes
                )));
            }
            layout.write(new).await?;
            arrived.hash.update(new);
            arrived.bytes += new.len() as u64;
            told(new.len() as u64);
            if arrived.bytes == self.bytes {
                return Ok(String::new());
            }
        }
    }
}

/// First byte of an answer with a part: `bytes 5-9/10`.
fn begins_at(response: &Response) -> Option<u64> {
    let text = response.headers().get(CONTENT_RANGE)?.to_str().ok()?;
    text.strip_prefix("bytes ")?.split('-').next()?.parse().ok()
}
