//! Bearer tokens and refresh tokens: JWTs signed with HS256. Both name their log-in, whose row says whether it still is one.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use atoll_ports::SessionRecord;
use atoll_types::{SessionId, Timestamp, UserId};
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use serde::{Deserialize, Serialize};

use crate::bounds::TOKEN_BYTES_MAX;

/// Shortest secret, in bytes: RFC 7518 asks for as many as the hash has.
const SECRET_BYTES_MIN: usize = 32;
const ISSUER: &str = "atoll";
/// Another one for refresh tokens, so that neither is taken for the other.
const REFRESH_ISSUER: &str = "atoll/refresh";
/// Seconds by which clocks may differ.
const LEEWAY_SECONDS: u64 = 5;

/// Why tokens cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum TokenError {
    /// Too short.
    #[error("the secret of tokens must have at least {SECRET_BYTES_MIN} bytes")]
    ShortSecret,
    /// The library failed.
    #[error("the token could not be signed")]
    Sign(#[from] jsonwebtoken::errors::Error),
}

#[derive(Serialize, Deserialize)]
struct Claims {
    iss: String,
    sub: UserId,
    sid: SessionId,
    iat: u64,
    exp: u64,
}

/// Without an end: the row of its log-in has it, and moves it with every refresh.
#[derive(Serialize, Deserialize)]
struct RefreshClaims {
    iss: String,
    sid: SessionId,
    seq: u64,
}

/// Makes and checks tokens.
pub struct TokenKeys {
    sign: EncodingKey,
    check: DecodingKey,
    validation: Validation,
    refresh_validation: Validation,
    ttl: Duration,
}

impl std::fmt::Debug for TokenKeys {
    /// Never shows the secret.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TokenKeys").field("ttl", &self.ttl).finish_non_exhaustive()
    }
}

impl TokenKeys {
    /// Keys of a secret; tokens live for `ttl`.
    ///
    /// # Errors
    /// When the secret is too short.
    pub fn new(secret: &[u8], ttl: Duration) -> Result<Self, TokenError> {
        if secret.len() < SECRET_BYTES_MIN {
            return Err(TokenError::ShortSecret);
        }
        let mut validation = Validation::new(Algorithm::HS256);
        validation.leeway = LEEWAY_SECONDS;
        validation.set_issuer(&[ISSUER]);
        validation.set_required_spec_claims(&["exp", "iss", "sub"]);
        let mut refresh_validation = Validation::new(Algorithm::HS256);
        refresh_validation.validate_exp = false;
        refresh_validation.set_issuer(&[REFRESH_ISSUER]);
        refresh_validation.set_required_spec_claims(&["iss"]);
        Ok(Self {
            sign: EncodingKey::from_secret(secret),
            check: DecodingKey::from_secret(secret),
            validation,
            refresh_validation,
            ttl,
        })
    }

    /// A token of a user's log-in, and when it ends.
    pub(crate) fn mint(&self, user: &UserId, session: &SessionId) -> Result<(String, Timestamp), TokenError> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let iat = now.as_secs();
        let exp = iat.saturating_add(self.ttl.as_secs());
        let claims = Claims { iss: ISSUER.to_owned(), sub: user.clone(), sid: session.clone(), iat, exp };
        let token = jsonwebtoken::encode(&Header::new(Algorithm::HS256), &claims, &self.sign)?;
        let ends_ms = i64::try_from(exp.saturating_mul(1_000)).unwrap_or(i64::MAX);
        Ok((token, Timestamp::from_unix_ms(ends_ms)))
    }

    /// The refresh token that comes next in a log-in.
    pub(crate) fn mint_refresh(&self, session: &SessionRecord) -> Result<String, TokenError> {
        let (sid, seq) = (session.id.clone(), session.seq);
        let claims = RefreshClaims { iss: REFRESH_ISSUER.to_owned(), sid, seq };
        Ok(jsonwebtoken::encode(&Header::new(Algorithm::HS256), &claims, &self.sign)?)
    }

    /// Whose token this is, and of which log-in, if it is one of ours and has not ended.
    pub(crate) fn check(&self, token: &str) -> Option<(UserId, SessionId)> {
        if token.len() > TOKEN_BYTES_MAX {
            return None;
        }
        let data = jsonwebtoken::decode::<Claims>(token, &self.check, &self.validation).ok()?;
        Some((data.claims.sub, data.claims.sid))
    }

    /// Of which log-in this refresh token is, and its number, if it is one of ours.
    pub(crate) fn check_refresh(&self, token: &str) -> Option<(SessionId, u64)> {
        if token.len() > TOKEN_BYTES_MAX {
            return None;
        }
        let data =
            jsonwebtoken::decode::<RefreshClaims>(token, &self.check, &self.refresh_validation).ok()?;
        Some((data.claims.sid, data.claims.seq))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(secret: u8, ttl: Duration) -> TokenKeys {
        TokenKeys::new(&[secret; 32], ttl).unwrap()
    }

    fn signed(header: &Header, claims: &serde_json::Value, secret: u8) -> String {
        jsonwebtoken::encode(header, claims, &EncodingKey::from_secret(&[secret; 32])).unwrap()
    }

    #[test]
    fn a_token_names_its_user_to_the_same_secret_only() {
        let user = UserId::random();
        let session = SessionId::random();
        let (token, _) = keys(1, Duration::from_secs(60)).mint(&user, &session).unwrap();
        assert_eq!(keys(1, Duration::from_secs(60)).check(&token), Some((user, session)));
        assert_eq!(keys(2, Duration::from_secs(60)).check(&token), None);
    }

    #[test]
    fn neither_kind_of_token_is_taken_for_the_other() {
        let keys = keys(1, Duration::from_secs(60));
        let time = Timestamp::from_unix_ms(0);
        let session = SessionRecord {
            id: SessionId::random(),
            user: UserId::random(),
            seq: 7,
            created_at: time,
            used_at: time,
            expires_at: time,
            address: String::new(),
            agent: String::new(),
        };
        let (access, _) = keys.mint(&session.user, &session.id).unwrap();
        let refresh = keys.mint_refresh(&session).unwrap();
        assert_eq!(keys.check_refresh(&refresh), Some((session.id.clone(), 7)));
        assert_eq!((keys.check(&refresh), keys.check_refresh(&access)), (None, None));
        let all = serde_json::json!({
            "iss": REFRESH_ISSUER, "sid": session.id, "seq": 7, "sub": session.user, "iat": 1, "exp": 99_999_999_999_u64
        });
        let both = signed(&Header::new(Algorithm::HS256), &all, 1);
        assert_eq!(keys.check(&both), None, "its issuer counts");
        assert_eq!(keys.check_refresh(&signed(&Header::new(Algorithm::HS256), &all, 2)), None);
    }

    #[test]
    fn forged_and_ended_tokens_are_refused() {
        let keys = keys(1, Duration::from_secs(60));
        let user = UserId::random();
        let claims = |exp: u64, iss: &str| serde_json::json!({"iss": iss, "sub": user, "sid": SessionId::random(), "iat": 1, "exp": exp});
        let far = 99_999_999_999;
        let hs256 = Header::new(Algorithm::HS256);
        assert!(keys.check(&signed(&hs256, &claims(far, "atoll"), 1)).is_some());
        assert_eq!(keys.check(&signed(&hs256, &claims(1_000, "atoll"), 1)), None, "ended");
        assert_eq!(keys.check(&signed(&hs256, &claims(far, "other"), 1)), None, "of another issuer");
        assert_eq!(
            keys.check(&signed(&Header::new(Algorithm::HS384), &claims(far, "atoll"), 1)),
            None,
            "another algorithm"
        );
        assert_eq!(
            keys.check(&signed(
                &hs256,
                &serde_json::json!({"iss": "atoll", "sub": user, "sid": SessionId::random()}),
                1
            )),
            None,
            "endless"
        );
        assert_eq!(
            keys.check(&signed(&hs256, &serde_json::json!({"iss": "atoll", "sub": "../..", "exp": far}), 1)),
            None
        );
        let none = "eyJhbGciOiJub25lIn0.eyJpc3MiOiJhdG9sbCIsInN1YiI6IjAwMDAwMDAwMDAwMDAwMDAiLCJleHAiOjk5OTk5OTk5OTk5fQ.";
        assert_eq!(keys.check(none), None, "unsigned");
        assert_eq!(keys.check(&"a".repeat(1 << 20)), None);
    }

    #[test]
    fn a_short_secret_is_refused() {
        assert!(TokenKeys::new(b"short", Duration::from_secs(60)).is_err());
    }
}
