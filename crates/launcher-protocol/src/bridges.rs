//! Names of interfaces that more than one program must agree on.

use atoll_types::{AgentSocketId, InstallationId};

/// What the names of the installation's bridges of Docker begin with. The launcher's rules know no single one of them, so a bridge must
/// be named like this before anything is connected to it; four characters are left of the fifteen that the kernel allows.
#[must_use]
pub fn bridge_prefix(installation: &InstallationId) -> String {
    format!("atd{installation}")
}

/// The name under which an agent in a container of the installation listens, in the abstract space that its network namespace has for
/// Unix sockets. The launcher makes it of its own installation, so that nobody is led to an agent of another one.
#[must_use]
pub fn agent_socket_name(installation: &InstallationId, socket: &AgentSocketId) -> String {
    format!("{}{socket}", agent_sockets(installation))
}

/// The socket that has such a name.
#[must_use]
pub fn agent_socket(installation: &InstallationId, name: &str) -> Option<AgentSocketId> {
    name.strip_prefix(&agent_sockets(installation))?.parse().ok()
}

/// What the names of the installation's agents begin with.
fn agent_sockets(installation: &InstallationId) -> String {
    format!("atoll-agent-{installation}-")
}

/// Name, on the host, of the way to the router of the installation's networks. It is made after the rules are in place: where it is, they
/// have been loaded.
#[must_use]
pub fn uplink_name(installation: &InstallationId) -> String {
    format!("atoll-{installation}")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Characters of an interface's name at most.
    const NAME_CHARS_MAX: usize = 15;

    #[test]
    fn the_kernel_takes_the_names() {
        let installation = InstallationId::random();
        assert!(bridge_prefix(&installation).len() + 4 <= NAME_CHARS_MAX);
        assert!(uplink_name(&installation).len() <= NAME_CHARS_MAX);
    }

    #[test]
    fn a_socket_is_that_of_one_installation() {
        let (ours, theirs, socket) =
            (InstallationId::random(), InstallationId::random(), AgentSocketId::random());
        let name = agent_socket_name(&ours, &socket);
        assert!(name.len() <= 107, "the kernel takes no longer one");
        assert_eq!(agent_socket(&ours, &name), Some(socket));
        assert_eq!(agent_socket(&theirs, &name), None);
        assert_eq!(agent_socket(&ours, "atoll-agent-"), None);
    }
}
