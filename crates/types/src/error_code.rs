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
    /// The runtime that was asked for is not there; the message says what is missing. No other takes its place.
    RuntimeUnavailable = "runtime_unavailable", 422;
    /// The GPUs that were asked for cannot be had here; the message says what is missing. No sandbox is made without them.
    GpuUnavailable = "gpu_unavailable", 422;
    /// A sandbox still uses the image.
    ImageInUse = "image_in_use", 409;
    /// The archive is no root file system, or is malformed.
    InvalidImage = "invalid_image", 422;
    /// The Dockerfile is wrong, or asks for what no build has.
    InvalidDockerfile = "invalid_dockerfile", 422;
    /// A step of the build failed, or it took too long; the message has the last of what it wrote.
    BuildFailed = "build_failed", 422;
    /// As many images are built as may be, of the caller (1) or of all users (4).
    TooManyBuilds = "too_many_builds", 429;
    /// The registry does not let the image be pulled or pushed (the credentials are wrong, or there are none), or the operator does
    /// not let the registry be used.
    RegistryDenied = "registry_denied", 403;
    /// The registry cannot be reached, or fails, also after several tries.
    RegistryUnavailable = "registry_unavailable", 424;
    /// The registry wants to be left alone for a while.
    RegistryBusy = "registry_busy", 429;
    /// An account with this address exists.
    EmailTaken = "email_taken", 409;
    /// Sign-up is closed: Atoll listens beyond loopback, so accounts are by invitation.
    SignupClosed = "signup_closed", 403;
    /// The API key does not have the scope that this needs; the message names it.
    MissingScope = "missing_scope", 403;
    /// Too many wrong passwords: `Retry-After` says when the next is looked at.
    LoginLocked = "login_locked", 429;
    /// The account is disabled; the operator can enable it again.
    AccountDisabled = "account_disabled", 403;
    /// The log-in has ended: its refresh token is too old, was used before, or was taken back.
    SessionEnded = "session_ended", 401;
    /// There is no such session of the caller.
    SessionNotFound = "session_not_found", 404;
    /// The invitation is used, expired, taken back, or for another address.
    InvalidInvitation = "invalid_invitation", 403;
    /// There is no such invitation.
    InvitationNotFound = "invitation_not_found", 404;
    /// There is no such account.
    AccountNotFound = "account_not_found", 404;
    /// The account still owns something, which must go first.
    AccountInUse = "account_in_use", 409;
    /// There must be an admin who can log in: this is the last one.
    LastAdmin = "last_admin", 409;
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
    /// The exec was started without `tty`, so there is no size to change.
    ExecHasNoTty = "exec_has_no_tty", 409;
    /// The piece of standard input is not the next one; `details` has the offset that is expected.
    StdinOffset = "stdin_offset", 409;
    /// The events asked for are no longer held; `details` has the first number that is.
    EventsExpired = "events_expired", 410;
    /// The body is larger than this route takes.
    BodyTooLarge = "body_too_large", 413;
    /// The body is not of a type that this route takes.
    UnsupportedMediaType = "unsupported_media_type", 415;
    /// A quota is used up: of sandboxes, CPU, memory, storage, egress, execs, or of API keys (100 for each user).
    QuotaExceeded = "quota_exceeded", 429;
    /// Too many requests; `Retry-After` says when to try again.
    RateLimited = "rate_limited", 429;
    /// Too many execs run in this sandbox at once.
    TooManyExecs = "too_many_execs", 429;
    /// There is nothing at this path of the sandbox.
    FileNotFound = "file_not_found", 404;
    /// There is something at the new path already; `overwrite` replaces it.
    FileExists = "file_exists", 409;
    /// The path leads to a directory where a file is needed.
    IsDirectory = "is_directory", 409;
    /// The path leads to a file where a directory is needed.
    NotDirectory = "not_directory", 409;
    /// The path leads to a pipe, a socket or a device: only regular files are read and written.
    NotRegularFile = "not_regular_file", 409;
    /// The directory has something in it; `recursive` removes that too.
    DirectoryNotEmpty = "directory_not_empty", 409;
    /// The user in the sandbox may not do this with the file; `user` names another.
    FilePermissionDenied = "file_permission_denied", 403;
    /// The path cannot be used: a name is too long, too many links are on the way, or it does not end with a name.
    InvalidPath = "invalid_path", 400;
    /// The disk of the sandbox is full.
    SandboxDiskFull = "sandbox_disk_full", 507;
    /// The file system at this path is read-only.
    ReadOnlyFileSystem = "read_only_file_system", 409;
    /// The file is in use in a way that forbids this.
    FileBusy = "file_busy", 409;
    /// The file, or what is to be looked at, is larger than can be.
    FileTooLarge = "file_too_large", 413;
    /// The part asked for begins behind the end of the file; `details` has its size.
    RangeNotSatisfiable = "range_not_satisfiable", 416;
    /// The archive is hostile, broken, compressed or no tar.
    InvalidArchive = "invalid_archive", 422;
    /// A directory cannot be moved to another file system: copy it.
    CrossDevice = "cross_device", 409;
    /// There is no such user in the sandbox.
    UserNotFound = "user_not_found", 404;
    /// Too many file operations are under way in this sandbox; `Retry-After` says when to try again.
    TooManyFileOperations = "too_many_file_operations", 429;
    /// The operation failed inside the sandbox, or was cut off there: killed, out of memory, too slow.
    FileOperationFailed = "file_operation_failed", 502;
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
    /// There is no such environment, or it is not the caller's.
    EnvironmentNotFound = "environment_not_found", 404;
    /// The environment has no such version.
    EnvironmentVersionNotFound = "environment_version_not_found", 404;
    /// A sandbox was made of the environment and still exists.
    EnvironmentInUse = "environment_in_use", 409;
    /// The environment was changed at the same moment; look at it and try again.
    EnvironmentChanged = "environment_changed", 409;
    /// The environment has no such secret.
    SecretNotFound = "secret_not_found", 404;
    /// A secret of the sandbox's environment cannot be opened: its master key is not here. Set it again, or put the key back.
    SecretUnreadable = "secret_unreadable", 409;
    /// The `Idempotency-Key` was given with another request.
    IdempotencyMismatch = "idempotency_mismatch", 422;
    /// A request with this `Idempotency-Key` is being carried out; `Retry-After` says when to ask again.
    IdempotencyInProgress = "idempotency_in_progress", 409;
    /// The first request with this `Idempotency-Key` was cut off, or made what did not become healthy; look what it made, and take a new key.
    IdempotencyInterrupted = "idempotency_interrupted", 409;
    /// There is no such background job in this sandbox.
    JobNotFound = "job_not_found", 404;
    /// The sandbox has as many background jobs as it may: 64.
    TooManyJobs = "too_many_jobs", 429;
    /// There are no public sessions here: the operator has not turned them on.
    SessionsDisabled = "sessions_disabled", 403;
    /// Public sessions need a runtime that is not here: gVisor, or the operator's leave for less (`sessions.allowNative`).
    SessionsUnavailable = "sessions_unavailable", 503;
    /// The address, the class or the server has as many public sessions as it may; `Retry-After` says when to try again.
    TooManySessions = "too_many_sessions", 429;
    /// The class link is not one of this server's, its time is over, or it was taken back.
    InvalidClassLink = "invalid_class_link", 403;
    /// There is no such class link.
    ClassLinkNotFound = "class_link_not_found", 404;
    /// The sandbox did not become healthy in the time that was to be waited for it, or went down; it is there. `details` has the ids
    /// of what the request made or started.
    SandboxNotHealthy = "sandbox_not_healthy", 409;
}
