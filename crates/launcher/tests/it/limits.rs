//! Limits, as the kernel keeps them.

use atoll_launcher_protocol::Answer;
use atoll_launcher_protocol::Call;

use crate::host::{Host, eventually, host_sandbox};

const MIB: u64 = 1 << 20;

#[test]
fn memory_cpu_and_processes_are_limited() {
    let host = Host::new();
    let mut request = host_sandbox(0);
    request.limits.memory_bytes = 64 * MIB;
    request.limits.cpu_millis = 250;
    request.limits.pids = 20;
    host.client().start(request.clone()).unwrap();
    let id = &request.sandbox;

    // The workload dies of it and the agent does not.
    let (_, code) = host.shell(id, 1000, "python3 -c 'x = bytearray(200 << 20)'");
    assert_ne!(code, 0);
    assert_eq!(host.shell(id, 1000, "echo alive"), ("alive\n".to_owned(), 0));

    // What programs see of it.
    assert_eq!(
        host.shell(id, 1000, "cat /sys/fs/cgroup/memory/memory.limit_in_bytes").0,
        format!("{}\n", 64 * MIB)
    );
    assert_eq!(host.shell(id, 1000, "cat /sys/fs/cgroup/cpu/cpu.cfs_quota_us").0, "25000\n");

    let (text, _) = host.shell(id, 1000, "for i in $(seq 40); do sleep 1 & done; wait");
    assert!(text.contains("fork") || text.contains("Resource temporarily unavailable"), "{text}");
}

#[test]
fn the_disk_limit_holds() {
    let host = Host::new();
    let mut request = host_sandbox(0);
    request.limits.disk_bytes = 32 * MIB;
    let mut client = host.client();
    client.start(request.clone()).unwrap();
    let id = &request.sandbox;
    let (text, code) = host.shell(id, 1000, "dd if=/dev/urandom of=/home/agent/big bs=1M count=64 && sync");
    assert_ne!(code, 0, "{text}");
    assert!(text.contains("quota") || text.contains("No space"), "{text}");
    // Others still have room, and the full one can be stopped, started and removed.
    let other = host_sandbox(1);
    client.start(other.clone()).unwrap();
    let (text, code) =
        host.shell(&other.sandbox, 1000, "dd if=/dev/zero of=/home/agent/big bs=1M count=40 && sync");
    assert_eq!(code, 0, "{text}");
    client.stop(id);
    client.start(request.clone()).unwrap();
    let (_, code) = host.shell(id, 1000, "rm /home/agent/big && echo fine > /home/agent/small");
    assert_eq!(code, 0);
    client.remove(id);
}

#[test]
fn one_sandbox_does_not_use_up_the_watches_of_another() {
    let host = Host::new();
    let (one, two) = (host_sandbox(0), host_sandbox(1));
    let mut client = host.client();
    client.start(one.clone()).unwrap();
    client.start(two.clone()).unwrap();
    let script = "import ctypes,time
libc = ctypes.CDLL(None)
n = 0
while libc.inotify_init() >= 0: n += 1
print(n, flush=True)
time.sleep(%s)";
    let greedy = script.replace("%s", "30");
    let _held = host.spawn_exec(&one.sandbox, 1000, &format!("python3 -c '{greedy}' > /tmp/n"));
    eventually(|| host.shell(&one.sandbox, 0, "cat /tmp/n").0.trim().parse::<u32>().is_ok());
    let (held, _) = host.shell(&one.sandbox, 0, "cat /tmp/n");
    assert!(held.trim().parse::<u32>().unwrap() > 0);
    let (text, _) = host.shell(&two.sandbox, 1000, &format!("python3 -c '{}'", script.replace("%s", "0")));
    assert_eq!(text.trim(), held.trim());
}

#[test]
fn room_is_told() {
    let host = Host::new();
    match host.client().call(Call::Storage).unwrap() {
        Answer::Storage { free_bytes, total_bytes, full } => {
            assert!(free_bytes > 0 && free_bytes <= total_bytes && !full);
        }
        other => panic!("{other:?}"),
    }
}
