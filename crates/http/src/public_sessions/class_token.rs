//! Class links: signed, with an end. That one was not taken back, its record says.

use std::time::Duration;

use atoll_types::{ClassLinkId, Label, Timestamp};
use jsonwebtoken::{Algorithm, Header, Validation};
use serde::{Deserialize, Serialize};

use super::SessionKeys;
use crate::access::TokenError;
use crate::bounds::TOKEN_BYTES_MAX;

/// Another one than those of tokens, which are signed with the same secret.
const ISSUER: &str = "atoll/class";
/// Seconds by which clocks may differ.
const LEEWAY_SECONDS: u64 = 5;

#[derive(Serialize, Deserialize)]
struct Claims {
    iss: String,
    /// Id of the class: those who have the same link are counted together.
    cid: ClassLinkId,
    /// Sessions at once.
    max: u32,
    exp: u64,
}

/// A class, as its link says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Class {
    pub(super) id: ClassLinkId,
    pub(super) sessions_max: u32,
}

impl Class {
    /// The name under which its sessions are counted.
    pub(super) fn name(&self) -> Result<Label, TokenError> {
        format!("class-{}", self.id).parse().map_err(|_| TokenError::ShortSecret)
    }
}

impl SessionKeys {
    /// The token of a new class, and when it ends.
    pub(super) fn class_token(
        &self,
        class: &Class,
        now: Timestamp,
        life: Duration,
    ) -> Result<(String, Timestamp), TokenError> {
        let now_seconds = u64::try_from(now.as_unix_ms() / 1_000).unwrap_or(0);
        let exp = now_seconds.saturating_add(life.as_secs());
        let claims = Claims { iss: ISSUER.to_owned(), cid: class.id.clone(), max: class.sessions_max, exp };
        let token = jsonwebtoken::encode(&Header::new(Algorithm::HS256), &claims, &self.sign)?;
        let ends_ms = i64::try_from(exp.saturating_mul(1_000)).unwrap_or(i64::MAX);
        Ok((token, Timestamp::from_unix_ms(ends_ms)))
    }

    /// The class of a token, if it is one of ours and has not ended.
    pub(super) fn class(&self, token: &str) -> Option<Class> {
        if token.len() > TOKEN_BYTES_MAX {
            return None;
        }
        let mut validation = Validation::new(Algorithm::HS256);
        validation.leeway = LEEWAY_SECONDS;
        validation.set_issuer(&[ISSUER]);
        validation.set_required_spec_claims(&["exp", "iss"]);
        let claims = jsonwebtoken::decode::<Claims>(token, &self.check, &validation).ok()?.claims;
        Some(Class { id: claims.cid, sessions_max: claims.max })
    }
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use super::*;

    fn now() -> Timestamp {
        let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap();
        Timestamp::from_unix_ms(since.as_millis().try_into().unwrap())
    }

    #[test]
    fn a_class_is_known_until_its_link_ends() {
        let (keys, others) = (SessionKeys::new(&[1; 32]).unwrap(), SessionKeys::new(&[2; 32]).unwrap());
        let class = Class { id: ClassLinkId::random(), sessions_max: 30 };
        let (token, ends) = keys.class_token(&class, now(), Duration::from_secs(60)).unwrap();
        assert_eq!(keys.class(&token).as_ref(), Some(&class));
        assert!(ends.as_unix_ms() > now().as_unix_ms());
        assert_eq!(others.class(&token), None);
        assert_eq!(keys.class(&format!("{token}x")), None);
        assert_eq!(keys.class(&"a".repeat(1 << 20)), None);
        let past = Timestamp::from_unix_ms(now().as_unix_ms() - 120_000);
        let (over, _) = keys.class_token(&class, past, Duration::from_secs(60)).unwrap();
        assert_eq!(keys.class(&over), None);
    }

    #[test]
    fn a_token_of_an_account_is_no_class_link() {
        use crate::access::TokenKeys;
        use atoll_types::{SessionId, UserId};

        let tokens = TokenKeys::new(&[1; 32], Duration::from_secs(60)).unwrap();
        let (token, _) = tokens.mint(&UserId::random(), &SessionId::random()).unwrap();
        let keys = SessionKeys::new(&[1; 32]).unwrap();
        assert_eq!(keys.class(&token), None);
        let class = Class { id: ClassLinkId::random(), sessions_max: 30 };
        let (link, _) = keys.class_token(&class, now(), Duration::from_secs(60)).unwrap();
        assert_eq!((tokens.check(&link), tokens.check_refresh(&link)), (None, None));
    }
}
