//! Public sessions of real sandboxes: begun without an account, narrow, and gone by themselves.

use std::process::Command;
use std::time::Duration;

use futures_util::{SinkExt as _, StreamExt as _};
use serde_json::Value;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;

use crate::harness::{Atoll, Dockerd, Role, until};
use crate::runtimes::{IMAGE, finish, import};

/// Guard against what never happens.
const PATIENCE: Duration = Duration::from_secs(60);
const PAGE: &str = "https://learn.example.com";
const ON: [&str; 4] = ["--sessions", "--sessions-allow-native", "--sessions-origins", PAGE];

/// Asks as a program that has no account.
fn ask(atoll: &Atoll, method: &str, path: &str, headers: &[&str]) -> Value {
    let mut curl = Command::new("curl");
    curl.args(["-sS", "--noproxy", "*", "-X", method]).arg(format!("{}{path}", atoll.client.base_url()));
    curl.args(headers.iter().flat_map(|header| ["-H", header]));
    let output = curl.output().unwrap();
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {output:?}"))
}

pub(super) fn begin(atoll: &Atoll, path: &str) -> String {
    let answer = ask(atoll, "POST", path, &[&format!("origin: {PAGE}")]);
    answer["data"]["id"].as_str().unwrap_or_else(|| panic!("{answer}")).to_owned()
}

fn code(answer: &Value) -> &str {
    answer["error"]["code"].as_str().unwrap_or_default()
}

/// Ends every session, as an admin does.
pub(super) async fn end_all(atoll: &Atoll) {
    for session in atoll.client.admin_session_list(None).await.unwrap().items {
        atoll.client.sandbox_delete(&session.id.parse().unwrap()).await.unwrap();
    }
}

/// The sessions that an admin sees.
pub(super) async fn listed(atoll: &Atoll) -> usize {
    atoll.client.admin_session_list(None).await.unwrap().items.len()
}

struct Page {
    socket: tokio_tungstenite::WebSocketStream<tokio_tungstenite::MaybeTlsStream<tokio::net::TcpStream>>,
    shown: String,
}

impl Page {
    async fn of(atoll: &Atoll, id: &str, origin: &str) -> Result<Self, u16> {
        let base = atoll.client.base_url().replacen("http", "ws", 1);
        let mut request = format!("{base}/sessions/{id}?cols=200").into_client_request().unwrap();
        request.headers_mut().insert("origin", origin.parse().unwrap());
        match tokio_tungstenite::connect_async(request).await {
            Ok((socket, _)) => Ok(Self { socket, shown: String::new() }),
            Err(tokio_tungstenite::tungstenite::Error::Http(refused)) => Err(refused.status().as_u16()),
            Err(error) => panic!("{error}"),
        }
    }

    async fn enter(&mut self, line: &str) {
        self.socket.send(Message::Text(format!("{line}\r").into())).await.unwrap();
    }

    /// Reads until it shows this; else the code that closed it.
    async fn until(&mut self, text: &str) -> Option<u16> {
        while !self.shown.contains(text) {
            let message = tokio::time::timeout(PATIENCE, self.socket.next()).await;
            let message = message.unwrap_or_else(|_| panic!("{text:?} never came: {:?}", self.shown));
            match message {
                Some(Ok(Message::Binary(data))) => self.shown.push_str(&String::from_utf8_lossy(&data)),
                Some(Ok(Message::Close(frame))) => return frame.map(|frame| frame.code.into()),
                Some(Ok(_)) => {}
                Some(Err(_)) | None => return Some(0),
            }
        }
        None
    }
}

#[tokio::test]
async fn a_stranger_gets_a_narrow_sandbox_and_no_more() {
    let atoll = Atoll::start_with(&[ON.as_slice(), &["--sessions-commands", "7/1h"]].concat()).await;
    let id = begin(&atoll, "/sessions");
    let mut page = Page::of(&atoll, &id, PAGE).await.unwrap_or_else(|e| panic!("{e}"));
    page.enter("echo [$(id -un)] [$(ulimit -n)] [$(ls /sys/class/net)] [$(grep -h Cap /proc/self/status | tr -d '\\n\\t')]").await;
    page.until("CapAmb:0000000000000000]").await;
    assert!(page.shown.contains("[agent] [256] [lo]"), "{}", page.shown);
    assert!(page.shown.contains("CapBnd:0000000000000000"), "{}", page.shown);
    // Its home is in memory, and nothing else can be written.
    page.enter("cd; echo kept > x; [ -w / -o -w /etc -o -w /usr -o -w /home/agent ] || echo [$PWD] [$(cat x)] closed\"\".").await;
    page.until("closed.\r\n").await;
    assert!(page.shown.contains("[/tmp] [kept] closed."), "{}", page.shown);
    page.enter("head -c 200m /dev/zero | tail | wc -c; echo end\"\"ed").await;
    page.until("ended\r\n").await;
    assert!(!page.shown.contains("209715200"), "128 MiB of memory: {}", page.shown);
    // The loop stops there, in a shell that does not try again.
    page.enter("dash -c 'for i in $(seq 80); do sleep 60 & done'; echo more\"\"over").await;
    page.until("moreover").await;
    assert!(page.shown.contains("Cannot fork"), "64 processes: {}", page.shown);

    // The others of the same network, and pages of other sites.
    assert_eq!(Page::of(&atoll, &id, "https://evil.example").await.err(), Some(403));
    let foreign = ask(&atoll, "POST", "/sessions", &["origin: https://evil.example"]);
    assert_eq!(code(&foreign), "forbidden");
    begin(&atoll, "/sessions");
    let refused = ask(&atoll, "POST", "/sessions", &[]);
    assert_eq!(code(&refused), "too_many_sessions");
    let link = atoll.cli(&["admin", "class-link", "--sessions", "2", "--expires", "5m"]);
    let link = String::from_utf8(link.stdout).unwrap().trim().to_owned();
    for _ in 0..2 {
        begin(&atoll, &format!("/sessions?class={link}"));
    }
    assert_eq!(code(&ask(&atoll, "POST", &format!("/sessions?class={link}"), &[])), "too_many_sessions");
    let shown = String::from_utf8(atoll.cli(&["admin", "sessions"]).stdout).unwrap();
    assert!(shown.matches("class-").count() == 2 && shown.matches("address-").count() == 2, "{shown}");

    // Taken back, it is good for nothing; what was begun with it goes on.
    let links = String::from_utf8(atoll.cli(&["admin", "class-links"]).stdout).unwrap();
    let class = links.lines().find_map(|line| line.split_whitespace().find(|word| word.len() == 16)).unwrap();
    assert!(atoll.cli(&["admin", "class-link-rm", class]).status.success(), "{links}");
    assert_eq!(code(&ask(&atoll, "POST", &format!("/sessions?class={link}"), &[])), "invalid_class_link");
    assert_eq!(listed(&atoll).await, 4);

    // Four lines were entered.
    page.enter("echo a").await;
    page.enter("echo b").await;
    page.enter("echo c").await;
    page.enter("echo never\"\"run").await;
    page.until("too many commands").await;
    assert!(!page.shown.contains("neverrun"), "{}", page.shown);

    let ended = ask(&atoll, "DELETE", &format!("/sessions/{id}"), &[&format!("origin: {PAGE}")]);
    assert_eq!(ended["data"]["deleted"], true, "{ended}");
    assert_eq!(page.until("nothing more comes").await, Some(4404));
    assert!(!std::fs::read_to_string(atoll.data().join("serve/logs/requests.log")).unwrap().contains(&id));
    assert!(!atoll.log().contains(&id), "its id stands in no log");
    end_all(&atoll).await;
    atoll.finish().await;
}

#[tokio::test]
async fn sessions_end_by_themselves_also_over_a_crash() {
    let flags = [ON.as_slice(), &["--sessions-ttl", "8s"]].concat();
    let mut atoll = Atoll::start_with(&flags).await;
    begin(&atoll, "/sessions");
    let before = atoll.pid(Role::Serve);
    atoll.kill(Role::Serve);
    until("its return", PATIENCE, async || atoll.pid(Role::Serve).filter(|pid| Some(*pid) != before)).await;
    atoll.ready().await;
    until("the end of its life", PATIENCE, async || (listed(&atoll).await == 0).then_some(())).await;
    atoll.finish().await;

    let atoll = Atoll::start_with(&[ON.as_slice(), &["--sessions-idle-ttl", "2s"]].concat()).await;
    begin(&atoll, "/sessions");
    until("the end of its idle time", PATIENCE, async || (listed(&atoll).await == 0).then_some(())).await;
    let log = atoll.cli(&["audit", "--output", "json"]);
    assert!(String::from_utf8_lossy(&log.stdout).contains("\"idle\""), "{log:?}");
    atoll.finish().await;
}

#[tokio::test]
async fn without_leave_strangers_get_nothing_of_the_hosts_kernel() {
    let atoll = Atoll::start_with(&["--sessions"]).await;
    assert_eq!(code(&ask(&atoll, "POST", "/sessions", &[])), "sessions_unavailable");
    atoll.finish().await;
    let atoll = Atoll::start().await;
    assert_eq!(code(&ask(&atoll, "POST", "/sessions", &[])), "sessions_disabled");
    atoll.finish().await;
}

/// Where there is gVisor, sessions are its own without a word of the operator's, with the same limits.
#[tokio::test]
async fn where_there_is_gvisor_a_stranger_gets_it() {
    assert!(Dockerd::has_gvisor(), "apt-get install runsc");
    let docker = Dockerd::start(false);
    let (host, site) = (docker.host(), format!("FRONTEND_ORIGIN={PAGE}"));
    let atoll =
        Atoll::start_with(&["--docker-host", &host, "--sessions", "--sessions-image", IMAGE, &site]).await;
    import(&atoll);
    let id = begin(&atoll, "/sessions");
    let sandbox = atoll.client.sandbox_get(&id.split('.').next().unwrap().parse().unwrap()).await.unwrap();
    assert_eq!((sandbox.runtime.as_str(), sandbox.network.as_str()), ("gvisor", "none"));
    let mut page = Page::of(&atoll, &id, PAGE).await.unwrap_or_else(|e| panic!("{e}"));
    page.enter("echo [$(id -u)] [$(ulimit -n)] [$(dmesg | grep -c gVisor)] [$(ls /sys/class/net)] $(grep CapEff /proc/self/status | tr -d '\\t')").await;
    page.until("CapEff:0000000000000000").await;
    assert!(page.shown.contains("[1000] [256] [1] [lo]"), "{}", page.shown);
    page.enter("cd; echo kept > x; [ -w / -o -w /etc -o -w /home ] || echo [$PWD] [$(cat x)] closed\"\".")
        .await;
    page.until("closed.\r\n").await;
    assert!(page.shown.contains("[/tmp] [kept] closed."), "{}", page.shown);
    assert_eq!(Page::of(&atoll, &id, "https://evil.example").await.err(), Some(403));

    let ended = ask(&atoll, "DELETE", &format!("/sessions/{id}"), &[&format!("origin: {PAGE}")]);
    assert_eq!(ended["data"]["deleted"], true, "{ended}");
    until("its end", PATIENCE, async || docker.containers().is_empty().then_some(())).await;
    finish(atoll, &docker).await;
}
