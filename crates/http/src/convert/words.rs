//! The words that the API has for our states.

use atoll_ports::Role;
use atoll_types::{
    Capabilities, ExecStatus, Isolation, Network, OnExpiry, OutputStream, RuntimeChoice, RuntimeKind,
    StopReason,
};

pub(crate) const fn exec_status(status: ExecStatus) -> &'static str {
    match status {
        ExecStatus::Running => "running",
        ExecStatus::Exited => "exited",
        ExecStatus::TimedOut => "timed_out",
        ExecStatus::Lost => "lost",
        ExecStatus::Failed => "failed",
    }
}

pub(crate) const fn output_stream(stream: OutputStream) -> &'static str {
    match stream {
        OutputStream::Stdout => "stdout",
        OutputStream::Stderr => "stderr",
    }
}

pub(super) const fn stop_reason(reason: StopReason) -> &'static str {
    match reason {
        StopReason::Requested => "requested",
        StopReason::Idle => "idle",
        StopReason::Expired => "expired",
        StopReason::HostRestarted => "host_restarted",
    }
}

pub(crate) const fn runtime(runtime: RuntimeKind) -> &'static str {
    runtime.as_str()
}

pub(super) const fn runtime_choice(choice: RuntimeChoice) -> &'static str {
    match choice {
        RuntimeChoice::Auto => "auto",
        RuntimeChoice::Kind(kind) => kind.as_str(),
    }
}

pub(super) const fn isolation(isolation: Isolation) -> &'static str {
    match isolation {
        Isolation::Standard => "standard",
        Isolation::Strong => "strong",
    }
}

pub(super) const fn network(network: Network) -> &'static str {
    match network {
        Network::None => "none",
        Network::All => "all",
    }
}

pub(super) const fn capabilities(capabilities: Capabilities) -> &'static str {
    match capabilities {
        Capabilities::Standard => "standard",
        Capabilities::None => "none",
    }
}

pub(super) const fn on_expiry(on_expiry: OnExpiry) -> &'static str {
    match on_expiry {
        OnExpiry::Delete => "delete",
        OnExpiry::Stop => "stop",
    }
}

pub(super) const fn role(role: Role) -> &'static str {
    match role {
        Role::User => "user",
        Role::Admin => "admin",
    }
}
