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
use crate::net::{self, Note, Prepared, Router, Wanted, Watch};
use crate::report::{At, Step, StepError, log};

/// Namespaces of a kind that are kept ready: a burst of creates takes them at once. Each costs the kernel some 100 KiB.
const READY_MAX: usize = 16;

/// When more are needed soon.
const READY_MIN: usize = 8;

/// Rest before more are made where they are needed soon: the create that took one has the processors for itself.
const REFILL_PAUSE: Duration = Duration::from_millis(10);

/// Rest before all are there again that should be.
const FILL_PAUSE: Duration = Duration::from_secs(1);

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
    /// Those with loopback alone.
    alone: VecDeque<Prepared>,
    /// Whether a sandbox has asked this launcher for such a one.
    asked_alone: bool,
    /// Where the helper at work says what it has made.
    arriving: Option<(OwnedFd, u64)>,
    /// How many the last helper has made; none where one was taken since.
    made: Option<usize>,
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
            alone: VecDeque::new(),
            asked_alone: false,
            arriving: None,
            made: None,
            // Elsewhere than the last launcher began.
            next_link: now().subsec_micros(),
            refill_at: Duration::ZERO,
        }
    }

    /// When something must be done.
    pub(super) fn deadlines(&self) -> impl Iterator<Item = Duration> {
        self.refill().into_iter().chain(self.offer.map(|(at, _)| at))
    }

    /// When more namespaces must be made. After a helper that could make none, somebody must ask first.
    fn refill(&self) -> Option<Duration> {
        let may = self.arriving.is_none() && self.made != Some(0);
        (may && self.wanted() != Wanted::default()).then_some(self.refill_at)
    }

    /// How many more there should be.
    fn wanted(&self) -> Wanted {
        let missing = |kept: bool, ready: usize| if kept { READY_MAX.saturating_sub(ready) } else { 0 };
        Wanted {
            linked: missing(self.router.is_some(), self.ready.len()),
            alone: missing(self.asked_alone, self.alone.len()),
        }
    }

    /// Whether more are needed soon.
    fn is_short(&self) -> bool {
        let short = |kept: bool, ready: usize| kept && ready < READY_MIN;
        short(self.router.is_some(), self.ready.len()) || short(self.asked_alone, self.alone.len())
    }

    /// One was taken, or would have been.
    fn taken(&mut self) {
        self.refill_at = now() + if self.is_short() { REFILL_PAUSE } else { FILL_PAUSE };
        if self.arriving.is_none() {
            self.made = None;
        }
    }

    fn keep(&mut self, prepared: Prepared) {
        self.note_link(&prepared);
        self.made = self.made.map(|made| made + 1);
        let stock = if prepared.link.is_some() { &mut self.ready } else { &mut self.alone };
        stock.push_back(prepared);
    }

    /// The search for the next link begins behind it.
    fn note_link(&mut self, prepared: &Prepared) {
        if let Some(link) = prepared.link {
            self.next_link = link + 1;
        }
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
        let prepared = networks.ready.pop_front();
        networks.taken();
        if let Some(prepared) = prepared {
            return Ok(prepared);
        }
        let Some(router) = &networks.router else { return Err(net::NONE_FREE) };
        let prepared = net::prepare(router, networks.next_link)?;
        networks.note_link(&prepared);
        Ok(prepared)
    }

    /// A namespace with loopback alone, where one is ready. Else the sandbox's child makes its own, beside those of others.
    pub(super) fn take_alone(&mut self) -> Option<Prepared> {
        self.take_notes();
        let networks = &mut self.networks;
        networks.asked_alone = true;
        let prepared = networks.alone.pop_front();
        networks.taken();
        prepared
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
        self.networks.made = Some(0);
        let (from, wanted) = (self.networks.next_link, self.networks.wanted());
        self.start_worker(Task::Prepare, move |server| {
            net::prepare_many(server.networks.router.as_ref(), from, wanted, &helper);
        });
    }

    /// Takes what the helper has made so far.
    pub(super) fn take_notes(&mut self) {
        let Some((own, _)) = &self.networks.arriving else { return };
        let mut buffer = vec![0; PACKET_BYTES_MAX];
        let mut arrived = Vec::new();
        while let Ok(packet) = receive::<Note>(own, &mut buffer) {
            match <[OwnedFd; 2]>::try_from(packet.descriptors) {
                Ok([namespace, sys]) => {
                    arrived.push(Prepared { namespace, sys: Some(sys), link: packet.message.link });
                }
                Err(other) => log(&format!("a prepared network came with {} descriptors", other.len())),
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
