//! The audit log: who did what.
//!
//! The edge opens a scope for each request that changes something; what happens to its entry is told in
//! [`atoll_ports::AuditScope`]. What Atoll does by itself has a scope of its own here. See `docs/audit.md`.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

use atoll_ports::{AuditCheck, AuditFilter, AuditRecord, AuditScope, Page, Role, SandboxRecord};
use atoll_types::{
    AuditActor, AuditEntry, AuditId, AuditOutcome, Command, ErrorCode, ExecId, TerminalName, Timestamp,
    UserId,
};

use crate::secret::UsedSecrets;
use crate::{Caller, Engine, EngineError};

/// Characters of a command that are noted: enough to see what was meant; the whole is in the exec's record for a day.
const COMMAND_CHARS_MAX: usize = 1_024;
/// Entries that one transaction removes: bounds how long other writes wait, about 10 ms.
const TRIM_AT_ONCE: u32 = 1_000;
/// Entries that one pass removes at most, so that the other passes have their turn.
const TRIM_PASS_MAX: u64 = 200_000;

/// What a request is about, as the edge knows it.
#[derive(Debug, Clone, Default)]
pub struct AuditRequest {
    /// As `sandbox.create`.
    pub action: String,
    /// Id or name of the thing, where the request names it.
    pub target: Option<String>,
    /// More that the request names.
    pub detail: BTreeMap<String, String>,
    /// Trace id.
    pub trace_id: String,
    /// Where it came from.
    pub address: Option<IpAddr>,
}

impl Engine {
    /// The scope of a request; of nobody, where it is not known yet who asks.
    #[must_use]
    pub fn audit_scope(&self, caller: Option<&Caller>, request: AuditRequest) -> AuditScope {
        let actor = if caller.is_some() { AuditActor::User } else { AuditActor::Nobody };
        let template = self.audit_entry(actor, caller.map(|caller| caller.user.clone()), request.action);
        AuditScope::new(AuditEntry {
            target: request.target,
            detail: request.detail,
            trace_id: Some(request.trace_id),
            address: request.address,
            ..template
        })
    }

    fn audit_entry(&self, actor: AuditActor, user: Option<UserId>, action: String) -> AuditEntry {
        AuditEntry {
            id: AuditId::random(),
            node: self.inner.settings.node.clone(),
            at: self.inner.ports.clock.now(),
            actor,
            user,
            action,
            target: None,
            outcome: AuditOutcome::Accepted,
            code: None,
            trace_id: None,
            address: None,
            detail: BTreeMap::new(),
        }
    }

    /// Writes down what no write took along, once it is known how a request went. Nothing is answered before.
    pub async fn audit_end(&self, scope: &AuditScope, outcome: AuditOutcome, code: Option<ErrorCode>) {
        let left = scope.end(outcome, code);
        if outcome == AuditOutcome::Done {
            scope.told().iter().for_each(|entry| self.event_of_audit(entry));
        }
        if let Err(error) = self.audit_add(left).await {
            tracing::error!("the audit log cannot be written: {error}");
        }
    }

    async fn audit_add(&self, entries: Vec<AuditEntry>) -> Result<(), EngineError> {
        if entries.is_empty() {
            return Ok(());
        }
        Ok(self.inner.ports.store.audit_add(entries).await?)
    }

    /// Notes a command before anybody waits for its end. It is on no disk's account that an exec is slow: a line in a journal.
    pub(crate) async fn audit_exec(&self, exec: &ExecId, command: &Command) -> Result<(), EngineError> {
        AuditScope::detail("exec", exec.as_str());
        AuditScope::detail("command", shown(command));
        self.audit_now().await
    }

    /// Notes that somebody sits at a terminal.
    pub(crate) async fn audit_terminal(&self, name: &TerminalName) -> Result<(), EngineError> {
        AuditScope::detail("terminal", name.to_string());
        self.audit_now().await
    }

    async fn audit_now(&self) -> Result<(), EngineError> {
        let Some(scope) = AuditScope::current() else { return Ok(()) };
        let entries = scope.take();
        if let Err(error) = self.audit_add(entries.clone()).await {
            scope.give_back(entries);
            return Err(error);
        }
        Ok(())
    }

    /// Notes that a process is given secrets, by their names: for whoever asked for it, or as Atoll's own act for their owner.
    pub(crate) async fn audit_secrets(
        &self,
        scope: Option<&AuditScope>,
        sandbox: &SandboxRecord,
        used: &UsedSecrets,
        process: (&str, &str),
    ) -> Result<(), EngineError> {
        if used.names.is_empty() {
            return Ok(());
        }
        let (action, target) = ("secret.use", used.environment.to_string());
        let detail = BTreeMap::from([
            ("sandbox".to_owned(), sandbox.id.to_string()),
            ("secrets".to_owned(), cut(used.names.join(" ").chars())),
            (process.0.to_owned(), process.1.to_owned()),
        ]);
        let entry = match scope {
            Some(scope) => scope.beside(action, target, detail),
            None => AuditEntry {
                target: Some(target),
                outcome: AuditOutcome::Done,
                detail,
                ..self.audit_entry(AuditActor::System, Some(sandbox.owner.clone()), action.to_owned())
            },
        };
        self.audit_add(vec![entry]).await
    }

    /// Does something that nobody asked for just now, and notes it for the owner of the sandbox.
    pub(crate) async fn audited_act<T>(
        &self,
        record: &SandboxRecord,
        action: &str,
        reason: &str,
        act: impl Future<Output = Result<T, EngineError>>,
    ) -> Result<T, EngineError> {
        let entry = self.audit_entry(AuditActor::System, Some(record.owner.clone()), action.to_owned());
        let scope = AuditScope::new(AuditEntry {
            target: Some(record.id.to_string()),
            detail: [("reason".to_owned(), reason.to_owned())].into(),
            ..entry
        });
        let done = scope.run(act).await;
        match &done {
            Ok(_) => self.audit_end(&scope, AuditOutcome::Done, None).await,
            Err(error) => self.audit_end(&scope, AuditOutcome::Failed, Some(error.code)).await,
        }
        done
    }

    /// Entries, newest first: of an admin all that he asks for, of others their own.
    ///
    /// # Errors
    /// A malformed cursor; `forbidden` for another's.
    pub async fn audit_list(
        &self,
        caller: &Caller,
        mut filter: AuditFilter,
        cursor: Option<&str>,
        limit: u32,
    ) -> Result<Page<AuditRecord>, EngineError> {
        if caller.role != Role::Admin {
            if filter.user.as_ref().is_some_and(|user| *user != caller.user) {
                let text = "only an admin sees what others did: leave 'user' out";
                return Err(EngineError::new(ErrorCode::Forbidden, text));
            }
            filter.user = Some(caller.user.clone());
        }
        Ok(self.inner.ports.store.audit_list(&filter, cursor, limit).await?)
    }

    /// Walks along the chain of this node, and compares an entry with what somebody kept of it elsewhere.
    ///
    /// # Errors
    /// `forbidden` for who is no admin.
    pub async fn audit_verify(
        &self,
        caller: &Caller,
        kept: Option<(u64, String)>,
    ) -> Result<AuditCheck, EngineError> {
        if caller.role != Role::Admin {
            return Err(EngineError::new(ErrorCode::Forbidden, "only an admin may check the audit log"));
        }
        let (store, node) = (&self.inner.ports.store, &self.inner.settings.node);
        let mut check = store.audit_verify(node).await?;
        if let Some((seq, hash)) = kept
            && check.broken.is_none()
        {
            match store.audit_hash(node, seq).await? {
                Some(held) if held == hash => {}
                Some(_) => check.broken = Some((seq, "its hash is not the one that was kept")),
                None => check.broken = Some((seq, "it is not there any more, or never was")),
            }
        }
        Ok(check)
    }

    /// Removes what is older than the operator wants to keep, or more.
    pub(crate) async fn trim_audit(&self) -> Result<(), EngineError> {
        let settings = &self.inner.settings;
        let now = self.inner.ports.clock.now().as_unix_ms();
        let age = i64::try_from(settings.audit_retention.as_millis()).unwrap_or(i64::MAX);
        let before = Timestamp::from_unix_ms(now.saturating_sub(age));
        let mut removed = 0;
        while removed < TRIM_PASS_MAX {
            let store = &self.inner.ports.store;
            let some = store.audit_trim(&settings.node, before, settings.audit_entries_max, TRIM_AT_ONCE);
            match some.await? {
                0 => break,
                some => removed += some,
            }
        }
        Ok(())
    }

    /// Time between two passes that remove old entries.
    pub(crate) const AUDIT_TRIM_INTERVAL: Duration = Duration::from_secs(600);
}

/// A command as it is noted.
fn shown(command: &Command) -> String {
    match command {
        Command::Shell(line) => cut(line.chars()),
        Command::Argv(argv) => {
            let words = argv.iter().enumerate();
            cut(words.flat_map(|(n, word)| (n > 0).then_some(' ').into_iter().chain(word.chars())))
        }
    }
}

/// As much of a text as is noted.
fn cut(text: impl Iterator<Item = char>) -> String {
    let text: String = text.take(COMMAND_CHARS_MAX + 1).collect();
    match text.char_indices().nth(COMMAND_CHARS_MAX) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_commands_are_cut() {
        let argv = |words: &[&str]| Command::argv(words.iter().map(ToString::to_string).collect()).unwrap();
        assert_eq!(shown(&argv(&["echo", "a b"])), "echo a b");
        let long = shown(&argv(&["echo", &"é".repeat(5_000)]));
        assert!(long.chars().count() == COMMAND_CHARS_MAX + 1 && long.ends_with('…'), "{long}");
        assert_eq!(shown(&Command::shell("x".repeat(COMMAND_CHARS_MAX)).unwrap()).len(), COMMAND_CHARS_MAX);
    }
}
