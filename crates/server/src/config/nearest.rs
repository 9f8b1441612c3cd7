//! The name that was probably meant.

/// Changes of one letter by which a name may differ from the one that was meant.
const DISTANCE_MAX: usize = 3;
/// Longer names are no typing errors of ours.
const NAME_BYTES_MAX: usize = 64;

/// The nearest of `known` to `name`, if one is near.
pub(super) fn nearest(name: &str, known: impl Iterator<Item = &'static str>) -> Option<&'static str> {
    if name.len() > NAME_BYTES_MAX {
        return None;
    }
    let plain = |text: &str| text.to_ascii_lowercase().replace(['-', '_'], "");
    let given = plain(name);
    let near = known.map(|candidate| (distance(&given, &plain(candidate)), candidate));
    near.filter(|(distance, _)| *distance <= DISTANCE_MAX).min().map(|(_, candidate)| candidate)
}

/// Letters to insert, remove or replace.
fn distance(from: &str, to: &str) -> usize {
    let mut row: Vec<usize> = (0..=to.len()).collect();
    for (line, a) in from.bytes().enumerate() {
        let mut diagonal = row[0];
        row[0] = line + 1;
        for (column, b) in to.bytes().enumerate() {
            let replaced = diagonal + usize::from(a != b);
            diagonal = row[column + 1];
            row[column + 1] = replaced.min(row[column] + 1).min(diagonal + 1);
        }
    }
    row[to.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances_are_counted() {
        assert_eq!(distance("kitten", "sitting"), 3);
        assert_eq!(distance("", "abc"), 3);
        assert_eq!(distance("abc", "abc"), 0);
    }

    #[test]
    fn only_a_near_name_is_suggested() {
        let known = || ["dataDir", "host", "idleTtl"].into_iter();
        assert_eq!(nearest("data_dir", known()), Some("dataDir"));
        assert_eq!(nearest("idletll", known()), Some("idleTtl"));
        assert_eq!(nearest("completelyOther", known()), None);
        assert_eq!(nearest(&"x".repeat(1 << 20), known()), None);
    }
}
