//! `POST /images` with JSON: an image of a registry, answered when it is here or told about line by line.

use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use atoll_api_types::{Image, PullImage, PullProgress};
use atoll_engine::{Caller, EngineError};
use atoll_ports::{ImageRecord, PullProgress as Progress};
use atoll_types::{ErrorCode, ImageName, ImageReference, SandboxTemplate};
use axum::body::Body;
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use tokio::sync::{OwnedSemaphorePermit, watch};
use tokio::time::{Instant, Interval, MissedTickBehavior, interval};
use utoipa::openapi::{ContentBuilder, Ref, RefOr, ResponseBuilder, ResponsesBuilder};
use utoipa::{IntoResponses, ToSchema};

use super::image_view;
use crate::Api;
use crate::answer::{Answer, ApiFailure, Created, TraceId};
use crate::extract::Problems;

/// What says that the progress is wanted.
const LINES: &str = "application/x-ndjson";
/// Time between two lines at least.
const LINE_INTERVAL: Duration = Duration::from_millis(200);
/// Time between two lines at most: a sign of life.
const SIGN_OF_LIFE: Duration = Duration::from_secs(15);

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
        let wants_lines = headers
            .get_all(header::ACCEPT)
            .into_iter()
            .any(|value| value.to_str().is_ok_and(|text| text.contains(LINES)));
        if !wants_lines {
            return Ok(Made::Done(Box::new(Answer(image_view(self.work(api, caller, tell).await?)))));
        }
        let permit = Arc::clone(api.streams()).try_acquire_owned();
        let permit = permit
            .map_err(|_| ApiFailure::new(ErrorCode::RateLimited, "too many streams at once; close some"))?;
        let mut ticks = interval(LINE_INTERVAL);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let work = Some(self.work(api, caller, tell));
        let told = Told { work, seen, ticks, spoke: Instant::now(), trace, _permit: permit };
        Ok(Made::Told(told.into_body()))
    }
}

fn show(shown: &mut PullProgress, step: Progress) {
    match step {
        Progress::Found { total_bytes, .. } => shown.total_bytes = total_bytes,
        Progress::Fetched { bytes, total_bytes } => {
            (shown.bytes, shown.total_bytes) = (bytes, total_bytes);
        }
        Progress::Unpacking => "unpacking".clone_into(&mut shown.status),
    }
}

/// A pull under way whose progress is told. When nobody listens any more, it ends with this.
struct Told {
    work: Option<Work>,
    seen: watch::Receiver<PullProgress>,
    ticks: Interval,
    spoke: Instant,
    trace: TraceId,
    _permit: OwnedSemaphorePermit,
}

impl Told {
    fn into_body(self) -> Body {
        Body::from_stream(futures_util::stream::unfold(self, |mut this| async move {
            let line = this.next().await?;
            let mut text = serde_json::to_vec(&line).unwrap_or_default();
            text.push(b'\n');
            Some((Ok::<_, std::convert::Infallible>(Bytes::from(text)), this))
        }))
    }

    /// The next line; none after the last.
    async fn next(&mut self) -> Option<PullProgress> {
        let work = self.work.as_mut()?;
        loop {
            tokio::select! {
                biased;
                done = &mut *work => {
                    self.work = None;
                    return Some(self.last(done));
                }
                _ = self.ticks.tick() => {}
            }
            if self.seen.has_changed().unwrap_or(false) || self.spoke.elapsed() >= SIGN_OF_LIFE {
                self.spoke = Instant::now();
                return Some(self.seen.borrow_and_update().clone());
            }
        }
    }

    fn last(&self, done: Result<ImageRecord, EngineError>) -> PullProgress {
        let shown = self.seen.borrow().clone();
        match done {
            Ok(image) => PullProgress { status: "done".to_owned(), image: Some(image_view(image)), ..shown },
            Err(error) => {
                let error = ApiFailure::from(error).body(&self.trace).error;
                PullProgress { status: "failed".to_owned(), error: Some(error), ..shown }
            }
        }
    }
}

impl IntoResponse for Made {
    fn into_response(self) -> Response {
        let body = match self {
            Self::Done(done) => return (*done).into_response(),
            Self::Told(body) => body,
        };
        let mut response = Response::new(body);
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(LINES));
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        // Proxies that gather answers would hold lines back.
        headers.insert("x-accel-buffering", HeaderValue::from_static("no"));
        response
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
