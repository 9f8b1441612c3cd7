//! Network `all` on Docker, in an Internet of the test's own: out, by name, and to nothing that is nearer.
//!
//! As with native sandboxes each refusal is shown twice: with the rules nothing is reached; without them it is.

use std::collections::BTreeSet;
use std::process::Command;
use std::time::Duration;

use atoll_api_types::CreateSandbox;

use crate::harness::{Atoll, Dockerd, HOST, Inside, Internet, Role, WEB, busybox, until};

/// Guard against what never happens.
const PATIENCE: Duration = Duration::from_secs(60);
/// Name of the image.
const IMAGE: &str = "busybox";
/// Addresses in the world that no sandbox may reach.
const CLOSED: [&str; 5] = ["10.66.0.1", "172.16.66.1", "192.168.66.1", "100.66.0.1", "169.254.169.254"];

fn new() -> CreateSandbox {
    CreateSandbox {
        image: Some(IMAGE.to_owned()),
        runtime: Some("docker".to_owned()),
        network: Some("all".to_owned()),
        memory: Some(64),
        pids: Some(64),
        ..CreateSandbox::default()
    }
}

async fn started(docker: &Dockerd, flags: &[&str]) -> Atoll {
    let host = docker.host();
    let atoll = Atoll::start_with(&[&["--docker-host", &host], flags].concat()).await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("root.tar");
    busybox(&file);
    let done = atoll.cli(&["image", "import", IMAGE, file.to_str().unwrap()]);
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    atoll
}

/// Nothing is left in Docker; then the end of the test.
async fn finish(atoll: Atoll, docker: &Dockerd) {
    atoll.delete_all().await;
    assert_eq!((docker.containers(), docker.networks()), (Vec::new(), Vec::new()));
    assert!(atoll.cli(&["image", "rm", IMAGE]).status.success());
    atoll.finish().await;
}

fn installation(atoll: &Atoll) -> String {
    std::fs::read_to_string(atoll.data().join("installation")).unwrap().trim().to_owned()
}

/// Whether a page is there, and what it says.
async fn fetch(sandbox: &Inside<'_>, address: &str) -> Option<String> {
    let exec = sandbox.sh(&format!("timeout 4 wget -q -O - http://{address}/")).await;
    (exec.exit_code == Some(0)).then(|| exec.stdout.unwrap_or_default())
}

async fn address(sandbox: &Inside<'_>) -> String {
    let line = sandbox.ok("ip -o -4 addr show eth0").await;
    line.split_whitespace().nth(3).unwrap().split('/').next().unwrap().to_owned()
}

async fn gateway(sandbox: &Inside<'_>) -> String {
    let line = sandbox.ok("ip route show default").await;
    line.split_whitespace().nth(2).unwrap().to_owned()
}

/// The host's address on the way to the router.
fn uplink(atoll: &Atoll) -> String {
    let name = format!("atoll-{}", installation(atoll));
    let output = Command::new("ip").args(["-4", "-brief", "address", "show", "dev", &name]).output().unwrap();
    let line = String::from_utf8(output.stdout).unwrap();
    line.split_whitespace().nth(2).unwrap().split('/').next().unwrap().to_owned()
}

async fn asks_for_names(sandbox: &Inside<'_>) -> bool {
    let said = sandbox.sh("nslookup web.test").await.stdout.unwrap_or_default();
    said.contains(WEB)
}

#[tokio::test]
async fn a_container_reaches_the_world_by_name_and_nothing_nearer() {
    let internet = Internet::new().await;
    let docker = Dockerd::start_here(false);
    let atoll = started(&docker, &[]).await;
    let (one, other) = (atoll.create_with(&new()).await, atoll.create_with(&new()).await);
    assert_eq!(one.get().await.network, "all");
    assert!(asks_for_names(&one).await, "{:?}", one.sh("cat /etc/resolv.conf; nslookup web.test").await);
    assert!(internet.asked().contains("03776562047465737400"), "{}", internet.asked());
    assert_eq!(fetch(&one, WEB).await, Some(format!("{WEB} was asked by {HOST}\n")));
    assert_eq!(one.ok("grep -c eth0 /proc/net/if_inet6 || true").await, "0\n");
    other.begin("cd /tmp && echo mine > index.html && exec httpd -f -p 8000").await;
    until("the server", PATIENCE, async || fetch(&other, "127.0.0.1:8000").await).await;
    let (its, theirs) = (address(&one).await, address(&other).await);
    assert!(its != theirs && its.starts_with("10.21"), "{its} and {theirs}");

    // Who answers for names can tell one from the other, or one could use up the share of all.
    let router = format!("atoll-{}", installation(&atoll));
    let flows = Command::new("ip").args(["netns", "exec", &router, "cat", "/proc/net/nf_conntrack"]).output();
    let flows = String::from_utf8(flows.unwrap().stdout).unwrap();
    assert!(flows.contains(&format!("src={its} ")), "{flows}");

    let mut nearer: Vec<String> = CLOSED.iter().map(|address| (*address).to_owned()).collect();
    let hosts = [
        HOST.to_owned(),
        gateway(&one).await,
        gateway(&other).await,
        uplink(&atoll),
        "172.17.0.1".to_owned(),
    ];
    nearer.extend(hosts.iter().map(|address| format!("{address}:8088")));
    nearer.push(format!("{theirs}:8000"));
    for address in &nearer {
        assert_eq!(fetch(&one, address).await, None, "{address}");
    }
    // The host does not get in either: what is to be reached is published.
    let from_host = |address: &str| {
        Command::new("curl")
            .args(["--silent", "--max-time", "4", &format!("http://{address}:8000/")])
            .status()
    };
    assert!(!from_host(&theirs).unwrap().success());
    internet.open_gates(&router);
    // Docker keeps its networks apart itself.
    assert!(Command::new("iptables").args(["-I", "DOCKER-USER", "-j", "ACCEPT"]).status().unwrap().success());
    for address in &nearer {
        assert!(fetch(&one, address).await.is_some(), "{address}");
    }
    finish(atoll, &docker).await;
}

#[tokio::test]
async fn what_the_host_passes_on_to_its_own_is_closed_to_containers() {
    let internet = Internet::new().await;
    let docker = Dockerd::start_here(false);
    let atoll = started(&docker, &[]).await;
    // A published port of another program: the host's address, and behind it something else.
    internet.nft("add table ip other");
    internet.nft("add chain ip other pre { type nat hook prerouting priority dstnat; }");
    internet.nft(&format!("add rule ip other pre ip daddr {HOST} tcp dport 81 dnat to {WEB}:80"));
    let sandbox = atoll.create_with(&new()).await;
    assert_eq!(fetch(&sandbox, &format!("{HOST}:81")).await, None);
    internet.open_gates(&format!("atoll-{}", installation(&atoll)));
    assert!(fetch(&sandbox, &format!("{HOST}:81")).await.is_some());
    finish(atoll, &docker).await;
}

#[tokio::test]
async fn a_network_outlives_every_part_and_the_rules_are_put_back() {
    let internet = Internet::new().await;
    let mut docker = Dockerd::start_here(false);
    let mut atoll = started(&docker, &[]).await;
    let id = atoll.create_with(&new()).await.id;
    for role in [Role::Broker, Role::Launcher, Role::Egress, Role::Supervisor] {
        atoll.kill_and_return(role, PATIENCE).await;
        let sandbox = Inside { atoll: &atoll, id: id.clone() };
        until("a name", PATIENCE, async || asks_for_names(&sandbox).await.then_some(())).await;
        assert_eq!(fetch(&sandbox, &format!("{HOST}:8088")).await, None, "{role:?}");
    }
    // A firewall begins anew, and Docker puts its own rules back when it does.
    internet.nft("flush ruleset");
    docker.restart();
    let sandbox = Inside { atoll: &atoll, id };
    until("the crash", PATIENCE, async || (sandbox.get().await.state == "crashed").then_some(())).await;
    let network = docker.networks();
    until("the start", PATIENCE, async || atoll.client.sandbox_start(&sandbox.id).await.ok()).await;
    assert_eq!(docker.networks(), network);
    until("a name", PATIENCE, async || asks_for_names(&sandbox).await.then_some(())).await;
    assert_eq!(fetch(&sandbox, WEB).await, Some(format!("{WEB} was asked by {HOST}\n")));
    assert_eq!(fetch(&sandbox, &format!("{HOST}:8088")).await, None);
    finish(atoll, &docker).await;
}

#[tokio::test]
async fn each_has_a_network_of_its_own_and_what_is_left_over_goes() {
    let _internet = Internet::new().await;
    let docker = Dockerd::start_here(false);
    // Four: one of them is another program's.
    let atoll = started(&docker, &["--docker-subnets", "10.99.0.0/26"]).await;
    docker.ok(&["network", "create", "--subnet", "10.99.0.16/28", "theirs"]);
    let definition = new();
    let sandboxes = futures_util::future::join_all((0..3).map(|_| atoll.create_with(&definition))).await;
    let mut addresses = BTreeSet::new();
    for sandbox in &sandboxes {
        addresses.insert(address(sandbox).await);
        assert!(fetch(sandbox, WEB).await.is_some());
    }
    let expected = ["10.99.0.2", "10.99.0.34", "10.99.0.50"].map(str::to_owned);
    assert_eq!(addresses, BTreeSet::from(expected));
    let error = atoll.client.sandbox_create(&new()).await.unwrap_err();
    assert!(error.to_string().contains("dockerSubnets"), "{error}");
    assert_eq!((docker.containers().len(), docker.networks().len()), (3, 4));
    atoll.delete_all().await;
    assert_eq!(docker.networks(), ["theirs"]);
    // One of ours that no container has goes at the next look, which a new serve has at once.
    let labels =
        [format!("atoll.installation={}", installation(&atoll)), "atoll.sandbox=111111111111".to_owned()];
    docker.ok(&["network", "create", "--label", &labels[0], "--label", &labels[1], "net-111111111111"]);
    atoll.kill(Role::Serve);
    until("its removal", PATIENCE, async || (docker.networks() == ["theirs"]).then_some(())).await;
    docker.ok(&["network", "rm", "theirs"]);
    finish(atoll, &docker).await;
}

/// The rules would be in one network and the bridge in another.
#[tokio::test]
async fn where_docker_has_another_network_than_this_machine_none_is_given() {
    let _internet = Internet::new().await;
    let docker = Dockerd::start(false);
    let atoll = started(&docker, &[]).await;
    let error = atoll.client.sandbox_create(&new()).await.unwrap_err();
    assert!(error.code() == Some("invalid_request") && error.to_string().contains("machine"), "{error}");
    let address = format!("{}/health", atoll.client.base_url());
    let shown = Command::new("curl").args(["--silent", &address]).output().unwrap().stdout;
    let health: serde_json::Value = serde_json::from_slice(&shown).unwrap();
    let networks = ["native", "docker", "gvisor"].map(|name| health["runtimes"][name]["networks"].as_bool());
    assert_eq!(networks, [Some(true), Some(false), Some(false)], "{health}");
    // Where that cannot be told before, it is found when the bridge is made, and the sandbox is not.
    let interface = ["link", "add", "name", "docker0", "type", "bridge"];
    assert!(Command::new("ip").args(interface).status().unwrap().success());
    let tried = until("the other answer", PATIENCE, async || {
        let error = atoll.client.sandbox_create(&new()).await.unwrap_err();
        (error.code() == Some("runtime_failed")).then(|| error.to_string())
    })
    .await;
    assert!(tried.contains("machine"), "{tried}");
    finish(atoll, &docker).await;
}
