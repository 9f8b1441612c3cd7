//! How much a sandbox's link carries: a bucket of tokens at either end, as tc-tbf(8) has it.
//!
//! Each end holds up what it sends: the router's what goes to the sandbox, the sandbox's own what comes from it. Nothing inside can
//! change that, since the network namespace belongs to the host's root.

use std::num::NonZeroU32;
use std::os::fd::AsFd;

use rustix::io::{Errno, Result};

use super::namespace;
use super::netlink::{MAKE, Message, Netlink, text};
use super::prepare::{FIRST_NUMBER, OWN_NUMBER, Prepared};
use super::router::Router;
use crate::report::{At, Step, StepError};

/// Type of the message that makes a queue (rtnetlink(7)).
const NEW_QUEUE: u16 = 36;
/// Bytes before the attributes of a queue.
const HEAD_BYTES: usize = 20;
/// A queue that stands in none.
const ROOT: u32 = u32::MAX;

// Attributes, and those of a bucket (linux/pkt_sched.h).
const KIND: u16 = 1;
const OPTIONS: u16 = 2;
const BUCKET: u16 = 1;
const RATE: u16 = 4;
const BURST: u16 = 6;
/// Sizes are counted as they are on an Ethernet; otherwise the kernel wants a table of them.
const ETHERNET: u8 = 1;

/// Least size of a bucket, in bytes: what a sender hands over at once.
const BURST_BYTES_MIN: u64 = 64 << 10;
/// A bucket holds what is carried in 10 ms, so that a timer of the kernel that is late costs nothing.
const BURSTS_PER_SECOND: u64 = 100;
/// What waits in the queue at most, beside a bucket: 50 ms; a sender slows down by then.
const QUEUES_PER_SECOND: u64 = 20;

impl Prepared {
    /// Bounds what this carries each way, in megabits a second.
    pub(crate) fn limit(&self, router: &Router, mbit: NonZeroU32) -> std::result::Result<(), StepError> {
        let step = Step::LimitNetwork;
        let link = self.link.ok_or(StepError { step, errno: Errno::NODEV })?;
        router.inside(|| fill_slowly(&Netlink::routing().at(step)?, FIRST_NUMBER + link, mbit).at(step))?;
        namespace::inside(self.namespace.as_fd(), || {
            fill_slowly(&Netlink::routing().at(step)?, OWN_NUMBER, mbit).at(step)
        })
    }
}

fn fill_slowly(netlink: &Netlink, link: u32, mbit: NonZeroU32) -> Result<()> {
    let bytes_per_second = u64::from(mbit.get()) * 1_000_000 / 8;
    let burst = (bytes_per_second / BURSTS_PER_SECOND).max(BURST_BYTES_MIN);
    let limit = clamped(burst + bytes_per_second / QUEUES_PER_SECOND);
    let mut head = [0; HEAD_BYTES];
    head[4..8].copy_from_slice(&link.to_ne_bytes());
    head[12..16].copy_from_slice(&ROOT.to_ne_bytes());
    let message =
        Message::new(NEW_QUEUE, MAKE, &head).attribute(KIND, &text("tbf")).nested(OPTIONS, &[], |options| {
            options
                .attribute(BUCKET, &bucket(clamped(bytes_per_second), limit))
                .attribute(RATE, &bytes_per_second.to_ne_bytes())
                .attribute(BURST, &clamped(burst).to_ne_bytes())
        });
    netlink.ask(message)
}

/// `struct tc_tbf_qopt`: a rate in bytes a second, no peak, and the bytes that may wait; the rest is in attributes.
fn bucket(rate: u32, limit: u32) -> [u8; 36] {
    let mut bucket = [0; 36];
    bucket[1] = ETHERNET;
    bucket[8..12].copy_from_slice(&rate.to_ne_bytes());
    bucket[24..28].copy_from_slice(&limit.to_ne_bytes());
    bucket
}

fn clamped(number: u64) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}
