use std::num::NonZeroU16;

use atoll_ports::{Connection, HostPortError, HostPorts};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

/// Nothing of the host's ports is in use but by others; `connect` is a client.
pub async fn host_ports(ports: &dyn HostPorts, connect: impl AsyncFn(NonZeroU16) -> Option<Connection>) {
    let any = ports.listen(None).await.unwrap();
    let other = ports.listen(None).await.unwrap();
    assert_ne!(any.port(), other.port());
    assert_eq!(ports.listen(Some(any.port())).await.unwrap_err(), HostPortError::Taken);
    for round in 0..2 {
        let mut client = connect(any.port()).await.unwrap();
        let mut served = any.accept().await.unwrap();
        client.write_all(b"there").await.unwrap();
        client.shutdown().await.unwrap();
        let mut heard = String::new();
        served.read_to_string(&mut heard).await.unwrap();
        served.write_all(b"and back").await.unwrap();
        drop(served);
        let mut back = String::new();
        client.read_to_string(&mut back).await.unwrap();
        assert_eq!((heard.as_str(), back.as_str()), ("there", "and back"), "round {round}");
    }
    // Dropped, it is free at once, and the same one can be had again.
    let port = any.port();
    drop(any);
    assert!(connect(port).await.is_none());
    assert_eq!(ports.listen(Some(port)).await.unwrap().port(), port);
}
