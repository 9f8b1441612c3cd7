//! The same attempts on the runtimes whose sandboxes are containers of Docker's.
//!
//! What is not refused there is declared here, with its reason, and stands in `docs/escape-suite.md`; nothing else may be.

use atoll_types::RuntimeKind;

use super::program::{Neighbour, Program};
use super::tried::{Made, Tried};
use super::{Verdicts, assert_none};
use crate::harness::{Atoll, Dockerd};

const DOCUMENT: &str = include_str!("../../../../../docs/escape-suite.md");
const IMAGE: &str = "escape";

/// Attempts that a runtime does not refuse.
#[derive(Debug)]
struct Declared {
    runtimes: &'static [RuntimeKind],
    names: &'static [&'static str],
    /// What it gives, and why that is left so.
    why: &'static str,
}

const DECLARED: &[Declared] = &[
    Declared {
        runtimes: &[RuntimeKind::Docker],
        names: &["proc-key-users", "proc-interrupts", "proc-vmallocinfo", "proc-pagetypeinfo"],
        why: "Docker hides fewer files of `/proc`; these tell counts and places of the host's, and change nothing",
    },
    Declared {
        runtimes: &[RuntimeKind::Docker],
        names: &["agent-fd-list"],
        why: "root inside is of the agent's user: it sees which descriptors there are, and opens none",
    },
    Declared {
        runtimes: &[RuntimeKind::Docker],
        names: &[
            "io-uring",
            "modify-ldt",
            "int-0x80",
            "tiocsti",
            "vsock",
            "netlink-netfilter",
            "netlink-audit",
            "netlink-uevent",
            "netlink-generic",
            "netlink-sock-diag",
        ],
        why: "Docker's filter of system calls allows them (newer releases not `io_uring`): nothing is got, and there is more of the \
              kernel to attack",
    },
    Declared {
        runtimes: &[RuntimeKind::Docker, RuntimeKind::Gvisor],
        names: &["hosts-root", "host-set-uid"],
        why: "root inside is root of the host without its rights, unless Docker has `userns-remap`",
    },
    Declared {
        runtimes: &[RuntimeKind::Docker],
        names: &["count-inotify", "count-terminals", "count-aio", "count-queues", "count-signals"],
        why: "users inside are users of the host, for each of whom the kernel counts these: one sandbox can leave others none",
    },
    Declared {
        runtimes: &[RuntimeKind::Gvisor],
        names: &[
            "sysctl-net",
            "sysctl-vm",
            "syslog",
            "clone-namespaces",
            "unshare-cgroup",
            "unshare-mnt",
            "unshare-time",
            "unshare-user",
            "set-mempolicy",
            "name-to-handle",
            "open-by-handle",
            "nice",
            "oom-immune",
            "socket-mark",
            "socket-transparent",
            "netlink-uevent",
            "io-uring",
        ],
        why: "gVisor's own kernel answers, which is this sandbox's alone: nothing of the host's is changed or seen",
    },
    Declared {
        runtimes: &[RuntimeKind::Gvisor],
        names: &["dev-contents", "dev-kvm"],
        why: "`/dev/fuse` is gVisor's own, and not the host's",
    },
    Declared {
        runtimes: &[RuntimeKind::Gvisor],
        names: &["mknod-block", "mknod-memory"],
        why: "a node can be made, and leads to no device: `disks` and `dev-mem` are refused",
    },
    Declared {
        runtimes: &[RuntimeKind::Gvisor],
        names: &["seccomp-mode"],
        why: "what gVisor itself asks of the host is filtered, and not what is asked of gVisor",
    },
    Declared {
        runtimes: &[RuntimeKind::Gvisor],
        names: &[
            "agent-affinity",
            "agent-auxv",
            "agent-environ",
            "agent-fd-list",
            "agent-fd-open",
            "agent-io",
            "agent-maps",
        ],
        why: "Debian's gVisor of 2022 keeps nobody from `/proc/1`: who is inside can speak in the name of his own agent, which is \
              believed nothing",
    },
    Declared {
        runtimes: &[RuntimeKind::Gvisor],
        names: &["agent-kill", "agent-kill-pidfd", "tiocsti"],
        why: "cannot be tried: that gVisor has no `pidfd_open`, and gives the attempt no terminal of its own",
    },
    Declared {
        runtimes: &[RuntimeKind::Gvisor],
        names: &["count-inotify", "count-terminals", "count-aio", "count-queues", "count-signals"],
        why: "not tried: each sandbox has a kernel of its own, and who takes all of something ends his own sandbox",
    },
];

impl Declared {
    /// As the document has it.
    fn row(&self) -> String {
        let runtimes: Vec<String> = self.runtimes.iter().map(|kind| format!("`{}`", kind.as_str())).collect();
        let names: Vec<String> = self.names.iter().map(|name| format!("`{name}`")).collect();
        format!("| {} | {} | {} |\n", runtimes.join(", "), names.join(", "), self.why)
    }
}

fn is_declared(kind: RuntimeKind, name: &str) -> bool {
    DECLARED.iter().any(|one| one.runtimes.contains(&kind) && one.names.contains(&name))
}

/// What is neither refused nor declared.
fn undeclared(program: &Program, kind: RuntimeKind, user: &str, verdicts: &Verdicts) -> Vec<String> {
    let wanted = program.attempts.iter().filter(|one| one.is_tried_as(user));
    wanted
        .filter_map(|one| {
            let verdict = verdicts.get(&one.name);
            let is_well = verdict.is_some_and(super::Verdict::is_blocked) || is_declared(kind, &one.name);
            (!is_well).then(|| format!("{} as {user}: {verdict:?}", one.name))
        })
        .collect()
}

async fn all_is_refused_or_declared(kind: RuntimeKind) {
    let docker = Dockerd::start(false);
    let engine = docker.host();
    let atoll = Atoll::start_with(&["--docker-host", &engine]).await;
    let program = Program::build();
    let host = Neighbour::on_host(&program);
    let made = Made { image: IMAGE, network: "none", runtime: kind, docker: Some(&docker) };
    let tried = Tried::new(&atoll, &program, &host, made).await;
    let mut wrong = Vec::new();
    for user in ["root", "agent"] {
        wrong.extend(undeclared(&program, kind, user, &tried.all(user, &program).await));
    }
    assert_none("ways out that nobody has declared", &wrong);
    tried.is_well().await;
    atoll.delete_all().await;
    assert!(atoll.cli(&["image", "rm", IMAGE]).status.success());
    atoll.finish().await;
}

#[tokio::test]
async fn there_is_no_undeclared_way_out_of_a_container() {
    all_is_refused_or_declared(RuntimeKind::Docker).await;
}

#[tokio::test]
async fn there_is_no_undeclared_way_out_of_gvisor() {
    assert!(Dockerd::has_gvisor(), "apt-get install runsc");
    all_is_refused_or_declared(RuntimeKind::Gvisor).await;
}

#[test]
fn what_is_declared_is_documented() {
    let missing = DECLARED.iter().map(Declared::row).filter(|row| !DOCUMENT.contains(row));
    assert_none("docs/escape-suite.md lacks these rows", &missing.collect::<Vec<_>>());
}
