//! The layer that carries a create out once, however often it comes, where it has the header `Idempotency-Key`.

use atoll_engine::{Refusal, Repeatable};
use atoll_types::{ErrorCode, IdempotencyKey};
use axum::body::Body;
use axum::extract::{MatchedPath, Request, State};
use axum::http::{HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http_body_util::BodyExt;

use crate::Api;
use crate::access::Authenticated;
use crate::answer::ApiFailure;
use crate::extract::read_body;

/// The header.
pub(crate) const KEY_HEADER: &str = "Idempotency-Key";
/// Said in an answer that was given before.
const AGAIN_HEADER: &str = "idempotency-replayed";

/// The creates, by their route; all are POST. An import of an image and a written file replace what is there, and a command is
/// waited for: those need none.
pub(crate) const CREATES: [&str; 6] = [
    "/api-keys",
    "/sandboxes",
    "/sandboxes/{id}/replicate",
    "/sandboxes/{id}/background",
    "/environments",
    "/environments/{id}/secrets",
];

/// Carries the request out, or gives the answer that it had.
pub(crate) async fn idempotent(State(api): State<Api>, request: Request, next: Next) -> Response {
    match key(&request) {
        Ok(Some(key)) => once(&api, key, request, next).await.unwrap_or_else(IntoResponse::into_response),
        Ok(None) => next.run(request).await,
        Err(refused) => refused.into_response(),
    }
}

/// The key, of a request that takes one.
fn key(request: &Request) -> Result<Option<IdempotencyKey>, ApiFailure> {
    let Some(value) = request.headers().get(KEY_HEADER) else { return Ok(None) };
    let route = request.extensions().get::<MatchedPath>().map(MatchedPath::as_str);
    if request.method() != Method::POST || !route.is_some_and(|route| CREATES.contains(&route)) {
        return Ok(None);
    }
    let key = value.to_str().ok().and_then(|text| text.parse().ok());
    let wrong = || ApiFailure::field(KEY_HEADER, "must be 1 to 255 visible ASCII characters");
    key.map(Some).ok_or_else(wrong)
}

async fn once(api: &Api, key: IdempotencyKey, request: Request, next: Next) -> Result<Response, ApiFailure> {
    let (parts, body) = request.into_parts();
    let Some(Authenticated(caller)) = parts.extensions.get::<Authenticated>().cloned() else {
        return Err(ApiFailure::internal("a create is reached without a caller"));
    };
    let bytes = read_body(&parts.headers, body).await?;
    let path = parts.uri.path().to_owned();
    let again = Request::from_parts(parts, Body::from(bytes.clone()));
    let work = async move { whole(next.run(again).await).await };
    match api.engine().idempotent(&caller, key, &[path.as_bytes(), &bytes], work).await? {
        Repeatable::Refused(response) => Ok(*response),
        Repeatable::Done { status, body, again } => {
            let mut response = Response::new(Body::from(body));
            *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::OK);
            let headers = response.headers_mut();
            headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
            if again {
                headers.insert(AGAIN_HEADER, HeaderValue::from_static("true"));
            }
            Ok(response)
        }
    }
}

/// Status and body of an answer that says that something was made; any other as it is.
async fn whole(response: Response) -> Result<(u16, Vec<u8>), Refusal<Box<Response>>> {
    if !response.status().is_success() {
        let made = ApiFailure::code_of(&response) == Some(ErrorCode::SandboxNotHealthy);
        return Err(Refusal { answer: Box::new(response), made });
    }
    let status = response.status().as_u16();
    match response.into_body().collect().await {
        Ok(body) => Ok((status, body.to_bytes().to_vec())),
        Err(error) => {
            let answer = Box::new(ApiFailure::internal(error).into_response());
            Err(Refusal { answer, made: false })
        }
    }
}
