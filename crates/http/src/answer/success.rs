//! Answers to requests that succeeded. Their schema is made from their type, so that the document cannot differ from
//! what a handler gives.

use std::collections::BTreeMap;

use atoll_api_types::{Listing, Success};
use axum::body::Body;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use utoipa::openapi::{ContentBuilder, RefOr, ResponseBuilder, ResponsesBuilder, Schema};
use utoipa::{IntoResponses, PartialSchema, ToSchema};

use super::ApiFailure;

/// One thing in the envelope, with a status.
#[derive(Debug)]
pub(crate) struct Answer<const STATUS: u16, T>(pub(crate) T);
/// 200.
pub(crate) type Ok<T> = Answer<200, T>;
/// 201.
pub(crate) type Created<T> = Answer<201, T>;
/// 202.
pub(crate) type Accepted<T> = Answer<202, T>;

/// One page of a list in the envelope.
#[derive(Debug)]
pub(crate) struct Page<T> {
    pub(crate) items: Vec<T>,
    pub(crate) next_cursor: Option<String>,
}

/// Without the envelope: health.
#[derive(Debug)]
pub(crate) struct Bare<T> {
    pub(crate) status: StatusCode,
    pub(crate) body: T,
}

/// An answer that keeps something in the client's browser.
#[derive(Debug)]
pub(crate) struct WithCookie<A> {
    pub(crate) answer: A,
    pub(crate) cookie: Option<HeaderValue>,
}

impl<A: IntoResponse> IntoResponse for WithCookie<A> {
    fn into_response(self) -> Response {
        let mut response = self.answer.into_response();
        let headers = response.headers_mut();
        // It is for this client alone.
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if let Some(cookie) = self.cookie {
            headers.insert(header::SET_COOKIE, cookie);
        }
        response
    }
}

impl<A: IntoResponses> IntoResponses for WithCookie<A> {
    fn responses() -> Responses {
        A::responses()
    }
}

/// 200 with this in the envelope.
pub(crate) fn data<T>(data: T) -> Result<Ok<T>, ApiFailure> {
    Ok(Answer(data))
}

impl<T> Page<T> {
    /// Of a page of records.
    pub(crate) fn of<R>(page: atoll_ports::Page<R>, show: impl Fn(R) -> T) -> Self {
        Self { items: page.items.into_iter().map(show).collect(), next_cursor: page.next_cursor }
    }
}

/// A JSON response.
pub(super) fn json<T: Serialize>(status: StatusCode, body: &T) -> Response {
    match serde_json::to_vec(body) {
        Ok(bytes) => {
            let mut response = Response::new(Body::from(bytes));
            *response.status_mut() = status;
            response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
            response
        }
        Err(error) => ApiFailure::internal(error).into_response(),
    }
}

impl<const STATUS: u16, T: Serialize> IntoResponse for Answer<STATUS, T> {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(STATUS).unwrap_or(StatusCode::OK);
        json(status, &Success::new(self.0))
    }
}

impl<T: Serialize> IntoResponse for Page<T> {
    fn into_response(self) -> Response {
        json(StatusCode::OK, &Listing { success: true, data: self.items, next_cursor: self.next_cursor })
    }
}

impl<T: Serialize> IntoResponse for Bare<T> {
    fn into_response(self) -> Response {
        json(self.status, &self.body)
    }
}

type Responses = BTreeMap<String, RefOr<utoipa::openapi::Response>>;

fn documented(statuses: &[(&str, &str)], schema: &RefOr<Schema>) -> Responses {
    let content = || ContentBuilder::new().schema(Some(schema.clone())).build();
    let add = |responses: ResponsesBuilder, (status, text): &(&str, &str)| {
        let response = ResponseBuilder::new().description(*text).content("application/json", content());
        responses.response(*status, response)
    };
    statuses.iter().fold(ResponsesBuilder::new(), add).build().into()
}

impl<const STATUS: u16, T: ToSchema> IntoResponses for Answer<STATUS, T> {
    fn responses() -> Responses {
        let text = match STATUS {
            201 => "Made.",
            202 => "Accepted; it goes on.",
            _ => "Done.",
        };
        documented(&[(STATUS.to_string().as_str(), text)], &<Success<T> as PartialSchema>::schema())
    }
}

impl<T: ToSchema> IntoResponses for Page<T> {
    fn responses() -> Responses {
        documented(&[("200", "One page.")], &<Listing<T> as PartialSchema>::schema())
    }
}

impl<T: ToSchema> IntoResponses for Bare<T> {
    fn responses() -> Responses {
        let schema = utoipa::openapi::Ref::from_schema_name(T::name()).into();
        documented(&[("200", "Well."), ("503", "Not (yet) well.")], &schema)
    }
}
