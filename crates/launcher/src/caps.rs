//! Capabilities inside a sandbox.

use atoll_types::Capabilities;
use rustix::thread::{CapabilitySet, CapabilitySets, remove_capability_from_bounding_set, set_capabilities};

use crate::report::{At, Step, StepError};

/// What the root of a sandbox has, over its own user namespace only.
const STANDARD: CapabilitySet = CapabilitySet::CHOWN
    .union(CapabilitySet::DAC_OVERRIDE)
    .union(CapabilitySet::FOWNER)
    .union(CapabilitySet::FSETID)
    .union(CapabilitySet::KILL)
    .union(CapabilitySet::SETGID)
    .union(CapabilitySet::SETUID)
    .union(CapabilitySet::NET_BIND_SERVICE);

/// What the agent itself needs where its sandbox has none: to become a command's user and to signal it.
const AGENT_ONLY: CapabilitySet =
    CapabilitySet::KILL.union(CapabilitySet::SETGID).union(CapabilitySet::SETUID);

/// Gives up everything else, for this process and all that come of it.
///
/// Where the sandbox has none, the agent keeps three as inheritable, which survive its execution while the bounding set
/// is empty; it clears its inheritable set before it runs anything, and its children have none.
pub(crate) fn restrict(capabilities: Capabilities) -> Result<(), StepError> {
    let (bounding, own, inheritable) = match capabilities {
        Capabilities::Standard => (STANDARD, STANDARD, CapabilitySet::empty()),
        Capabilities::None => (CapabilitySet::empty(), AGENT_ONLY, AGENT_ONLY),
    };
    give_up(bounding, CapabilitySets { effective: own, permitted: own, inheritable })
}

/// Leaves the unpacker what creating files of any owner takes.
pub(crate) fn restrict_unpacker() -> Result<(), StepError> {
    let own = CapabilitySet::CHOWN
        .union(CapabilitySet::DAC_OVERRIDE)
        .union(CapabilitySet::FOWNER)
        .union(CapabilitySet::FSETID)
        .union(CapabilitySet::SETFCAP);
    give_up(own, CapabilitySets { effective: own, permitted: own, inheritable: CapabilitySet::empty() })
}

fn give_up(bounding: CapabilitySet, sets: CapabilitySets) -> Result<(), StepError> {
    // First what is inheritable: it cannot be raised beyond the bounding set. Then the bounding set, to drop from which
    // takes a capability that the last call gives up.
    let dropping = sets.permitted.union(CapabilitySet::SETPCAP);
    let first = CapabilitySets { effective: dropping, permitted: dropping, inheritable: sets.inheritable };
    set_capabilities(None, first).at(Step::DropCapabilities)?;
    for number in 0..u64::BITS {
        let capability = CapabilitySet::from_bits_retain(1 << number);
        if !bounding.contains(capability) && remove_capability_from_bounding_set(capability).is_err() {
            // The kernel knows no capability of this number, so none beyond either.
            break;
        }
    }
    set_capabilities(None, sets).at(Step::DropCapabilities)
}
