//! Messages between serve and the agent of a sandbox.
//!
//! The contract is `proto/agent.proto`. An agent of release N must serve a serve of N and N+1: messages and fields
//! are only ever added, and a call that an older agent does not know is announced by a capability of `Hello`.

use bytes::Bytes;

pub mod frames;
pub mod hand_over;

/// Version of the protocol that this release speaks.
pub const PROTOCOL_VERSION: u32 = 1;

/// Largest message in either direction, in bytes: a chunk of output or input with its envelope. The one exception is
/// the request of an exec, which carries its arguments and standard input.
pub const MESSAGE_BYTES_MAX: usize = 80 << 10;

/// Largest request of an exec, in bytes: 1 MiB of arguments, 256 KiB of environment and 1 MiB of standard input.
pub const EXEC_REQUEST_BYTES_MAX: usize = 3 << 20;

/// Largest piece of output in one event, in bytes.
pub const OUTPUT_BYTES_MAX: usize = 64 << 10;

/// Largest piece of input in one `Stdin` call, in bytes; more is several calls, one after the other.
pub const STDIN_BYTES_MAX: usize = 64 << 10;

/// Largest standard input in the request of an exec, in bytes.
pub const EXEC_STDIN_BYTES_MAX: usize = 1 << 20;

/// Most commands that one `Ack` names: 1,024 ids with their numbers are well below a message.
pub const ACKS_MAX: usize = 1_024;

/// Most commands that an agent holds at once, running or not yet acknowledged.
pub const EXECS_MAX: usize = 256;

/// Longest id of an exec, in bytes; letters, digits, `-` and `_`.
pub const EXEC_ID_BYTES_MAX: usize = 64;

/// Metadata of an `OUT_OF_RANGE` answer: the first event still held, in decimal digits.
pub const FIRST_SEQ_METADATA: &str = "atoll-first-seq";

/// Metadata of an `OUT_OF_RANGE` answer to `Stdin`: the offset of the byte that it takes next, in decimal digits.
pub const STDIN_OFFSET_METADATA: &str = "atoll-stdin-offset";

/// Capability of an agent that runs commands in a terminal, and changes its size.
pub const CAPABILITY_EXEC_TTY: &str = "exec-tty";

/// Capability of an agent that makes terminals.
pub const CAPABILITY_TERMINAL: &str = "terminal";

/// Longest name of a terminal, in bytes; letters, digits, `-`, `_` and `.`.
pub const TERMINAL_NAME_BYTES_MAX: usize = 64;

/// Most terminals of one sandbox, those included whose program has just ended: each keeps a scrollback.
pub const TERMINALS_MAX: usize = 16;

/// Most streams that show terminals of one sandbox. The host reads them over a connection whose window holds what all of
/// them may have under way, so that one which is not read holds up no other.
pub const TERMINAL_VIEWERS_MAX: usize = 64;

/// Largest piece of output in one event of a terminal, in bytes: a few screens.
pub const TERMINAL_OUTPUT_BYTES_MAX: usize = 32 << 10;

/// Largest piece of input in one call, in bytes.
pub const TERMINAL_INPUT_BYTES_MAX: usize = 64 << 10;

/// Most columns, and most rows: beyond any screen, and programs keep a few bytes for each cell.
pub const TERMINAL_SIDE_MAX: u32 = 1_000;

/// Capability of `Hello`: the call `Files`.
pub const CAPABILITY_FILES: &str = "files";

/// Capability of `Hello`: file helpers hand descriptors over, see [`hand_over`].
pub const CAPABILITY_HAND_OVER: &str = "files.hand-over";

/// Capability of `Hello`: the call `Probe`.
pub const CAPABILITY_PROBE: &str = "probe";

/// Capability of `Hello`: the call `Dial`.
pub const CAPABILITY_PORTS: &str = "ports";

/// Most connections to ports of one sandbox through its agent: as many as the host lets through.
pub const PORT_CONNECTIONS_MAX: usize = 512;

/// Largest piece of what goes through such a connection, in bytes.
pub const PORT_PIECE_BYTES_MAX: usize = 16 << 10;

/// What an event of a command costs its agent beside its data, in bytes: its fields, and the allocator's share.
pub const EXEC_EVENT_BYTES: usize = 128;

/// Room that output of a command takes of the window of its stream at least, in bytes; less is filled. h2, which receives it,
/// hangs up once what waiting frames lack to 256 bytes comes to half of the connection's window (0.4.20,
/// `Counts::record_data_frame`), and a log that cannot be written is a reader that waits.
pub const OUTPUT_ROOM_BYTES: usize = 256;

/// Room that each piece of the other streams takes at least, in bytes: who looks at terminals, files and ports may read nothing
/// for long, and a piece that waits costs memory beside its bytes, too.
pub const PIECE_ROOM_BYTES: usize = 1 << 10;

/// What small pieces are filled with.
const FILLING: Bytes = Bytes::from_static(&[0; PIECE_ROOM_BYTES]);

/// Fills a piece with so many bytes up to this room, at most [`PIECE_ROOM_BYTES`].
fn filling(length: usize, room: usize) -> Bytes {
    FILLING.slice(length.min(room)..room)
}

/// Output of a command, at most [`OUTPUT_BYTES_MAX`].
#[must_use]
pub fn exec_output(stream: v1::output::Stream, data: Bytes) -> v1::Output {
    v1::Output { filling: filling(data.len(), OUTPUT_ROOM_BYTES), stream: stream.into(), data }
}

/// A piece from or to a port with these bytes, at most [`PORT_PIECE_BYTES_MAX`].
#[must_use]
pub fn port_piece(data: Bytes) -> v1::PortPiece {
    v1::PortPiece { filling: filling(data.len(), PIECE_ROOM_BYTES), data, ..v1::PortPiece::default() }
}

/// A piece from or to a file helper with these bytes, at most [`frames::FILES_PIECE_BYTES_MAX`].
#[must_use]
pub fn files_piece(data: Bytes) -> v1::FilesPiece {
    v1::FilesPiece { filling: filling(data.len(), PIECE_ROOM_BYTES), data, ..v1::FilesPiece::default() }
}

/// What a viewer of a terminal is told.
#[must_use]
pub fn terminal_event(kind: v1::terminal_event::Kind) -> v1::TerminalEvent {
    let length = match &kind {
        v1::terminal_event::Kind::Output(output) => output.data.len(),
        _ => 0,
    };
    v1::TerminalEvent { filling: filling(length, PIECE_ROOM_BYTES), kind: Some(kind) }
}

/// Most output of a health check that is told, in bytes: why it failed is in its last lines.
pub const PROBE_OUTPUT_BYTES_MAX: usize = 1 << 10;

/// Generated messages and services.
#[allow(unused_qualifications, clippy::all, clippy::pedantic, reason = "generated")]
pub mod v1 {
    tonic::include_proto!("atoll.agent.v1");
}

/// The bytes of a message.
#[must_use]
pub fn encode(message: &impl prost::Message) -> Vec<u8> {
    message.encode_to_vec()
}

/// The message of some bytes; what is unknown in them is left out.
///
/// # Errors
/// When they are no such message.
pub fn decode<M: prost::Message + Default>(bytes: &[u8]) -> Result<M, prost::DecodeError> {
    M::decode(bytes)
}
