//! What an API key may do.

use std::fmt;

/// One right of a key. `write` has `read` in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Scope {
    /// Look at sandboxes, and at what their commands, jobs and files hold.
    SandboxesRead,
    /// Make, change and delete them; run commands, open terminals, write files.
    SandboxesWrite,
    /// List images.
    ImagesRead,
    /// Import and remove them.
    ImagesWrite,
    /// Look at environments.
    EnvironmentsRead,
    /// Make, change and delete them.
    EnvironmentsWrite,
    /// List the names of secrets.
    SecretsRead,
    /// Set and delete them.
    SecretsWrite,
    /// List API keys.
    KeysRead,
    /// Make keys that may no more than this one, and delete keys.
    KeysWrite,
    /// Look at the account: who, sessions, usage, audit.
    AccountRead,
    /// Change the password, end sessions.
    AccountWrite,
    /// What the role admin may, where the key's owner has it.
    Admin,
    /// Read `/metrics`, and nothing else: for monitors.
    MetricsRead,
}

/// Text that names no right.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no scope; there are {known}", known = Scopes::ALL)]
pub struct ScopeError(pub String);

impl Scope {
    /// Every one.
    pub const ALL: [Self; 14] = [
        Self::SandboxesRead,
        Self::SandboxesWrite,
        Self::ImagesRead,
        Self::ImagesWrite,
        Self::EnvironmentsRead,
        Self::EnvironmentsWrite,
        Self::SecretsRead,
        Self::SecretsWrite,
        Self::KeysRead,
        Self::KeysWrite,
        Self::AccountRead,
        Self::AccountWrite,
        Self::Admin,
        Self::MetricsRead,
    ];

    /// The scope as the API writes it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::SandboxesRead => "sandboxes:read",
            Self::SandboxesWrite => "sandboxes:write",
            Self::ImagesRead => "images:read",
            Self::ImagesWrite => "images:write",
            Self::EnvironmentsRead => "environments:read",
            Self::EnvironmentsWrite => "environments:write",
            Self::SecretsRead => "secrets:read",
            Self::SecretsWrite => "secrets:write",
            Self::KeysRead => "keys:read",
            Self::KeysWrite => "keys:write",
            Self::AccountRead => "account:read",
            Self::AccountWrite => "account:write",
            Self::Admin => "admin",
            Self::MetricsRead => "metrics:read",
        }
    }

    /// The one that this one has in it.
    const fn includes(self) -> Option<Self> {
        match self {
            Self::SandboxesWrite => Some(Self::SandboxesRead),
            Self::ImagesWrite => Some(Self::ImagesRead),
            Self::EnvironmentsWrite => Some(Self::EnvironmentsRead),
            Self::SecretsWrite => Some(Self::SecretsRead),
            Self::KeysWrite => Some(Self::KeysRead),
            Self::AccountWrite => Some(Self::AccountRead),
            // As it was before there was a scope for it alone.
            Self::AccountRead => Some(Self::MetricsRead),
            Self::SandboxesRead
            | Self::ImagesRead
            | Self::EnvironmentsRead
            | Self::SecretsRead
            | Self::KeysRead
            | Self::Admin
            | Self::MetricsRead => None,
        }
    }

    const fn bit(self) -> u16 {
        1 << self as u16
    }
}

impl std::str::FromStr for Scope {
    type Err = ScopeError;

    fn from_str(text: &str) -> Result<Self, ScopeError> {
        Self::ALL.into_iter().find(|scope| scope.as_str() == text).ok_or_else(|| ScopeError(text.to_owned()))
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Several rights.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Scopes(u16);

impl Scopes {
    /// All that there are: what a person who logged in has.
    pub const ALL: Self = Self((1 << Scope::ALL.len()) - 1);
    /// None.
    pub const NONE: Self = Self(0);

    /// All but `admin`: what a key may that does not say.
    #[must_use]
    pub const fn usual() -> Self {
        Self(Self::ALL.0 & !Scope::Admin.bit())
    }

    /// With one more, and what that has in it.
    #[must_use]
    pub fn with(self, scope: Scope) -> Self {
        let more = Self(self.0 | scope.bit());
        scope.includes().map_or(more, |within| more.with(within))
    }

    /// Whether this may be done.
    #[must_use]
    pub const fn has(self, scope: Scope) -> bool {
        self.0 & scope.bit() != 0
    }

    /// Whether nothing of `others` goes beyond this.
    #[must_use]
    pub const fn covers(self, others: Self) -> bool {
        others.0 & !self.0 == 0
    }

    /// What both have.
    #[must_use]
    pub const fn both(self, others: Self) -> Self {
        Self(self.0 & others.0)
    }

    /// Each, in the order of [`Scope::ALL`].
    pub fn iter(self) -> impl Iterator<Item = Scope> {
        Scope::ALL.into_iter().filter(move |scope| self.has(*scope))
    }
}

impl FromIterator<Scope> for Scopes {
    fn from_iter<I: IntoIterator<Item = Scope>>(scopes: I) -> Self {
        scopes.into_iter().fold(Self::NONE, Self::with)
    }
}

/// Words with a space between.
impl fmt::Display for Scopes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let words: Vec<_> = self.iter().map(Scope::as_str).collect();
        f.write_str(&words.join(" "))
    }
}

impl std::str::FromStr for Scopes {
    type Err = ScopeError;

    fn from_str(text: &str) -> Result<Self, ScopeError> {
        text.split_ascii_whitespace().map(str::parse).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scopes_read_back_as_themselves() {
        for scopes in [Scopes::ALL, Scopes::NONE, Scopes::usual(), Scopes::NONE.with(Scope::ImagesWrite)] {
            assert_eq!(scopes.to_string().parse(), Ok(scopes));
        }
        assert_eq!(Scopes::ALL.iter().count(), Scope::ALL.len());
        assert_eq!("sandboxes:all".parse::<Scopes>(), Err(ScopeError("sandboxes:all".to_owned())));
    }

    #[test]
    fn write_has_read_in_it_and_not_the_other_way() {
        let (read, write) =
            (Scopes::NONE.with(Scope::SandboxesRead), Scopes::NONE.with(Scope::SandboxesWrite));
        assert!(write.has(Scope::SandboxesRead) && !read.has(Scope::SandboxesWrite));
        assert!(write.covers(read) && !read.covers(write) && !write.has(Scope::ImagesRead));
        assert!(!Scopes::usual().has(Scope::Admin) && Scopes::usual().has(Scope::KeysWrite));
    }
}
