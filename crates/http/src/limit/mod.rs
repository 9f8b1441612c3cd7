//! How often who may ask.
//!
//! Whoever is not known is counted by his network: together, and apart for what takes a password, which is dear and can be
//! guessed. Whoever is known is counted by his account, wherever he asks from. Each limit is a bucket that holds a burst and
//! is filled evenly (GCRA). What a request left of its bucket stands in its answer.

mod layer;
mod limiter;
mod rate;
mod table;

use std::net::IpAddr;

use atoll_types::{UserId, client_network};

pub(crate) use layer::{limit_public, no_route, noted};
pub(crate) use limiter::{Limiter, Standing};
pub use rate::Rate;

/// The limits; `None`: none.
#[derive(Debug, Clone, Copy, Default)]
pub struct RateLimits {
    /// Of a network, for whoever is not known.
    pub anonymous: Option<Rate>,
    /// Of a network, for sign-ups and log-ins.
    pub auth: Option<Rate>,
    /// Of an account.
    pub user: Option<Rate>,
}

/// The buckets.
#[derive(Debug)]
pub(crate) struct Limits {
    anonymous: Option<Limiter<IpAddr>>,
    auth: Option<Limiter<IpAddr>>,
    user: Option<Limiter<UserId>>,
}

/// What a request is counted as: allowed or not, and what is left; `None` where nothing is counted.
pub(crate) type Counted = Result<Option<Standing>, Standing>;

impl Limits {
    pub(crate) fn new(limits: RateLimits) -> Self {
        Self {
            anonymous: limits.anonymous.map(Limiter::new),
            auth: limits.auth.map(Limiter::new),
            user: limits.user.map(Limiter::new),
        }
    }

    /// A request of somebody who is not known.
    pub(crate) fn anonymous(&self, address: IpAddr) -> Counted {
        count(self.anonymous.as_ref(), &client_network(address))
    }

    /// A sign-up or log-in.
    pub(crate) fn auth(&self, address: IpAddr) -> Counted {
        count(self.auth.as_ref(), &client_network(address))
    }

    /// A request of an account.
    pub(crate) fn user(&self, user: &UserId) -> Counted {
        count(self.user.as_ref(), user)
    }
}

fn count<K: Clone + Eq + std::hash::Hash>(limiter: Option<&Limiter<K>>, key: &K) -> Counted {
    limiter.map(|limiter| limiter.count(key)).transpose()
}
