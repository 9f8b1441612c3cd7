//! The calls about terminals that exist.

use std::sync::Arc;

use atoll_agent_protocol::v1::{
    HeldTerminal, TerminalAttachRequest, TerminalCloseRequest, TerminalInputRequest, TerminalResizeRequest,
};
use atoll_agent_protocol::{TERMINAL_INPUT_BYTES_MAX, TERMINAL_VIEWERS_MAX};
use tonic::Status;

use super::open::size;
use super::views::Views;
use crate::agent::Agent;
use crate::start::Pending;

pub(crate) fn attach(agent: &Agent, request: &TerminalAttachRequest) -> Result<Views, Status> {
    let terminal = agent.terminals.find(&request.name, request.generation)?;
    if agent.terminals.viewers() >= TERMINAL_VIEWERS_MAX {
        let text = format!("{TERMINAL_VIEWERS_MAX} viewers look at terminals of this sandbox");
        return Err(Status::resource_exhausted(text));
    }
    Ok(Views::new(terminal, request.offset))
}

pub(crate) async fn input(agent: &Arc<Agent>, request: TerminalInputRequest) -> Result<(), Status> {
    if request.data.len() > TERMINAL_INPUT_BYTES_MAX {
        return Err(Status::invalid_argument("too much input at once"));
    }
    let terminal = agent.terminals.find(&request.name, request.generation)?;
    let _pending = Pending::reserve(agent, std::iter::empty(), request.data.len())?;
    agent.activity.touch();
    let typed = terminal.write(request.data).await;
    typed.then_some(()).ok_or_else(|| Status::failed_precondition("its program has ended"))
}

pub(crate) fn resize(agent: &Agent, request: &TerminalResizeRequest) -> Result<(), Status> {
    let size = size(request.cols, request.rows)?;
    let terminal = agent.terminals.find(&request.name, request.generation)?;
    terminal.resize(size).map_err(|error| Status::internal(error.to_string()))
}

pub(crate) fn list(agent: &Agent) -> Vec<HeldTerminal> {
    let held = |terminal: Arc<super::state::Terminal>| HeldTerminal {
        name: terminal.name.clone(),
        generation: terminal.generation,
        cols: terminal.size().cols.into(),
        rows: terminal.size().rows.into(),
        viewers: u32::try_from(terminal.viewers()).unwrap_or(u32::MAX),
        created_ms: terminal.created_ms,
        exit_code: terminal.end().map(|end| end.code),
    };
    agent.terminals.list().into_iter().map(held).collect()
}

pub(crate) fn close(agent: &Agent, request: &TerminalCloseRequest) -> Result<(), Status> {
    agent.terminals.find(&request.name, request.generation)?.ask_to_close();
    Ok(())
}
