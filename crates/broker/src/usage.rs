//! What a sandbox uses, as Docker counts it.

use atoll_broker_protocol::{Failure, FailureKind, Usage};
use atoll_types::SandboxId;
use bollard::models::{ContainerMemoryStats, ContainerStatsResponse};
use bollard::query_parameters::StatsOptionsBuilder;
use futures_util::StreamExt as _;

use crate::fail::{asked, failure};
use crate::names;
use crate::requests::Broker;

impl Broker {
    pub(crate) async fn usage(&self, sandbox: &SandboxId) -> Result<Usage, Failure> {
        let docker = self.daemon.docker().await?;
        let options = StatsOptionsBuilder::default().stream(false).one_shot(true).build();
        let mut all = std::pin::pin!(docker.stats(&names::container(sandbox), Some(options)));
        let read = asked(async { all.next().await.transpose() }).await?;
        let read =
            read.ok_or_else(|| failure(FailureKind::NotFound, "Docker counts nothing of the sandbox"))?;
        Ok(usage(&read))
    }
}

fn usage(read: &ContainerStatsResponse) -> Usage {
    let cpu = read.cpu_stats.as_ref().and_then(|cpu| cpu.cpu_usage.as_ref());
    let pids = read.pids_stats.as_ref().and_then(|pids| pids.current).unwrap_or_default();
    let blocks = read.blkio_stats.as_ref().and_then(|blocks| blocks.io_service_bytes_recursive.as_deref());
    let bytes_of = |op: &str| {
        let of_op = |entry: &&bollard::models::ContainerBlkioStatEntry| {
            entry.op.as_deref().is_some_and(|name| name.eq_ignore_ascii_case(op))
        };
        blocks.unwrap_or_default().iter().filter(of_op).filter_map(|entry| entry.value).sum()
    };
    let mut usage = Usage {
        cpu_nanos: cpu.and_then(|cpu| cpu.total_usage).unwrap_or_default(),
        system_nanos: cpu.and_then(|cpu| cpu.usage_in_kernelmode).unwrap_or_default(),
        memory_bytes: read.memory_stats.as_ref().map(memory).unwrap_or_default(),
        pids: u32::try_from(pids).unwrap_or(u32::MAX),
        read_bytes: bytes_of("read"),
        write_bytes: bytes_of("write"),
        ..Usage::default()
    };
    for network in read.networks.iter().flatten().map(|(_, network)| network) {
        usage.rx_bytes += network.rx_bytes.unwrap_or_default();
        usage.tx_bytes += network.tx_bytes.unwrap_or_default();
        usage.rx_packets += network.rx_packets.unwrap_or_default();
        usage.tx_packets += network.tx_packets.unwrap_or_default();
    }
    usage
}

/// Without file pages that nobody has used lately: version 1 of control groups and version 2 name them differently.
fn memory(memory: &ContainerMemoryStats) -> u64 {
    let stats = memory.stats.as_ref();
    let idle =
        ["total_inactive_file", "inactive_file"].into_iter().find_map(|name| stats?.get(name).copied());
    memory.usage.unwrap_or_default().saturating_sub(idle.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_docker_counts_is_told() {
        let read = serde_json::json!({
            "cpu_stats": {"cpu_usage": {"total_usage": 7, "usage_in_kernelmode": 2}},
            "memory_stats": {"usage": 100, "stats": {"total_inactive_file": 30, "inactive_file": 10}},
            "pids_stats": {"current": 3},
            "networks": {"eth0": {"rx_bytes": 5, "tx_bytes": 6, "rx_packets": 1, "tx_packets": 2}},
            "blkio_stats": {"io_service_bytes_recursive": [
                {"major": 8, "minor": 0, "op": "Read", "value": 11}, {"major": 8, "minor": 0, "op": "write", "value": 12}
            ]}
        });
        let used = usage(&serde_json::from_value(read).unwrap());
        assert_eq!((used.cpu_nanos, used.system_nanos, used.memory_bytes, used.pids), (7, 2, 70, 3));
        assert_eq!((used.rx_bytes, used.tx_bytes, used.read_bytes, used.write_bytes), (5, 6, 11, 12));
        assert_eq!(usage(&ContainerStatsResponse::default()), Usage::default());
    }
}
