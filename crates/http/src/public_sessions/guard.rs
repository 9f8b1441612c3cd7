//! What is counted of public sessions, and who is let in.

use std::net::IpAddr;
use std::sync::Arc;

use atoll_engine::{SessionRefusal, count_session_command_refused};
use atoll_types::{ClassLinkId, ErrorCode, SandboxId, client_network};
use axum::http::{HeaderMap, Uri};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::class_token::Class;
use super::{Lines, PublicSessions};
use crate::answer::ApiFailure;
use crate::bounds::{CLASS_REQUESTS_A_MINUTE, SESSION_REQUESTS_A_MINUTE, SESSION_STREAMS_MAX};
use crate::limit::{Counted, Limiter, Rate};

/// Public sessions, where there are any.
#[derive(Debug)]
pub(crate) struct Sessions {
    pub(super) settings: PublicSessions,
    begun: Option<Limiter<IpAddr>>,
    commands: Option<Limiter<SandboxId>>,
    classes: Option<Limiter<ClassLinkId>>,
    requests: Option<Limiter<SandboxId>>,
    streams: Arc<Semaphore>,
}

/// A link that is good for nothing.
pub(super) fn no_class() -> ApiFailure {
    let text = "this class link is not one of this server's, its time is over, or it was taken back: ask for a new one";
    ApiFailure::new(ErrorCode::InvalidClassLink, text)
}

impl Sessions {
    pub(crate) fn new(settings: PublicSessions) -> Self {
        Self {
            begun: settings.rate.map(Limiter::new),
            commands: settings.commands.map(Limiter::new),
            classes: Rate::a_minute(CLASS_REQUESTS_A_MINUTE).map(Limiter::new),
            requests: Rate::a_minute(SESSION_REQUESTS_A_MINUTE).map(Limiter::new),
            streams: Arc::new(Semaphore::new(SESSION_STREAMS_MAX)),
            settings,
        }
    }

    /// Refuses a page of a site that may not begin sessions.
    pub(super) fn check_origin(&self, headers: &HeaderMap, uri: &Uri) -> Result<(), ApiFailure> {
        if self.settings.welcomes(headers, uri) {
            return Ok(());
        }
        SessionRefusal::Origin.count();
        let text = "pages of this site may not use sessions here; the operator lists those that may in sessions.origins";
        Err(ApiFailure::new(ErrorCode::Forbidden, text))
    }

    /// The class of a link that was given; it may have been taken back.
    pub(super) fn class(&self, token: Option<&str>) -> Result<Option<Class>, ApiFailure> {
        let Some(token) = token else { return Ok(None) };
        self.settings.keys.class(token).map(Some).ok_or_else(no_class)
    }

    /// Counts a session that an address begins.
    pub(super) fn begin(&self, address: IpAddr) -> Result<(), ApiFailure> {
        let Some(limiter) = &self.begun else { return Ok(()) };
        match limiter.count(&client_network(address)) {
            Ok(_) => Ok(()),
            Err(standing) => {
                SessionRefusal::Rate.count();
                let seconds = standing.retry_after_seconds();
                let text = format!("your address has begun many sessions: try again in {seconds} s");
                Err(ApiFailure::too_soon(seconds, text))
            }
        }
    }

    /// Counts a command of a session; else seconds until the next is taken.
    pub(super) fn command(&self, sandbox: &SandboxId) -> Result<(), u64> {
        let Some(limiter) = &self.commands else { return Ok(()) };
        limiter.count(sandbox).map(drop).map_err(|standing| {
            count_session_command_refused();
            standing.retry_after_seconds()
        })
    }

    /// Counts a request with a class link.
    pub(super) fn class_request(&self, class: &ClassLinkId) -> Counted {
        self.classes.as_ref().map(|limiter| limiter.count(class)).transpose()
    }

    /// Counts a request for a session.
    pub(super) fn session_request(&self, sandbox: &SandboxId) -> Counted {
        self.requests.as_ref().map(|limiter| limiter.count(sandbox)).transpose()
    }

    /// The sandbox of a session's id.
    pub(super) fn sandbox(&self, id: &str) -> Result<SandboxId, ApiFailure> {
        let text = "there is no such session, or it is over: begin a new one";
        self.settings.keys.sandbox(id).ok_or_else(|| ApiFailure::new(ErrorCode::SessionNotFound, text))
    }

    /// The right to one more connection.
    pub(super) fn stream(&self) -> Result<OwnedSemaphorePermit, ApiFailure> {
        let permit = Arc::clone(&self.streams).try_acquire_owned();
        permit.map_err(|_| ApiFailure::new(ErrorCode::RateLimited, "too many sessions are looked at at once"))
    }

    /// What counts the lines of a new connection to a session.
    pub(crate) fn lines(&self, sandbox: &SandboxId) -> Lines<'_> {
        Lines { sessions: self, sandbox: sandbox.clone(), after_return: false }
    }
}
