//! Ids: random, typed, and safe to use in host names, file names and cgroup names.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// Letters of an id: Crockford's base 32 in lower case, without the letters that people confuse (i, l, o, u).
const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";

/// An id that is not in the form its kind has.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{kind} must be {len} characters of 0-9 and a-z without i, l, o, u")]
pub struct IdError {
    /// What kind of id was expected, as the API names it.
    pub kind: &'static str,
    /// How many characters that kind has.
    pub len: usize,
}

fn random_text(len: usize) -> String {
    let mut bytes = [0_u8; 32];
    // The kernel's generator fails only where the call itself is missing; then no id is safe to make.
    #[expect(clippy::expect_used, reason = "an id that is not random must never be made")]
    getrandom::fill(&mut bytes[..len]).expect("the kernel gives random bytes");
    bytes[..len].iter().map(|b| char::from(ALPHABET[usize::from(b & 31)])).collect()
}

macro_rules! id {
    ($(#[$doc:meta])* $name:ident, $kind:literal, $len:literal) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(Box<str>);

        impl $name {
            /// Number of characters, each of which carries 5 random bits.
            pub const LEN: usize = $len;

            /// A new random id.
            #[must_use]
            pub fn random() -> Self {
                Self(random_text(Self::LEN).into())
            }

            /// The id as text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = IdError;

            fn from_str(text: &str) -> Result<Self, IdError> {
                let ok = text.len() == Self::LEN && text.bytes().all(|b| ALPHABET.contains(&b));
                if ok { Ok(Self(text.into())) } else { Err(IdError { kind: $kind, len: Self::LEN }) }
            }
        }

        impl TryFrom<String> for $name {
            type Error = IdError;

            fn try_from(text: String) -> Result<Self, IdError> {
                text.parse()
            }
        }

        impl From<$name> for String {
            fn from(id: $name) -> Self {
                id.0.into()
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}({})", stringify!($name), self.0)
            }
        }
    };
}

id!(
    /// Id of a sandbox: 60 random bits, short enough to type, unique by the store's constraint.
    SandboxId, "sandbox id", 12
);
id!(
    /// Id of an exec: 100 random bits, since execs are made by the million.
    ExecId, "exec id", 20
);
id!(
    /// Id of a user.
    UserId, "user id", 16
);
id!(
    /// Id of an API key; the key itself is another secret.
    ApiKeyId, "api key id", 16
);
id!(
    /// Id of an operation under way.
    OperationId, "operation id", 16
);
id!(
    /// Id of one data folder. It stands in every name on the host, so two installations never touch each other.
    InstallationId, "installation id", 8
);
id!(
    /// Id of a machine that runs sandboxes; each record says which.
    NodeId, "node id", 8
);
id!(
    /// Id of an entry of the audit log: 100 random bits, since entries are made by the million.
    AuditId, "audit id", 20
);
id!(
    /// Id of an environment.
    EnvironmentId, "environment id", 16
);
id!(
    /// Id of a background job.
    JobId, "job id", 16
);
id!(
    /// Id of the socket of an agent in a container: 100 random bits, so that no other container has it.
    AgentSocketId, "agent socket id", 20
);
id!(
    /// Id of a log-in and of the tokens that come from it.
    SessionId, "session id", 16
);
id!(
    /// Id of an invitation; the invitation itself is another secret.
    InvitationId, "invitation id", 16
);
id!(
    /// Id of a class link, and of the class that has it; the link itself is another secret.
    ClassLinkId, "class link id", 16
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_random_id_reads_back_as_itself() {
        let id = SandboxId::random();
        assert_eq!(id.as_str().parse::<SandboxId>(), Ok(id));
    }

    #[test]
    fn hostile_text_is_no_id() {
        for text in [
            "",
            "../../../etc",
            "abcdefghjkm",
            "abcdefghjkmnp",
            "ABCDEFGHJKMN",
            "abcdefghjkm\0",
            "abcdefghjkm\n",
        ] {
            assert!(text.parse::<SandboxId>().is_err(), "{text:?}");
        }
    }
}
