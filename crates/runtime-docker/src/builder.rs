//! The port of builds.

use std::collections::BTreeSet;
use std::io::Seek as _;
use std::os::fd::AsFd as _;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use atoll_broker_protocol::{Answer, BuildImage, Call};
use atoll_build_context::{Asked, Context, ContextError, Dockerfile, host_platform};
use atoll_ports::{BridgeGuard, BuildError, BuildOrder, BuildSource, ImageBuilder, RuntimeError};
use atoll_types::Network;

use crate::Broker;
use crate::convert::{self, CallError};

/// How much longer than a build may take its broker is waited for: it cleans up behind it.
const PATIENCE: Duration = Duration::from_secs(120);

/// Builds images by Docker.
#[derive(Debug, Clone)]
pub struct DockerBuilder {
    broker: Broker,
    guard: Arc<dyn BridgeGuard>,
}

impl DockerBuilder {
    /// By way of the broker, on networks that are guarded.
    #[must_use]
    pub fn new(broker: Broker, guard: Arc<dyn BridgeGuard>) -> Self {
        Self { broker, guard }
    }
}

fn context_error(error: ContextError) -> BuildError {
    match error {
        ContextError::Bad(_) | ContextError::NoDockerfile(_) => BuildError::BadContext(error.to_string()),
        ContextError::TooLarge => BuildError::TooLarge(error.to_string()),
        ContextError::Io(error) => {
            RuntimeError::Failed(format!("the context cannot be read: {error}")).into()
        }
    }
}

#[async_trait]
impl ImageBuilder for DockerBuilder {
    async fn images(&self, source: &BuildSource) -> Result<BTreeSet<String>, BuildError> {
        let failed =
            |error: &dyn std::fmt::Display| BuildError::from(RuntimeError::Failed(error.to_string()));
        let ours = host_platform();
        if source.platform.as_ref().is_some_and(|asked| *asked != ours) {
            return Err(BuildError::Unsupported(format!("this host builds for {ours} only")));
        }
        let context = source.context.try_clone().map_err(|error| failed(&error))?;
        let (path, args, target) = (source.dockerfile.clone(), source.args.clone(), source.target.clone());
        let read = tokio::task::spawn_blocking(move || {
            let text = Context::open(&context)
                .and_then(|context| context.dockerfile(&path))
                .map_err(context_error)?;
            let asked = Asked { args, target: target.as_deref(), platform: &host_platform() };
            let parsed = Dockerfile::parse(&text, &asked);
            parsed
                .map(|dockerfile| dockerfile.images())
                .map_err(|error| BuildError::BadDockerfile(error.to_string()))
        });
        read.await.map_err(|error| failed(&error))?
    }

    async fn build(
        &self,
        source: &BuildSource,
        order: BuildOrder,
        output: &(dyn for<'t> Fn(&'t str) + Send + Sync),
    ) -> Result<(), BuildError> {
        if order.network != Network::None {
            self.guard.guard().await?;
        }
        let call = Call::BuildImage(Box::new(BuildImage {
            dockerfile: source.dockerfile.clone(),
            args: source.args.clone(),
            target: source.target.clone(),
            images: order.images,
            network: order.network,
            seconds: u32::try_from(order.time.as_secs()).unwrap_or(u32::MAX),
            bytes_max: order.bytes_max,
        }));
        let built = self.broker.asked(order.time.saturating_add(PATIENCE), async {
            let mut connection = self.broker.connect()?;
            connection.send(&call, &[source.context.as_fd(), order.into.as_fd()]).await?;
            loop {
                match connection.receive().await? {
                    Answer::Output { text } => output(&text),
                    Answer::Done => return Ok(()),
                    _ => return Err(CallError::Unexpected),
                }
            }
        });
        built.await.map_err(convert::build)?;
        // The broker has written it, with a place that it shares.
        let rewound = (&order.into).rewind();
        rewound.map_err(|error| RuntimeError::Failed(error.to_string()).into())
    }
}
