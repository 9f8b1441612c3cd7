//! `POST /images/{name}/push`

use atoll_api_types::{PushImage, PushProgress, PushedImage};
use atoll_ports::{PushProgress as Progress, Pushed};
use atoll_types::{ImageName, ImageReference};
use axum::Extension;
use axum::extract::State;
use axum::http::HeaderMap;
use tokio::sync::watch;

use super::lines::{self, Told};
use crate::Api;
use crate::access::Authenticated;
use crate::answer::{ApiFailure, TraceId};
use crate::extract::{ImagePushPath, Json, Path};

/// Push an image to a registry, as one layer.
///
/// The server packs the image and sends it to the registry that the reference names; with `Accept: application/x-ndjson` its
/// progress is told. Only for an admin are the operator's credentials used.
#[utoipa::path(post, path = "/images/{*name}", tag = "images", params(ImagePushPath), request_body = PushImage)]
pub(crate) async fn push_image(
    State(api): State<Api>,
    Authenticated(caller): Authenticated,
    Extension(trace): Extension<TraceId>,
    Path(path): Path<ImagePushPath>,
    headers: HeaderMap,
    Json(body): Json<PushImage>,
) -> Result<Told<200, PushProgress>, ApiFailure> {
    let reference = reference(body, &path.name)?;
    let first = PushProgress { status: "packing".to_owned(), ..PushProgress::default() };
    let (progress, seen) = watch::channel(first);
    let engine = api.engine().clone();
    let work = Box::pin(async move {
        let tell = |step: Progress| progress.send_modify(|shown| show(shown, step));
        let pushed = engine.image_push(&caller, &path.name, &reference, &tell).await?;
        Ok(view(pushed, &reference))
    });
    lines::answer(&api, &headers, trace, work, seen).await
}

fn reference(body: PushImage, name: &ImageName) -> Result<ImageReference, ApiFailure> {
    let given = body.reference.unwrap_or_else(|| name.to_string());
    given.parse().map_err(|error: atoll_types::InputError| {
        ApiFailure::field("reference", format!("must be {}", error.expected))
    })
}

fn show(shown: &mut PushProgress, step: Progress) {
    let (status, bytes, total_bytes) = match step {
        Progress::Packing => ("packing", 0, 0),
        Progress::Pushed { bytes, total_bytes } => ("pushing", bytes, total_bytes),
        Progress::Exists { total_bytes } => ("exists", total_bytes, total_bytes),
    };
    *shown = PushProgress { status: status.to_owned(), bytes, total_bytes, pushed: None, error: None };
}

fn view(pushed: Pushed, reference: &ImageReference) -> PushedImage {
    PushedImage {
        reference: reference.to_string(),
        manifest_digest: format!("sha256:{}", pushed.manifest),
        size_bytes: pushed.bytes,
    }
}
