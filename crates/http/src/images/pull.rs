//! `POST /images` with JSON: an image of a registry, answered when it is here or told about line by line.

use std::collections::BTreeMap;
use std::pin::Pin;

use atoll_api_types::{Image, PullImage, PullProgress};
use atoll_engine::{Caller, EngineError};
use atoll_ports::{ImageRecord, PullProgress as Progress};
use atoll_types::{ImageName, ImageReference, SandboxTemplate};
use axum::body::Body;
use axum::http::HeaderMap;
use axum::response::{IntoResponse, Response};
use tokio::sync::watch;
use utoipa::openapi::{ContentBuilder, Ref, RefOr, ResponseBuilder, ResponsesBuilder};
use utoipa::{IntoResponses, ToSchema};

use super::lines::LINES;
use super::{image_view, lines};
use crate::Api;
use crate::answer::{Answer, ApiFailure, Created, TraceId};
use crate::extract::Problems;

type Work = Pin<Box<dyn Future<Output = Result<ImageRecord, EngineError>> + Send>>;

/// An image that was made, or how far it is.
pub(crate) enum Made {
    Done(Box<Created<Image>>),
    Told(Body),
}

/// What is asked for.
pub(super) struct Asked {
    name: ImageName,
    reference: ImageReference,
    template: SandboxTemplate,
}

impl Asked {
    /// The name in the body counts before the one in the query, and both before the reference.
    pub(super) fn new(
        body: PullImage,
        query_name: Option<String>,
        template: SandboxTemplate,
        mut problems: Problems,
    ) -> Result<Self, ApiFailure> {
        let reference = problems.parse::<ImageReference>("reference", Some(body.reference));
        let given = match body.name {
            Some(name) => problems.parse::<ImageName>("name", Some(name)),
            None => problems.parse::<ImageName>("query.name", query_name),
        };
        let reference = problems.finish(reference)?;
        let name = match given {
            Some(name) => name,
            None => reference.to_name().map_err(|error| {
                ApiFailure::field("name", format!("must be given: the reference is no name; {error}"))
            })?,
        };
        Ok(Self { name, reference, template })
    }

    fn work(self, api: &Api, caller: Caller, progress: watch::Sender<PullProgress>) -> Work {
        let engine = api.engine().clone();
        Box::pin(async move {
            let tell = |step: Progress| {
                progress.send_modify(|shown| show(shown, step));
            };
            engine.image_pull(&caller, self.name, &self.reference, self.template, &tell).await
        })
    }

    /// Does it, and answers as the client wants it.
    pub(super) async fn answer(
        self,
        api: &Api,
        caller: Caller,
        headers: &HeaderMap,
        trace: TraceId,
    ) -> Result<Made, ApiFailure> {
        let first = PullProgress { status: "fetching".to_owned(), ..PullProgress::default() };
        let (tell, seen) = watch::channel(first);
        if !lines::wanted(headers) {
            return Ok(Made::Done(Box::new(Answer(image_view(self.work(api, caller, tell).await?)))));
        }
        let (work, shown) = (self.work(api, caller, tell), seen.clone());
        let work = Box::pin(async move {
            let done = work.await;
            let shown = shown.borrow().clone();
            last(done, shown, &trace)
        });
        Ok(Made::Told(lines::told(api, work, seen)?))
    }
}

fn show(shown: &mut PullProgress, step: Progress) {
    match step {
        Progress::Found { total_bytes, existing_bytes, .. } => {
            (shown.total_bytes, shown.existing_bytes) = (total_bytes, existing_bytes);
            if total_bytes == 0 && existing_bytes > 0 {
                "exists".clone_into(&mut shown.status);
            }
        }
        Progress::Fetched { bytes, total_bytes } => {
            (shown.bytes, shown.total_bytes) = (bytes, total_bytes);
        }
        Progress::Unpacking => "unpacking".clone_into(&mut shown.status),
    }
}

fn last(done: Result<ImageRecord, EngineError>, shown: PullProgress, trace: &TraceId) -> PullProgress {
    match done {
        Ok(image) => PullProgress { status: "done".to_owned(), image: Some(image_view(image)), ..shown },
        Err(error) => {
            let error = ApiFailure::from(error).body(trace).error;
            PullProgress { status: "failed".to_owned(), error: Some(error), ..shown }
        }
    }
}

impl IntoResponse for Made {
    fn into_response(self) -> Response {
        match self {
            Self::Done(done) => (*done).into_response(),
            Self::Told(lines) => lines::response(lines),
        }
    }
}

impl IntoResponses for Made {
    fn responses() -> BTreeMap<String, RefOr<utoipa::openapi::Response>> {
        let mut all = <Created<Image> as IntoResponses>::responses();
        let line = ContentBuilder::new().schema(Some(Ref::from_schema_name(PullProgress::name()))).build();
        let lines = ResponseBuilder::new()
            .description("With `Accept: application/x-ndjson`: lines, each one such object; the last has `image` or `error`.")
            .content(LINES, line);
        let lines: BTreeMap<_, _> = ResponsesBuilder::new().response("200", lines).build().into();
        all.extend(lines);
        all
    }
}
