//! One listener.

use std::time::Duration;

use atoll_api_types::Event;
use atoll_engine::EventFeed;
use atoll_tasks::CancellationToken;
use axum::body::Body;
use bytes::Bytes;
use futures_util::FutureExt;
use tokio::sync::OwnedSemaphorePermit;

use crate::answer::{ApiFailure, TraceId};

/// Time between two signs of life.
const HEARTBEAT: Duration = Duration::from_secs(15);

/// What is sent to one listener.
pub(super) struct Listener {
    feed: EventFeed,
    stopping: CancellationToken,
    trace: TraceId,
    next: Next,
    /// Given back when he has gone.
    _permit: OwnedSemaphorePermit,
}

/// What comes next.
enum Next {
    /// Where he stands, so that a cut before the first event loses none.
    Greeting,
    Events,
    Nothing,
}

impl Listener {
    pub(super) fn new(
        feed: EventFeed,
        stopping: CancellationToken,
        permit: OwnedSemaphorePermit,
        trace: TraceId,
    ) -> Self {
        Self { feed, stopping, trace, next: Next::Greeting, _permit: permit }
    }

    /// What he is sent, until he may not listen any more.
    pub(super) fn into_body(self, over: impl Future<Output = ApiFailure> + Send + 'static) -> Body {
        let over = Box::pin(over.fuse());
        Body::from_stream(futures_util::stream::unfold((self, over), |(mut this, mut over)| async move {
            let piece = tokio::select! {
                biased;
                refused = &mut over => this.failed(&refused),
                piece = this.piece() => piece,
            };
            Some((Ok::<_, std::convert::Infallible>(Bytes::from(piece?)), (this, over)))
        }))
    }

    /// The next piece of the stream; none at its end.
    async fn piece(&mut self) -> Option<String> {
        match self.next {
            Next::Nothing => return None,
            Next::Greeting => {
                self.next = Next::Events;
                return Some(format!("retry: 1000\nid: {}\n\n", self.feed.position()));
            }
            Next::Events => {}
        }
        tokio::select! {
            // All three only wait; an event that is not taken is still held.
            event = self.feed.next() => self.event(event),
            () = tokio::time::sleep(HEARTBEAT) => Some(": heartbeat\n\n".to_owned()),
            () = self.stopping.cancelled() => None,
        }
    }

    fn event(
        &mut self,
        event: Result<Option<std::sync::Arc<atoll_engine::Event>>, atoll_engine::EngineError>,
    ) -> Option<String> {
        match event {
            Ok(Some(event)) => {
                let id = self.feed.id(&event);
                let shown = Event {
                    id: id.clone(),
                    kind: event.kind.clone(),
                    time: event.at.to_rfc3339(),
                    sandbox_id: event.sandbox.as_ref().map(ToString::to_string),
                    data: event.data.iter().map(|(k, v)| ((*k).to_owned(), v.clone())).collect(),
                };
                let data = serde_json::to_string(&shown).ok()?;
                Some(format!("id: {id}\nevent: {}\ndata: {data}\n\n", event.kind))
            }
            Ok(None) => None,
            Err(error) => self.failed(&error.into()),
        }
    }

    /// The last piece.
    fn failed(&mut self, failure: &ApiFailure) -> Option<String> {
        self.next = Next::Nothing;
        let body = failure.body(&self.trace);
        Some(format!("event: error\ndata: {}\n\n", serde_json::to_string(&body).ok()?))
    }
}
