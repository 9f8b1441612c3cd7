//! The helper's half of handing a descriptor over, see [`atoll_agent_protocol::hand_over`].

use std::fs::File;
use std::os::fd::AsFd;

use atoll_agent_protocol::hand_over::{Use, may_be_handed_over, receive, send};
use atoll_agent_protocol::v1::FileReply;

use super::failure::Stop;
use super::wire::Wire;

/// Whether this file can be handed over: it is one that may, and there is a way.
pub(super) fn is_possible(wire: &Wire, file: &File, for_what: Use) -> Result<bool, Stop> {
    Ok(wire.channel.is_some() && may_be_handed_over(file, for_what)?)
}

/// Tells that the file is handed over, and does so once somebody asks for it. Serve has it then.
pub(super) fn hand_over(wire: &mut Wire, file: &File, reply: FileReply) -> Result<(), Stop> {
    wire.reply(&FileReply { hand_over: true, ..reply })?;
    // Whoever has gone closes the channel.
    let channel = wire.channel.as_ref().ok_or(Stop::Gone)?;
    let connection = receive(channel).map_err(|_| Stop::Gone)?;
    send(&connection, file.as_fd()).map_err(|_| Stop::Gone)
}
