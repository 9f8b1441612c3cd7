//! `DELETE /images/{name}`

use atoll_api_types::Deleted;
use axum::extract::State;

use crate::Api;
use crate::access::Authenticated;
use crate::answer::{ApiFailure, Ok, data};
use crate::extract::{ImagePath, Path};

/// Delete an image that no sandbox uses.
#[utoipa::path(delete, path = "/images/{*name}", tag = "images", params(ImagePath))]
pub(crate) async fn delete_image(
    State(api): State<Api>,
    Authenticated(caller): Authenticated,
    Path(path): Path<ImagePath>,
) -> Result<Ok<Deleted>, ApiFailure> {
    api.engine().image_delete(&caller, &path.name).await?;
    data(Deleted { id: path.name.to_string(), deleted: true })
}
