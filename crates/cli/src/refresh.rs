//! Tokens of a log-in end soon: the next one is asked for before that, by whoever comes first.

use std::time::Duration;

use atoll_client::{Client, ClientError};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::context::{self, Context};

/// What a token must still be good for: longer than clocks differ and a request takes.
const LEFT_MIN: Duration = Duration::from_secs(60);

/// Whether the token of a log-in ends soon.
fn is_due(kept: &Context, now: OffsetDateTime) -> bool {
    let ends = kept.token_expires_at.as_ref().and_then(|text| OffsetDateTime::parse(text, &Rfc3339).ok());
    kept.refresh_token.is_some() && ends.is_none_or(|ends| ends <= now + LEFT_MIN)
}

/// What is kept, with a token that is good for a while where the server gives one.
pub(crate) async fn refreshed(kept: Context) -> anyhow::Result<Context> {
    if !is_due(&kept, OffsetDateTime::now_utc()) {
        return Ok(kept);
    }
    // A refresh token is good once: who comes second takes what the first one got.
    let _turn = context::lock()?;
    let kept = context::load()?.filter(|now| now.url == kept.url).unwrap_or(kept);
    let due = is_due(&kept, OffsetDateTime::now_utc());
    let Some(token) = kept.refresh_token.as_ref().filter(|_| due) else { return Ok(kept) };
    match Client::new(&kept.url, None)?.refresh(token).await {
        Ok(data) => {
            let next = Context {
                token: Some(data.token),
                refresh_token: data.refresh_token,
                token_expires_at: Some(data.expires_at),
                ..kept
            };
            context::save(&next)?;
            Ok(next)
        }
        // The log-in is over, and the server says so to whatever is asked now.
        Err(ClientError::Api(refused)) if refused.status == 401 => Ok(kept),
        Err(error) => Err(error.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_due_before_it_ends() {
        let now = OffsetDateTime::parse("2026-01-01T00:00:00Z", &Rfc3339).unwrap();
        let due = |refresh: Option<&str>, ends: Option<&str>| {
            let kept = Context {
                refresh_token: refresh.map(str::to_owned),
                token_expires_at: ends.map(str::to_owned),
                ..Context::default()
            };
            is_due(&kept, now)
        };
        assert!(!due(None, Some("2025-01-01T00:00:00Z")), "a key is never refreshed");
        assert!(due(Some("r"), Some("2025-12-31T23:00:00Z")));
        assert!(due(Some("r"), Some("2026-01-01T00:00:59.5Z")));
        assert!(!due(Some("r"), Some("2026-01-01T00:02:00Z")));
        assert!(due(Some("r"), None) && due(Some("r"), Some("nonsense")));
    }
}
