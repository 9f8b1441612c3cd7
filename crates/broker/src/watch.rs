//! What Docker says of itself without being asked.

use std::collections::HashMap;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use atoll_broker_protocol::{Event, Failure};
use bollard::models::EventMessage;
use bollard::query_parameters::EventsOptionsBuilder;
use futures_util::StreamExt as _;

use crate::names;
use crate::requests::Broker;
use crate::sandbox::look;

/// Wait before Docker is asked again that was away, as when it is restarted.
const PAUSE: Duration = Duration::from_secs(1);

/// Follows for ever. After each time that Docker was away, what runs is attached to again, and serve looks at everything.
pub(crate) async fn follow(broker: Arc<Broker>) -> Infallible {
    let mut away = String::new();
    loop {
        let followed = follow_once(&broker).await;
        broker.followed.send_replace(false);
        let why = match followed {
            Ok(()) => "it has ended".to_owned(),
            Err(failed) => failed.message,
        };
        if why != away {
            crate::log(&format!("Docker is away: {why}"));
            away = why;
        }
        tokio::time::sleep(PAUSE).await;
    }
}

async fn follow_once(broker: &Broker) -> Result<(), Failure> {
    let installation = broker.daemon.installation();
    let docker = broker.daemon.docker().await?;
    // From before the look, so that nothing falls between the two.
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs().to_string();
    for found in broker.list().await?.into_iter().filter(|found| found.running) {
        broker.links.keep(&found.sandbox);
    }
    broker.programs.sweep(&broker.daemon).await?;
    broker.tell(Event::Missed);
    broker.followed.send_replace(true);
    let mut filters: HashMap<String, Vec<String>> = names::filter(installation);
    filters.insert("type".to_owned(), vec!["container".to_owned()]);
    filters.insert("event".to_owned(), vec!["die".to_owned()]);
    let options = EventsOptionsBuilder::default().since(&since).filters(&filters).build();
    let mut events = std::pin::pin!(docker.events(Some(options)));
    while let Some(event) = events.next().await {
        match event {
            Ok(event) => exited(broker, event).await,
            Err(error) => return Err(crate::fail::of(&error)),
        }
    }
    Ok(())
}

async fn exited(broker: &Broker, event: EventMessage) {
    let labels = event.actor.and_then(|actor| actor.attributes).unwrap_or_default();
    if let Some((sandbox, runtime)) = names::owner(broker.daemon.installation(), &labels) {
        // Docker tells it before its lists say so, and answers this only when they do.
        drop(look(&broker.daemon, &sandbox).await);
        broker.tell(Event::Exited { sandbox, runtime });
    }
}
