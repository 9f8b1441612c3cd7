//! `POST /images/{name}/push`

use std::collections::BTreeMap;
use std::pin::Pin;

use atoll_api_types::{PushImage, PushProgress, PushedImage};
use atoll_engine::{Caller, EngineError};
use atoll_ports::{PushProgress as Progress, Pushed};
use atoll_types::{ImageName, ImageReference};
use axum::Extension;
use axum::body::Body;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::{IntoResponse, Response};
use tokio::sync::watch;
use utoipa::openapi::{ContentBuilder, Ref, RefOr};
use utoipa::{IntoResponses, ToSchema};

use super::lines::{self, LINES};
use crate::Api;
use crate::access::Authenticated;
use crate::answer::{Answer, ApiFailure, Ok as Good, TraceId};
use crate::extract::{ImagePushPath, Json, Path};

type Work = Pin<Box<dyn Future<Output = Result<Pushed, EngineError>> + Send>>;

/// An image that was pushed, or how far it is.
pub(crate) enum Sent {
    Done(Box<Good<PushedImage>>),
    Told(Body),
}

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
) -> Result<Sent, ApiFailure> {
    let reference = reference(body, &path.name)?;
    let first = PushProgress { status: "packing".to_owned(), ..PushProgress::default() };
    let (tell, seen) = watch::channel(first);
    let done = work(&api, caller, path.name, reference.clone(), tell);
    if !lines::wanted(&headers) {
        return Ok(Sent::Done(Box::new(Answer(view(done.await?, &reference)))));
    }
    let shown = seen.clone();
    let work = Box::pin(async move {
        let done = done.await;
        let shown = shown.borrow().clone();
        last(done, shown, &reference, &trace)
    });
    Ok(Sent::Told(lines::told(&api, work, seen)?))
}

fn reference(body: PushImage, name: &ImageName) -> Result<ImageReference, ApiFailure> {
    let given = body.reference.unwrap_or_else(|| name.to_string());
    given.parse().map_err(|error: atoll_types::InputError| {
        ApiFailure::field("reference", format!("must be {}", error.expected))
    })
}

fn work(
    api: &Api,
    caller: Caller,
    name: ImageName,
    reference: ImageReference,
    progress: watch::Sender<PushProgress>,
) -> Work {
    let engine = api.engine().clone();
    Box::pin(async move {
        let tell = |step: Progress| {
            progress.send_modify(|shown| show(shown, step));
        };
        engine.image_push(&caller, &name, &reference, &tell).await
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

fn last(
    done: Result<Pushed, EngineError>,
    shown: PushProgress,
    reference: &ImageReference,
    trace: &TraceId,
) -> PushProgress {
    match done {
        Ok(pushed) => {
            let pushed = Some(view(pushed, reference));
            PushProgress { status: "done".to_owned(), pushed, ..shown }
        }
        Err(error) => {
            let error = ApiFailure::from(error).body(trace).error;
            PushProgress { status: "failed".to_owned(), error: Some(error), ..shown }
        }
    }
}

impl IntoResponse for Sent {
    fn into_response(self) -> Response {
        match self {
            Self::Done(done) => (*done).into_response(),
            Self::Told(lines) => lines::response(lines),
        }
    }
}

impl IntoResponses for Sent {
    fn responses() -> BTreeMap<String, RefOr<utoipa::openapi::Response>> {
        let mut all = <Good<PushedImage> as IntoResponses>::responses();
        let line = ContentBuilder::new().schema(Some(Ref::from_schema_name(PushProgress::name()))).build();
        if let Some(RefOr::T(good)) = all.get_mut("200") {
            good.content.insert(LINES.to_owned(), line.into());
            good.description.push_str(
                " With `Accept: application/x-ndjson`: lines, each one `PushProgress`; the last has `pushed` or `error`.",
            );
        }
        all
    }
}
