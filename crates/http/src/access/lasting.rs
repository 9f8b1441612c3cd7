//! Right of whoever is served for longer than a request takes.

use atoll_engine::Caller;
use atoll_types::ErrorCode;

use crate::Api;
use crate::answer::ApiFailure;

/// Waits until the account of a caller is disabled, removed, or has another role; says so.
pub(crate) async fn allowed(api: Api, caller: Caller) -> ApiFailure {
    api.engine().caller_over(&caller).await;
    over()
}

/// Does something that lasts, for as long as the caller is who he was; what is cut off then is dropped.
pub(crate) async fn while_allowed<T, E: From<ApiFailure>>(
    api: &Api,
    caller: &Caller,
    lasting: impl Future<Output = Result<T, E>>,
) -> Result<T, E> {
    tokio::select! {
        biased;
        () = api.engine().caller_over(caller) => Err(over().into()),
        ended = lasting => ended,
    }
}

fn over() -> ApiFailure {
    ApiFailure::new(
        ErrorCode::Unauthorized,
        "this account was disabled, removed, or has another role now: log in again",
    )
}
