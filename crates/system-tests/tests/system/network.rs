//! Network `all`, in an Internet of the test's own: out, by name, and to nothing that is nearer.
//!
//! Each refusal is shown twice: with the rules nothing is reached; without them it is, so that it was the rules.

use std::time::Duration;

use atoll_api_types::CreateSandbox;

use crate::harness::{Atoll, HOST, Inside, Internet, Role, WEB, until};

/// A part that was killed is back after the first back-off.
const BACK: Duration = Duration::from_secs(20);

fn with_network() -> CreateSandbox {
    CreateSandbox { network: Some("all".to_owned()), ..CreateSandbox::default() }
}

/// Name of the router's namespace.
fn router(atoll: &Atoll) -> String {
    format!("atoll-{}", std::fs::read_to_string(atoll.data().join("installation")).unwrap().trim())
}

/// Whether a page is there, and what it says.
async fn fetch(sandbox: &Inside<'_>, address: &str) -> Option<String> {
    let exec = sandbox.sh(&format!("curl --silent --show-error --max-time 4 http://{address}/")).await;
    (exec.exit_code == Some(0)).then(|| exec.stdout.unwrap_or_default())
}

/// An address in the world that no sandbox may reach.
async fn is_closed(address: &str) {
    let internet = Internet::new().await;
    let atoll = Atoll::start().await;
    let sandbox = atoll.create_with(&with_network()).await;
    assert!(fetch(&sandbox, WEB).await.is_some(), "nothing can be reached at all");
    assert_eq!(fetch(&sandbox, address).await, None);
    internet.open_gates(&router(&atoll));
    assert_eq!(fetch(&sandbox, address).await, Some(format!("{address} was asked by {HOST}\n")));
    atoll.finish().await;
}

#[tokio::test]
async fn private_addresses_of_10_are_closed() {
    is_closed("10.66.0.1").await;
}

#[tokio::test]
async fn private_addresses_of_172_16_are_closed() {
    is_closed("172.16.66.1").await;
}

#[tokio::test]
async fn private_addresses_of_192_168_are_closed() {
    is_closed("192.168.66.1").await;
}

#[tokio::test]
async fn addresses_of_providers_are_closed() {
    is_closed("100.66.0.1").await;
}

#[tokio::test]
async fn the_metadata_of_a_cloud_is_closed() {
    is_closed("169.254.169.254").await;
}

#[tokio::test]
async fn the_metadata_of_azure_is_closed() {
    is_closed("168.63.129.16").await;
}

#[tokio::test]
async fn the_metadata_of_oracle_is_closed() {
    is_closed("192.0.0.192").await;
}

#[tokio::test]
async fn addresses_of_benchmarks_are_closed() {
    is_closed("198.18.0.1").await;
}

#[tokio::test]
async fn reserved_addresses_are_closed() {
    is_closed("240.0.0.1").await;
}

#[tokio::test]
async fn a_page_is_fetched_by_name_through_the_host() {
    let internet = Internet::new().await;
    let atoll = Atoll::start().await;
    let sandbox = atoll.create_with(&with_network()).await;
    assert_eq!(fetch(&sandbox, "web.test").await, Some(format!("{WEB} was asked by {HOST}\n")));
    assert_eq!(sandbox.get().await.network, "all");
    // The resolver was asked by the host, a question of its own: not the sandbox's message.
    assert!(internet.asked().contains("03776562047465737400"), "{}", internet.asked());
    // The default is as it was.
    let without = atoll.create().await;
    assert_eq!(without.get().await.network, "none");
    assert_eq!(without.ok("ls /sys/class/net").await, "lo\n");
    assert_eq!(fetch(&without, WEB).await, None);
    atoll.finish().await;
}

#[tokio::test]
async fn a_name_whose_answer_is_long_is_asked_by_tcp_and_one_that_is_not_there_fails_at_once() {
    let internet = Internet::new().await;
    let atoll = Atoll::start().await;
    let sandbox = atoll.create_with(&with_network()).await;
    let count = "/usr/bin/python3 -c 'import socket; print(len(socket.gethostbyname_ex(\"long.test\")[2]))'";
    assert_eq!(sandbox.ok(count).await, "200\n");
    assert!(internet.asked().contains("tcp "), "{}", internet.asked());
    let began = std::time::Instant::now();
    assert_ne!(sandbox.sh("getent ahostsv4 missing.test").await.exit_code, Some(0));
    assert!(began.elapsed() < Duration::from_secs(2), "{:?}", began.elapsed());
    atoll.finish().await;
}

/// Sends messages that are no questions, and prints the code of each answer.
const NO_QUESTIONS: &str = r#"
cat > /tmp/ask.py <<'END'
import socket, struct
name = b"\x03web\x04test\x00"
def ask(flags, kind, kind_class=1):
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.settimeout(3)
    sock.sendto(struct.pack("!HHHHHH", 7, flags, 1, 0, 0, 0) + name + struct.pack("!HH", kind, kind_class), ("100.64.0.53", 53))
    print(sock.recv(512)[3] & 15)
ask(0x2800, 6)
ask(0x0100, 252)
ask(0x0100, 255)
ask(0x0100, 16, 3)
END
/usr/bin/python3 /tmp/ask.py
"#;

#[tokio::test]
async fn the_hosts_resolver_hears_nothing_but_questions_for_names() {
    let internet = Internet::new().await;
    let atoll = Atoll::start().await;
    let sandbox = atoll.create_with(&with_network()).await;
    // An update, a transfer of a zone, everything, and a question of another class.
    assert_eq!(sandbox.ok(NO_QUESTIONS).await, "4\n5\n5\n5\n");
    assert_eq!(internet.asked(), "");
    // Names of private addresses are told, and lead nowhere.
    assert_eq!(sandbox.ok("getent ahostsv4 inner.test | head -c 9").await, "10.66.0.1");
    assert_eq!(fetch(&sandbox, "inner.test").await, None);
    atoll.finish().await;
}

#[tokio::test]
async fn the_host_is_closed_at_every_address_it_has() {
    let internet = Internet::new().await;
    let atoll = Atoll::start().await;
    let sandbox = atoll.create_with(&with_network()).await;
    let line = String::from_utf8(
        std::process::Command::new("ip")
            .args(["-4", "-brief", "address", "show", "dev", &router(&atoll)])
            .output()
            .unwrap()
            .stdout,
    )
    .unwrap();
    let uplink = line.split_whitespace().nth(2).unwrap().split('/').next().unwrap().to_owned();
    let addresses = [format!("{HOST}:8088"), format!("{uplink}:8088")];
    for address in &addresses {
        assert_eq!(fetch(&sandbox, address).await, None, "{address}");
    }
    internet.open_gates(&router(&atoll));
    for address in &addresses {
        assert!(fetch(&sandbox, address).await.is_some(), "{address}");
    }
    atoll.finish().await;
}

#[tokio::test]
async fn what_the_host_passes_on_to_its_own_is_closed() {
    let internet = Internet::new().await;
    let atoll = Atoll::start().await;
    // A published port of another program: the host's address, and behind it something else.
    internet.nft("add table ip other");
    internet.nft("add chain ip other pre { type nat hook prerouting priority dstnat; }");
    internet.nft(&format!("add rule ip other pre ip daddr {HOST} tcp dport 81 dnat to {WEB}:80"));
    let sandbox = atoll.create_with(&with_network()).await;
    assert_eq!(fetch(&sandbox, &format!("{HOST}:81")).await, None);
    internet.open_gates(&router(&atoll));
    assert!(fetch(&sandbox, &format!("{HOST}:81")).await.is_some());
    assert!(internet.nft("list tables").contains("table ip other"), "others' rules stay");
    atoll.finish().await;
}

#[tokio::test]
async fn another_sandbox_is_closed() {
    let internet = Internet::new().await;
    let atoll = Atoll::start().await;
    let one = atoll.create_with(&with_network()).await;
    let other = atoll.create_with(&with_network()).await;
    other.begin("cd /tmp && echo mine > index.html && /usr/bin/python3 -m http.server 8000").await;
    let its_own = until("the server", BACK, async || fetch(&other, "127.0.0.1:8000").await).await;
    assert_eq!(its_own, "mine\n");
    let address = other.ok("hostname --all-ip-addresses").await.trim().to_owned();
    assert_ne!(one.ok("hostname --all-ip-addresses").await.trim(), address);
    assert_eq!(fetch(&one, &format!("{address}:8000")).await, None);
    internet.open_gates(&router(&atoll));
    assert_eq!(fetch(&one, &format!("{address}:8000")).await.as_deref(), Some("mine\n"));
    atoll.finish().await;
}

#[tokio::test]
async fn version_6_is_off_and_dropped() {
    let internet = Internet::new().await;
    let atoll = Atoll::start().await;
    let one = atoll.create_with(&with_network()).await;
    let other = atoll.create_with(&with_network()).await;
    for sandbox in [&one, &other] {
        assert_eq!(sandbox.ok("grep -c eth0 /proc/net/if_inet6 || true").await, "0\n");
    }
    // Somebody turns it on, on every link: the router passes none of it on.
    let router = router(&atoll);
    let ip = |words: &str| {
        let output = std::process::Command::new("sh").args(["-c", words]).output().unwrap();
        assert!(output.status.success(), "{words}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    };
    let links = ip(&format!("ip -n {router} -o link show | grep -o ' n[0-9]*@' | tr -d ' @'"));
    let on = "for f in /proc/sys/net/ipv6/conf/*/disable_ipv6; do echo 0 > $f; done; echo 1 > /proc/sys/net/ipv6/conf/all/forwarding";
    ip(&format!("ip netns exec {router} sh -c '{on}'"));
    for (sandbox, net) in [(&one, "fd00:1::"), (&other, "fd00:2::")] {
        let address = sandbox.ok("hostname --all-ip-addresses").await;
        let inside = format!("nsenter --net=/proc/{}/ns/net", sandbox.agent());
        ip(&format!(
            "{inside} sh -c '{on}' && {inside} ip address add {net}2/64 dev eth0 nodad && {inside} ip -6 route add default via {net}1"
        ));
        let near = address.trim().rsplit_once('.').unwrap();
        let near = format!("{}.{}/", near.0, near.1.parse::<u8>().unwrap() - 1);
        let line = ip(&format!("ip -n {router} -o -4 address show | grep -F ' {near}'"));
        let link = line.split_whitespace().nth(1).unwrap();
        assert!(links.lines().any(|name| name == link), "{link} of {links}");
        ip(&format!("ip -n {router} address add {net}1/64 dev {link} nodad"));
    }
    other.begin("cd /tmp && echo six > index.html && /usr/bin/python3 -m http.server --bind :: 8000").await;
    until("the server", BACK, async || fetch(&other, "[fd00:2::2]:8000").await).await;
    assert_eq!(fetch(&one, "[fd00:2::2]:8000").await, None);
    internet.open_gates(&router);
    assert_eq!(fetch(&one, "[fd00:2::2]:8000").await.as_deref(), Some("six\n"));
    atoll.finish().await;
}

#[tokio::test]
async fn rules_that_another_program_takes_away_are_put_back() {
    let internet = Internet::new().await;
    let atoll = Atoll::start().await;
    let sandbox = atoll.create_with(&with_network()).await;
    internet.nft("flush ruleset");
    let name = router(&atoll);
    until("the rules", BACK, async || internet.nft("list tables").contains(&name).then_some(())).await;
    assert_eq!(fetch(&sandbox, &format!("{HOST}:8088")).await, None);
    assert!(fetch(&sandbox, "web.test").await.is_some());
    atoll.finish().await;
}

/// Asks for pages over one connection, one after the other.
const LONG_CONVERSATION: &str = r#"
cat > /tmp/long.py <<'END'
import http.client, time
connection = http.client.HTTPConnection("203.0.113.80", timeout=5)
connection.connect()
own = connection.sock.getsockname()
for _ in range(40):
    connection.request("GET", "/")
    connection.getresponse().read()
    assert connection.sock is None or connection.sock.getsockname() == own
    time.sleep(0.05)
print("whole")
END
/usr/bin/python3 /tmp/long.py
"#;

#[tokio::test]
async fn the_death_of_any_part_cuts_no_connection_and_new_sandboxes_have_a_network() {
    let _internet = Internet::new().await;
    let mut atoll = Atoll::start().await;
    let id = atoll.create_with(&with_network()).await.id;
    for role in [Role::Egress, Role::Launcher, Role::Serve, Role::Supervisor] {
        let old = Inside { atoll: &atoll, id: id.clone() };
        let exec = old.begin(LONG_CONVERSATION).await;
        tokio::time::sleep(Duration::from_millis(300)).await;
        atoll.kill_and_return(role, BACK).await;
        let old = Inside { atoll: &atoll, id: id.clone() };
        until("the end", BACK, async || {
            let exec = atoll.client.exec_get(&old.id, &exec).await.ok()?;
            assert!(exec.exit_code.is_none_or(|code| code == 0), "{role:?}: {exec:#?}");
            exec.exit_code
        })
        .await;
        let new = atoll.create_with(&with_network()).await;
        for sandbox in [&old, &new] {
            until("a name", BACK, async || fetch(sandbox, "web.test").await).await;
            assert_eq!(fetch(sandbox, &format!("{HOST}:8088")).await, None, "{role:?}");
        }
        new.delete_in_time().await;
    }
    atoll.finish().await;
}

#[tokio::test]
async fn links_of_sandboxes_that_are_gone_go_and_a_burst_has_addresses_of_its_own() {
    let _internet = Internet::new().await;
    let atoll = Atoll::start().await;
    let new = CreateSandbox { memory: Some(64), ..with_network() };
    let sandboxes = futures_util::future::join_all((0..18).map(|_| atoll.create_with(&new))).await;
    let mut addresses = std::collections::BTreeSet::new();
    for sandbox in &sandboxes {
        addresses.insert(sandbox.ok("hostname --all-ip-addresses").await);
        assert!(fetch(sandbox, "web.test").await.is_some());
    }
    assert_eq!(addresses.len(), sandboxes.len());
    let name = router(&atoll);
    let links = || {
        let output = std::process::Command::new("ip").args(["-n", &name, "-brief", "link"]).output().unwrap();
        String::from_utf8(output.stdout).unwrap().lines().filter(|line| line.starts_with('n')).count()
    };
    atoll.delete_all().await;
    // What is kept ready stays.
    until("the links' end", BACK, async || (links() <= 16).then_some(())).await;
    atoll.finish().await;
}

/// Runs a line on the host in the network of a sandbox, with the rights that nobody inside has.
fn in_network_of(sandbox: &Inside<'_>, line: &str) {
    let network = format!("--net=/proc/{}/ns/net", sandbox.agent());
    let output = std::process::Command::new("nsenter").args([&network, "sh", "-c", line]).output().unwrap();
    assert!(output.status.success(), "{line}: {}", String::from_utf8_lossy(&output.stderr));
}

#[tokio::test]
async fn a_forged_source_is_dropped_by_its_link() {
    let internet = Internet::new().await;
    let atoll = Atoll::start().await;
    let forger = atoll.create_with(&with_network()).await;
    let other = atoll.create_with(&with_network()).await;
    let forged = other.ok("hostname --all-ip-addresses").await.trim().to_owned();
    let ask = format!(
        "/usr/bin/python3 -c 'import socket; s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.bind((\"{forged}\", 0)); \
         s.sendto(b\"\\0\\7\\1\\0\\0\\1\\0\\0\\0\\0\\0\\0\\3web\\4test\\0\\0\\1\\0\\1\", (\"100.64.0.53\", 53))'"
    );
    in_network_of(&forger, &format!("ip address add {forged}/32 dev lo"));
    in_network_of(&forger, &ask);
    // One that is answered came later, and was heard.
    assert!(other.ok("getent ahostsv4 inner.test").await.starts_with("10.66.0.1"));
    let name = "03776562047465737400";
    assert!(!internet.asked().contains(name), "{}", internet.asked());
    let off = "for f in /proc/sys/net/ipv4/conf/*/rp_filter; do echo 0 > $f; done";
    let words = ["netns", "exec", &router(&atoll), "sh", "-c", off];
    assert!(std::process::Command::new("ip").args(words).status().unwrap().success());
    until("the forged question", BACK, async || {
        in_network_of(&forger, &ask);
        internet.asked().contains(name).then_some(())
    })
    .await;
    atoll.finish().await;
}

/// Hears what is sent to a group, and says so.
const HEAR: &str = r#"exec /usr/bin/python3 -c '
import socket
ear = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
ear.bind(("", 9000))
ear.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, socket.inet_aton("239.1.2.3") + socket.inet_aton("0.0.0.0"))
open("/tmp/hears", "w")
while True:
    with open("/tmp/heard", "ab") as heard: heard.write(ear.recv(100))
'"#;

/// Says a word to the group.
fn say(word: &str) -> String {
    format!(
        "/usr/bin/python3 -c 'import socket; s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); \
         s.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_TTL, 8); s.sendto(b\"{word}\", (\"239.1.2.3\", 9000))'"
    )
}

#[tokio::test]
async fn a_group_is_heard_by_nobody_but_its_own_sandbox() {
    let _internet = Internet::new().await;
    let atoll = Atoll::start().await;
    let one = atoll.create_with(&with_network()).await;
    let other = atoll.create_with(&with_network()).await;
    other.begin(HEAR).await;
    until("the ear", BACK, async || {
        (other.sh("test -e /tmp/hears").await.exit_code == Some(0)).then_some(())
    })
    .await;
    one.ok(&say("theirs")).await;
    other.ok(&say("ours")).await;
    until("the word", BACK, async || {
        (other.sh("grep -q ours /tmp/heard").await.exit_code == Some(0)).then_some(())
    })
    .await;
    assert_eq!(other.ok("cat /tmp/heard").await, "ours");
    atoll.finish().await;
}

/// Opens connections until one is refused, and keeps them; writes how many there are.
const MANY: &str = r#"exec /usr/bin/python3 -c '
import os, socket, time
held = []
while len(held) < 2000:
    try: held.append(socket.create_connection(("203.0.113.80", 80), timeout=10))
    except OSError as error:
        said = error.strerror
        break
with open("/tmp/new", "w") as many: print(len(held), said, file=many)
os.rename("/tmp/new", "/tmp/many")
time.sleep(600)
'"#;

/// Carries so many bytes each way and prints how long either took, in seconds.
const CARRY: &str = "head -c 1000000 /dev/zero > /tmp/some; curl --silent -o /dev/null -w '%{time_total} ' http://203.0.113.80/1000000; \
    curl --silent -o /dev/null -w %{time_total} --data-binary @/tmp/some http://203.0.113.80/";

#[tokio::test]
async fn a_network_carries_no_more_than_it_may_each_way() {
    let _internet = Internet::new().await;
    let atoll = Atoll::start().await;
    let slow = CreateSandbox { bandwidth: Some(4), ..with_network() };
    let slow = atoll.create_with(&slow).await;
    assert_eq!(slow.get().await.bandwidth, 4);
    let took =
        |shown: &str| -> Vec<f64> { shown.split(' ').map(|seconds| seconds.parse().unwrap()).collect() };
    let times = took(&slow.ok(CARRY).await);
    // A megabyte is 8 megabits, and a bucket of 64 KiB is full at the start: 1.87 s. More where the machine is busy.
    assert!(times.iter().all(|seconds| *seconds >= 1.8), "{times:?}");
    // It stays so after a start.
    atoll.client.sandbox_stop(&slow.id).await.unwrap();
    atoll.client.sandbox_start(&slow.id).await.unwrap();
    let times = took(&slow.ok(CARRY).await);
    assert!(times.iter().all(|seconds| *seconds >= 1.8), "{times:?}");
    // Without a bound the same takes milliseconds; one try of several is enough where the machine is busy.
    let free = atoll.create_with(&with_network()).await;
    let quick = async || took(&free.ok(CARRY).await).iter().all(|seconds| *seconds < 1.0).then_some(());
    until("a megabyte in less than a second", BACK, quick).await;
    atoll.finish().await;
}

#[tokio::test]
async fn one_sandbox_has_so_many_connections_and_the_others_have_theirs() {
    let _internet = Internet::new().await;
    let atoll = Atoll::start().await;
    let greedy = atoll.create_with(&with_network()).await;
    let other = atoll.create_with(&with_network()).await;
    greedy.begin(MANY).await;
    let many = until("so many", BACK, async || {
        let shown = greedy.sh("cat /tmp/many").await;
        (shown.exit_code == Some(0)).then_some(shown.stdout).flatten()
    });
    assert_eq!(many.await, "1024 No route to host\n");
    assert_eq!(fetch(&greedy, WEB).await, None);
    assert!(fetch(&other, WEB).await.is_some());
    atoll.finish().await;
}
