//! What a build writes, line by line, as long as somebody listens. Nothing of it is left out, unlike how far a pull is.

use std::pin::Pin;

use atoll_api_types::BuildProgress;
use atoll_engine::EngineError;
use atoll_ports::{BuildProgress as Progress, ImageRecord};
use axum::body::Body;
use bytes::Bytes;
use tokio::sync::OwnedSemaphorePermit;
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::time::{Instant, Interval, MissedTickBehavior, interval};

use super::image_view;
use super::lines::{LINE_INTERVAL, SIGN_OF_LIFE, permit};
use crate::Api;
use crate::answer::{ApiFailure, TraceId};

/// Bytes of output in one line, before a last piece.
const LINE_OUTPUT_BYTES: usize = 256 << 10;

type Done = Result<ImageRecord, EngineError>;
type Work = Pin<Box<dyn Future<Output = Done> + Send>>;

/// What is heard of a build.
#[derive(Debug)]
pub(super) enum Heard {
    Output(String),
    Status(&'static str, String),
}

impl From<Progress<'_>> for Heard {
    fn from(step: Progress<'_>) -> Self {
        match step {
            Progress::Output(text) => Self::Output(text.to_owned()),
            Progress::Pulling(image) => Self::Status("pulling", format!("Pulling {image}\n")),
            Progress::Unpacking => Self::Status("unpacking", String::new()),
        }
    }
}

/// The lines of a build. When nobody listens any more, it ends.
pub(super) fn told(
    api: &Api,
    work: Work,
    heard: UnboundedReceiver<Heard>,
    trace: TraceId,
) -> Result<Body, ApiFailure> {
    let permit = permit(api)?;
    let mut ticks = interval(LINE_INTERVAL);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let told = Told {
        work: Some(work),
        done: None,
        is_over: false,
        heard,
        status: "building",
        ticks,
        spoke: Instant::now(),
        trace,
        _permit: permit,
    };
    Ok(told.into_body())
}

struct Told {
    work: Option<Work>,
    /// How it ended, until that is told.
    done: Option<Done>,
    is_over: bool,
    heard: UnboundedReceiver<Heard>,
    status: &'static str,
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
    async fn next(&mut self) -> Option<BuildProgress> {
        if self.is_over {
            return None;
        }
        loop {
            if let Some(work) = self.work.as_mut() {
                // Cancel safe: the work is only looked at.
                tokio::select! {
                    biased;
                    done = work => {
                        self.work = None;
                        self.done = Some(done);
                    }
                    _ = self.ticks.tick() => {}
                }
            }
            let (output, is_all, changed) = self.gather();
            if is_all && let Some(done) = self.done.take() {
                self.is_over = true;
                return Some(self.last(done, output));
            }
            if !output.is_empty() || changed || self.spoke.elapsed() >= SIGN_OF_LIFE {
                self.spoke = Instant::now();
                return Some(BuildProgress {
                    status: self.status.to_owned(),
                    output,
                    ..BuildProgress::default()
                });
            }
        }
    }

    /// What was written since the last line, whether that is all, and whether something else is to be told.
    fn gather(&mut self) -> (String, bool, bool) {
        let (mut output, mut changed) = (String::new(), false);
        while output.len() < LINE_OUTPUT_BYTES {
            match self.heard.try_recv() {
                Ok(Heard::Output(text)) => {
                    self.status = "building";
                    output.push_str(&text);
                }
                Ok(Heard::Status(status, text)) => {
                    (self.status, changed) = (status, true);
                    output.push_str(&text);
                }
                Err(_) => return (output, true, changed),
            }
        }
        (output, false, changed)
    }

    fn last(&self, done: Done, output: String) -> BuildProgress {
        match done {
            Ok(image) => {
                let image = Some(image_view(image));
                BuildProgress { status: "done".to_owned(), output, image, error: None }
            }
            Err(error) => {
                let error = Some(ApiFailure::from(error).body(&self.trace).error);
                BuildProgress { status: "failed".to_owned(), output, image: None, error }
            }
        }
    }
}
