//! `GET /images`

use atoll_api_types::Image;
use atoll_types::ImageName;
use axum::extract::State;

use super::image_view;
use crate::Api;
use crate::access::Authenticated;
use crate::answer::{ApiFailure, Page};
use crate::extract::{PageQuery, Query};

/// List the images, by name. `host` is always there: it comes first, beside the items of the first page.
#[utoipa::path(get, path = "/images", tag = "images", params(PageQuery))]
pub(crate) async fn list_images(
    State(api): State<Api>,
    _: Authenticated,
    Query(query): Query<PageQuery>,
) -> Result<Page<Image>, ApiFailure> {
    let (cursor, limit) = query.bounds()?;
    let is_first = cursor.is_none();
    let mut page = Page::of(api.engine().image_list(cursor.as_deref(), limit).await?, image_view);
    if is_first {
        let host = Image { name: ImageName::HOST.to_owned(), ..Image::default() };
        page.items.insert(0, host);
    }
    Ok(page)
}
