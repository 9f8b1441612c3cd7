//! What happened without being asked for.

use std::convert::Infallible;
use std::time::Duration;

use atoll_broker_protocol::{Answer, Call, Event};

use crate::Broker;
use crate::convert::{CallError, Happened};
use crate::said::ASK_LATER;

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
            let followed = self.follow(&mut pause).await;
            self.broker.said.follow(false);
            match followed {
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
            let answer = tokio::select! {
                // Cancel safe, as it says.
                answer = connection.receive() => answer?,
                // Waits for what it does, but nobody waits for it: what is given up is asked again.
                never = self.refresh() => match never {},
            };
            let happened = match answer {
                // The answer to the call: from here on nothing is missed.
                Answer::Done => {
                    *pause = BACK_OFF.0;
                    self.broker.said.follow(true);
                    Happened::Missed
                }
                Answer::Event(Event::Exited { sandbox, runtime }) => Happened::Exited(sandbox, runtime),
                Answer::Event(Event::Missed) => Happened::Missed,
                _ => return Err(CallError::Unexpected),
            };
            let _nobody_listens = self.broker.events.send(happened);
        }
    }

    /// Asks what Docker is each time that somebody was told what is not fresh.
    async fn refresh(&self) -> Infallible {
        loop {
            self.broker.said.wanted.notified().await;
            tokio::time::sleep(ASK_LATER).await;
            // Whoever needs the answer asks itself, and hears of an error.
            drop(self.broker.asked_info().await);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU32, Ordering};

    use atoll_broker_protocol::{EngineInfo, SOCKET};
    use atoll_packets::Listener;
    use rustix::net::{AddressFamily, SocketAddrUnix, SocketType, bind, listen, socket_with};
    use tokio::sync::Notify;
    use tokio::task::JoinSet;

    use super::*;

    /// Guard against what never happens.
    const PATIENCE: Duration = Duration::from_secs(60);

    /// Answers what it is asked, and ends its events when it is told to, for good.
    #[derive(Default)]
    struct Other {
        infos: AtomicU32,
        follows: AtomicU32,
        away: Notify,
    }

    fn listening(folder: &Path) -> Listener {
        let flags = rustix::net::SocketFlags::CLOEXEC;
        let socket = socket_with(AddressFamily::UNIX, SocketType::SEQPACKET, flags, None).unwrap();
        bind(&socket, &SocketAddrUnix::new(folder.join(SOCKET)).unwrap()).unwrap();
        listen(&socket, 8).unwrap();
        Listener::new(socket).unwrap()
    }

    impl Other {
        async fn serve(self: Arc<Self>, listener: Listener) {
            let mut clients = JoinSet::new();
            while let Ok(client) = listener.accept().await {
                clients.spawn(Arc::clone(&self).answer(client));
            }
        }

        async fn answer(self: Arc<Self>, mut client: atoll_packets::Connection) {
            match client.receive::<Call>().await.unwrap().message {
                Call::Info => {
                    let count = self.infos.fetch_add(1, Ordering::SeqCst) + 1;
                    let info = EngineInfo { version: count.to_string(), ..nothing() };
                    client.send(&Answer::Info(info), &[]).await.unwrap();
                }
                // Docker does not come back.
                Call::Events if self.follows.fetch_add(1, Ordering::SeqCst) > 0 => {
                    std::future::pending().await
                }
                Call::Events => {
                    client.send(&Answer::Done, &[]).await.unwrap();
                    self.away.notified().await;
                }
                call => panic!("{call:?}"),
            }
        }
    }

    fn nothing() -> EngineInfo {
        EngineInfo {
            version: String::new(),
            storage: String::new(),
            gvisor: false,
            user_namespaces: false,
            live_restore: false,
            no_networks: None,
            gvisor_networks: false,
            disk_limits: false,
            no_gpus: None,
        }
    }

    #[tokio::test]
    async fn docker_is_asked_once_while_it_is_there_and_again_when_it_went_away() {
        let folder = tempfile::tempdir().unwrap();
        let other = Arc::new(Other::default());
        let mut tasks = JoinSet::new();
        tasks.spawn(Arc::clone(&other).serve(listening(folder.path())));
        let broker = Broker::new(folder.path().to_owned());
        let version = async || broker.info().await.unwrap().version;
        assert_eq!((version().await, version().await), ("1".to_owned(), "2".to_owned()));

        let mut happened = broker.events.subscribe();
        tasks.spawn(broker.events().run());
        assert_eq!(happened.recv().await.unwrap(), Happened::Missed);
        assert_eq!((version().await, version().await), ("3".to_owned(), "3".to_owned()));

        other.away.notify_one();
        let again = async {
            while version().await == "3" {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(PATIENCE, again).await.unwrap();
    }
}
