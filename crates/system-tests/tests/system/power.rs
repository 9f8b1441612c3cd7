//! The host loses its power: its disk keeps what it had been told to keep, and nothing that ran goes on.

use atoll_types::SandboxId;

use crate::harness::{Atoll, Format, Inside};

const DISK_BYTES: u64 = 7 << 30;

fn inside<'a>(atoll: &'a Atoll, id: &SandboxId) -> Inside<'a> {
    Inside { atoll, id: id.clone() }
}

#[tokio::test]
async fn a_loss_of_power_keeps_records_and_synchronised_files_and_is_said() {
    let mut atoll = Atoll::start_on(Format::Ext4, DISK_BYTES).await;
    let (running, stopped, removed) = (atoll.create().await, atoll.create().await, atoll.create().await);
    let (running, stopped) = (running.id.clone(), {
        stopped.ok("echo closed > ~/file").await;
        atoll.client.sandbox_stop(&stopped.id).await.unwrap();
        stopped.id.clone()
    });
    let removed = removed.id.clone();
    atoll.client.sandbox_delete(&removed).await.unwrap();
    let before = inside(&atoll, &running);
    before.ok("seq 1 100000 > ~/synchronised; sync; echo lost > ~/late; dd if=/dev/zero of=$HOME/fsynced bs=4k count=1 conv=fsync 2> /dev/null").await;
    before.begin("echo unfinished; sleep 100").await;
    atoll.lose_power_and_start_again(std::slice::from_ref(&running)).await;

    let (running, stopped) = (inside(&atoll, &running), inside(&atoll, &stopped));
    let seen = running.get().await;
    assert_eq!((seen.state.as_str(), seen.state_reason.as_deref()), ("stopped", Some("host_restarted")));
    assert_eq!(stopped.get().await.state, "stopped");
    let gone = atoll.client.sandbox_get(&removed).await.unwrap_err();
    assert_eq!(gone.code(), Some("sandbox_not_found"));
    atoll.assert_healthy();
    let said = |id: &SandboxId| atoll.log().contains(&format!("sandbox {id} was not closed properly"));
    for sandbox in [&running, &stopped] {
        atoll.client.sandbox_start(&sandbox.id).await.unwrap();
    }
    assert!(said(&running.id) && !said(&stopped.id), "{}", atoll.log());
    assert_eq!(running.ok("seq 1 100000 | cmp - ~/synchronised && echo same").await, "same\n");
    assert_eq!(stopped.ok("cat ~/file").await, "closed\n");
    // The power was really cut: what nobody had put on the disk is gone, and a file's own fsync puts nothing there.
    assert_eq!(running.ok("ls ~").await, "synchronised\n");
    // Said once: it is closed properly from here on.
    atoll.client.sandbox_stop(&running.id).await.unwrap();
    let log = atoll.log().len();
    atoll.client.sandbox_start(&running.id).await.unwrap();
    assert!(!atoll.log()[log..].contains("was not closed properly"));
    atoll.finish().await;
}
