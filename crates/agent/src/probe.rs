//! Health checks: commands that run to their end, of which only that is told.

use std::collections::VecDeque;
use std::sync::Arc;

use atoll_agent_protocol::PROBE_OUTPUT_BYTES_MAX;
use atoll_agent_protocol::v1::{ExecKind, ExecRequest, Exit, ProbeReply, ProbeRequest, event::Kind};
use tokio::sync::oneshot;
use tokio_stream::StreamExt;
use tonic::Status;

use crate::agent::Agent;
use crate::exec::{Events, Exec};
use crate::{start, status, task};

/// Runs one.
pub(crate) async fn run(agent: &Arc<Agent>, request: ProbeRequest) -> Result<ProbeReply, Status> {
    let command = request.command.ok_or_else(|| Status::invalid_argument("a command is missing"))?;
    // Whoever asked may be gone before it has ended.
    if command.timeout_ms == 0 {
        return Err(Status::invalid_argument("a health check needs a time limit"));
    }
    if agent.find(&command.exec_id).is_ok() {
        return Err(Status::invalid_argument("exec_id is taken"));
    }
    agent.spares.settle().await;
    let kind = ExecKind::Probe.into();
    let exec = start::start(agent, ExecRequest { kind, stdin_open: false, tty: None, ..command })?;
    let events = Events::after(Arc::clone(&exec), 0).map_err(status::gone)?;
    let (tell, told) = oneshot::channel();
    // Beside the call, so that its end is seen, and all of it forgotten, when that is dropped.
    task::spawn(follow(Arc::clone(agent), exec, events, tell));
    told.await.map_err(|_| Status::internal("the end of a health check was not seen"))
}

async fn follow(agent: Arc<Agent>, exec: Arc<Exec>, mut events: Events, tell: oneshot::Sender<ProbeReply>) {
    let mut output = VecDeque::new();
    let mut exit: Option<Exit> = None;
    while let Some(Ok(event)) = events.next().await {
        match event.kind {
            Some(Kind::Output(piece)) => keep_end(&mut output, &piece.data),
            Some(Kind::Exit(end)) => exit = Some(end),
            Some(Kind::Start(_)) | None => {}
        }
        agent.ack(&exec.id, event.seq);
    }
    if exit.is_some() {
        // Nobody may be listening any more.
        drop(tell.send(ProbeReply { exit, output: Vec::from(output).into() }));
    }
}

fn keep_end(output: &mut VecDeque<u8>, data: &[u8]) {
    output.extend(data.get(data.len().saturating_sub(PROBE_OUTPUT_BYTES_MAX)..).unwrap_or_default());
    let surplus = output.len().saturating_sub(PROBE_OUTPUT_BYTES_MAX);
    output.drain(..surplus);
}
