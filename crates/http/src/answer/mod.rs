//! Answers: the envelope, the one map from errors to statuses, and what every answer carries.

mod failure;
mod observe;
mod success;
mod trace;

pub(crate) use failure::ApiFailure;
pub(crate) use observe::observe;
pub(crate) use success::{Accepted, Answer, Bare, Created, Ok, Page, WithCookie, data};
pub(crate) use trace::{Trace, TraceId};
