//! Who may build images.

use std::str::FromStr;

/// Who may build images from Dockerfiles: their commands run in a container of Docker's, which is a weaker wall than a sandbox's.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum ImageBuilds {
    /// Nobody.
    Off,
    /// Admins.
    #[default]
    Admin,
    /// Whoever may import images.
    All,
}

impl FromStr for ImageBuilds {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        match text {
            "off" => Ok(Self::Off),
            "admin" => Ok(Self::Admin),
            "all" => Ok(Self::All),
            _ => Err(()),
        }
    }
}
