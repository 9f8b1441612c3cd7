//! From bodies to what the engine takes, where every field is checked, and from its views to bodies.

mod account;
mod admin;
mod environment;
mod environment_diff;
mod exec;
mod exec_view;
mod gpu;
mod health_check;
mod job;
mod port;
mod sandbox;
mod sandbox_view;
mod terminal;
mod words;

pub(crate) use account::{
    api_key_view, new_api_key, new_credentials, new_passwords, new_sign_up, session_view, user_view,
};
pub(crate) use admin::{admin_user_view, invitation_view, new_invite, new_user_edit};
pub(crate) use environment::{environment_id, environment_view, new_environment, next_version, version_view};
pub(crate) use environment_diff::differences;
pub(crate) use exec::{NewExecBody, decode_bytes};
pub(crate) use exec_view::{command_view, event_view, exec_record_view, exec_view, lost_event, text_of};
pub(crate) use health_check::wait_for_healthy;
pub(crate) use job::{job_view, new_job};
pub(crate) use sandbox::{NewSandboxBody, new_sandbox, replicated, template};
pub(crate) use sandbox_view::sandbox_view;
pub(crate) use terminal::terminal_view;
pub(crate) use words::{exec_status, output_stream, runtime};
