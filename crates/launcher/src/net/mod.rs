//! Network `all`: how a sandbox reaches the world, and nothing nearer.
//!
//! ```text
//!  sandbox's namespace      router's namespace `atoll-<id>`            host
//!  eth0 100.64.x.1/31 ───── n<i> 100.64.x.0/31 ┐
//!  eth0 100.64.y.3/31 ───── n<j> 100.64.y.2/31 ┼─ uplink /31 ───────── atoll-<id> /31 ── the host's own ways out
//!                           lo   100.64.0.53 ──┘  NAT, filter                            NAT, filter
//!                                ▲ sockets made by the launcher, handed to `egress`, which asks the host's resolvers
//! ```
//! **One namespace between.** Everything that has to do with many sandboxes stands in a router of the installation's own:
//! the host sees one interface and one table of rules however many sandboxes there are, no service of the host is told
//! of each one that comes and goes, and the sandboxes' addresses are nobody else's business: only the uplink's pair
//! of addresses must be free on the host. No bridge: each sandbox has a link of two addresses to the router, so there is no
//! common wire on which one could hear or forge another.
//!
//! **No rule for a single sandbox.** Both tables are loaded once, whole, by `nft`, and never change: what may pass is
//! decided by from which side it comes and where it goes. A sandbox can therefore not run before its rules are in
//! place. Reverse-path filtering ties each address to its link.
//!
//! **Namespaces are made ahead** by a helper process ([`prepare`]), with their link, addresses and `/sys`, and kept as descriptors:
//! a start only enters one. Those of network `none` are made ahead too, with loopback alone. A namespace that nobody uses any more is
//! dropped whole by the kernel, and its link with it, outside of every answer.
//!
//! **Nothing is remembered** that the kernel does not hold. The router is pinned by a mount in `/run/netns`, made last, so
//! that one that is there is whole; links that are there say which addresses are in use. The next launcher takes the
//! router over and loads its own release's rules. The router is made when the first sandbox asks for a network: who never does
//! finds nothing of it on the host. `doctor` removes it once nothing uses it.
//!
//! **What protects the host's own addresses**, public ones among them, is its own table, since only the host knows which they are.
//! Another program may flush the host's rules; the launcher hears of every change and puts the table back ([`watch`]).

mod addresses;
mod dial;
mod dns;
mod links;
mod namespace;
mod netlink;
mod prepare;
mod router;
mod rules;
mod shape;
mod watch;

pub(crate) use addresses::DNS;
pub(crate) use dial::{dial, dial_name};
pub(crate) use dns::{hand_over, heard};
pub(crate) use namespace::{enter, open_low_ports};
pub(crate) use prepare::{NONE_FREE, Note, Prepared, Wanted, channel, prepare, prepare_many};
pub(crate) use router::Router;
pub(crate) use watch::Watch;
