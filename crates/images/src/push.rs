//! From a layer to a reference: the layer and the configuration first, then the manifest that names them.

use std::io::{Seek, SeekFrom};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use atoll_oci::digest_of;
use atoll_ports::{Outgoing, PushProgress, Pushed, RegistryError};
use atoll_types::ImageDigest;
use bytes::Bytes;
use reqwest::header::{CONTENT_LENGTH, CONTENT_TYPE, LOCATION};
use reqwest::{Body, Response, StatusCode, Url};
use serde_json::json;
use tokio::io::AsyncReadExt;

use crate::described;
use crate::session::{Again, Session, told};

/// Bytes of a layer that are read at once.
const PIECE_BYTES: usize = 256 << 10;
/// Longest part of an answer that a refusal quotes, in bytes: registries say in JSON what they do not like.
const REFUSAL_BYTES_MAX: u64 = 64 << 10;

/// How often is looked how far it is.
const LOOK_INTERVAL: std::time::Duration = std::time::Duration::from_millis(200);
/// So many times the usual silence is allowed once all is sent: some registries move a layer then.
const COMMIT_SILENCES: u32 = 10;
const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";

type Tell<'a> = &'a (dyn Fn(PushProgress) + Send + Sync);

/// What is sent, by its digest.
enum Blob<'a> {
    Bytes(&'a [u8]),
    File { file: &'a std::fs::File, bytes: u64 },
}

impl Blob<'_> {
    fn bytes(&self) -> u64 {
        match self {
            Self::Bytes(bytes) => bytes.len() as u64,
            Self::File { bytes, .. } => *bytes,
        }
    }
}

/// Pushes an image, and gives it the tag.
pub(crate) async fn push(
    session: &mut Session<'_>,
    image: &Outgoing,
    progress: Tell<'_>,
) -> Result<Pushed, RegistryError> {
    let exported = &image.exported;
    let config = described::config(image).map_err(|error| RegistryError::Failed(error.into()))?;
    let config_digest = digest_of(&config);
    let layer = Blob::File { file: &image.layer, bytes: exported.bytes };
    if !send(session, exported.digest.as_str(), &layer, progress).await? {
        progress(PushProgress::Exists { total_bytes: exported.bytes });
    }
    send(session, &config_digest, &Blob::Bytes(&config), &|_| {}).await?;
    let manifest = json!({
        "schemaVersion": 2, "mediaType": MANIFEST,
        "config": {
            "mediaType": "application/vnd.oci.image.config.v1+json",
            "digest": format!("sha256:{config_digest}"), "size": config.len(),
        },
        "layers": [{
            "mediaType": "application/vnd.oci.image.layer.v1.tar+gzip",
            "digest": format!("sha256:{}", exported.digest), "size": exported.bytes,
        }],
    });
    let manifest = manifest.to_string().into_bytes();
    let url = session.address.url(&format!("manifests/{}", session.reference.tag()))?;
    let body = Bytes::from(manifest.clone());
    let make =
        |http: &reqwest::Client| http.put(url.clone()).header(CONTENT_TYPE, MANIFEST).body(body.clone());
    session.ask(&url, &[StatusCode::CREATED, StatusCode::OK, StatusCode::ACCEPTED], make).await?;
    let digest: Result<ImageDigest, _> = digest_of(&manifest).parse();
    let manifest = digest.map_err(|_| RegistryError::Invalid("a digest is none".to_owned()))?;
    Ok(Pushed { manifest, bytes: exported.bytes })
}

/// Sends something unless the registry has it; whether it was sent.
async fn send(
    session: &mut Session<'_>,
    digest: &str,
    blob: &Blob<'_>,
    progress: Tell<'_>,
) -> Result<bool, RegistryError> {
    let url = session.address.url(&format!("blobs/sha256:{digest}"))?;
    let known = session.ask(&url, &[StatusCode::OK, StatusCode::NOT_FOUND], |http| http.head(url.clone()));
    if known.await?.status() == StatusCode::OK {
        return Ok(false);
    }
    let mut tries = 0;
    loop {
        let place = begin(session, digest).await?;
        match upload(session, place, blob, progress).await? {
            Ok(()) => return Ok(true),
            Err(again) => {
                tries += 1;
                session.rest(tries, again).await?;
            }
        }
    }
}

/// Where it is to be sent.
async fn begin(session: &mut Session<'_>, digest: &str) -> Result<Url, RegistryError> {
    let url = session.address.url("blobs/uploads/")?;
    // Some wait for a body where no length is named.
    let make = |http: &reqwest::Client| http.post(url.clone()).header(CONTENT_LENGTH, 0);
    let response = session.ask(&url, &[StatusCode::ACCEPTED], make).await?;
    let nowhere = || RegistryError::Invalid("the registry names no place to send a layer to".to_owned());
    let location = response.headers().get(LOCATION).and_then(|value| value.to_str().ok());
    let mut place = location.and_then(|text| response.url().join(text).ok()).ok_or_else(nowhere)?;
    if !session.may_follow(&place) {
        return Err(nowhere());
    }
    place.query_pairs_mut().append_pair("digest", &format!("sha256:{digest}"));
    Ok(place)
}

/// Sends all of it to the place. Whoever takes nothing for too long is given up.
async fn upload(
    session: &mut Session<'_>,
    place: Url,
    blob: &Blob<'_>,
    progress: Tell<'_>,
) -> Result<Result<(), Again>, RegistryError> {
    let taken = Arc::new(AtomicU64::new(0));
    let total_bytes = blob.bytes();
    let request = session.http.put(place.clone()).header(CONTENT_TYPE, "application/octet-stream");
    let request = session.signed(&place, request)?.header(CONTENT_LENGTH, total_bytes);
    let sent = request.body(body(blob, &taken)?).send();
    let mut sent = std::pin::pin!(sent);
    let mut tick = tokio::time::interval(session.patience.silence.min(LOOK_INTERVAL));
    let mut moved = (0, tokio::time::Instant::now());
    let answer = loop {
        tokio::select! {
            answer = &mut sent => break answer,
            now = tick.tick() => {
                let bytes = taken.load(Ordering::Relaxed);
                if bytes > moved.0 {
                    moved = (bytes, now);
                    progress(PushProgress::Pushed { bytes: bytes.min(total_bytes), total_bytes });
                    continue;
                }
                let silence = session.patience.silence * if bytes < total_bytes { 1 } else { COMMIT_SILENCES };
                if now.duration_since(moved.1) >= silence {
                    let ms = silence.as_millis();
                    return Ok(Err(Again::Failed(format!("it took nothing more for {ms} ms"))));
                }
            }
        }
    };
    let response = match answer {
        Ok(response) => response,
        Err(error) if error.is_connect() => return Ok(Err(Again::Unreachable(told(&error)))),
        Err(error) => return Ok(Err(Again::Failed(told(&error)))),
    };
    let status = response.status();
    if status == StatusCode::UNAUTHORIZED && taken.load(Ordering::Relaxed) >= total_bytes {
        // It took longer than its token is good for; the next try has a new one.
        session.introduce(&response).await?;
        return Ok(Err(Again::Failed(format!("it answers {status} in the end"))));
    }
    if status.is_client_error() && status != StatusCode::TOO_MANY_REQUESTS {
        return Err(refused(session, response).await);
    }
    let judged = session.judge(response, &[StatusCode::CREATED, StatusCode::OK, StatusCode::NO_CONTENT])?;
    progress(PushProgress::Pushed { bytes: total_bytes, total_bytes });
    Ok(judged.map(drop))
}

/// The blob as a body, and how much of it was taken.
fn body(blob: &Blob<'_>, taken: &Arc<AtomicU64>) -> Result<Body, RegistryError> {
    let (file, bytes) = match blob {
        Blob::Bytes(bytes) => {
            taken.store(bytes.len() as u64, Ordering::Relaxed);
            return Ok(Body::from(bytes.to_vec()));
        }
        Blob::File { file, bytes } => (file, *bytes),
    };
    let mut file = file.try_clone().map_err(RegistryError::Failed)?;
    file.seek(SeekFrom::Start(0)).map_err(RegistryError::Failed)?;
    let reader = tokio::fs::File::from_std(file).take(bytes);
    let taken = Arc::clone(taken);
    let pieces = futures_util::stream::unfold((reader, taken), |(mut reader, taken)| async move {
        let mut piece = bytes::BytesMut::with_capacity(PIECE_BYTES);
        match reader.read_buf(&mut piece).await {
            Ok(0) => None,
            Ok(read) => {
                taken.fetch_add(read as u64, Ordering::Relaxed);
                Some((Ok::<Bytes, std::io::Error>(piece.freeze()), (reader, taken)))
            }
            Err(error) => Some((Err(error), (reader, taken))),
        }
    });
    Ok(Body::wrap_stream(pieces))
}

/// A layer that the registry does not take, in its own words.
async fn refused(session: &Session<'_>, response: Response) -> RegistryError {
    let status = response.status();
    if matches!(status, StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN) {
        return session.denied(status);
    }
    let text = session.read(response, REFUSAL_BYTES_MAX, "refusal").await.unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    let text: String = text.chars().filter(|c| !c.is_control()).take(200).collect();
    RegistryError::Invalid(format!("the registry does not take the layer: it answers {status}: {text}"))
}
