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
    /// Offset of the byte that comes next, of `stdin_offset`.
    pub expected_offset: Option<u64>,
    /// Size of the file in bytes, of `range_not_satisfiable`.
    pub size_bytes: Option<u64>,
    /// When to try again, of `login_locked`. Small, so that results stay small.
    pub retry_after_seconds: Option<u16>,
    /// For the log.
    #[source]
    pub source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

impl EngineError {
    /// An error with a code and a sentence.
    pub fn new(code: ErrorCode, message: impl Into<String>) -> Self {
        Self {
            code,
            message: message.into(),
            fields: Vec::new(),
            first_seq: None,
            expected_offset: None,
            size_bytes: None,
            retry_after_seconds: None,
            source: None,
        }
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

impl From<atoll_ports::StoreError> for EngineError {
    fn from(error: atoll_ports::StoreError) -> Self {
        use atoll_ports::StoreError;
        match &error {
            StoreError::NoUidSlot => Self::new(ErrorCode::QuotaExceeded, error.to_string()),
            StoreError::BadCursor => Self::field("cursor", "must be the nextCursor of an earlier page"),
            // Looked for a moment ago, and deleted meanwhile.
            StoreError::Absent { what: "environment" } => crate::environment::not_found(),
            StoreError::Conflict { .. } | StoreError::Absent { .. } => {
                Self::new(ErrorCode::Internal, "the records do not agree").because(error)
            }
            StoreError::Full => Self::new(ErrorCode::DiskFull, error.to_string()),
            StoreError::Database { .. } => {
                Self::new(ErrorCode::Unavailable, "the database does not answer: try again").because(error)
            }
        }
    }
}

impl From<atoll_ports::SealError> for EngineError {
    fn from(error: atoll_ports::SealError) -> Self {
        use atoll_ports::SealError;
        match &error {
            SealError::UnknownKey { .. } => Self::new(ErrorCode::SecretUnreadable, error.to_string()),
            SealError::Broken => Self::new(ErrorCode::Internal, "a sealed record is broken").because(error),
            SealError::Keep(_) => {
                Self::new(ErrorCode::Unavailable, "the master keys could not be kept: try again")
                    .because(error)
            }
        }
    }
}

impl From<atoll_ports::RuntimeError> for EngineError {
    fn from(error: atoll_ports::RuntimeError) -> Self {
        use atoll_ports::RuntimeError;
        let code = match &error {
            RuntimeError::DiskFull => ErrorCode::DiskFull,
            RuntimeError::ImageMissing => ErrorCode::ImageNotFound,
            RuntimeError::NoGpus(_) => ErrorCode::GpuUnavailable,
            RuntimeError::Unavailable(_) => ErrorCode::Unavailable,
            RuntimeError::Refused(_) | RuntimeError::Failed(_) => ErrorCode::RuntimeFailed,
        };
        Self::new(code, error.to_string())
    }
}

impl From<atoll_ports::AgentError> for EngineError {
    fn from(error: atoll_ports::AgentError) -> Self {
        use atoll_ports::AgentError;
        let code = match &error {
            AgentError::NotFound => ErrorCode::ExecNotRunning,
            AgentError::StdinClosed => ErrorCode::StdinClosed,
            AgentError::StdinOffset { .. } => ErrorCode::StdinOffset,
            AgentError::TooMany => ErrorCode::TooManyExecs,
            AgentError::Refused(_) => ErrorCode::RuntimeFailed,
            AgentError::Unreachable(_) | AgentError::Protocol(_) | AgentError::EventsGone { .. } => {
                ErrorCode::AgentUnreachable
            }
        };
        let expected_offset = match &error {
            AgentError::StdinOffset { expected } => Some(*expected),
            _ => None,
        };
        Self { expected_offset, ..Self::new(code, error.to_string()) }
    }
}

impl From<atoll_ports::FilesError> for EngineError {
    fn from(error: atoll_ports::FilesError) -> Self {
        use atoll_ports::{FileProblem, FilesError};
        let code = match &error {
            FilesError::File(problem, _) => match problem {
                FileProblem::NotFound => ErrorCode::FileNotFound,
                FileProblem::Exists => ErrorCode::FileExists,
                FileProblem::IsDirectory => ErrorCode::IsDirectory,
                FileProblem::NotDirectory => ErrorCode::NotDirectory,
                FileProblem::NotRegular => ErrorCode::NotRegularFile,
                FileProblem::NotEmpty => ErrorCode::DirectoryNotEmpty,
                FileProblem::Permission => ErrorCode::FilePermissionDenied,
                FileProblem::BadPath => ErrorCode::InvalidPath,
                FileProblem::NoSpace => ErrorCode::SandboxDiskFull,
                FileProblem::ReadOnly => ErrorCode::ReadOnlyFileSystem,
                FileProblem::Busy => ErrorCode::FileBusy,
                FileProblem::TooLarge => ErrorCode::FileTooLarge,
                FileProblem::BadArchive => ErrorCode::InvalidArchive,
                FileProblem::CrossDevice => ErrorCode::CrossDevice,
                FileProblem::Failed => ErrorCode::FileOperationFailed,
            },
            FilesError::Range { .. } => ErrorCode::RangeNotSatisfiable,
            FilesError::NoUser(_) => ErrorCode::UserNotFound,
            FilesError::TooMany => ErrorCode::TooManyFileOperations,
            FilesError::Content(_) => ErrorCode::InvalidRequest,
            FilesError::Interrupted | FilesError::TimedOut => ErrorCode::FileOperationFailed,
            FilesError::Unsupported => ErrorCode::RuntimeFailed,
            FilesError::Unreachable(_) | FilesError::Protocol(_) => ErrorCode::AgentUnreachable,
        };
        let size_bytes = match &error {
            FilesError::Range { size_bytes } => Some(*size_bytes),
            _ => None,
        };
        Self { size_bytes, ..Self::new(code, error.to_string()) }
    }
}

impl From<atoll_ports::ExecLogError> for EngineError {
    fn from(error: atoll_ports::ExecLogError) -> Self {
        Self::new(ErrorCode::Internal, "the output of an exec could not be read").because(error)
    }
}

impl From<atoll_tasks::ShuttingDown> for EngineError {
    fn from(_: atoll_tasks::ShuttingDown) -> Self {
        Self::new(ErrorCode::Unavailable, "Atoll is stopping: try again in a moment")
    }
}

impl From<atoll_tasks::DetachedError> for EngineError {
    fn from(error: atoll_tasks::DetachedError) -> Self {
        match error {
            atoll_tasks::DetachedError::Panicked => {
                Self::new(ErrorCode::Internal, "a defect of Atoll").because(error)
            }
            _ => Self::new(ErrorCode::Unavailable, "Atoll is stopping: try again in a moment"),
        }
    }
}
