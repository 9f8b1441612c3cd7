//! Work whose progress is told line by line, each a JSON object, as long as somebody listens.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use atoll_types::ErrorCode;
use axum::body::Body;
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::Response;
use bytes::Bytes;
use serde::Serialize;
use tokio::sync::{OwnedSemaphorePermit, watch};
use tokio::time::{Instant, Interval, MissedTickBehavior, interval};

use crate::Api;
use crate::answer::ApiFailure;

/// What says that the progress is wanted, and what its type is.
pub(super) const LINES: &str = "application/x-ndjson";
/// Time between two lines at least.
pub(super) const LINE_INTERVAL: Duration = Duration::from_millis(200);
/// Time between two lines at most: a sign of life.
pub(super) const SIGN_OF_LIFE: Duration = Duration::from_secs(15);

/// Work that ends with its last line.
pub(super) type Work<L> = Pin<Box<dyn Future<Output = L> + Send>>;

/// Whether a client wants lines.
pub(super) fn wanted(headers: &HeaderMap) -> bool {
    let accepted = headers.get_all(header::ACCEPT).into_iter();
    accepted.filter_map(|value| value.to_str().ok()).any(|text| text.contains(LINES))
}

/// The lines of `work`, of which `seen` has the last but one. When nobody listens any more, it ends.
pub(super) fn told<L: Serialize + Clone + Send + Sync + 'static>(
    api: &Api,
    work: Work<L>,
    seen: watch::Receiver<L>,
) -> Result<Body, ApiFailure> {
    let permit = permit(api)?;
    let mut ticks = interval(LINE_INTERVAL);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    Ok(Told { work: Some(work), seen, ticks, spoke: Instant::now(), _permit: permit }.into_body())
}

/// The place of a stream.
pub(super) fn permit(api: &Api) -> Result<OwnedSemaphorePermit, ApiFailure> {
    let permit = Arc::clone(api.streams()).try_acquire_owned();
    permit.map_err(|_| ApiFailure::new(ErrorCode::RateLimited, "too many streams at once; close some"))
}

/// An answer with lines.
pub(super) fn response(lines: Body) -> Response {
    let mut response = Response::new(lines);
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(LINES));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    // Proxies that gather answers would hold lines back.
    headers.insert("x-accel-buffering", HeaderValue::from_static("no"));
    response
}

struct Told<L> {
    work: Option<Work<L>>,
    seen: watch::Receiver<L>,
    ticks: Interval,
    spoke: Instant,
    _permit: OwnedSemaphorePermit,
}

impl<L: Serialize + Clone + Send + Sync + 'static> Told<L> {
    fn into_body(self) -> Body {
        Body::from_stream(futures_util::stream::unfold(self, |mut this| async move {
            let line = this.next().await?;
            let mut text = serde_json::to_vec(&line).unwrap_or_default();
            text.push(b'\n');
            Some((Ok::<_, std::convert::Infallible>(Bytes::from(text)), this))
        }))
    }

    /// The next line; none after the last.
    async fn next(&mut self) -> Option<L> {
        let work = self.work.as_mut()?;
        loop {
            tokio::select! {
                biased;
                last = &mut *work => {
                    self.work = None;
                    return Some(last);
                }
                _ = self.ticks.tick() => {}
            }
            if self.seen.has_changed().unwrap_or(false) || self.spoke.elapsed() >= SIGN_OF_LIFE {
                self.spoke = Instant::now();
                return Some(self.seen.borrow_and_update().clone());
            }
        }
    }
}
