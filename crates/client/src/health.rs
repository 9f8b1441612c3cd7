//! Health.

use atoll_api_types::Health;

use crate::{Client, ClientError};

impl Client {
    /// `GET /health`. Needs no token.
    ///
    /// # Errors
    /// When the server cannot be asked.
    pub async fn health(&self) -> Result<Health, ClientError> {
        self.get(self.url(&["health"])).await
    }
}
