//! The documented list of error codes. A code never changes its meaning.

use serde::{Deserialize, Serialize};

macro_rules! codes {
    ($($(#[$doc:meta])* $name:ident = $text:literal, $status:literal;)*) => {
        /// Stable machine-readable reason of a failure.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
        #[serde(rename_all = "snake_case")]
        pub enum ErrorCode { $($(#[$doc])* $name,)* }

        impl ErrorCode {
            /// Every code, for the documentation.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];

            /// The code as the API writes it.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$name => $text,)* }
            }

            /// The HTTP status that goes with it.
            #[must_use]
            pub const fn http_status(self) -> u16 {
                match self { $(Self::$name => $status,)* }
            }
        }
    };
}

codes! {
    /// A field of the request is missing, of the wrong type, too long or not allowed; `details` names it.
    InvalidRequest = "invalid_request", 400;
    /// There is no valid token or key.
    Unauthorized = "unauthorized", 401;
    /// The address or the password is wrong.
    InvalidCredentials = "invalid_credentials", 401;
    /// The caller may not do this.
    Forbidden = "forbidden", 403;
    /// There is no such route.
    RouteNotFound = "route_not_found", 404;
    /// The route exists, with another method.
    MethodNotAllowed = "method_not_allowed", 405;
    /// There is no such sandbox, or it is not the caller's.
    SandboxNotFound = "sandbox_not_found", 404;
    /// There is no such exec in this sandbox.
    ExecNotFound = "exec_not_found", 404;
    /// There is no such API key.
    ApiKeyNotFound = "api_key_not_found", 404;
    /// No image has this name here.
    ImageNotFound = "image_not_found", 404;
    /// A sandbox still uses the image.
    ImageInUse = "image_in_use", 409;
    /// The archive is no root file system, or is malformed.
    InvalidImage = "invalid_image", 422;
    /// An account with this address exists.
    EmailTaken = "email_taken", 409;
    /// Sign-up is closed: Atoll listens beyond loopback, so accounts are by invitation.
    SignupClosed = "signup_closed", 403;
    /// The sandbox must be running for this.
    SandboxNotRunning = "sandbox_not_running", 409;
    /// The sandbox is paused.
    SandboxPaused = "sandbox_paused", 409;
    /// The sandbox is being deleted.
    SandboxDeleting = "sandbox_deleting", 409;
    /// The exec has ended.
    ExecNotRunning = "exec_not_running", 409;
    /// The exec was started without an open standard input.
    StdinClosed = "stdin_closed", 409;
    /// The piece of standard input is not the next one; `details` has the offset that is expected.
    StdinOffset = "stdin_offset", 409;
    /// The events asked for are no longer held; `details` has the first number that is.
    EventsExpired = "events_expired", 410;
    /// The body is larger than this route takes.
    BodyTooLarge = "body_too_large", 413;
    /// The body is not of a type that this route takes.
    UnsupportedMediaType = "unsupported_media_type", 415;
    /// A quota is used up: of sandboxes, or of API keys (100 for each user).
    QuotaExceeded = "quota_exceeded", 429;
    /// Too many requests; `Retry-After` says when to try again.
    RateLimited = "rate_limited", 429;
    /// Too many execs run in this sandbox at once.
    TooManyExecs = "too_many_execs", 429;
    /// The host's disk is nearly full: nothing new is made until there is room.
    DiskFull = "disk_full", 507;
    /// The runtime could not do it; the message says what failed.
    RuntimeFailed = "runtime_failed", 502;
    /// The agent of the sandbox does not answer.
    AgentUnreachable = "agent_unreachable", 502;
    /// Atoll is starting or stopping, or a part of it is; try again.
    Unavailable = "unavailable", 503;
    /// There is no such terminal in this sandbox, or another one has its name now.
    TerminalNotFound = "terminal_not_found", 404;
    /// The program of the terminal has ended.
    TerminalEnded = "terminal_ended", 409;
    /// The sandbox has as many terminals, or viewers of them, as it may.
    TooManyTerminals = "too_many_terminals", 429;
    /// A defect of Atoll; the trace id finds it in the log.
    Internal = "internal", 500;
}
