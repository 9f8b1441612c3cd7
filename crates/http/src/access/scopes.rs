//! Which scope of a key each route needs. A route of a new kind gets its row here; until then no key but one with every
//! scope reaches it.

use atoll_types::Scope;
use axum::http::Method;

/// First segment of a path, and the scopes for looking and for changing.
const KINDS: &[(&str, Scope, Scope)] = &[
    ("sandboxes", Scope::SandboxesRead, Scope::SandboxesWrite),
    ("images", Scope::ImagesRead, Scope::ImagesWrite),
    ("environments", Scope::EnvironmentsRead, Scope::EnvironmentsWrite),
    ("api-keys", Scope::KeysRead, Scope::KeysWrite),
    ("auth", Scope::AccountRead, Scope::AccountWrite),
    ("usage", Scope::AccountRead, Scope::AccountWrite),
    ("audit", Scope::AccountRead, Scope::AccountWrite),
    ("events", Scope::AccountRead, Scope::AccountWrite),
    ("metrics", Scope::MetricsRead, Scope::MetricsRead),
    ("admin", Scope::Admin, Scope::Admin),
];

/// The scope that a route needs, by its pattern; `None` where nobody said.
pub(crate) fn needed(method: &Method, route: &str) -> Option<Scope> {
    let path = route.strip_prefix("/ws").unwrap_or(route);
    let mut segments = path.split('/').skip(1);
    let kind = segments.next()?;
    if kind == "environments" && segments.any(|segment| segment == "secrets") {
        return Some(if looks(method) { Scope::SecretsRead } else { Scope::SecretsWrite });
    }
    let (_, look, change) = KINDS.iter().find(|(name, _, _)| *name == kind)?;
    // A terminal is asked for with GET, as every WebSocket, and is a keyboard.
    let is_keyboard = path.ends_with("/terminal");
    Some(if looks(method) && !is_keyboard { *look } else { *change })
}

fn looks(method: &Method) -> bool {
    method == Method::GET || method == Method::HEAD
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("GET", "/sandboxes", Some(Scope::SandboxesRead))]
    #[case("HEAD", "/sandboxes/{id}/files/{*path}", Some(Scope::SandboxesRead))]
    #[case("POST", "/sandboxes/{id}/exec", Some(Scope::SandboxesWrite))]
    #[case("GET", "/ws/sandboxes/{id}/terminal", Some(Scope::SandboxesWrite))]
    #[case("GET", "/ws/sandboxes/{id}/logs", Some(Scope::SandboxesRead))]
    #[case("POST", "/environments/{id}/secrets", Some(Scope::SecretsWrite))]
    #[case("PUT", "/environments/{id}", Some(Scope::EnvironmentsWrite))]
    #[case("GET", "/admin/users", Some(Scope::Admin))]
    #[case("GET", "/metrics", Some(Scope::MetricsRead))]
    #[case("GET", "/sandboxesx", None)]
    #[case("GET", "/", None)]
    fn a_route_needs_the_scope_of_its_kind(
        #[case] method: Method,
        #[case] route: &str,
        #[case] scope: Option<Scope>,
    ) {
        assert_eq!(needed(&method, route), scope);
    }
}
