//! What an image is built of: a Dockerfile, and the files around it.
//!
//! ```text
//!  text ─► lines ─► dockerfile ──► which images it needs
//!                      └─────────► render: the same steps for Docker, on images and under labels that we choose
//!  tar  ─► archive: the same files under plain names, with our Dockerfile as the last
//! ```
//! Whoever builds an image writes both, and Docker, which is as good as root, reads them. So Docker gets neither as it came: each
//! instruction is known here, stands on one line, and names no image, no address and no label of a stranger's choice; each file lies
//! within the context. What is not understood is refused. The command line makes contexts here too, without what `.dockerignore`
//! says.

mod archive;
mod dockerfile;
mod ignore;
mod lines;
mod origin;
mod render;
mod variables;

pub use archive::{Context, ContextError, DOCKERFILE_SENT};
pub use dockerfile::{Asked, Dockerfile, host_platform};
pub use ignore::Ignored;
pub use lines::Problem;
pub use render::Rendered;
