//! The demo flow of the Sandbox Platform document, sections 1 to 9, with the very commands that it prints.
//!
//! Only what a reader of the document would do is done to them: the port is the test's own, `export X="<…>"` is filled in from the
//! answer before, and `wscat` is a client of ours. What section 7 destroys is not there for sections 8 and 9, which are about the
//! clone.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use futures_util::{SinkExt as _, StreamExt as _};
use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio_tungstenite::tungstenite::Message;

use crate::harness::{Atoll, until};

const FLOW: &str = include_str!("demo/flow.md");
const PATIENCE: Duration = Duration::from_secs(20);

/// The commands of one section.
#[derive(Debug)]
struct Section {
    /// For the shell.
    script: String,
    /// Addresses of its WebSockets.
    sockets: Vec<String>,
}

/// The blocks of `bash` below the heading `### N. …`.
fn section(number: u32) -> Section {
    let heading = format!("### {number}. ");
    let text = FLOW.split("\n### ").find(|part| format!("### {part}").starts_with(&heading)).unwrap();
    let blocks = text.split("```bash\n").skip(1).map(|rest| rest.split("```").next().unwrap());
    let lines: Vec<&str> = blocks.flat_map(str::lines).collect();
    let address =
        |line: &&str| line.strip_prefix("wscat -c \"").map(|rest| rest.trim_end_matches('"').to_owned());
    let sockets: Vec<_> = lines.iter().filter_map(address).collect();
    let script = lines.iter().filter(|line| address(line).is_none() && !is_placeholder(line));
    let script: Vec<_> = script.copied().collect();
    Section { script: script.join("\n"), sockets }
}

/// What a reader fills in.
fn is_placeholder(line: &str) -> bool {
    line.starts_with("export ") && line.contains("=\"<")
}

/// Whoever follows the document.
struct Reader<'a> {
    atoll: &'a Atoll,
    variables: Vec<(&'static str, String)>,
}

impl Reader<'_> {
    fn set(&mut self, name: &'static str, value: &Value) {
        self.variables.retain(|(other, _)| *other != name);
        self.variables.push((name, value.as_str().unwrap().to_owned()));
    }

    fn base(&self) -> String {
        self.atoll.client.base_url().replace("127.0.0.1", "localhost")
    }

    /// Runs the commands of a section; the `data` of each answer.
    fn follow(&self, section: &Section) -> Vec<Value> {
        let script = section.script.replace("http://localhost:3001", &self.base());
        assert!(script.contains("curl ") && !script.contains(":3001"), "{script}");
        let mut bash = Command::new("bash");
        bash.args(["-euo", "pipefail", "-c", &script]).env_clear().env("PATH", "/usr/bin:/bin");
        let done = bash.envs(self.variables.iter().cloned()).stdin(Stdio::null()).output().unwrap();
        let said = String::from_utf8(done.stdout).unwrap();
        assert!(done.status.success(), "{script}\n{said}{}", String::from_utf8_lossy(&done.stderr));
        let answers = serde_json::Deserializer::from_str(&said).into_iter::<Value>();
        let data = |answer: serde_json::Result<Value>| {
            let answer = answer.unwrap();
            assert_eq!(answer["success"], true, "{script}\n{answer:#}");
            answer["data"].clone()
        };
        answers.map(data).collect()
    }

    /// The only answer of a section.
    fn answer(&self, number: u32) -> Value {
        let mut answers = self.follow(&section(number));
        assert_eq!(answers.len(), 1, "{answers:#?}");
        answers.remove(0)
    }

    /// Connects to an address as `wscat -c` would.
    async fn connect(
        &self,
        address: &str,
    ) -> tokio_tungstenite::WebSocketStream<tokio_tungstenite::MaybeTlsStream<tokio::net::TcpStream>> {
        let mut address = address.replace("ws://localhost:3001", &self.base().replacen("http", "ws", 1));
        for (name, value) in &self.variables {
            address = address.replace(&format!("${name}"), value);
        }
        assert!(!address.contains('$'), "{address}");
        tokio_tungstenite::connect_async(address).await.unwrap().0
    }
}

/// An image with Debian's nginx, made once for all runs.
fn nginx() -> PathBuf {
    let file = Path::new(env!("CARGO_TARGET_TMPDIR")).join("nginx.tar");
    if file.exists() {
        return file;
    }
    let new = file.with_extension("new.tar");
    let made = Command::new("mmdebstrap")
        .args(["--variant=minbase", "--include=nginx-light", "--quiet"])
        // As the image of that name has it: what nginx logs is the output of its process.
        .arg("--customize-hook=ln -sf /dev/stdout \"$1/var/log/nginx/access.log\"")
        .arg("--customize-hook=ln -sf /dev/stderr \"$1/var/log/nginx/error.log\"")
        .args(["bookworm", new.to_str().unwrap()])
        .output()
        .unwrap_or_else(|error| panic!("mmdebstrap: {error}: scripts/nextest.sh installs it"));
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    std::fs::rename(new, &file).unwrap();
    file
}

/// What is behind a port of the host.
async fn page(port: &Value) -> Option<String> {
    let port = u16::try_from(port.as_u64()?).ok()?;
    let mut stream = tokio::net::TcpStream::connect(("127.0.0.1", port)).await.ok()?;
    stream.write_all(b"GET / HTTP/1.0\r\n\r\n").await.ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.ok()?;
    answer.contains("Welcome to nginx!").then_some(answer)
}

#[tokio::test]
async fn the_demo_flow_works_as_it_is_printed() {
    let atoll = Atoll::start().await;
    let image = nginx();
    let import = ["image", "import", "nginx:alpine", image.to_str().unwrap(), "--user", "root", "--"];
    let import = atoll.cli(&[&import[..], &["nginx", "-g", "daemon off;"]].concat());
    assert!(import.status.success(), "{}", String::from_utf8_lossy(&import.stderr));

    let mut reader = Reader { atoll: &atoll, variables: Vec::new() };
    let account = reader.answer(1);
    assert_eq!(account["user"]["email"], "demo@example.com");
    reader.set("TOKEN", &account["token"]);
    assert!(reader.answer(2)["key"].as_str().unwrap().starts_with("sk_"));
    let environment = reader.answer(3);
    assert_eq!((&environment["name"], &environment["version"]), (&"nginx-demo".into(), &1.into()));
    reader.set("ENV_ID", &environment["id"]);
    let secret = reader.answer(4);
    assert!(secret["key"] == "API_KEY" && !secret.to_string().contains("super-secret-value"), "{secret}");

    let sandbox = reader.answer(5);
    assert_eq!((&sandbox["state"], &sandbox["name"]), (&"running".into(), &"demo-sandbox".into()));
    assert_eq!((&sandbox["environmentId"], &sandbox["ttlSeconds"]), (&environment["id"], &3_600.into()));
    assert_eq!(sandbox["memoryBytes"], 256 << 20);
    assert!(!sandbox.to_string().contains("super-secret-value"), "{sandbox}");
    reader.set("SANDBOX_ID", &sandbox["id"]);
    let served = async |sandbox: &Value| {
        let port = sandbox["ports"][0]["host"].clone();
        until("nginx on its published port", PATIENCE, async || page(&port).await).await;
    };
    served(&sandbox).await;
    given(&reader, &sandbox).await;

    let logged = |data: &Value| data.to_string().contains("GET / HTTP/1.0");
    until("the log", PATIENCE, async || logged(&reader.answer(6)).then_some(())).await;
    let mut lines = reader.connect(&section(6).sockets[0]).await;
    let line = tokio::time::timeout(PATIENCE, async {
        while let Some(message) = lines.next().await {
            if message.unwrap().to_string().contains("GET / HTTP/1.0") {
                return true;
            }
        }
        false
    });
    assert!(line.await.unwrap(), "the log is streamed");

    let [stopped, started, clone, destroyed] = &reader.follow(&section(7))[..] else {
        panic!("four answers")
    };
    assert_eq!((&stopped["state"], &started["state"]), (&"stopped".into(), &"running".into()));
    assert_eq!((&clone["name"], &clone["state"]), (&"demo-sandbox-clone".into(), &"running".into()));
    assert_eq!((&destroyed["id"], &destroyed["deleted"]), (&sandbox["id"], &true.into()));
    served(clone).await;
    given(&reader, clone).await;

    reader.set("SANDBOX_ID", &clone["id"]);
    type_in(&reader).await;
    let metrics = reader.answer(9);
    assert_eq!(
        (&metrics["cpu"]["cores"], &metrics["memory"]["limitBytes"]),
        (&1.0.into(), &(256 << 20).into())
    );
    for number in [
        &metrics["cpu"]["usagePercent"],
        &metrics["cpu"]["systemPercent"],
        &metrics["memory"]["usageBytes"],
        &metrics["memory"]["usagePercent"],
        &metrics["network"]["rxBytes"],
        &metrics["network"]["txPackets"],
        &metrics["io"]["readBytes"],
    ] {
        assert!(number.is_number(), "{metrics:#}");
    }
    leave(&reader).await;
    assert!(atoll.cli(&["image", "rm", "nginx:alpine"]).status.success());
    assert!(!atoll.log().contains("super-secret-value"));
    atoll.finish().await;
}

/// A client of the reader's.
fn client(reader: &Reader<'_>) -> atoll_client::Client {
    let token = &reader.variables.iter().find(|(name, _)| *name == "TOKEN").unwrap().1;
    atoll_client::Client::new(reader.atoll.client.base_url(), Some(token)).unwrap()
}

/// The variable and the secret of the environment are in its commands. Its main process writes over its own.
async fn given(reader: &Reader<'_>, sandbox: &Value) {
    let id = sandbox["id"].as_str().unwrap().parse().unwrap();
    let line = crate::harness::line("echo $NGINX_HOST $API_KEY");
    let exec = client(reader).exec_run(&id, &line).await.unwrap();
    assert_eq!(exec.stdout.as_deref(), Some("localhost super-secret-value\n"), "{exec:?}");
}

/// Section 8: a terminal, as `wscat` would use it.
async fn type_in(reader: &Reader<'_>) {
    let mut terminal = reader.connect(&section(8).sockets[0]).await;
    terminal.send(Message::Text("echo \"[$API_KEY]\"; exit 7\r".into())).await.unwrap();
    let mut shown = String::new();
    let code = loop {
        match tokio::time::timeout(PATIENCE, terminal.next()).await.unwrap().unwrap().unwrap() {
            Message::Binary(data) => shown += &String::from_utf8_lossy(&data),
            Message::Close(frame) => break frame.unwrap().reason.to_string(),
            _ => {}
        }
    };
    assert!(code == "exited 7" && shown.contains("[super-secret-value]"), "{code}: {shown}");
}

/// The reader's things go.
async fn leave(reader: &Reader<'_>) {
    let client = client(reader);
    for sandbox in client.sandbox_list_all(&atoll_client::SandboxFilter::default()).await.unwrap() {
        client.sandbox_delete(&sandbox.id.parse().unwrap()).await.unwrap();
    }
}
