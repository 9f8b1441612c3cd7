//! From bytes of the network to typed requests. Whatever is wrong is a failure that names the field.

mod json;
mod path;
mod problem;
mod query;
mod query_values;

pub(crate) use json::{Json, content_length, discard, discard_within, read_body};
pub(crate) use path::{
    ApiKeyPath, ClassLinkPath, EnvironmentPath, EnvironmentVersionPath, ExecPath, ImagePath, ImagePushPath,
    InvitationPath, JobPath, Path, PublicSessionPath, SandboxPath, SecretPath, SessionPath, TerminalPath,
    UserPath,
};
pub(crate) use problem::Problems;
pub(crate) use query::{PageQuery, Query, page_bounds};
