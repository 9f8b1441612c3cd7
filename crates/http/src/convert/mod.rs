//! From bodies to what the engine takes, where every field is checked, and from its views to bodies.

mod account;
mod admin;
mod exec;
mod exec_view;
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
pub(crate) use exec::{NewExecBody, decode_bytes};
pub(crate) use exec_view::{event_view, exec_record_view, exec_view, lost_event, text_of};
pub(crate) use job::{job_view, new_job};
pub(crate) use sandbox::new_sandbox;
pub(crate) use sandbox_view::sandbox_view;
pub(crate) use terminal::terminal_view;
pub(crate) use words::{exec_status, output_stream, runtime};
