//! What the engine's port promises, on real ports.
#![allow(clippy::unwrap_used)]

use std::net::{IpAddr, Ipv4Addr};
use std::num::NonZeroU16;

use atoll_host_ports::TcpHostPorts;
use atoll_ports::{Connection, HostPortError, HostPorts};
use tokio::net::TcpStream;

const LOOPBACK: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

#[tokio::test]
async fn it_keeps_the_contract() {
    let connect = async |port: NonZeroU16| {
        let stream = TcpStream::connect((LOOPBACK, port.get())).await.ok()?;
        Some(Box::new(stream) as Connection)
    };
    atoll_testkit::contract::host_ports(&TcpHostPorts::new(LOOPBACK), connect).await;
}

#[tokio::test]
async fn a_port_of_another_program_is_taken_and_an_address_that_is_not_here_fails() {
    let other = std::net::TcpListener::bind((LOOPBACK, 0)).unwrap();
    let port = NonZeroU16::new(other.local_addr().unwrap().port());
    let taken = TcpHostPorts::new(LOOPBACK).listen(port).await.unwrap_err();
    assert_eq!(taken, HostPortError::Taken);
    // Also where the address is wider than the other program's.
    let everywhere = TcpHostPorts::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED));
    assert_eq!(everywhere.listen(port).await.unwrap_err(), HostPortError::Taken);
    let elsewhere = TcpHostPorts::new(IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1)));
    assert!(matches!(elsewhere.listen(None).await.unwrap_err(), HostPortError::Failed(_)));
}
