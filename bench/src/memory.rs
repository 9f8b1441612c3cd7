//! What processes and the machine use.

use std::collections::HashMap;

use anyhow::Context;

/// Proportional set size of a process and all its descendants, in bytes.
pub(crate) fn pss_of_tree(root: u32) -> anyhow::Result<u64> {
    // One may have ended since.
    Ok(tree(root)?.into_iter().filter_map(pss).sum())
}

/// Open descriptors of a process and all its descendants.
pub(crate) fn descriptors_of_tree(root: u32) -> anyhow::Result<usize> {
    let open = |pid| Some(std::fs::read_dir(format!("/proc/{pid}/fd")).ok()?.count());
    Ok(tree(root)?.into_iter().filter_map(open).sum())
}

fn tree(root: u32) -> anyhow::Result<Vec<u32>> {
    let parents = parents()?;
    Ok(parents.keys().copied().filter(|&pid| descends(pid, root, &parents)).collect())
}

/// Whether `pid` is `root` or below it. A reused pid cannot loop: the walk is bounded by the number of processes.
fn descends(pid: u32, root: u32, parents: &HashMap<u32, u32>) -> bool {
    let mut current = pid;
    for _ in 0..=parents.len() {
        if current == root {
            return true;
        }
        match parents.get(&current) {
            Some(&parent) => current = parent,
            None => return false,
        }
    }
    false
}

/// Parent of every process.
fn parents() -> anyhow::Result<HashMap<u32, u32>> {
    let mut parents = HashMap::new();
    for entry in std::fs::read_dir("/proc").context("reading /proc")? {
        let Some(pid) = entry?.file_name().to_str().and_then(|name| name.parse().ok()) else { continue };
        let Ok(stat) = std::fs::read_to_string(format!("/proc/{pid}/stat")) else { continue };
        // The name in parentheses may hold anything; after the last one come the state and the parent.
        let parent: Option<u32> =
            stat.rsplit_once(") ").and_then(|(_, rest)| rest.split(' ').nth(1)?.parse().ok());
        parents.extend(parent.map(|parent| (pid, parent)));
    }
    Ok(parents)
}

fn pss(pid: u32) -> Option<u64> {
    field(&std::fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).ok()?, "Pss:")
}

/// Memory that programs can still get, in bytes.
pub(crate) fn available() -> anyhow::Result<u64> {
    let text = std::fs::read_to_string("/proc/meminfo").context("reading /proc/meminfo")?;
    field(&text, "MemAvailable:").context("no MemAvailable")
}

/// A line such as `Pss:   123 kB`, in bytes.
fn field(text: &str, name: &str) -> Option<u64> {
    let value = text.lines().find_map(|line| line.strip_prefix(name))?;
    value.split_whitespace().next()?.parse::<u64>().ok().map(|kib| kib * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_kib() {
        assert_eq!(field("Rss:  9 kB\nPss:   3 kB\n", "Pss:"), Some(3072));
        assert_eq!(field("Rss:  9 kB\n", "Pss:"), None);
    }

    #[test]
    fn a_tree_has_its_descendants_only() {
        let parents = HashMap::from([(2, 1), (3, 2), (4, 1)]);
        assert!(descends(3, 2, &parents) && descends(2, 2, &parents));
        assert!(!descends(4, 2, &parents));
    }

    #[test]
    fn this_process_uses_memory() {
        assert!(pss_of_tree(std::process::id()).unwrap() > 0);
        assert!(descriptors_of_tree(std::process::id()).unwrap() >= 3);
        assert!(available().unwrap() > 0);
    }
}
