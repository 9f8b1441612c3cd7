//! Networks of sandboxes: the router, and namespaces that are made ahead of use.

use std::collections::VecDeque;
use std::num::NonZeroU32;
use std::os::fd::{AsFd, OwnedFd};
use std::time::Duration;

use rustix::event::epoll;

use atoll_launcher_protocol::{Answer, Failure, PACKET_BYTES_MAX, receive};

use super::workers::Task;
use super::{Server, Source};
use crate::clock::now;
use crate::net::{self, Note, Prepared, Router, Watch};
use crate::report::{At, Step, StepError, log};

/// Namespaces that are kept ready: a burst of creates takes them at once. Each costs the kernel some 100 KiB.
const READY_MAX: usize = 16;

/// When more are made.
const READY_MIN: usize = 8;

/// Rest before more are made while there are some: the create that took one has the processors for itself.
const REFILL_PAUSE: Duration = Duration::from_millis(10);

/// Rest after a helper that made none.
const RETRY_PAUSE: Duration = Duration::from_secs(1);

/// Rest before sockets are offered again to an egress program that has asked for them, while the one before it still holds the
/// address; and for how long. It has them by then: they may have been on their way when it asked.
const OFFER_PAUSE: Duration = Duration::from_millis(50);
const OFFER_TIME: Duration = Duration::from_secs(10);

/// Networks, as far as the kernel does not hold them.
#[derive(Debug)]
pub(super) struct Networks {
    /// The way to the egress program.
    egress: OwnedFd,
    /// When sockets are offered to it again, and until when.
    offer: Option<(Duration, Duration)>,
    /// Made when the first sandbox needs it.
    router: Option<Router>,
    watch: Option<Watch>,
    ready: VecDeque<Prepared>,
    /// Where the helper at work says what it has made.
    arriving: Option<(OwnedFd, u64)>,
    /// Where the search for a free link begins.
    next_link: u32,
    refill_at: Duration,
}

impl Networks {
    pub(super) fn new(egress: OwnedFd) -> Self {
        Self {
            egress,
            offer: None,
            router: None,
            watch: None,
            ready: VecDeque::new(),
            arriving: None,
            // Elsewhere than the last launcher began.
            next_link: now().subsec_micros(),
            refill_at: Duration::ZERO,
        }
    }

    /// When something must be done.
    pub(super) fn deadlines(&self) -> impl Iterator<Item = Duration> {
        self.refill().into_iter().chain(self.offer.map(|(at, _)| at))
    }

    /// When more namespaces must be made.
    fn refill(&self) -> Option<Duration> {
        let wanted = self.router.is_some() && self.arriving.is_none() && self.ready.len() < READY_MIN;
        wanted.then_some(self.refill_at)
    }

    fn keep(&mut self, prepared: Prepared) {
        self.next_link = prepared.link + 1;
        self.ready.push_back(prepared);
    }
}

impl Server {
    /// Listens to the egress program, and takes over what an earlier launcher made.
    pub(super) fn begin_networks(&mut self) -> Result<(), StepError> {
        rustix::io::ioctl_fionbio(&self.networks.egress, true).at(Step::Epoll)?;
        let token = self.token(Source::Egress);
        let data = epoll::EventData::new_u64(token);
        epoll::add(&self.epoll, &self.networks.egress, data, epoll::EventFlags::IN).at(Step::Epoll)?;
        match Router::find(&self.tools.house.installation) {
            Ok(Some(router)) => self.use_router(router),
            Ok(None) => {}
            Err(error) => log(&error.to_string()),
        }
        Ok(())
    }

    /// A network for a sandbox that is about to start, which carries so many megabits a second; 0: as many as it can.
    pub(super) fn take_network(&mut self, bandwidth_mbit: u32) -> Result<Prepared, StepError> {
        let prepared = self.take_prepared()?;
        if let (Some(router), Some(mbit)) = (&self.networks.router, NonZeroU32::new(bandwidth_mbit)) {
            prepared.limit(router, mbit)?;
        }
        Ok(prepared)
    }

    /// Makes the router where it is missing.
    fn have_router(&mut self) -> Result<(), StepError> {
        if self.networks.router.is_none() {
            let installation = &self.tools.house.installation;
            let router = match Router::find(installation)? {
                Some(router) => router,
                None => Router::make(installation)?,
            };
            self.use_router(router);
        }
        Ok(())
    }

    /// What is on a bridge of Docker's goes by the same tables as what is behind the router, and asks for names there.
    pub(super) fn guard_bridges(&mut self) -> Result<Answer, Failure> {
        self.have_router()?;
        if let Some(router) = &self.networks.router {
            // Somebody may have taken them away, and it was not heard of yet.
            router.keep_host_rules()?;
        }
        Ok(Answer::Done)
    }

    fn take_prepared(&mut self) -> Result<Prepared, StepError> {
        self.take_notes();
        self.have_router()?;
        let networks = &mut self.networks;
        networks.refill_at = now() + REFILL_PAUSE;
        if let Some(prepared) = networks.ready.pop_front() {
            return Ok(prepared);
        }
        let Some(router) = &networks.router else { return Err(net::NONE_FREE) };
        let prepared = net::prepare(router, networks.next_link)?;
        networks.next_link = prepared.link + 1;
        Ok(prepared)
    }

    fn use_router(&mut self, router: Router) {
        self.networks.router = Some(router);
        self.offer_sockets();
        let watch = Watch::new().and_then(|watch| {
            self.watch(watch.as_fd(), Source::Rules)?;
            Ok(watch)
        });
        match watch {
            Ok(watch) => self.networks.watch = Some(watch),
            Err(error) => log(&error.to_string()),
        }
        // Somebody may have taken them away before anybody listened.
        self.rules_changed();
    }

    /// The egress program has begun anew.
    pub(super) fn egress_ready(&mut self) {
        if net::heard(&self.networks.egress) && !self.offer_sockets() {
            self.networks.offer = Some((now() + OFFER_PAUSE, now() + OFFER_TIME));
        }
    }

    /// Offers the sockets for names to the egress program; whether it needs no more.
    fn offer_sockets(&mut self) -> bool {
        let Some(router) = &self.networks.router else { return true };
        net::hand_over(router, &self.networks.egress).unwrap_or_else(|error| {
            log(&error.to_string());
            true
        })
    }

    /// Does what has its time.
    pub(super) fn networks_on_time(&mut self) {
        let time = now();
        if let Some((at, until)) = self.networks.offer
            && at <= time
        {
            let ended = self.offer_sockets() || time >= until;
            self.networks.offer = (!ended).then_some((time + OFFER_PAUSE, until));
        }
        if self.networks.refill().is_some_and(|at| at <= time) {
            self.refill_networks();
        }
    }

    /// Somebody has changed the host's rules.
    pub(super) fn rules_changed(&mut self) {
        let (Some(watch), Some(router)) = (&self.networks.watch, &self.networks.router) else { return };
        match watch.look(router) {
            Ok(false) => {}
            Ok(true) => {
                log("another program took away the rules that keep sandboxes from the host: put back")
            }
            Err(error) => log(&error.to_string()),
        }
    }

    /// Starts the helper that makes namespaces.
    fn refill_networks(&mut self) {
        self.networks.refill_at = now() + RETRY_PAUSE;
        let made = net::channel().and_then(|(own, helper)| {
            let token = self.watch(own.as_fd(), Source::Networks)?;
            Ok((own, helper, token))
        });
        let (own, helper, token) = match made {
            Ok(made) => made,
            Err(error) => return log(&error.to_string()),
        };
        self.networks.arriving = Some((own, token));
        let (from, count) = (self.networks.next_link, READY_MAX - self.networks.ready.len());
        self.start_worker(Task::Prepare, move |server| {
            if let Some(router) = &server.networks.router {
                net::prepare_many(router, from, count, &helper);
            }
        });
    }

    /// Takes what the helper has made so far.
    pub(super) fn take_notes(&mut self) {
        let Some((own, _)) = &self.networks.arriving else { return };
        let mut buffer = vec![0; PACKET_BYTES_MAX];
        let mut arrived = Vec::new();
        while let Ok(packet) = receive::<Note>(own, &mut buffer) {
            if let Ok([namespace]) = <[OwnedFd; 1]>::try_from(packet.descriptors) {
                arrived.push(Prepared { namespace, link: packet.message.link });
            }
        }
        arrived.into_iter().for_each(|prepared| self.networks.keep(prepared));
    }

    /// The helper has ended.
    pub(super) fn networks_prepared(&mut self) {
        self.take_notes();
        if let Some((own, token)) = self.networks.arriving.take() {
            self.unwatch(&own, token);
        }
    }
}
