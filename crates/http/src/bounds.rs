//! Bounds of what the network may ask of serve: each with its unit and its reason.

use std::time::Duration;

/// Connections at once; more wait in the listen queue. Each may cost a head and a body buffer, and a request runs on
/// each at most, so this bounds the requests too.
pub const CONNECTIONS_MAX: usize = 4_096;
/// Bytes of a request line with its headers: a token is at most 4 KiB, a query 8 KiB, the rest is small.
pub const HEAD_BYTES_MAX: usize = 64 << 10;
/// Headers of one request.
pub const HEADERS_MAX: usize = 100;
/// Time for a whole request head, and for the next one on a kept connection: far beyond a slow line, and longer than
/// the idle time of common client pools matters little, since they retry on a closed connection.
pub const HEAD_TIMEOUT: Duration = Duration::from_secs(60);
/// Time for a whole JSON body.
pub const BODY_TIMEOUT: Duration = Duration::from_secs(30);
/// Time between two pieces of a streamed body.
pub const CHUNK_TIMEOUT: Duration = Duration::from_secs(30);
/// Bytes of a refused body that are read and thrown away, so that the client can read the answer: a connection that is
/// closed with unread bytes is reset.
pub const DISCARD_BYTES_MAX: u64 = 32 << 20;
/// Time for that.
pub const DISCARD_TIMEOUT: Duration = Duration::from_secs(2);
/// The same for the content of a file, of which much may be under way when the sandbox's disk is full.
pub const CONTENT_DISCARD_BYTES_MAX: u64 = 4 << 30;
/// Time for that: what is sent meanwhile is lost, so a client is not kept from its answer for longer.
pub const CONTENT_DISCARD_TIMEOUT: Duration = Duration::from_secs(10);
/// Longest token or key, in bytes.
pub const TOKEN_BYTES_MAX: usize = 4 << 10;
/// Longest query string, in bytes.
pub const QUERY_BYTES_MAX: usize = 8 << 10;
/// Longest cursor of a list, in bytes.
pub const CURSOR_BYTES_MAX: usize = 512;
/// Items of a page when the request does not say.
pub const PAGE_ITEMS_DEFAULT: u32 = 50;
/// Longest password, in characters: the hash costs time by its length.
pub const PASSWORD_CHARS_MAX: usize = 1_024;
/// Shortest password, in characters.
pub const PASSWORD_CHARS_MIN: usize = 8;
/// Longest life of an API key, in seconds: ten years.
pub const KEY_SECONDS_MAX: u64 = 10 * 365 * 86_400;
/// Longest life of an invitation, in seconds: a year.
pub const INVITATION_SECONDS_MAX: u64 = 365 * 86_400;
/// Its life when the request does not say, in seconds: a week.
pub const INVITATION_SECONDS_DEFAULT: u64 = 7 * 86_400;
/// Most lines of one answer of the log: the log holds no more.
pub const LOG_LINES_MAX: u32 = 10_000;
/// Lines of the log when the request does not say.
pub const LOG_LINES_DEFAULT: u32 = 1_000;
/// Sign-ups and log-ins at once: each fills 19 MiB and a core for tens of milliseconds.
pub const CREDENTIAL_CHECKS_MAX: usize = 2;
/// Time that a sign-up or log-in waits for its turn.
pub const CREDENTIAL_CHECK_TIMEOUT: Duration = Duration::from_secs(5);
/// Time that a request waits for the first reconcile after a start.
pub const READY_TIMEOUT: Duration = Duration::from_secs(20);
/// Streams at once: each reads a file at its own pace.
pub const STREAMS_MAX: usize = 2_048;
/// Bytes of one message of a stream's client, who has nothing to say there.
pub const STREAM_MESSAGE_BYTES_MAX: usize = 16 << 10;
/// A stream's client is pinged so often.
pub const STREAM_PING_INTERVAL: Duration = Duration::from_secs(20);
/// A stream's client that takes nothing, or answers nothing, for so long is gone.
pub const STREAM_SILENCE_MAX: Duration = Duration::from_secs(60);
/// Bytes of one message of a terminal's client: what a person pastes at once.
pub const TERMINAL_MESSAGE_BYTES_MAX: usize = 1 << 20;
/// Longest time that a terminal outlives its last client where a time is given, in seconds: a week.
pub const TERMINAL_LINGER_SECONDS_MAX: u64 = 7 * 86_400;
/// Characters of one sentence about a field; what the client sent is cut there.
pub const FIELD_MESSAGE_CHARS_MAX: usize = 300;
/// Wrong fields that one refusal names: more than any body has, and a list of wrong words does not become a long answer.
pub const FIELD_PROBLEMS_MAX: usize = 50;
/// Longest refresh token that is looked at, in bytes: several times what this server writes, as much as a cookie holds.
pub const REFRESH_TOKEN_BYTES_MAX: usize = 4_096;
/// Characters of a field's name in an error; what the client sent is cut there.
pub const FIELD_NAME_CHARS_MAX: usize = 128;
/// Connections to public sessions at once: a few for each of as many as a server has, and they leave the other streams alone.
pub const SESSION_STREAMS_MAX: usize = 512;
/// Requests for one public session in a minute: a page that comes back again and again.
pub const SESSION_REQUESTS_A_MINUTE: u32 = 60;
/// Requests with one class link in a minute: a class that comes in at once, and again.
pub const CLASS_REQUESTS_A_MINUTE: u32 = 300;
/// Longest life of a class link, in seconds: a term of half a year, since it cannot be taken back.
pub const CLASS_SECONDS_MAX: u64 = 183 * 86_400;
/// Its life when the request does not say, in seconds: a class of four hours.
pub const CLASS_SECONDS_DEFAULT: u64 = 4 * 3_600;
/// Sessions of a class at once when the request does not say: a room full.
pub const CLASS_SESSIONS_DEFAULT: u32 = 40;
/// Longest text of a search, in bytes.
pub const SEARCH_TEXT_BYTES_MAX: usize = 1 << 10;
/// Matches of a search when the request does not say.
pub const SEARCH_MATCHES_DEFAULT: u32 = 100;
