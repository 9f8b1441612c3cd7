//! Sandboxes that mean harm fall alone.

use std::time::{Duration, Instant};

use atoll_api_types::CreateSandbox;

use crate::harness::{Atoll, stdout};

/// A neighbour's `true` through the API while somebody rages; alone it takes about a millisecond.
const NEIGHBOUR_TIME: Duration = Duration::from_secs(5);

async fn neighbour_is_well(atoll: &Atoll) {
    let neighbour = atoll.create().await;
    let began = Instant::now();
    assert_eq!(neighbour.ok("echo well").await, "well\n");
    assert!(began.elapsed() < NEIGHBOUR_TIME, "{:?}", began.elapsed());
    neighbour.delete().await;
}

#[tokio::test]
async fn a_fork_bomb_is_held_by_its_limit() {
    let atoll = Atoll::start().await;
    let sandbox = atoll.create_with(&CreateSandbox { pids: Some(64), ..CreateSandbox::default() }).await;
    sandbox.begin("bomb() { bomb | bomb & }; bomb; sleep 100").await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    neighbour_is_well(&atoll).await;
    sandbox.delete().await;
    atoll.finish().await;
}

#[tokio::test]
async fn memory_is_the_sandboxs_own() {
    let atoll = Atoll::start().await;
    let sandbox = atoll.create_with(&CreateSandbox { memory: Some(64), ..CreateSandbox::default() }).await;
    let killed = sandbox.sh("head -c 300m /dev/zero | tail -c 290m > /dev/null").await;
    assert_ne!(killed.exit_code, Some(0), "{killed:#?}");
    // Its agent has memory of its own, and the sandbox is still of use.
    assert_eq!(sandbox.ok("echo alive").await, "alive\n");
    neighbour_is_well(&atoll).await;
    sandbox.delete().await;
    atoll.finish().await;
}

#[tokio::test]
async fn a_flood_of_output_is_bounded_and_says_so() {
    let atoll = Atoll::start().await;
    let sandbox = atoll.create().await;
    let flood = sandbox.sh("head -c 200m /dev/zero | tr '\\0' 'x'; exit 5").await;
    assert_eq!((flood.exit_code, flood.truncated), (Some(5), true), "{:?}", flood.status);
    assert!(stdout(&flood).len() <= 2 << 20, "{}", stdout(&flood).len());
    sandbox.begin("yes").await;
    neighbour_is_well(&atoll).await;
    sandbox.delete().await;
    atoll.finish().await;
}

#[tokio::test]
async fn the_agent_is_out_of_reach() {
    let atoll = Atoll::start().await;
    let sandbox = atoll.create().await;
    for user in ["agent", "root"] {
        let mut line = crate::harness::line(
            "kill -9 1; kill -STOP 1; ls /proc/1/fd /proc/1/root 2>/dev/null; cat /proc/1/environ /proc/1/mem 2>/dev/null; true",
        );
        line.user = Some(user.to_owned());
        let tried = atoll.client.exec_run(&sandbox.id, &line).await.unwrap();
        assert_eq!(stdout(&tried), "", "as {user}");
        assert_eq!(sandbox.ok("echo alive").await, "alive\n", "as {user}");
    }
    sandbox.delete().await;
    atoll.finish().await;
}

/// What a sandbox's root can try on its first process by system calls, with none but Python's own means. Each line of its
/// output is something that worked.
const ATTACKS: &str = r#"
cat > /tmp/attack.py <<'END'
import ctypes, errno, os
libc = ctypes.CDLL(None, use_errno=True)
ATTACH, SEIZE, PIDFD_OPEN, PIDFD_GETFD, VM_READ, VM_WRITE, KCMP = 16, 0x4206, 434, 438, 310, 311, 312
def worked(name, result):
    if result >= 0: print(name)
for request in (ATTACH, SEIZE):
    worked("ptrace", libc.ptrace(request, 1, 0, 0))
buffer = ctypes.create_string_buffer(8)
class Piece(ctypes.Structure):
    _fields_ = [("base", ctypes.c_void_p), ("bytes", ctypes.c_size_t)]
here, there = Piece(ctypes.addressof(buffer), 8), Piece(0x400000, 8)
for call in (VM_READ, VM_WRITE):
    worked("memory", libc.syscall(call, 1, ctypes.byref(here), 1, ctypes.byref(there), 1, 0))
    # Nothing may be at that address; to be told so is to have been let in.
    worked("memory", 0 if ctypes.get_errno() == errno.EFAULT else -1)
pidfd = libc.syscall(PIDFD_OPEN, 1, 0)
for number in range(20):
    worked("descriptor", libc.syscall(PIDFD_GETFD, pidfd, number, 0))
worked("kcmp", libc.syscall(KCMP, 1, os.getpid(), 0, 0, 0))
for name in ("mem", "oom_score_adj", "oom_adj", "uid_map", "setgroups", "clear_refs", "attr/current", "timerslack_ns"):
    try:
        with open("/proc/1/" + name, "r+b", buffering=0) as file:
            file.write(b"0")
            print("write", name)
    except OSError: pass
for name in ("environ", "auxv", "maps", "fd/0", "fd/3", "root", "cwd", "exe", "syscall", "stack", "io", "pagemap", "ns/mnt"):
    try:
        os.close(os.open("/proc/1/" + name, os.O_RDONLY))
        print("open", name)
    except OSError: pass
END
/usr/bin/python3 /tmp/attack.py
"#;

#[tokio::test]
async fn the_agents_memory_and_descriptors_are_out_of_reach() {
    let atoll = Atoll::start().await;
    let sandbox = atoll.create().await;
    for user in ["agent", "root"] {
        let mut line = crate::harness::line(ATTACKS);
        line.user = Some(user.to_owned());
        let tried = atoll.client.exec_run(&sandbox.id, &line).await.unwrap();
        assert_eq!((stdout(&tried), tried.exit_code), ("", Some(0)), "as {user}: {tried:#?}");
        assert_eq!(sandbox.ok("echo alive").await, "alive\n", "as {user}");
    }
    sandbox.delete().await;
    atoll.finish().await;
}

/// What may hurt the sandbox that does it, and nobody else: its agent's limits and priority, signals without end, children
/// without end that it must reap, and all the descriptors and pipes that it may have.
const HARM: [&str; 5] = [
    "prlimit --pid 1 --nofile=0:0 --as=1:1 --fsize=0:0 --cpu=1:1 --nproc=0:0; renice 19 -p 1; chrt --idle -p 0 1; taskset -p 1 1",
    "/usr/bin/python3 -c 'import os, signal\nwhile True:\n  for s in range(1, 65):\n    try: os.kill(1, s)\n    except OSError: pass'",
    "while :; do setsid -f true; done",
    "/usr/bin/python3 -c 'import os, time\nfor _ in range(100):\n  if os.fork() == 0: break\nkept = []\ntry:\n  while True: kept.append(os.pipe())\nexcept OSError: pass\ntime.sleep(300)'",
    "while :; do kill -STOP -1; kill -CONT -1; done",
];

#[tokio::test]
async fn harm_to_its_own_agent_is_nobody_elses() {
    let atoll = Atoll::start().await;
    for harm in HARM {
        let sandbox = atoll.create().await;
        let mut line = crate::harness::line(harm);
        line.user = Some("root".to_owned());
        atoll.client.exec_start(&sandbox.id, &line).await.unwrap();
        tokio::time::sleep(Duration::from_millis(500)).await;
        neighbour_is_well(&atoll).await;
        // Its agent may have fallen; then that is told, and nobody else fell.
        let state = sandbox.get().await.state;
        assert!(["running", "crashed"].contains(&state.as_str()), "{harm:?}: {state}");
        atoll.assert_healthy();
        sandbox.delete().await;
    }
    atoll.finish().await;
}

#[tokio::test]
async fn a_full_disk_is_its_owners_own() {
    let atoll = Atoll::start().await;
    let sandbox = atoll.create_with(&CreateSandbox { disk: Some(128), ..CreateSandbox::default() }).await;
    let other = atoll.create().await;
    sandbox.begin("while :; do head -c 1m /dev/urandom >> ~/fill; mkdir -p ~/d/$RANDOM/$RANDOM; done").await;
    let full = sandbox.sh("until ! head -c 10m /dev/zero > ~/more; do sleep 0.05; done").await;
    assert_eq!(full.exit_code, Some(0), "the limit does not hold: {full:#?}");
    assert_eq!(other.ok("head -c 200m /dev/zero > ~/file; sync; stat -c %s ~/file").await, "209715200\n");
    neighbour_is_well(&atoll).await;
    sandbox.delete().await;
    atoll.finish().await;
}

#[tokio::test]
async fn there_is_no_way_out() {
    let atoll = Atoll::start().await;
    let sandbox = atoll.create().await;
    let tries = [
        "mount -t tmpfs none /mnt",
        "unshare --user --map-root-user true",
        "unshare --mount true",
        "mknod /tmp/disk b 254 0",
        "chroot / true",
        "dmesg",
        "cat /proc/kcore",
        "echo b > /proc/sysrq-trigger",
        "echo 1 > /proc/sys/kernel/panic",
        "nsenter --target 1 --mount true",
        "hostname other",
    ];
    for user in ["agent", "root"] {
        for attempt in tries {
            let mut line = crate::harness::line(attempt);
            line.user = Some(user.to_owned());
            let tried = atoll.client.exec_run(&sandbox.id, &line).await.unwrap();
            assert_ne!(tried.exit_code, Some(0), "{attempt:?} worked as {user}: {tried:#?}");
            // A program that is missing proves nothing.
            assert_ne!(tried.exit_code, Some(127), "{attempt:?}: {tried:#?}");
        }
    }
    assert_eq!(sandbox.ok("ls /sys/class/net | tr -d '\\n'; id -u").await, "lo1000\n");
    sandbox.delete().await;
    atoll.finish().await;
}
