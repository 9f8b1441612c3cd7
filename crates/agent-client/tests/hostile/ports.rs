//! What comes from ports.

use atoll_agent_protocol::v1::PortPiece;
use atoll_ports::AgentPorts;
use tokio::io::AsyncReadExt;

use crate::host::Host;
use crate::liar::Liar;

#[tokio::test]
async fn what_comes_from_a_port_is_bounded_and_has_an_end_of_its_own() {
    let said = |bytes: usize, end| PortPiece { data: vec![b'x'; bytes].into(), end, ..PortPiece::default() };
    for (port_pieces, kind) in [
        (vec![said(3, false), said(20 << 10, false)], std::io::ErrorKind::InvalidData),
        (vec![said(3, false)], std::io::ErrorKind::ConnectionReset),
    ] {
        let host = Host::with(Liar { port_pieces, ..Liar::default() });
        let mut stream = host.client.dial(&host.sandbox, 80.try_into().unwrap()).await.unwrap();
        let mut heard = Vec::new();
        let error = stream.read_to_end(&mut heard).await.unwrap_err();
        assert_eq!((error.kind(), heard.len()), (kind, 3));
    }
    let host = Host::with(Liar { port_pieces: vec![said(3, true), said(3, false)], ..Liar::default() });
    let mut stream = host.client.dial(&host.sandbox, 80.try_into().unwrap()).await.unwrap();
    let mut heard = Vec::new();
    assert_eq!(stream.read_to_end(&mut heard).await.unwrap(), 3);
}
