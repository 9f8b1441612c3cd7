//! What happened without being asked for.

use std::time::Duration;

use atoll_broker_protocol::{Answer, Call, Event};

use crate::Broker;
use crate::convert::{CallError, Happened};

/// First and longest wait between two attempts to connect.
const BACK_OFF: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(2));

/// Follows the broker's events; see [`Events::run`].
#[derive(Debug)]
pub struct Events {
    broker: Broker,
}

impl Events {
    pub(crate) fn new(broker: Broker) -> Self {
        Self { broker }
    }

    /// Follows for ever. Each time that it has connected, whoever listens is told to look at everything.
    ///
    /// # Cancel safety
    /// Dropping it only ends the following.
    pub async fn run(self) {
        let mut pause = BACK_OFF.0;
        loop {
            match self.follow(&mut pause).await {
                Ok(()) => {}
                Err(error) => tracing::debug!(?error, "no events of the Docker broker"),
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(BACK_OFF.1);
        }
    }

    async fn follow(&self, pause: &mut Duration) -> Result<(), CallError> {
        let mut connection = self.broker.connect()?;
        connection.send(&Call::Events, &[]).await?;
        loop {
            let happened = match connection.receive().await? {
                // The answer to the call: from here on nothing is missed.
                Answer::Done => {
                    *pause = BACK_OFF.0;
                    Happened::Missed
                }
                Answer::Event(Event::Exited { sandbox, runtime }) => Happened::Exited(sandbox, runtime),
                Answer::Event(Event::Missed) => Happened::Missed,
                _ => return Err(CallError::Unexpected),
            };
            let _nobody_listens = self.broker.events.send(happened);
        }
    }
}
