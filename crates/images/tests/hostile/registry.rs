//! A registry on loopback that does what a test says, also what none should.

use std::collections::{HashMap, VecDeque};
use std::io::Write as _;
use std::sync::Arc;

use atoll_images::{Allowed, Options, Patience, Registries};
use atoll_oci::digest_of;
use atoll_ports::{
    Exported, Fetched, ImageSize, Images, ImagesError, Imported, Outgoing, PullProgress, PushProgress,
    Pushed, Registry as _, RegistryError,
};
use atoll_types::{ImageDigest, SandboxTemplate};
use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::response::Response;
use parking_lot::Mutex;
use serde_json::{Value, json};

/// What it does to one request, instead of answering it as it should.
#[derive(Debug, Clone)]
pub(crate) enum Fault {
    /// Sends so many bytes of it, and closes.
    Cut(usize),
    /// Sends so many bytes of it, and then nothing.
    Hang(usize),
    /// Says nothing at all.
    Mute,
    /// Another status, and a header.
    Status(u16, &'static str, &'static str),
    /// The whole, where a part was asked for.
    Whole,
    /// Another part than was asked for.
    WrongPart,
    /// Something else.
    Other(Vec<u8>),
    /// Wants a token from its own `/token`.
    WantsToken,
    /// Wants a name and a password.
    WantsPassword,
}

#[derive(Default)]
struct Content {
    /// By path.
    things: HashMap<String, Vec<u8>>,
    /// By path, for the requests to come.
    faults: HashMap<String, VecDeque<Fault>>,
    asked: Vec<String>,
    address: String,
}

#[derive(Clone)]
pub(crate) struct Registry {
    content: Arc<Mutex<Content>>,
    pub(crate) address: String,
    /// Where fetches are made, there are these layers.
    pub(crate) known: Option<Arc<dyn Images>>,
}

/// A node that has these layers, of images that are of no interest here.
#[derive(Debug)]
pub(crate) struct Known(pub(crate) Vec<String>);

#[async_trait::async_trait]
impl Images for Known {
    async fn known_layers(&self, digests: &[ImageDigest]) -> Result<usize, ImagesError> {
        Ok(digests.iter().take_while(|digest| self.0.iter().any(|one| one == digest.as_str())).count())
    }

    async fn import(&self, _: std::fs::File, _: u64) -> Result<Imported, ImagesError> {
        Err(ImagesError::InUse)
    }

    async fn sizes(&self) -> Result<HashMap<ImageDigest, ImageSize>, ImagesError> {
        Err(ImagesError::InUse)
    }

    async fn export(&self, _: &ImageDigest, _: std::fs::File, _: u64) -> Result<Exported, ImagesError> {
        Err(ImagesError::InUse)
    }

    async fn list(&self) -> Result<Vec<ImageDigest>, ImagesError> {
        Err(ImagesError::InUse)
    }

    async fn remove(&self, _: &ImageDigest) -> Result<(), ImagesError> {
        Err(ImagesError::InUse)
    }
}

/// A layer of a size that comes in several pieces.
pub(crate) fn layer(seed: u8) -> Vec<u8> {
    (0..300_000_u32).map(|n| seed ^ n.to_le_bytes()[0] ^ n.to_le_bytes()[1]).collect()
}

pub(crate) fn architecture() -> String {
    oci_spec::image::Arch::default().to_string()
}

fn descriptor(kind: &str, bytes: &[u8]) -> Value {
    let kind = format!("application/vnd.oci.image.{kind}");
    json!({"mediaType": kind, "digest": format!("sha256:{}", digest_of(bytes)), "size": bytes.len()})
}

pub(crate) fn manifest(config: &[u8], layers: &[Vec<u8>]) -> Value {
    json!({
        "schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "config": descriptor("config.v1+json", config),
        "layers": layers.iter().map(|layer| descriptor("layer.v1.tar+gzip", layer)).collect::<Vec<_>>(),
    })
}

pub(crate) fn config(architecture: &str, layers: usize) -> Vec<u8> {
    let ids = vec![format!("sha256:{}", "a".repeat(64)); layers];
    json!({"architecture": architecture, "os": "linux", "rootfs": {"type": "layers", "diff_ids": ids}})
        .to_string()
        .into_bytes()
}

impl Registry {
    pub(crate) async fn start() -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let content = Content { address: address.clone(), ..Content::default() };
        let this = Self { content: Arc::new(Mutex::new(content)), address, known: None };
        let app = Router::new().fallback(answer).with_state(this.clone());
        tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
        this
    }

    /// The same, where somebody else may be.
    pub(crate) fn at(&self, address: &str) -> Self {
        Self { address: address.to_owned(), ..self.clone() }
    }

    /// Has an image of these layers by this tag from now on; its manifest's digest.
    pub(crate) fn put(&self, tag: &str, architecture: &str, layers: &[Vec<u8>]) -> String {
        let config = config(architecture, layers.len());
        let manifest = manifest(&config, layers).to_string().into_bytes();
        for blob in layers.iter().chain([&config]) {
            self.put_at(&format!("blobs/sha256:{}", digest_of(blob)), blob);
        }
        self.put_manifest(tag, &manifest)
    }

    pub(crate) fn put_manifest(&self, tag: &str, manifest: &[u8]) -> String {
        let digest = digest_of(manifest);
        self.put_at(&format!("manifests/{tag}"), manifest);
        self.put_at(&format!("manifests/sha256:{digest}"), manifest);
        digest
    }

    pub(crate) fn put_at(&self, path: &str, bytes: &[u8]) {
        self.content.lock().things.insert(format!("/v2/app/{path}"), bytes.to_vec());
    }

    /// What the next requests for this get.
    pub(crate) fn fault(&self, path: &str, faults: &[Fault]) {
        self.content
            .lock()
            .faults
            .entry(format!("/v2/app/{path}"))
            .or_default()
            .extend(faults.iter().cloned());
    }

    fn options(&self, spool: &tempfile::TempDir) -> Options {
        Options {
            spool: std::fs::File::open(spool.path()).unwrap().into(),
            default: None,
            insecure: vec![self.address.parse().unwrap()],
            allowed: Allowed { public: true, named: Vec::new() },
            auth_file: None,
            patience: Patience {
                silence: std::time::Duration::from_secs(20),
                first_wait: std::time::Duration::from_millis(1),
                tries: 3,
                ..Patience::default()
            },
        }
    }

    /// Pushes a layer to `app:1`.
    pub(crate) async fn push_with(
        &self,
        layer: &[u8],
        with_credentials: bool,
        change: impl FnOnce(&mut Options),
        progress: &(dyn Fn(PushProgress) + Send + Sync),
    ) -> Result<Pushed, RegistryError> {
        let spool = tempfile::tempdir().unwrap();
        let mut options = self.options(&spool);
        change(&mut options);
        let registries = Registries::new(options);
        let reference = format!("{}/app:1", self.address).parse().unwrap();
        registries.may_push(&reference).await?;
        let mut file = registries.scratch().await.unwrap();
        file.write_all(layer).unwrap();
        let exported = Exported {
            digest: digest_of(layer).parse().unwrap(),
            diff_id: "a".repeat(64).parse().unwrap(),
            bytes: layer.len() as u64,
        };
        let template = SandboxTemplate::default();
        let image = Outgoing { layer: file, exported, template, config: None, with_credentials };
        registries.push(&reference, image, progress).await
    }

    /// What it has at this path.
    pub(crate) fn thing(&self, path: &str) -> Option<Vec<u8>> {
        self.content.lock().things.get(&format!("/v2/app/{path}")).cloned()
    }

    pub(crate) fn asked(&self) -> Vec<String> {
        self.content.lock().asked.clone()
    }

    /// Fetches `app` by a tag, or by `@sha256:` and a digest, with little patience.
    pub(crate) async fn fetch(&self, which: &str) -> Result<Fetched, RegistryError> {
        self.fetch_with(which, |_| {}, &|_| {}).await
    }

    pub(crate) async fn fetch_with(
        &self,
        which: &str,
        change: impl FnOnce(&mut Options),
        progress: &(dyn Fn(PullProgress) + Send + Sync),
    ) -> Result<Fetched, RegistryError> {
        let spool = tempfile::tempdir().unwrap();
        let mut options = self.options(&spool);
        change(&mut options);
        let registries = Registries::new(options);
        let separator = if which.starts_with('@') { "" } else { ":" };
        let reference = format!("{}/app{separator}{which}", self.address).parse().unwrap();
        let fetched = registries.fetch(&reference, 1 << 20, self.known.as_deref(), progress).await;
        // However it ends, nothing has a name.
        assert_eq!(std::fs::read_dir(spool.path()).unwrap().count(), 0);
        fetched
    }
}

async fn answer(State(registry): State<Registry>, request: Request) -> Response {
    let path = request.uri().path().to_owned();
    let (thing, fault, address) = {
        let mut content = registry.content.lock();
        let shown = request.uri().path_and_query().unwrap().to_string();
        let word =
            |name| request.headers().get(name).map_or("-", |value: &HeaderValue| value.to_str().unwrap());
        let method =
            if request.method() == Method::GET { String::new() } else { format!("{} ", request.method()) };
        let line = format!("{method}{shown} {} {}", word(header::RANGE), word(header::AUTHORIZATION));
        content.asked.push(line);
        let fault = content.faults.get_mut(&path).and_then(VecDeque::pop_front);
        (content.things.get(&path).cloned(), fault, content.address.clone())
    };
    if request.method() != Method::GET && path != "/token" {
        return written(registry, request, &path, thing.is_some(), fault, &address).await;
    }
    if path == "/token" {
        return plain(StatusCode::OK, br#"{"token": "good"}"#.to_vec());
    }
    let Some(thing) = thing else { return plain(StatusCode::NOT_FOUND, Vec::new()) };
    let Some(fault) = fault else { return whole_or_part(thing, request.headers(), 0) };
    match fault {
        Fault::Cut(bytes) => begun(thing, bytes, false),
        Fault::Hang(bytes) => begun(thing, bytes, true),
        Fault::Mute => std::future::pending().await,
        Fault::Status(status, name, value) => {
            let mut response = plain(StatusCode::from_u16(status).unwrap(), Vec::new());
            response.headers_mut().insert(name, HeaderValue::from_static(value));
            response
        }
        Fault::Whole => plain(StatusCode::OK, thing),
        Fault::WrongPart => whole_or_part(thing, request.headers(), 1),
        Fault::Other(other) => plain(StatusCode::OK, other),
        Fault::WantsToken => challenge(&format!("Bearer realm=\"http://{address}/token\",service=\"here\"")),
        Fault::WantsPassword => challenge("Basic realm=\"here\""),
    }
}

/// A request of who pushes. What is put at the place of an upload becomes the blob of the digest that is named with it.
async fn written(
    registry: Registry,
    request: Request,
    path: &str,
    is_there: bool,
    fault: Option<Fault>,
    address: &str,
) -> Response {
    match fault {
        None => {}
        Some(Fault::Mute) => std::future::pending().await,
        Some(Fault::Status(status, name, value)) => {
            let mut response = plain(StatusCode::from_u16(status).unwrap(), b"said why".to_vec());
            response.headers_mut().insert(name, HeaderValue::from_static(value));
            return response;
        }
        Some(Fault::WantsToken) => {
            return challenge(&format!("Bearer realm=\"http://{address}/token\",service=\"here\""));
        }
        Some(Fault::WantsPassword) => return challenge("Basic realm=\"here\""),
        Some(other) => panic!("{other:?}"),
    }
    let (method, query) = (request.method().clone(), request.uri().query().unwrap_or_default().to_owned());
    let body = axum::body::to_bytes(request.into_body(), 64 << 20).await.unwrap().to_vec();
    match method {
        Method::HEAD => plain(if is_there { StatusCode::OK } else { StatusCode::NOT_FOUND }, Vec::new()),
        Method::POST => {
            let mut response = plain(StatusCode::ACCEPTED, Vec::new());
            response
                .headers_mut()
                .insert(header::LOCATION, HeaderValue::from_static("/v2/app/upload?state=x"));
            response
        }
        _ => {
            let place = match query.split("digest=sha256%3A").nth(1) {
                Some(digest) => format!("/v2/app/blobs/sha256:{digest}"),
                None => path.to_owned(),
            };
            registry.content.lock().things.insert(place, body);
            plain(StatusCode::CREATED, Vec::new())
        }
    }
}

fn challenge(text: &str) -> Response {
    let mut response = plain(StatusCode::UNAUTHORIZED, Vec::new());
    response.headers_mut().insert(header::WWW_AUTHENTICATE, text.parse().unwrap());
    response
}

fn plain(status: StatusCode, body: Vec<u8>) -> Response {
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = status;
    response
}

fn whole_or_part(thing: Vec<u8>, headers: &HeaderMap, off: usize) -> Response {
    let from = headers.get(header::RANGE).and_then(|value| value.to_str().unwrap().strip_prefix("bytes="));
    let Some(from) = from.map(|text| text.trim_end_matches('-').parse::<usize>().unwrap() + off) else {
        return plain(StatusCode::OK, thing);
    };
    let range = format!("bytes {from}-{}/{}", thing.len() - 1, thing.len());
    let mut response = plain(StatusCode::PARTIAL_CONTENT, thing[from..].to_vec());
    response.headers_mut().insert(header::CONTENT_RANGE, range.parse().unwrap());
    response
}

/// The beginning of an answer that says that it is whole.
fn begun(thing: Vec<u8>, bytes: usize, hangs: bool) -> Response {
    let length = thing.len();
    let start = Bytes::from(thing).slice(..bytes);
    let pieces = futures_util::stream::unfold(Some(start), move |start| async move {
        match start {
            Some(start) => Some((Ok(start), None)),
            None if hangs => std::future::pending().await,
            None => {
                // Whoever waits for more sends what there is.
                tokio::time::sleep(std::time::Duration::from_millis(20)).await;
                Some((Err(std::io::Error::other("cut")), None))
            }
        }
    });
    let mut response = Response::new(Body::from_stream(pieces));
    response.headers_mut().insert(header::CONTENT_LENGTH, length.into());
    response
}
