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
    let images = api.engine().image_list(cursor.as_deref(), limit).await?;
    let sizes = api.engine().image_sizes().await;
    let mut page = Page::of(images, |image| {
        let size = sizes.get(&image.digest);
        Image {
            shared_bytes: size.map(|size| size.shared_bytes),
            unique_bytes: size.map(|size| size.unique_bytes),
            ..image_view(image)
        }
    });
    if is_first {
        let host = Image { name: ImageName::HOST.to_owned(), ..Image::default() };
        page.items.insert(0, host);
    }
    Ok(page)
}
