//! What is said when a command fails: what happened, and what to do next.

use std::error::Error;
use std::fmt::Write as _;
use std::io;

use atoll_client::ClientError;
use serde_json::{Value, json};

use crate::printer::plain;

/// A failure of our own, with advice.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub(crate) struct Advised {
    message: String,
    hint: String,
}

/// A failure that says what to do next.
pub(crate) fn advised(message: impl Into<String>, hint: impl Into<String>) -> anyhow::Error {
    Advised { message: message.into(), hint: hint.into() }.into()
}

/// A failure as it is told.
#[derive(Debug)]
pub(crate) struct Report {
    code: String,
    message: String,
    fields: Vec<(String, String)>,
    trace_id: Option<String>,
    hint: Option<String>,
}

impl Report {
    /// What to tell about `error`; `sandbox` is the one that the command was about.
    pub(crate) fn new(error: &anyhow::Error, sandbox: Option<&str>) -> Self {
        let client = error.chain().find_map(|cause| cause.downcast_ref::<ClientError>());
        let advice = error
            .chain()
            .find_map(|cause| cause.downcast_ref::<Advised>())
            .map(|advised| advised.hint.clone());
        let mut report = Self {
            code: client.map_or("failed", code).to_owned(),
            message: messages(error),
            fields: Vec::new(),
            trace_id: None,
            hint: advice.or_else(|| client.and_then(|error| hint(error, sandbox))),
        };
        if let Some(ClientError::Api(api)) = client {
            report.fields = api.fields.iter().map(|f| (f.field.clone(), f.message.clone())).collect();
            // Below 500 the message says all there is; above, the server's log has more.
            report.trace_id = (api.status >= 500).then(|| api.trace_id.clone());
        }
        report
    }

    /// For people, with a newline at its end.
    pub(crate) fn to_text(&self) -> String {
        let mut text = plain(&self.message);
        text.push('\n');
        // One wrong field is told by the message itself.
        for (field, message) in
            self.fields.iter().filter(|(_, message)| !self.message.ends_with(message.as_str()))
        {
            let _infallible = writeln!(text, "  {}: {}", plain(field), plain(message));
        }
        if let Some(trace_id) = &self.trace_id {
            let _infallible = writeln!(text, "trace id: {}", plain(trace_id));
        }
        if let Some(hint) = &self.hint {
            let _infallible = writeln!(text, "hint: {hint}");
        }
        text
    }

    /// For programs, in the shape of the API's own failures.
    pub(crate) fn to_json(&self) -> Value {
        let fields: Vec<_> = self.fields.iter().map(|(f, m)| json!({"field": f, "message": m})).collect();
        let mut error = json!({"code": self.code, "message": self.message});
        if !fields.is_empty() {
            error["details"] = fields.into();
        }
        if let Some(trace_id) = &self.trace_id {
            error["traceId"] = trace_id.as_str().into();
        }
        if let Some(hint) = &self.hint {
            error["hint"] = hint.as_str().into();
        }
        json!({"success": false, "error": error})
    }
}

/// The chain of causes in one line, without those that only repeat the one before.
fn messages(error: &anyhow::Error) -> String {
    let mut text = String::new();
    for cause in error.chain().map(ToString::to_string) {
        if text.ends_with(&cause) {
            continue;
        }
        if !text.is_empty() {
            text.push_str(": ");
        }
        text.push_str(&cause);
    }
    text
}

fn code(error: &ClientError) -> &str {
    match error {
        ClientError::Api(api) => &api.code,
        ClientError::Unreachable { .. } => "unreachable",
        ClientError::Interrupted { .. } => "interrupted",
        ClientError::Protocol { .. } => "not_atoll",
        ClientError::BaseUrl { .. } => "invalid_url",
        ClientError::Token => "invalid_token",
        ClientError::Setup(_) => "setup_failed",
        ClientError::Read(_) => "read_failed",
    }
}

fn hint(error: &ClientError, sandbox: Option<&str>) -> Option<String> {
    let sandbox = sandbox.unwrap_or("ID");
    let text = match error {
        // The server may have said what to do.
        ClientError::Api(api) if api.message.contains("'atoll ") => return None,
        ClientError::Api(api) => return api_hint(&api.code, sandbox),
        ClientError::Unreachable { .. } => {
            "start a server with `make run` or `sudo atoll serve`, or choose another with --url, ATOLL_URL or `atoll login URL`"
        }
        ClientError::Interrupted { .. } => "look with `atoll ls` whether it was done, then try again",
        ClientError::Protocol { .. } | ClientError::BaseUrl { .. } => {
            "check the address: --url, ATOLL_URL, or `atoll whoami` for the one that is kept"
        }
        ClientError::Token => "check ATOLL_TOKEN, or log in with `atoll login`",
        ClientError::Setup(_) | ClientError::Read(_) => return None,
    };
    Some(text.to_owned())
}

fn api_hint(code: &str, sandbox: &str) -> Option<String> {
    let text = match code {
        "unauthorized" => "log in with `atoll login`, or set ATOLL_TOKEN to a token or an sk_ key",
        "invalid_credentials" => {
            "`make run` keeps the first account in .atoll/account; `atoll serve` prints it at its first start"
        }
        "signup_closed" => {
            "an admin makes an invitation with `atoll admin invite`; then `atoll login --invitation inv_…`"
        }
        "missing_scope" => {
            "`atoll key ls` shows what keys may; make another with `atoll key create NAME --scope …`"
        }
        "session_ended" => "log in with `atoll login`",
        "sandbox_not_found" => "`atoll ls` lists your sandboxes",
        "image_not_found" => {
            "`atoll image ls` lists the images; `atoll image pull REFERENCE` fetches one, `atoll image import NAME FILE` takes a file"
        }
        "runtime_unavailable" => {
            "`curl $ATOLL_URL/health` shows the runtimes and what is missing; `native` is always there"
        }
        "gpu_unavailable" => {
            "the operator allows GPUs with the setting dockerGpus; Docker needs the NVIDIA Container Toolkit"
        }
        "image_in_use" => "`atoll ls` shows which sandboxes use it; delete them first",
        "invalid_image" => {
            "a root file system as a tar is needed, as `docker export CONTAINER > FILE` or `mmdebstrap bookworm FILE.tar` make one, \
             or what `docker save IMAGE > FILE` makes"
        }
        "quota_exceeded" => "delete what you no longer need with `atoll rm`, or ask the operator for more",
        "disk_full" => "free disk space on the server, by deleting sandboxes or images, then try again",
        "unavailable" => "wait a moment and try again",
        "sandbox_not_running" => {
            return Some(format!("`atoll get {sandbox}` says why; start it with `atoll start {sandbox}`"));
        }
        "file_not_found" => {
            return Some(format!("`atoll exec {sandbox} -- ls -la` shows what is in its user's home"));
        }
        "file_permission_denied" => "`--user root` does it with the rights of the sandbox's root",
        "sandbox_paused" => return Some(format!("`atoll resume {sandbox}` lets it go on")),
        "agent_unreachable" => {
            return Some(format!("try again, or restart it with `atoll restart {sandbox}`"));
        }
        _ => return None,
    };
    Some(text.to_owned())
}

/// Whether nobody reads our standard output any more.
pub(crate) fn is_broken_pipe(error: &anyhow::Error) -> bool {
    let broken = |cause: &(dyn Error + 'static)| {
        cause.downcast_ref::<io::Error>().is_some_and(|e| e.kind() == io::ErrorKind::BrokenPipe)
    };
    // Sockets break too: only what is not the client's counts.
    error.chain().all(|cause| !cause.is::<ClientError>()) && error.chain().any(broken)
}

#[cfg(test)]
mod tests {
    use atoll_api_types::FieldError;
    use atoll_client::ApiError;

    use super::*;

    fn api(code: &str, status: u16) -> anyhow::Error {
        let fields = vec![FieldError { field: "cpu".into(), message: "cpu must be\x1b[2J less".into() }];
        let (code, message) = (code.to_owned(), "something is wrong".to_owned());
        ClientError::Api(Box::new(ApiError {
            status,
            code,
            message,
            fields,
            trace_id: "t1".into(),
            retry_after_seconds: None,
        }))
        .into()
    }

    #[test]
    fn an_error_says_what_happened_and_what_to_do() {
        let text = Report::new(&api("sandbox_not_running", 409), Some("abc")).to_text();
        assert_eq!(
            text,
            "something is wrong\n  cpu: cpu must be\\u{1b}[2J less\nhint: `atoll get abc` says why; start it with `atoll start abc`\n"
        );
    }

    #[test]
    fn a_paused_sandbox_can_be_resumed() {
        let text = Report::new(&api("sandbox_paused", 409), Some("abc")).to_text();
        assert!(text.ends_with("hint: `atoll resume abc` lets it go on\n"), "{text}");
    }

    #[test]
    fn a_defect_tells_its_trace_id() {
        assert!(Report::new(&api("internal", 500), None).to_text().contains("trace id: t1\n"));
    }

    #[test]
    fn programs_get_the_shape_of_the_api() {
        let value = Report::new(&api("quota_exceeded", 429).context("creating"), None).to_json();
        assert_eq!(value["success"], false);
        assert_eq!(value["error"]["code"], "quota_exceeded");
        assert_eq!(value["error"]["message"], "creating: something is wrong");
        assert_eq!(value["error"]["details"][0]["field"], "cpu");
        assert!(value["error"]["hint"].is_string());
    }

    #[test]
    fn only_our_own_pipe_breaks_quietly() {
        let pipe = || io::Error::from(io::ErrorKind::BrokenPipe);
        assert!(is_broken_pipe(&pipe().into()));
        let socket = ClientError::Interrupted { url: "u".into(), source: pipe().into() };
        assert!(!is_broken_pipe(&socket.into()));
    }
}
