//! Bearer tokens: JWTs signed with HS256.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use atoll_types::{Timestamp, UserId};
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use serde::{Deserialize, Serialize};

use crate::bounds::TOKEN_BYTES_MAX;

/// Shortest secret, in bytes: RFC 7518 asks for as many as the hash has.
const SECRET_BYTES_MIN: usize = 32;
const ISSUER: &str = "atoll";
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
    iat: u64,
    exp: u64,
}

/// Makes and checks tokens.
pub struct TokenKeys {
    sign: EncodingKey,
    check: DecodingKey,
    validation: Validation,
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
        Ok(Self {
            sign: EncodingKey::from_secret(secret),
            check: DecodingKey::from_secret(secret),
            validation,
            ttl,
        })
    }

    /// A token for a user, and when it ends.
    pub(crate) fn mint(&self, user: &UserId) -> Result<(String, Timestamp), TokenError> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let iat = now.as_secs();
        let exp = iat.saturating_add(self.ttl.as_secs());
        let claims = Claims { iss: ISSUER.to_owned(), sub: user.clone(), iat, exp };
        let token = jsonwebtoken::encode(&Header::new(Algorithm::HS256), &claims, &self.sign)?;
        let ends_ms = i64::try_from(exp.saturating_mul(1_000)).unwrap_or(i64::MAX);
        Ok((token, Timestamp::from_unix_ms(ends_ms)))
    }

    /// Whose token this is, if it is one of ours and has not ended.
    pub(crate) fn check(&self, token: &str) -> Option<UserId> {
        if token.len() > TOKEN_BYTES_MAX {
            return None;
        }
        jsonwebtoken::decode::<Claims>(token, &self.check, &self.validation).ok().map(|data| data.claims.sub)
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
        let (token, _) = keys(1, Duration::from_secs(60)).mint(&user).unwrap();
        assert_eq!(keys(1, Duration::from_secs(60)).check(&token), Some(user));
        assert_eq!(keys(2, Duration::from_secs(60)).check(&token), None);
    }

    #[test]
    fn forged_and_ended_tokens_are_refused() {
        let keys = keys(1, Duration::from_secs(60));
        let user = UserId::random();
        let claims = |exp: u64, iss: &str| serde_json::json!({"iss": iss, "sub": user, "iat": 1, "exp": exp});
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
            keys.check(&signed(&hs256, &serde_json::json!({"iss": "atoll", "sub": user}), 1)),
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
