//! A server of our own, and the few requests that the benchmark makes.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use serde_json::{Value, json};

use crate::http::Connection;

/// How long the server may take to come up, and to end.
const PATIENCE: Duration = Duration::from_secs(60);
/// More than the benchmark makes; the default is for people.
const SANDBOXES_MAX: &str = "1100";
/// The same for what a measurement does again and again.
const UNBOUNDED: &str = "1000000";
const EMAIL: &str = "bench@atoll.local";
const PASSWORD: &str = "benchmarks-only-here";

/// A running server with an account.
#[derive(Debug)]
pub(crate) struct Server {
    supervisor: Child,
    program: PathBuf,
    data: PathBuf,
    address: SocketAddr,
    token: String,
}

/// A client with one keep-alive connection.
#[derive(Debug)]
pub(crate) struct Client {
    connection: Connection,
}

impl Server {
    /// Starts it on a free port, with its data below `scratch`.
    pub(crate) fn start(program: &Path, scratch: &Path) -> anyhow::Result<Self> {
        Self::start_with(program, scratch, &[])
    }

    /// The same, with flags.
    pub(crate) fn start_with(program: &Path, scratch: &Path, flags: &[&str]) -> anyhow::Result<Self> {
        let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port();
        let (data, log_path) = (scratch.join("atoll"), scratch.join("atoll.log"));
        let log = std::fs::File::create(&log_path)?;
        let mut supervisor = Command::new(program)
            .arg("serve")
            .arg("--data-dir")
            .arg(&data)
            .args(["--port", &port.to_string()])
            .args(flags)
            .env("ATOLL_ADMIN_EMAIL", EMAIL)
            .env("ATOLL_ADMIN_PASSWORD", PASSWORD)
            .env("ATOLL_SANDBOXES_PER_USER", SANDBOXES_MAX)
            .envs(["ATOLL_CPU_PER_USER", "ATOLL_EXECS_PER_HOUR_PER_USER"].map(|name| (name, UNBOUNDED)))
            .env("ATOLL_EXECS_PER_HOUR_PER_SANDBOX", UNBOUNDED)
            .envs(["ATOLL_STORAGE_PER_USER", "ATOLL_MEMORY_PER_USER"].map(|name| (name, "1000TiB")))
            // One account asks as fast as it can.
            .env("ATOLL_RATE_LIMIT_ANONYMOUS", "off")
            .env("ATOLL_RATE_LIMIT_USER", "off")
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()
            .with_context(|| format!("starting {}", program.display()))?;
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        match log_in(&mut supervisor, address) {
            Ok(token) => Ok(Self { supervisor, program: program.to_owned(), data, address, token }),
            Err(error) => {
                crate::process::terminate(&mut supervisor, PATIENCE)?;
                let log = std::fs::read_to_string(&log_path).unwrap_or_default();
                Err(error.context(format!("the server's log: {log}")))
            }
        }
    }

    pub(crate) fn client(&self) -> anyhow::Result<Client> {
        Ok(Client { connection: Connection::open(self.address, Some(self.token.clone()))? })
    }

    /// A key of the account's, which outlives its log-ins: those beyond a hundred end the first.
    pub(crate) fn make_key(&self) -> anyhow::Result<String> {
        let data = self.client()?.connection.call("POST", "/api-keys", Some(&json!({"name": "bench"})))?;
        text(&data, "key")
    }

    /// Who comes with a key.
    pub(crate) fn client_with(&self, key: &str) -> anyhow::Result<Client> {
        Ok(Client { connection: Connection::open(self.address, Some(key.to_owned()))? })
    }

    /// The command line, with this server and its account.
    pub(crate) fn cli(&self) -> Command {
        let mut command = Command::new(&self.program);
        command.env("ATOLL_URL", format!("http://{}", self.address)).env("ATOLL_TOKEN", &self.token);
        command
    }

    /// Its data folder.
    pub(crate) fn data(&self) -> &Path {
        &self.data
    }

    /// Id of the installation, which names on the host carry.
    pub(crate) fn installation(&self) -> anyhow::Result<String> {
        let id = std::fs::read_to_string(self.data.join("installation"))
            .context("reading the installation's id")?;
        Ok(id.trim().to_owned())
    }

    /// Process id of the root of Atoll's processes.
    pub(crate) fn pid(&self) -> u32 {
        self.supervisor.id()
    }

    /// One log-in more, on a connection of its own.
    pub(crate) fn log_in_again(&self) -> anyhow::Result<()> {
        let account = json!({"email": EMAIL, "password": PASSWORD});
        Connection::open(self.address, None)?.call("POST", "/auth/login", Some(&account)).map(drop)
    }

    /// Ends it, and leaves what there is.
    pub(crate) fn leave(mut self) -> anyhow::Result<()> {
        crate::process::terminate(&mut self.supervisor, PATIENCE)
    }

    /// Deletes what a failed measurement has left, since sandboxes outlive the server, and ends it.
    pub(crate) fn stop(mut self) -> anyhow::Result<()> {
        let deleted = self.client().and_then(|mut client| client.delete_all());
        crate::process::terminate(&mut self.supervisor, PATIENCE).and(deleted)
    }
}

/// Waits until the server answers, and asks for a token.
fn log_in(supervisor: &mut Child, address: SocketAddr) -> anyhow::Result<String> {
    let deadline = Instant::now() + PATIENCE;
    let mut connection = loop {
        let connection = Connection::open(address, None).and_then(|mut connection| {
            connection.call("GET", "/health/ready", None)?;
            Ok(connection)
        });
        match connection {
            Ok(connection) => break connection,
            Err(error) if Instant::now() > deadline => {
                return Err(error.context("the server does not come up"));
            }
            Err(_) => {}
        }
        if let Some(status) = supervisor.try_wait()? {
            bail!("the server ended: {status}");
        }
        std::thread::sleep(Duration::from_millis(50));
    };
    let account = json!({"email": EMAIL, "password": PASSWORD});
    let data = connection.call("POST", "/auth/login", Some(&account))?;
    text(&data, "token")
}

impl Client {
    /// Makes a sandbox of the image `host` that runs when this returns.
    pub(crate) fn create(&mut self) -> anyhow::Result<String> {
        self.create_from(&json!({"image": "host"}))
    }

    /// One with so much room for files.
    pub(crate) fn create_with_disk(&mut self, mib: u64) -> anyhow::Result<String> {
        self.create_from(&json!({"image": "host", "disk": mib}))
    }

    /// One of this description.
    pub(crate) fn create_from(&mut self, body: &Value) -> anyhow::Result<String> {
        let data = self.connection.call("POST", "/sandboxes", Some(body))?;
        ensure!(data.get("state") == Some(&json!("running")), "a new sandbox is not running: {data}");
        text(&data, "id")
    }

    /// An environment; its id.
    pub(crate) fn make_environment(&mut self, template: &Value) -> anyhow::Result<String> {
        text(&self.connection.call("POST", "/environments", Some(template))?, "id")
    }

    pub(crate) fn delete_environment(&mut self, id: &str) -> anyhow::Result<()> {
        self.connection.call("DELETE", &format!("/environments/{id}"), None).map(drop)
    }

    /// Runs a command to its end, and answers with what it wrote.
    pub(crate) fn exec(&mut self, sandbox: &str, command: &[&str]) -> anyhow::Result<String> {
        let body = json!({"command": command});
        let data = self.connection.call("POST", &format!("/sandboxes/{sandbox}/exec"), Some(&body))?;
        ensure!(data.get("exitCode") == Some(&Value::from(0)), "{command:?} failed: {data}");
        Ok(data.get("stdout").and_then(Value::as_str).unwrap_or_default().to_owned())
    }

    pub(crate) fn stop(&mut self, sandbox: &str) -> anyhow::Result<()> {
        self.connection.call("POST", &format!("/sandboxes/{sandbox}/stop"), None).map(drop)
    }

    /// Looks at a sandbox; what is told of it is not read.
    pub(crate) fn look(&mut self, sandbox: &str) -> anyhow::Result<()> {
        self.connection.fetch(&format!("/sandboxes/{sandbox}")).map(drop)
    }

    /// How many sandboxes a page of the list has, and where the next one begins.
    pub(crate) fn page(
        &mut self,
        limit: usize,
        cursor: Option<&str>,
    ) -> anyhow::Result<(usize, Option<String>)> {
        let cursor = cursor.map(|cursor| format!("&cursor={cursor}")).unwrap_or_default();
        let body = self.connection.fetch(&format!("/sandboxes?limit={limit}{cursor}"))?;
        let page: Value = serde_json::from_slice(&body)?;
        let items = page.get("data").and_then(Value::as_array).context("a page without data")?;
        Ok((items.len(), page.get("nextCursor").and_then(Value::as_str).map(str::to_owned)))
    }

    fn delete_all(&mut self) -> anyhow::Result<()> {
        loop {
            let page = self.connection.call("GET", "/sandboxes", None)?;
            let ids: Vec<_> =
                page.as_array().into_iter().flatten().filter_map(|one| one.get("id")?.as_str()).collect();
            if ids.is_empty() {
                return Ok(());
            }
            ids.into_iter().try_for_each(|id| self.delete(id))?;
        }
    }

    pub(crate) fn delete(&mut self, sandbox: &str) -> anyhow::Result<()> {
        self.connection.call("DELETE", &format!("/sandboxes/{sandbox}"), None).map(drop)
    }
}

fn text(data: &Value, field: &str) -> anyhow::Result<String> {
    data.get(field)
        .and_then(Value::as_str)
        .map(str::to_owned)
        .with_context(|| format!("no {field} in {data}"))
}
