//! Lists that come in pages, as one table.

use atoll_client::{ClientError, Page};
use serde::Serialize;
use time::OffsetDateTime;

use super::Call;
use crate::printer::table;

/// Asks for every page and prints all items. `row` is told the time, for ages.
pub(super) async fn show_all<T: Serialize>(
    call: &Call,
    headers: &[&str],
    mut page: impl AsyncFnMut(Option<&str>) -> Result<Page<T>, ClientError>,
    row: impl Fn(&T, OffsetDateTime) -> Vec<String>,
) -> anyhow::Result<()> {
    let mut items: Vec<T> = Vec::new();
    let mut cursor: Option<String> = None;
    loop {
        let Page { items: more, next_cursor } = page(cursor.as_deref()).await?;
        items.extend(more);
        if next_cursor.is_none() || next_cursor == cursor {
            break;
        }
        cursor = next_cursor;
    }
    let now = OffsetDateTime::now_utc();
    let rows = || items.iter().map(|item| row(item, now)).collect();
    Ok(call.printer.data(&items, || table(headers, rows()))?)
}
