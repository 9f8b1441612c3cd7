//! The installation's table of the host's packet filter.

use std::io;
use std::process::Command;

use atoll_launcher_protocol::bridge_prefix;

use crate::collect::Place;
use crate::world::World;

/// Runs `nft`; its output, or what it complains about. None where there is none: then nobody has loaded rules with it.
pub(crate) fn nft(words: &[&str]) -> io::Result<Option<Result<String, String>>> {
    let output = match Command::new("nft").args(words).env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin").output() {
        Ok(output) => output,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim().to_owned();
    Ok(Some(if output.status.success() { Ok(text(&output.stdout)) } else { Err(text(&output.stderr)) }))
}

pub(crate) fn collect(place: &Place, world: &mut World) -> io::Result<()> {
    // A kernel without the packet filter has no table of ours either.
    let tables = nft(&["list", "tables"])?.and_then(Result::ok).unwrap_or_default();
    world.host_rules = has_table(&tables, &place.group_name());
    // Of this thread's network, as the rules are.
    let links = std::fs::read_to_string("/proc/thread-self/net/dev")?;
    world.bridges = has_bridge(&links, &bridge_prefix(&place.installation));
    Ok(())
}

fn has_table(tables: &str, name: &str) -> bool {
    tables.lines().any(|line| line.split(' ').collect::<Vec<_>>() == ["table", "inet", name])
}

/// Whether an interface is named like this, in the kernel's list of them.
fn has_bridge(links: &str, prefix: &str) -> bool {
    links.lines().any(|line| line.trim_start().starts_with(prefix))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bridge_is_ours_by_the_beginning_of_its_name() {
        let links = "Inter-|   Receive\n    lo: 1 2\n  eth0: 1 2\natdabcdefgh001k: 1 2\n";
        assert!(has_bridge(links, "atdabcdefgh"));
        assert!(!has_bridge(links, "atdabcdefgx") && !has_bridge("    lo: atdabcdefgh", "atdabcdefgh"));
    }

    #[test]
    fn a_table_is_ours_by_its_whole_name() {
        let tables = "table ip nat\ntable inet atoll-xy\ntable inet atoll-x\n";
        assert!(has_table(tables, "atoll-x") && has_table(tables, "atoll-xy"));
        assert!(!has_table(tables, "atoll") && !has_table("table ip atoll-x", "atoll-x"));
    }
}
