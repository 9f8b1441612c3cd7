//! Pages of lists in memory.

use atoll_ports::{PAGE_ITEMS_MAX, Page, StoreError};

/// Sorts by `key`, leaves out what is not behind the cursor, and cuts a page. `kind` keeps the cursor of one list from
/// being taken for another's.
pub(super) fn page<T, K: Ord>(
    kind: &str,
    mut items: Vec<T>,
    key: impl Fn(&T) -> K,
    write: impl Fn(&K) -> String,
    read: impl Fn(&str) -> Option<K>,
    cursor: Option<&str>,
    limit: u32,
) -> Result<Page<T>, StoreError> {
    items.sort_by_key(|item| key(item));
    if let Some(cursor) = cursor {
        let text = cursor.strip_prefix(kind).and_then(|rest| rest.strip_prefix('.'));
        let after = text.and_then(read).ok_or(StoreError::BadCursor)?;
        items.retain(|item| key(item) > after);
    }
    let limit = usize::try_from(limit.clamp(1, PAGE_ITEMS_MAX)).unwrap_or(usize::MAX);
    let more = items.len() > limit;
    items.truncate(limit);
    let next_cursor = items.last().filter(|_| more).map(|last| format!("{kind}.{}", write(&key(last))));
    Ok(Page { items, next_cursor })
}

/// Newest first: the key of a moment and an id, which sorts backwards.
pub(super) type Newest = std::cmp::Reverse<(i64, String)>;

/// Writes the key of a newest-first list.
pub(super) fn write_newest(key: &Newest) -> String {
    format!("{}.{}", key.0.0, key.0.1)
}

/// Reads it back.
pub(super) fn read_newest(text: &str) -> Option<Newest> {
    let (ms, id) = text.split_once('.')?;
    Some(std::cmp::Reverse((ms.parse().ok()?, id.to_owned())))
}
