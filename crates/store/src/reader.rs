//! Reading the records from outside serve, whether it runs or not.

use std::path::Path;

use atoll_ports::{ImageRecord, Page, PreparedRecord, SandboxFilter, SandboxRecord, StoreError};
use sea_orm::DatabaseConnection;
use sea_orm::sqlx::ConnectOptions;
use sea_orm::sqlx::sqlite::SqliteConnectOptions;

use crate::open::{BUSY_TIMEOUT, OpenError, failed, open_pool};
use crate::query::{images, prepared, sandboxes, secrets};

/// Secrets that one master key has sealed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SealedBy {
    /// Id of the key, in hexadecimal digits.
    pub key: String,
    /// How many secrets.
    pub secrets: u64,
    /// Of how many environments.
    pub environments: u64,
}

/// Records of one page: a few pages for every sandbox that a machine holds.
const PAGE_RECORDS: u32 = 500;

/// Reads a database and changes nothing in it, not even tables of an older release. The program should have the uid of
/// the file's owner: where no serve runs, SQLite makes its shared memory beside the file.
#[derive(Debug)]
pub struct Reader(DatabaseConnection);

impl Reader {
    /// Opens the database at `path`.
    ///
    /// # Errors
    /// When there is none or it cannot be read.
    pub async fn open(path: &Path) -> Result<Self, OpenError> {
        let options = SqliteConnectOptions::new()
            .filename(path)
            .read_only(true)
            .create_if_missing(false)
            .busy_timeout(BUSY_TIMEOUT)
            .disable_statement_logging();
        open_pool(options, 1).await.map(Self).map_err(failed("open"))
    }

    /// Every sandbox.
    ///
    /// # Errors
    /// When the database fails, or its tables are of another release.
    pub async fn sandboxes(&self) -> Result<Vec<SandboxRecord>, StoreError> {
        let filter = SandboxFilter::default();
        let mut all = Vec::new();
        let mut cursor = None;
        loop {
            let page = sandboxes::list(&self.0, &filter, cursor.as_deref(), PAGE_RECORDS).await?;
            cursor = append(&mut all, page);
            if cursor.is_none() {
                return Ok(all);
            }
        }
    }

    /// Every sandbox that is made ahead; none where the tables are of a release that made none.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn prepared(&self) -> Result<Vec<PreparedRecord>, StoreError> {
        if prepared::is_there(&self.0).await? { prepared::list(&self.0).await } else { Ok(Vec::new()) }
    }

    /// How many secrets, of how many environments, each master key has sealed; by the key's id in hexadecimal digits.
    ///
    /// # Errors
    /// When the database fails, or its tables are of another release.
    pub async fn sealed_by(&self) -> Result<Vec<SealedBy>, StoreError> {
        secrets::sealed_by(&self.0).await
    }

    /// Every image.
    ///
    /// # Errors
    /// When the database fails, or its tables are of another release.
    pub async fn images(&self) -> Result<Vec<ImageRecord>, StoreError> {
        let mut all = Vec::new();
        let mut cursor = None;
        loop {
            let page = images::list(&self.0, cursor.as_deref(), PAGE_RECORDS).await?;
            cursor = append(&mut all, page);
            if cursor.is_none() {
                return Ok(all);
            }
        }
    }
}

fn append<T>(all: &mut Vec<T>, page: Page<T>) -> Option<String> {
    all.extend(page.items);
    page.next_cursor
}
