//! Work whose progress is told line by line, each a JSON object, as long as somebody listens.

use std::collections::BTreeMap;
use std::marker::PhantomData;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use atoll_api_types::ProgressLine;
use atoll_engine::EngineError;
use atoll_types::ErrorCode;
use axum::body::Body;
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use serde::Serialize;
use tokio::sync::{OwnedSemaphorePermit, watch};
use tokio::time::{Instant, Interval, MissedTickBehavior, interval};
use utoipa::openapi::{ContentBuilder, Ref, RefOr, ResponseBuilder};
use utoipa::{IntoResponses, ToSchema};

use crate::Api;
use crate::answer::{Answer, ApiFailure, TraceId};

/// What says that the progress is wanted, and what its type is.
const LINES: &str = "application/x-ndjson";
/// Time between two lines at least.
const LINE_INTERVAL: Duration = Duration::from_millis(200);
/// Time between two lines at most: a sign of life.
const SIGN_OF_LIFE: Duration = Duration::from_secs(15);

/// Work that ends with what it made.
pub(super) type Work<T> = Pin<Box<dyn Future<Output = Result<T, EngineError>> + Send>>;

/// What was made, or the lines of how far it is.
pub(crate) enum Told<const STATUS: u16, L: ProgressLine> {
    Done(Box<Answer<STATUS, L::Made>>),
    Lines(Body, PhantomData<L>),
}

/// What there is to say while work goes on.
pub(super) trait News: Send + 'static {
    type Line: ProgressLine;

    /// What happened since it was asked last.
    fn next(&mut self) -> Heard<Self::Line>;
}

/// What happened since the last line.
pub(super) struct Heard<L> {
    /// It, or how things are.
    pub(super) line: L,
    /// Whether anything did.
    pub(super) is_new: bool,
    /// Whether it stands in this line whole.
    pub(super) is_all: bool,
}

/// How far it is: what was in between does not matter.
impl<L: ProgressLine + Clone + Send + Sync + 'static> News for watch::Receiver<L> {
    type Line = L;

    fn next(&mut self) -> Heard<L> {
        // Work that is done drops its end.
        let is_new = self.has_changed().unwrap_or(false);
        Heard { line: self.borrow_and_update().clone(), is_new, is_all: true }
    }
}

/// Does it, and answers as the client wants it.
pub(super) async fn answer<const STATUS: u16, N: News>(
    api: &Api,
    headers: &HeaderMap,
    trace: TraceId,
    work: Work<<N::Line as ProgressLine>::Made>,
    news: N,
) -> Result<Told<STATUS, N::Line>, ApiFailure>
where
    <N::Line as ProgressLine>::Made: Send,
    N::Line: Send,
{
    let accepted = headers.get_all(header::ACCEPT).into_iter();
    if !accepted.filter_map(|value| value.to_str().ok()).any(|text| text.contains(LINES)) {
        drop(news);
        return Ok(Told::Done(Box::new(Answer(work.await?))));
    }
    let permit = Arc::clone(api.streams()).try_acquire_owned();
    let permit = permit
        .map_err(|_| ApiFailure::new(ErrorCode::RateLimited, "too many streams at once; close some"))?;
    let mut ticks = interval(LINE_INTERVAL);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let spoke = Instant::now();
    let telling = Telling { work: Some(work), done: None, news, ticks, spoke, trace, _permit: permit };
    Ok(Told::Lines(telling.into_body(), PhantomData))
}

/// Tells of work. When nobody listens any more, it is dropped, and the work with it.
struct Telling<N: News> {
    work: Option<Work<<N::Line as ProgressLine>::Made>>,
    /// How it ended, until that is told.
    done: Option<Result<<N::Line as ProgressLine>::Made, EngineError>>,
    news: N,
    ticks: Interval,
    spoke: Instant,
    trace: TraceId,
    _permit: OwnedSemaphorePermit,
}

impl<N: News> Telling<N>
where
    <N::Line as ProgressLine>::Made: Send,
    N::Line: Send,
{
    fn into_body(self) -> Body {
        Body::from_stream(futures_util::stream::unfold(self, |mut this| async move {
            let line = this.next().await?;
            let mut text = serde_json::to_vec(&line).unwrap_or_default();
            text.push(b'\n');
            Some((Ok::<_, std::convert::Infallible>(Bytes::from(text)), this))
        }))
    }

    /// The next line; none after the last.
    async fn next(&mut self) -> Option<N::Line> {
        loop {
            if let Some(work) = self.work.as_mut() {
                // Cancel safe: the work is only looked at.
                tokio::select! {
                    biased;
                    done = work => (self.work, self.done) = (None, Some(done)),
                    _ = self.ticks.tick() => {}
                }
            } else if self.done.is_none() {
                return None;
            }
            let Heard { line, is_new, is_all } = self.news.next();
            if is_all && let Some(done) = self.done.take() {
                let done = done.map_err(|error| ApiFailure::from(error).body(&self.trace).error);
                return Some(line.ended(done));
            }
            if is_new || self.spoke.elapsed() >= SIGN_OF_LIFE {
                self.spoke = Instant::now();
                return Some(line);
            }
        }
    }
}

impl<const STATUS: u16, L: ProgressLine> IntoResponse for Told<STATUS, L>
where
    L::Made: Serialize,
{
    fn into_response(self) -> Response {
        let mut response = match self {
            Self::Done(done) => return (*done).into_response(),
            Self::Lines(lines, _) => Response::new(lines),
        };
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(LINES));
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        // Proxies that gather answers would hold lines back.
        headers.insert("x-accel-buffering", HeaderValue::from_static("no"));
        response
    }
}

impl<const STATUS: u16, L: ProgressLine + ToSchema> IntoResponses for Told<STATUS, L>
where
    L::Made: ToSchema,
{
    fn responses() -> BTreeMap<String, RefOr<utoipa::openapi::Response>> {
        let mut all = <Answer<STATUS, L::Made> as IntoResponses>::responses();
        let line = ContentBuilder::new().schema(Some(Ref::from_schema_name(L::name()))).build();
        let text = format!(
            "With `Accept: application/x-ndjson`: lines, each one `{}`; the last has `{}` or `error`.",
            L::name(),
            L::MADE
        );
        match all.get_mut("200") {
            Some(RefOr::T(good)) => {
                good.content.insert(LINES.to_owned(), line.into());
                good.description.push_str(&format!(" {text}"));
            }
            _ => {
                let lines = ResponseBuilder::new().description(text).content(LINES, line).build();
                all.insert("200".to_owned(), lines.into());
            }
        }
        all
    }
}
