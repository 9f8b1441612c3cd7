//! What requests are called in the audit log.

use axum::http::Method;

/// Requests that change something, and what they are called. Those without a name are left out on purpose: what a keyboard or a
/// program is given is no action of its own, and neither is looking.
const ACTIONS: &[(&str, &str, Option<&str>)] = &[
    ("POST", "/auth/signup", Some("auth.signup")),
    ("POST", "/auth/login", Some("auth.login")),
    ("POST", "/auth/logout", Some("auth.logout")),
    ("POST", "/auth/refresh", None),
    ("POST", "/api-keys", Some("api_key.create")),
    ("DELETE", "/api-keys/{id}", Some("api_key.delete")),
    ("POST", "/sandboxes", Some("sandbox.create")),
    ("DELETE", "/sandboxes", Some("sandbox.delete")),
    ("DELETE", "/sandboxes/{id}", Some("sandbox.delete")),
    ("POST", "/sandboxes/{id}/start", Some("sandbox.start")),
    ("POST", "/sandboxes/{id}/stop", Some("sandbox.stop")),
    ("POST", "/sandboxes/{id}/restart", Some("sandbox.restart")),
    ("POST", "/sandboxes/{id}/pause", Some("sandbox.pause")),
    ("POST", "/sandboxes/{id}/resume", Some("sandbox.resume")),
    ("POST", "/sandboxes/{id}/replicate", Some("sandbox.replicate")),
    ("POST", "/sandboxes/{id}/keepalive", None),
    ("POST", "/sandboxes/{id}/exec", Some("exec.start")),
    ("POST", "/sandboxes/{id}/execs/{exec_id}/signal", Some("exec.signal")),
    ("POST", "/sandboxes/{id}/execs/{exec_id}/stdin", None),
    ("GET", "/sandboxes/{id}/terminal", Some("terminal.open")),
    ("GET", "/ws/sandboxes/{id}/terminal", Some("terminal.open")),
    ("POST", "/sandboxes/{id}/terminal/resize", None),
    ("DELETE", "/sandboxes/{id}/terminals/{name}", Some("terminal.close")),
    ("POST", "/sandboxes/{id}/files", Some("file.write")),
    ("PATCH", "/sandboxes/{id}/files/{*path}", Some("file.change")),
    ("DELETE", "/sandboxes/{id}/files/{*path}", Some("file.delete")),
    ("POST", "/sandboxes/{id}/archive", Some("file.unpack")),
    ("POST", "/sandboxes/{id}/background", Some("job.create")),
    ("DELETE", "/sandboxes/{id}/background/{job_id}", Some("job.delete")),
    ("POST", "/images", Some("image.import")),
    ("POST", "/images/{*name}", Some("image.push")),
    ("POST", "/images/build", Some("image.build")),
    ("DELETE", "/images/{*name}", Some("image.delete")),
    ("POST", "/environments", Some("environment.create")),
    ("PUT", "/environments/{id}", Some("environment.update")),
    ("DELETE", "/environments/{id}", Some("environment.delete")),
    ("POST", "/environments/{id}/secrets", Some("secret.set")),
    ("DELETE", "/environments/{id}/secrets/{key}", Some("secret.delete")),
    ("PUT", "/admin/quotas/{id}", Some("quota.set")),
    ("POST", "/sandboxes/stop", Some("sandbox.stop")),
    ("POST", "/sandboxes/{id}/execs/{exec_id}/resize", None),
    ("POST", "/auth/password", Some("auth.password")),
    ("DELETE", "/auth/sessions/{id}", Some("auth.session.end")),
    ("PATCH", "/admin/users/{id}", Some("account.change")),
    ("DELETE", "/admin/users/{id}", Some("account.delete")),
    ("POST", "/admin/invitations", Some("invitation.create")),
    ("DELETE", "/admin/invitations/{id}", Some("invitation.delete")),
    ("POST", "/sessions", Some("session.create")),
    ("DELETE", "/sessions/{id}", Some("session.delete")),
    ("GET", "/sessions/{id}", Some("terminal.open")),
    ("POST", "/admin/class-links", Some("class_link.create")),
    ("DELETE", "/admin/class-links/{id}", Some("class_link.delete")),
    ("POST", "/admin/master-key/rotate", Some("master_key.rotate")),
];

/// What a request is called; none where it changes nothing. A change that the table does not know is noted all the same, under its
/// route.
pub(super) fn action(method: &Method, route: &str) -> Option<String> {
    let row = ACTIONS.iter().find(|(known, pattern, _)| *known == method.as_str() && *pattern == route);
    match row {
        Some((_, _, name)) => name.map(str::to_owned),
        None if [Method::GET, Method::HEAD, Method::OPTIONS].contains(method) => None,
        None => Some(by_route(method, route)),
    }
}

/// As `admin.users.create` of `POST /admin/users`.
fn by_route(method: &Method, route: &str) -> String {
    let verb = match *method {
        Method::POST => "create",
        Method::PUT => "set",
        Method::PATCH => "change",
        Method::DELETE => "delete",
        _ => "other",
    };
    let words = route.split('/').filter(|part| !part.is_empty() && !part.starts_with('{'));
    let words: Vec<String> = words.map(|word| word.replace('-', "_")).chain([verb.to_owned()]).collect();
    words.join(".")
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case(Method::POST, "/sandboxes", Some("sandbox.create"))]
    #[case(Method::GET, "/sandboxes", None)]
    #[case(Method::GET, "/ws/sandboxes/{id}/terminal", Some("terminal.open"))]
    #[case(Method::POST, "/sandboxes/{id}/keepalive", None)]
    #[case(Method::POST, "/admin/users", Some("admin.users.create"))]
    #[case(Method::DELETE, "/auth/sessions/{id}", Some("auth.session.end"))]
    #[case(Method::PUT, "/ssh-keys/{id}", Some("ssh_keys.set"))]
    fn every_change_has_a_name(#[case] method: Method, #[case] route: &str, #[case] name: Option<&str>) {
        assert_eq!(action(&method, route).as_deref(), name);
    }
}
