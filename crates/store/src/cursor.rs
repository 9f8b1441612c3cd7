//! Cursors of lists: where the last page ended, opaque to whoever gets one.

use atoll_ports::{PAGE_ITEMS_MAX, Page, StoreError};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

/// Which list a cursor belongs to, so that one list's is not taken for another's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum List {
    ApiKeys,
    Images,
    Sandboxes,
    Execs,
    Jobs,
    Audit,
    Users,
    Sessions,
    Invitations,
    ClassLinks,
    Environments,
    EnvironmentVersions,
}

impl List {
    const fn tag(self) -> &'static str {
        match self {
            Self::ApiKeys => "k",
            Self::Images => "i",
            Self::Sandboxes => "s",
            Self::Execs => "e",
            Self::Jobs => "j",
            Self::Audit => "a",
            Self::Users => "au",
            Self::Sessions => "as",
            Self::Invitations => "ai",
            Self::ClassLinks => "ac",
            Self::Environments => "n",
            Self::EnvironmentVersions => "v",
        }
    }
}

/// The sort key of the last item of a page: when it was made (zero for lists that sort by name alone) and its id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) created_at: i64,
    pub(crate) id: String,
}

fn write(list: List, place: &Place) -> String {
    URL_SAFE_NO_PAD.encode(format!("{}/{}/{}", list.tag(), place.created_at, place.id))
}

/// Longest cursor that is looked at, in bytes: an image name of 255 with its envelope, in base64.
const CURSOR_BYTES_MAX: usize = 512;

fn read_some(list: List, text: &str) -> Option<Place> {
    if text.len() > CURSOR_BYTES_MAX {
        return None;
    }
    let text = String::from_utf8(URL_SAFE_NO_PAD.decode(text).ok()?).ok()?;
    let rest = text.strip_prefix(list.tag())?.strip_prefix('/')?;
    let (created_at, id) = rest.split_once('/')?;
    Some(Place { created_at: created_at.parse().ok()?, id: id.to_owned() })
}

/// The place that a cursor of this list names.
pub(crate) fn read(list: List, cursor: Option<&str>) -> Result<Option<Place>, StoreError> {
    cursor.map(|text| read_some(list, text).ok_or(StoreError::BadCursor)).transpose()
}

/// Rows to ask for: one more than the page has, which tells whether there is another.
pub(crate) fn rows(limit: u32) -> i64 {
    i64::from(limit.clamp(1, PAGE_ITEMS_MAX)) + 1
}

/// A page of the rows that were asked for with [`rows`].
pub(crate) fn page<R, T>(
    list: List,
    limit: u32,
    mut found: Vec<R>,
    place: impl Fn(&R) -> Place,
    record: impl Fn(R) -> Result<T, StoreError>,
) -> Result<Page<T>, StoreError> {
    let limit = usize::try_from(limit.clamp(1, PAGE_ITEMS_MAX)).unwrap_or(usize::MAX);
    let more = found.len() > limit;
    found.truncate(limit);
    let next_cursor = found.last().filter(|_| more).map(|last| write(list, &place(last)));
    let items = found.into_iter().map(record).collect::<Result<_, _>>()?;
    Ok(Page { items, next_cursor })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_reads_back_and_belongs_to_its_list() {
        let place = Place { created_at: -5, id: "a/b".to_owned() };
        let text = write(List::Images, &place);
        assert!(text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b)), "{text}");
        assert_eq!(read(List::Images, Some(&text)).unwrap(), Some(place));
        assert!(matches!(read(List::Execs, Some(&text)), Err(StoreError::BadCursor)));
    }

    #[test]
    fn garbage_is_no_cursor() {
        for text in ["", "x", "aS8x", "\0", &"A".repeat(10_000)] {
            assert!(matches!(read(List::Images, Some(text)), Err(StoreError::BadCursor)), "{text:?}");
        }
    }
}
