//! Commands that run and end.

use std::time::{Duration, Instant};

use atoll_ports::StartExec;
use atoll_types::ExecId;
use bytes::Bytes;

use crate::harness::{Agent, argv, shell, soon, until};

#[tokio::test]
async fn a_command_tells_its_output_and_code() {
    let agent = Agent::plain();
    let ran = soon(agent.sh("echo out; echo err >&2; exit 3")).await;
    assert_eq!((ran.out(), ran.err(), ran.code()), ("out\n", "err\n", 3));
    assert_eq!(soon(agent.run(argv(&["true"]))).await.code(), 0);
}

#[tokio::test]
async fn ends_are_heard_of_whatever_was_inherited() {
    let agent = Agent::with_ends_ignored();
    assert_eq!(soon(agent.sh("trap - CHLD; sh -c 'exit 4' & wait $!; echo $?")).await.out(), "4\n");
    assert_eq!(soon(agent.sh("exit 3")).await.code(), 3);
}

#[tokio::test]
async fn signals_and_missing_programs_have_a_shells_codes() {
    let agent = Agent::plain();
    assert_eq!(agent.sh("kill -TERM $$").await.code(), 128 + 15);
    let missing = agent.run(argv(&["no-such-program"])).await;
    assert_eq!((missing.err(), missing.code()), ("atoll: no-such-program: not found\n", 127));
    let directory = agent.run(argv(&["/etc"])).await;
    assert_eq!((directory.err(), directory.code()), ("atoll: /etc: permission denied\n", 126));
    let text = agent.run(argv(&["/etc/passwd"])).await;
    assert_eq!(text.code(), 126);
}

#[tokio::test]
async fn a_bad_directory_or_user_is_said_clearly() {
    let agent = Agent::plain();
    let mut start = argv(&["true"]);
    start.cwd = Some("/no/such".parse().unwrap());
    let ran = agent.run(start).await;
    assert_eq!((ran.err(), ran.code()), ("atoll: cannot enter: /no/such: not found\n", 126));
    let mut start = argv(&["true"]);
    start.user = "nobody-here".parse().unwrap();
    let ran = agent.run(start).await;
    assert!(ran.err().contains("user nobody-here does not exist"), "{}", ran.err());
    assert_eq!(ran.code(), 126);
}

#[tokio::test]
async fn the_user_brings_ids_groups_and_environment() {
    let agent = Agent::plain();
    let mut start = shell("id -u; id -g; id -G; echo $HOME $USER $LOGNAME $SHELL; pwd; umask");
    start.user = "daemon".parse().unwrap();
    start.env.push(("HOME".to_owned(), "/given".to_owned()));
    let ran = agent.run(start).await;
    assert_eq!(ran.out(), "1\n1\n1\n/given daemon daemon /usr/sbin/nologin\n/usr/sbin\n0022\n");
    let mut start = shell("id -u; id -g; pwd");
    start.user = "4242:77".parse().unwrap();
    start.cwd = Some("/usr".parse().unwrap());
    assert_eq!(agent.run(start).await.out(), "4242\n77\n/usr\n");
}

#[tokio::test]
async fn a_command_inherits_nothing_but_its_three_streams() {
    let agent = Agent::plain();
    let ran = agent
        .sh("ls /proc/$$/fd; grep -E '^Sig(Blk|Ign)' /proc/$$/status | tr -d '\t'; ps -o sid= -p $$; echo $$")
        .await;
    let lines: Vec<_> = ran.out().split_whitespace().collect();
    assert_eq!(lines[..3], ["0", "1", "2"], "{}", ran.out());
    assert!(ran.out().contains("SigIgn:0000000000000000"), "{}", ran.out());
    assert!(ran.out().contains("SigBlk:0000000000000000"), "{}", ran.out());
    assert_eq!(lines[lines.len() - 1], lines[lines.len() - 2], "leads its session");
}

#[tokio::test]
async fn first_input_is_given_and_ends() {
    let agent = Agent::plain();
    let mut start = argv(&["wc", "-c"]);
    start.stdin = Bytes::from(vec![b'x'; 1 << 20]);
    assert_eq!(soon(agent.run(start)).await.out(), "1048576\n");
    assert_eq!(soon(agent.run(argv(&["cat"]))).await.out(), "");
}

#[tokio::test]
async fn large_arguments_arrive_whole() {
    let agent = Agent::plain();
    let big = "y".repeat(100_000);
    let many: Vec<&str> = std::iter::once("/bin/echo").chain(std::iter::repeat_n(big.as_str(), 10)).collect();
    let ran = soon(agent.run(argv(&many))).await;
    assert_eq!(ran.stdout.len(), 1_000_010);
    let huge = "z".repeat(140_000);
    let refused = soon(agent.run(argv(&["/bin/echo", &huge]))).await;
    assert_eq!(refused.code(), 126);
    assert!(refused.err().ends_with("too long\n"));
}

#[tokio::test]
async fn output_is_cut_where_characters_end() {
    let agent = Agent::plain();
    let ran = agent.sh(r"printf 'a\303'; sleep 0.05; printf '\251b\342\202'").await;
    assert_eq!(ran.stdout, b"a\xC3\xA9b\xE2\x82");
}

#[tokio::test]
async fn children_in_the_background_do_not_hold_the_exit_back() {
    let agent = Agent::as_init();
    let mut seen = String::new();
    // On a machine that is busy enough, what comes late comes too late: then once more.
    for _ in 0..20 {
        let ran = soon(agent.sh("(sleep 0.02; echo late; exec sleep 60) & echo now")).await;
        seen = ran.out().to_owned();
        if seen == "now\nlate\n" {
            break;
        }
    }
    assert_eq!(seen, "now\nlate\n");
}

#[tokio::test]
async fn children_that_write_without_end_are_left_behind() {
    let agent = Agent::plain();
    let directory = tempfile::tempdir().unwrap();
    let pid = directory.path().join("pid");
    let line = format!("(while sleep 0.01; do echo x; done) & echo $! > {}", pid.display());
    let began = Instant::now();
    let ran = soon(agent.sh(&line)).await;
    assert!(began.elapsed() >= Duration::from_millis(50));
    assert_eq!(ran.code(), 0);
    let pid = std::fs::read_to_string(pid).unwrap();
    // Its next write finds nobody who reads.
    until("it is gone", async || !std::path::Path::new(&format!("/proc/{}", pid.trim())).exists()).await;
}

#[tokio::test]
async fn the_agents_capabilities_are_not_its_commands() {
    let agent = Agent::with_inheritable_capabilities();
    let mut start = shell("grep -E '^Cap(Inh|Prm|Eff|Amb)' /proc/self/status | cut -f2 | sort -u; id -u");
    assert_eq!(soon(agent.run(start.clone())).await.out(), "0000000000000000\n0\n");
    start = StartExec { exec: ExecId::random(), user: "4242".parse().unwrap(), ..start };
    assert_eq!(soon(agent.run(start)).await.out(), "0000000000000000\n4242\n");
    let own = std::fs::read_to_string(format!("/proc/{}/status", agent.process.id())).unwrap();
    assert!(own.contains("CapEff:\t00000000000000e0"), "kill, setgid and setuid: {own}");
}
