//! `POST /images`

use atoll_api_types::Image;
use atoll_types::{ErrorCode, ImageName};
use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, header};
use serde::Deserialize;

use super::image_view;
use super::upload::receive;
use crate::Api;
use crate::access::Authenticated;
use crate::answer::{Answer, ApiFailure, Created};
use crate::extract::{Problems, Query, discard};

/// Under which name.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct ImportQuery {
    /// Name of the image; one that exists is replaced.
    #[param(example = "debian:12")]
    name: String,
}

/// Import an image.
///
/// The body is the tar of a root file system, as `docker export` or `mmdebstrap` make one, sent as it is.
#[utoipa::path(
    post, path = "/images", tag = "images", params(ImportQuery),
    request_body(content = String, content_type = "application/x-tar", description = "A tar of a root file system.")
)]
pub(crate) async fn import_image(
    State(api): State<Api>,
    Authenticated(caller): Authenticated,
    query: Result<Query<ImportQuery>, ApiFailure>,
    headers: HeaderMap,
    body: Body,
) -> Result<Created<Image>, ApiFailure> {
    let name = match checked(query, &headers) {
        Ok(name) => name,
        Err(refused) => {
            discard(body).await;
            return Err(refused);
        }
    };
    let archive = receive(&api, &headers, body).await?;
    Ok(Answer(image_view(api.engine().image_import(&caller, name, archive).await?)))
}

fn checked(
    query: Result<Query<ImportQuery>, ApiFailure>,
    headers: &HeaderMap,
) -> Result<ImageName, ApiFailure> {
    let Query(query) = query?;
    let mut problems = Problems::default();
    let name = problems.parse::<ImageName>("query.name", Some(query.name));
    let name = problems.finish(name)?;
    if name.is_host() {
        return Err(ApiFailure::field(
            "query.name",
            "must not be 'host': that image is made of this machine's own files",
        ));
    }
    let media = headers.get(header::CONTENT_TYPE).map(|value| value.to_str().unwrap_or_default());
    if media.is_none_or(|media| {
        ["application/x-tar", "application/tar", "application/octet-stream"].contains(&media)
    }) {
        return Ok(name);
    }
    let hint = "the body must be a tar: send it with Content-Type: application/x-tar (curl: -H 'Content-Type: application/x-tar' -T FILE -X POST)";
    Err(ApiFailure::new(ErrorCode::UnsupportedMediaType, hint))
}
