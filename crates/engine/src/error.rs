//! The one error of every use-case.

use atoll_types::ErrorCode;

/// A field that is wrong, and what would be right.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FieldProblem {
    /// Path of the field in the request.
    pub field: String,
    /// What would be right.
    pub message: String,
}

/// Why a use-case failed: a stable code, and a sentence that says what would be right. The text is for the caller;
/// what only an operator may see is in `source`, and goes to the log alone.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub struct EngineError {
    /// Stable code; decides the HTTP status.
    pub code: ErrorCode,
    /// For the caller.
    pub message: String,
    /// Fields that are wrong, of `invalid_request`.
    pub fields: Vec<FieldProblem>,
    /// First event that is still held, of `events_expired`.
    pub first_seq: Option<u64>,
    /// For the log.
    #[source]
    pub source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

impl EngineError {
    /// An error with a code and a sentence.
    pub fn new(code: ErrorCode, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), fields: Vec::new(), first_seq: None, source: None }
    }

    /// One wrong field.
    pub fn field(field: impl Into<String>, message: impl Into<String>) -> Self {
        let problem = FieldProblem { field: field.into(), message: message.into() };
        let message = format!("{}: {}", problem.field, problem.message);
        Self { fields: vec![problem], ..Self::new(ErrorCode::InvalidRequest, message) }
    }

    /// With its cause, for the log.
    #[must_use]
    pub fn because(mut self, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        self.source = Some(source.into());
        self
    }
}
