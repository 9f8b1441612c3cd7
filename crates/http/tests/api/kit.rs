//! A server on a free port, and clients of it.

use std::collections::{BTreeSet, HashMap};
use std::fs::File;
use std::io::{Read, Seek};
use std::net::SocketAddr;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use async_trait::async_trait;
use atoll_engine::{Caller, Engine, Ports, Runtimes, SessionSettings, Settings};
use atoll_http::{Access, Api, ApiSettings, Observability, Protection, TokenKeys};
use atoll_ports::{
    BuildError, BuildOrder, BuildSource, Exported, ImageBuilder, ImageSize, Images, ImagesError, Imported,
    Store,
};
use atoll_tasks::{CancellationToken, Tasks};
use atoll_testkit::{
    FakeAgents, FakeExecLogs, FakeFiles, FakeHostPorts, FakeRegistry, FakeRuntime, FakeStore, ManualClock,
};
use atoll_types::{ImageBuilds, ImageDigest, NodeId, Quota};
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};
use reqwest::{Method, Response};
use serde_json::{Value, json};
use tokio::sync::watch;

pub(crate) const SECRET: [u8; 32] = [7; 32];
/// Bytes of an archive that the test server takes.
pub(crate) const ARCHIVE_BYTES_MAX: u64 = 1 << 20;

/// Image content in memory: what begins with `tar` is an archive.
#[derive(Debug, Default)]
pub(crate) struct MemoryImages;

#[async_trait]
impl Images for MemoryImages {
    async fn import(&self, mut archive: File, _: u64) -> Result<Imported, ImagesError> {
        let mut bytes = Vec::new();
        archive.read_to_end(&mut bytes).unwrap();
        if !bytes.starts_with(b"tar") {
            return Err(ImagesError::BadArchive("this is not a tar".to_owned()));
        }
        let digest: ImageDigest = format!("{:064x}", bytes.len()).parse().unwrap();
        Ok(Imported { digest, size_bytes: bytes.len().try_into().unwrap(), config: None })
    }

    async fn known_layers(&self, _: &[ImageDigest]) -> Result<usize, ImagesError> {
        Ok(0)
    }

    async fn sizes(&self) -> Result<HashMap<ImageDigest, ImageSize>, ImagesError> {
        let first = format!("{:064x}", "tar of a system".len()).parse().unwrap();
        Ok(HashMap::from([(first, ImageSize { shared_bytes: 3, unique_bytes: 12 })]))
    }

    async fn export(&self, digest: &ImageDigest, _: File, _: u64) -> Result<Exported, ImagesError> {
        Ok(Exported { digest: digest.clone(), diff_id: digest.clone(), bytes: 5 })
    }

    async fn list(&self) -> Result<Vec<ImageDigest>, ImagesError> {
        Ok(Vec::new())
    }

    async fn remove(&self, _: &ImageDigest) -> Result<(), ImagesError> {
        Ok(())
    }
}

/// Builds what it is given: the image is the context. Needs the image `base` by the Dockerfile `base`, and fails by `fails`.
#[derive(Debug)]
struct FakeBuilder;

#[async_trait]
impl ImageBuilder for FakeBuilder {
    async fn images(&self, source: &BuildSource) -> Result<BTreeSet<String>, BuildError> {
        match source.dockerfile.as_str() {
            "base" => Ok(["a.example/base:1".to_owned()].into()),
            "none" => Err(BuildError::BadContext("the context has no file 'none'".to_owned())),
            _ => Ok(BTreeSet::new()),
        }
    }

    async fn build(
        &self,
        source: &BuildSource,
        order: BuildOrder,
        output: &(dyn for<'t> Fn(&'t str) + Send + Sync),
    ) -> Result<(), BuildError> {
        output(&format!("Step 1/1 : {:?} {:?}\n", source.args, source.target));
        if source.dockerfile == "fails" {
            return Err(BuildError::Failed("returned a non-zero code: 7".to_owned()));
        }
        std::io::copy(&mut &source.context, &mut &order.into).unwrap();
        (&order.into).rewind().unwrap();
        Ok(())
    }
}

/// How the test server differs from the usual one.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Options {
    pub(crate) single_user: bool,
    pub(crate) async_exec: bool,
    pub(crate) signup_closed: bool,
    pub(crate) unready: bool,
    pub(crate) quota: Quota,
    /// Public sessions at once, where there are any.
    pub(crate) sessions: Option<u32>,
    /// Whether they may have the embedded runtime.
    pub(crate) sessions_weak: bool,
    /// Whether something is there that builds images.
    pub(crate) builds: bool,
    pub(crate) image_builds: ImageBuilds,
}

impl Default for Options {
    fn default() -> Self {
        let quota = Quota { cpu_millis: u64::MAX, storage_bytes: u64::MAX, ..Quota::default() };
        Self {
            single_user: false,
            async_exec: false,
            signup_closed: false,
            unready: false,
            quota,
            sessions: None,
            sessions_weak: true,
            builds: true,
            image_builds: ImageBuilds::default(),
        }
    }
}

pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    pub(crate) agents: FakeAgents,
    pub(crate) runtime: Arc<FakeRuntime>,
    pub(crate) store: Arc<FakeStore>,
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) host_ports: FakeHostPorts,
    pub(crate) registry: FakeRegistry,
    pub(crate) tasks: Tasks,
    pub(crate) stopping: CancellationToken,
    pub(crate) ready: watch::Sender<bool>,
}

impl Server {
    pub(crate) async fn start() -> Self {
        Self::with(Options::default()).await
    }

    pub(crate) async fn with(options: Options) -> Self {
        Self::made(options, Protection::default()).await
    }

    /// One that looks at its clients like this.
    pub(crate) async fn protected(protection: Protection) -> Self {
        Self::made(Options::default(), protection).await
    }

    pub(crate) async fn made(options: Options, protection: Protection) -> Self {
        let tasks = Tasks::new();
        let connections = tasks.group("connections");
        let clock = Arc::new(ManualClock::new());
        let agents = FakeAgents::new(clock.clone());
        let runtime = Arc::new(FakeRuntime::new(agents.clone()));
        let store = Arc::new(FakeStore::new());
        let host_ports = FakeHostPorts::default();
        let registry = FakeRegistry::default();
        let ports = Ports {
            store: store.clone(),
            runtimes: Runtimes::new([runtime.clone() as Arc<_>]),
            images: Arc::new(MemoryImages),
            registry: Arc::new(registry.clone()),
            builder: options.builds.then(|| Arc::new(FakeBuilder) as Arc<_>),
            agents: Arc::new(agents.clone()),
            terminals: Arc::new(agents.clone()),
            files: Arc::new(FakeFiles::default()),
            exec_logs: Arc::new(FakeExecLogs::new()),
            clock: clock.clone(),
            host_ports: Arc::new(host_ports.clone()),
            seal: Arc::new(atoll_testkit::keyring()),
        };
        let settings = Settings {
            signup_open: !options.signup_closed,
            quota: options.quota,
            image_builds: options.image_builds,
            sessions: options.sessions.map(|sessions_max| SessionSettings {
                sessions_max,
                allow_native: options.sessions_weak,
                ..SessionSettings::default()
            }),
            ..Settings::defaults(NodeId::random())
        };
        let engine = Engine::new(ports, settings, &tasks);
        engine.boot().await.unwrap();
        let stopping = CancellationToken::new();
        let (ready, is_ready) = watch::channel(!options.unready);
        let settings = ApiSettings {
            access: access(&engine, &store, options.single_user).await.protected(protection),
            async_exec: options.async_exec,
            archive_bytes_max: ARCHIVE_BYTES_MAX,
            spool: File::open("/tmp").unwrap().into(),
            observability: observability(),
            ready: is_ready,
            stopping: stopping.clone(),
        };
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let router = atoll_http::router(Api::new(engine.clone(), settings));
        atoll_http::serve(&connections, listener, router).unwrap();
        Self { address, agents, runtime, store, clock, host_ports, registry, tasks, stopping, ready }
    }

    /// A client without a token.
    pub(crate) fn anonymous(&self) -> Client {
        Client { base: format!("http://{}", self.address), token: None, http: reqwest::Client::new() }
    }

    /// A client with the token of a new account.
    pub(crate) async fn user(&self, name: &str) -> Client {
        let body = json!({"email": format!("{name}@example.com"), "password": "password123"});
        let answer = self.anonymous().post("/auth/signup", body).await;
        assert_eq!(answer.status, 201, "{}", answer.body);
        self.anonymous().with_token(answer.body["data"]["token"].as_str().unwrap())
    }
}

/// The metrics of this process.
fn observability() -> Observability {
    static HANDLE: OnceLock<PrometheusHandle> = OnceLock::new();
    let handle = HANDLE.get_or_init(|| {
        let handle = PrometheusBuilder::new().install_recorder().unwrap();
        atoll_engine::describe_metrics(false);
        atoll_http::describe_metrics();
        handle
    });
    Observability::new(Arc::new(|| handle.render()), None)
}

async fn access(engine: &Engine, store: &FakeStore, single_user: bool) -> Access {
    if !single_user {
        return Access::tokens(TokenKeys::new(&SECRET, Duration::from_secs(3_600)).unwrap());
    }
    let (email, _) = engine.ensure_first_account(None, None).await.unwrap().unwrap();
    let user = store.user_by_email(&email).await.unwrap().unwrap();
    Access::single_user(Caller { user: user.id, role: user.role })
}

#[derive(Clone)]
pub(crate) struct Client {
    pub(crate) base: String,
    pub(crate) token: Option<String>,
    pub(crate) http: reqwest::Client,
}

/// An answer with its body as JSON.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: reqwest::header::HeaderMap,
    pub(crate) body: Value,
}

impl Answer {
    pub(crate) async fn of(response: Response) -> Self {
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let text = response.text().await.unwrap();
        let body = serde_json::from_str(&text).unwrap_or_else(|_| panic!("{status} is not JSON: {text:?}"));
        let answer = Self { status, headers, body };
        answer.check_envelope();
        answer
    }

    /// Every answer is in the envelope, or a bare one of health, and carries its trace id.
    fn check_envelope(&self) {
        let trace = self.headers["x-trace-id"].to_str().unwrap();
        assert_eq!(trace.len(), 32, "{trace}");
        assert_eq!(self.headers["content-type"], "application/json");
        match self.body["success"].as_bool() {
            Some(true) => assert!(self.status < 300 && self.body.get("data").is_some(), "{self:?}"),
            Some(false) => {
                assert!(self.status >= 400, "{self:?}");
                assert_eq!(self.body["error"]["traceId"], trace);
                assert!(!self.code().is_empty() && !self.message().is_empty(), "{self:?}");
            }
            None => {
                assert!(self.body.get("status").is_some() || self.body.get("openapi").is_some(), "{self:?}")
            }
        }
    }

    pub(crate) fn data(&self) -> &Value {
        assert!(self.status < 300, "{self:?}");
        &self.body["data"]
    }

    pub(crate) fn code(&self) -> &str {
        self.body["error"]["code"].as_str().unwrap_or_default()
    }

    pub(crate) fn message(&self) -> &str {
        self.body["error"]["message"].as_str().unwrap_or_default()
    }

    /// The fields that `details` names.
    pub(crate) fn fields(&self) -> Vec<&str> {
        let details = self.body["error"]["details"].as_array();
        details.into_iter().flatten().filter_map(|detail| detail["field"].as_str()).collect()
    }

    pub(crate) fn is(&self, status: u16, code: &str) {
        assert_eq!((self.status, self.code()), (status, code), "{self:?}");
    }
}

impl Client {
    pub(crate) fn with_token(&self, token: &str) -> Self {
        Self { token: Some(token.to_owned()), ..self.clone() }
    }

    pub(crate) fn request(&self, method: Method, path: &str) -> reqwest::RequestBuilder {
        let request = self.http.request(method, format!("{}{path}", self.base));
        match &self.token {
            Some(token) => request.bearer_auth(token),
            None => request,
        }
    }

    pub(crate) async fn send(&self, request: reqwest::RequestBuilder) -> Answer {
        Answer::of(request.send().await.unwrap()).await
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.send(self.request(Method::GET, path)).await
    }

    pub(crate) async fn delete(&self, path: &str) -> Answer {
        self.send(self.request(Method::DELETE, path)).await
    }

    pub(crate) async fn post(&self, path: &str, body: Value) -> Answer {
        self.send(self.request(Method::POST, path).json(&body)).await
    }

    /// Without a body.
    pub(crate) async fn act(&self, path: &str) -> Answer {
        self.send(self.request(Method::POST, path)).await
    }

    /// A body as it is, said to be JSON.
    pub(crate) async fn raw(&self, path: &str, body: impl Into<reqwest::Body>) -> Answer {
        self.send(self.request(Method::POST, path).header("content-type", "application/json").body(body))
            .await
    }

    /// A new sandbox's id.
    pub(crate) async fn sandbox(&self) -> String {
        let answer = self.post("/sandboxes", json!({})).await;
        answer.data()["id"].as_str().unwrap().to_owned()
    }

    /// An exec that runs on; its id.
    pub(crate) async fn sleeper(&self, sandbox: &str) -> String {
        let body = json!({"command": ["sleep", "60"], "async": true, "openStdin": true});
        let answer = self.post(&format!("/sandboxes/{sandbox}/exec"), body).await;
        assert_eq!(answer.status, 202, "{answer:?}");
        answer.data()["id"].as_str().unwrap().to_owned()
    }
}
