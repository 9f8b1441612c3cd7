//! What can go wrong between here and the server.

use std::error::Error;

use atoll_api_types::{FailureBody, FieldError};

/// An answer of the server that says no.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiError {
    /// HTTP status.
    pub status: u16,
    /// Stable code from the documented list.
    pub code: String,
    /// What happened and what would be right, for people.
    pub message: String,
    /// Fields of the request that are wrong.
    pub fields: Vec<FieldError>,
    /// Finds the request in the server's log.
    pub trace_id: String,
    /// Seconds after which the server wants to be asked again.
    pub retry_after_seconds: Option<u64>,
}

impl ApiError {
    pub(crate) fn new(status: u16, retry_after_seconds: Option<u64>, body: FailureBody) -> Self {
        let fields: Option<Vec<FieldError>> =
            body.details.and_then(|details| serde_json::from_value(details).ok());
        Self {
            status,
            code: body.code,
            message: body.message,
            fields: fields.unwrap_or_default(),
            trace_id: body.trace_id,
            retry_after_seconds,
        }
    }
}

/// Why a call failed.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// The server answered, and said no.
    #[error("{}", .0.message)]
    Api(Box<ApiError>),
    /// There is no connection to the server: nothing was asked.
    #[error("cannot connect to {url}")]
    Unreachable {
        /// Where.
        url: String,
        /// Why.
        source: Box<dyn Error + Send + Sync>,
    },
    /// The connection ended before the answer was there: whether the server did it is not known.
    #[error("the connection to {url} ended before the answer came")]
    Interrupted {
        /// Where.
        url: String,
        /// Why.
        source: Box<dyn Error + Send + Sync>,
    },
    /// The answer is not one that Atoll gives.
    #[error("{url} does not answer as an Atoll server does: {detail}")]
    Protocol {
        /// Where.
        url: String,
        /// What is wrong with it.
        detail: String,
    },
    /// The address of the server is not one.
    #[error("{url:?} is not the address of a server: {expected}")]
    BaseUrl {
        /// What was given.
        url: String,
        /// What would be right.
        expected: &'static str,
    },
    /// The token has characters that no token has.
    #[error("the token must be printable ASCII without spaces")]
    Token,
    /// The connections cannot be set up on this machine.
    #[error("cannot set up connections")]
    Setup(#[source] Box<dyn Error + Send + Sync>),
    /// The file that is sent cannot be read.
    #[error("cannot read what is to be sent")]
    Read(#[source] std::io::Error),
}

impl ClientError {
    /// The stable code of the server's answer, if there is one.
    #[must_use]
    pub fn code(&self) -> Option<&str> {
        match self {
            Self::Api(error) => Some(&error.code),
            _ => None,
        }
    }

    /// Whether asking the same again may help soon: the server is starting, stopping or away.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Api(error) => error.status == 503,
            Self::Unreachable { .. } | Self::Interrupted { .. } => true,
            Self::Protocol { .. } | Self::BaseUrl { .. } | Self::Token | Self::Setup(_) | Self::Read(_) => {
                false
            }
        }
    }
}
